"""Conditions on columns that only an INSERT gives: no row, and a warning."""

from __future__ import annotations

import apsw
import pytest

WARNING = "{} is NULL in every row, so that a condition on it returns no row: an INSERT gives it, and the API does not return it{}"


@pytest.mark.parametrize(
    ("sql", "column", "instead"),
    [
        ("d JOIN files ON files.path = d.path", "files.path", "; compare filename, which is the last part of the path"),
        ("d JOIN files USING (path)", "files.path", "; compare filename, which is the last part of the path"),
        ("files WHERE path LIKE '%.md'", "files.path", "; compare filename, which is the last part of the path"),
        ("vector_stores WHERE file_ids = '[]'", "vector_stores.file_ids", ""),
        ("handbook WHERE path = 'a.md'", "handbook.path", "; compare key"),
        ("files WHERE path IS NULL AND false", "", ""),
        ("led WHERE file_ids = '[]'", "", ""),
    ],
)
def test_written_column_in_a_condition_is_warned_of(
    db: apsw.Connection, caplog: pytest.LogCaptureFixture, sql: str, column: str, instead: str
) -> None:
    """Once; a ledger has what was sent."""
    db.execute("CREATE TABLE d (path); CREATE VIRTUAL TABLE led USING vector_store_file_batches")
    db.execute("CREATE VIRTUAL TABLE handbook USING vector_store_documents(vector_store_id = 'vs_demo')")
    for end in ("", " -- again"):
        assert db.execute(f"SELECT count(*) FROM {sql}{end}").get == 0
    assert caplog.messages == ([WARNING.format(column, instead)] if column else [])
