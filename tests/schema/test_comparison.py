"""Which values in a response are the values that were sent."""

from __future__ import annotations

from typing import Any

import pytest

from openai_vtab.schema.comparison import same, same_chunking, same_filename
from openai_vtab.tables import TABLES

STATIC = {"type": "static", "static": {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400}}


@pytest.mark.parametrize(
    ("sent", "shown", "created", "replaced"),
    [
        (5, 5.0, True, True),
        (5.5, 5.5, True, True),
        (5, "5", False, False),
        (5, 6, False, False),
        (9007199254740993, 9007199254740992, False, False),
        (True, 1, False, False),
        (0, False, False, False),
        (0, None, False, False),
        (True, "true", False, False),
        (None, {}, True, True),
        (None, "", True, True),
        ({}, None, True, True),
        ({}, {"added": 1}, True, False),
        (None, "old", False, False),
        ("a", "a", True, True),
        ("a", "A", False, False),
        ("a", None, False, False),
        ({"a": 1, "b": "x"}, {"b": "x", "a": 1.0}, True, True),
        ({"a": 1}, {"a": 1, "added": 2}, True, False),
        ({"a": 1}, {"a": 1, "added": None}, True, True),
        ({"a": 1}, {}, False, False),
        ({"a": ""}, {}, True, True),
        ({"a": 1}, "text", False, False),
        (["a"], ["a"], True, True),
        (["a"], ["a", "b"], False, False),
    ],
)
def test_comparison_of_values(sent: Any, shown: Any, created: bool, replaced: bool) -> None:
    """For a create, and for an UPDATE that replaces the whole value."""
    assert (same(sent, shown, False), same(sent, shown, True)) == (created, replaced)


@pytest.mark.parametrize("name", ["docs/a.md", "docs\\a.md", "a.md"])
def test_comparison_of_filenames(name: str) -> None:
    """Servers cut the folders off."""
    assert same_filename(name, "a.md", False)
    assert not same_filename(name, "b.md", False)
    assert not same_filename(name, None, False)


def test_comparison_of_chunking_strategies() -> None:
    """Only "auto" leaves the choice to the server."""
    assert same_chunking({"type": "auto"}, STATIC, False)
    assert same_chunking(STATIC, STATIC, False)
    assert not same_chunking(STATIC, {"type": "other"}, False)


def test_comparison_is_described_for_columns_that_differ() -> None:
    """Each chunking strategy and filename that is sent, whatever the table."""
    special = {"chunking_strategy": same_chunking, "filename": same_filename}
    for table in TABLES:
        for column in table.columns:
            if column.check is not None:
                assert column.same is special.get(column.source, same), f"{table.name}.{column.name}"
