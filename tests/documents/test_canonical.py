"""JSON of documents in one form."""

from __future__ import annotations

import pytest

from openai_vtab.documents import canonical
from openai_vtab.schema.values import InvalidValue, Limits, SQLiteValue

LIMITS = Limits()
MANY = "{" + ", ".join(f'"k{n}": {"1" if n < 16 else "null"}' for n in range(40)) + "}"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (None, "{}"),
        ("null", "{}"),
        ("{}", "{}"),
        ('{"b": 1, "a": "x"}', '{"a":"x","b":1}'),
        ('{"a": null, "b": null}', "{}"),
        ('{"a": 1.0, "b": 1e3, "c": -0.0, "d": 1.5}', '{"a":1,"b":1000,"c":0,"d":1.5}'),
        ('{"a": 1e300}', '{"a":1e+300}'),
        ('{"a": true, "b": false}', '{"a":true,"b":false}'),
        ('{"ä": "ö\\u00fc"}', '{"ä":"öü"}'),
        (MANY, "{" + ",".join(f'"k{n}":1' for n in sorted(range(16), key=str)) + "}"),
    ],
)
def test_attributes_are_canonical(given: SQLiteValue, text: str) -> None:
    """Equal attributes are equal texts; members that are null are left out, before they are counted."""
    assert canonical.attributes(given, LIMITS) == text
    assert canonical.attributes(text, LIMITS) == text


@pytest.mark.parametrize("given", ["[]", "1", '{"a": [1]}', '{"a": 1e999}', '{"": 1}', "{", b"{}", 1])
def test_attributes_that_the_api_would_refuse(given: SQLiteValue) -> None:
    """They are checked as those of the other tables."""
    with pytest.raises(InvalidValue):
        canonical.attributes(given, LIMITS)


def test_chunking_that_is_the_default_is_none() -> None:
    """So that writing the default is no change."""
    assert canonical.chunking('{"type": "auto"}', LIMITS) is None
    static = '{"type": "static", "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 50}}'
    assert canonical.chunking(static, LIMITS) == (
        '{"static":{"chunk_overlap_tokens":50,"max_chunk_size_tokens":200},"type":"static"}'
    )
