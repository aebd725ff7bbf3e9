"""What is said of the tables: in SQL, in the pages of docs/, in the README."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import apsw
import pytest

from openai_vtab.connection import DESCRIBED
from openai_vtab.documents.description import described as described_documents
from openai_vtab.schema import docs
from openai_vtab.tables import TABLES

ROOT = Path(__file__).parents[2]


def test_openai_tables_has_every_method(db: apsw.Connection, requests: Any) -> None:
    """With the columns that it needs, those that it takes, and an example."""
    sql = "SELECT verb, method, path, required, optional FROM openai_tables WHERE table_name = 'vector_store_files'"
    path = "/vector_stores/{vector_store_id}/files"
    both = "vector_store_id, file_id"
    assert db.execute(sql).fetchall() == [
        ("SELECT", "GET", f"{path}/{{file_id}}", both, "wait_seconds"),
        ("SELECT", "GET", path, "vector_store_id", "status, wait_seconds"),
        ("INSERT", "POST", path, both, "attributes, chunking_strategy"),
        ("UPDATE", "POST", f"{path}/{{file_id}}", both, "attributes"),
        ("DELETE", "DELETE", f"{path}/{{file_id}}", both, ""),
    ]
    count = "SELECT count(*) FROM openai_tables"
    assert db.execute(f"{count} WHERE table_name = 'vector_store_documents'").get == len(
        described_documents().operations
    )
    assert db.execute(count).get == sum(len(table.operations) for table in DESCRIBED)
    assert sum(len(table.methods) for table in TABLES) == sum(len(table.operations) for table in DESCRIBED[1:])
    assert db.execute("SELECT count(*) FROM openai_tables WHERE example = '' OR doc = ''").get == 0
    cancel = "SELECT required FROM openai_tables WHERE verb = 'UPDATE' AND path LIKE '%/cancel'"
    assert db.execute(cancel).get == "vector_store_id, batch_id, status = 'cancelled'"
    assert requests() == []


def test_openai_columns_has_every_column(db: apsw.Connection) -> None:
    """In the order of the table; other names of a column say which one it is."""
    sql = "SELECT name, type, hidden, same_as FROM openai_columns WHERE table_name = ? ORDER BY rowid"
    db.execute("CREATE VIRTUAL TABLE handbook USING vector_store_documents(name = 'Handbook')")
    for table in DESCRIBED:
        pragma = "SELECT name, type, hidden FROM pragma_table_xinfo(?)"
        name = "handbook" if table.name == "vector_store_documents" else table.name
        assert [row[:3] for row in db.execute(sql, (table.name,))] == db.execute(pragma, (name,)).fetchall()
    assert db.execute("SELECT same_as FROM openai_columns WHERE name = 'file_id' AND table_name = 'files'").get == "id"
    assert db.execute("SELECT count(*) FROM openai_columns WHERE doc NOT LIKE '%.'").get == 0


def test_openai_tables_can_be_joined_and_filtered(db: apsw.Connection) -> None:
    """Twice in one statement."""
    sql = """
        SELECT count(*) FROM openai_tables AS t JOIN openai_columns AS c USING (table_name)
        WHERE verb = 'DELETE' AND ', ' || required || ',' LIKE '%, ' || name || ',%'
    """
    assert db.execute(sql).get == 4
    with pytest.raises(apsw.Error):
        db.execute("INSERT INTO openai_tables (table_name) VALUES ('x')")


def test_docs_are_what_the_descriptions_say() -> None:
    """python docs/write.py writes it."""
    written = runpy.run_path(str(ROOT / "docs" / "write.py"))["written"]()
    for path, text in written.items():
        assert path.read_text(encoding="utf-8") == text, path
    assert {path.stem for path in (ROOT / "docs" / "reference" / "tables").glob("*.md")} == {
        "index",
        *(table.name for table in DESCRIBED),
    }


@pytest.mark.parametrize("table", DESCRIBED, ids=lambda table: table.name)
def test_docs_for_a_terminal(table: Any) -> None:
    """Every verb, column and example."""
    text = docs.text(table)
    for column in table.columns:
        assert f" {column.name} " in text
    for operation in table.operations:
        assert f"{operation.verb}  {operation.method} {operation.path}" in text
    for example in table.examples:
        assert example in text


def test_times_are_explained_on_each_page_that_has_them() -> None:
    """And by .describe: what a comparison with a text means, and what to write."""
    with_times = {table.name for table in DESCRIBED if docs.times(table)}
    assert with_times == {table.name for table in DESCRIBED if "created_at" in [c.name for c in table.columns]}
    for table in DESCRIBED:
        for text, sample in (
            (docs.page(table), "`created_at >= unixepoch('2026-01-31')`"),
            (docs.text(table), "unixepoch('2026-01-31')"),
        ):
            assert (sample in text) == (table.name in with_times)


def test_times_are_compared_as_documented(db: apsw.Connection) -> None:
    """A time is less than any text, and unixepoch() makes a text a number."""
    assert db.execute("SELECT count(*) FROM files WHERE created_at >= '2001-01-31'").get == 0
    assert db.execute(f"SELECT count(*) FROM files WHERE {docs.compare_times('created_at', '2001-01-31')}").get > 0
