"""JSON texts: what is parsed from them holds no half of a surrogate pair, which SQLite cannot store."""

from __future__ import annotations

import json
from typing import Any

import pytest

from openai_vtab.schema.values import load_json


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (rb'"\ud800"', "?"),
        (rb'"a\uDFFFb"', "a?b"),
        (rb'"\ud83d\ude00"', "\U0001f600"),
        (rb'"\uD83D\uDE00\ud83d"', "\U0001f600?"),
        (rb'"\\ud800"', "\\ud800"),
        (rb'"\\\ud800"', "\\?"),
        (rb'{"\udc00": ["\ud800", 1]}', {"?": ["?", 1]}),
        (b'"\xed\xa0\x80 \xc3\xa9"', "? \xe9"),
        ('"\xe9 \ud800"'.encode("utf-16", "surrogatepass"), "\xe9 ?"),
        ('"é"', "é"),
        (r'"\ud800"', "?"),
    ],
)
def test_json_surrogates_become_question_marks(text: str | bytes, value: Any) -> None:
    """Escaped or raw, in keys and values; pairs and escaped backslashes stay."""
    assert load_json(text) == value
    assert json.dumps(load_json(text), ensure_ascii=False).encode()


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", rb"\ud800", b"[" * 100_000])
def test_json_that_is_malformed_raises(text: bytes) -> None:
    """As json.loads does."""
    with pytest.raises((ValueError, RecursionError)):
        load_json(text)
