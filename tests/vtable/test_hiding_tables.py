"""Ordinary tables with the names of the API's: scripts for other databases run, and mistakes are named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab import dbapi
from openai_vtab.vtable import hiding_tables

SCRIPT = (
    "DROP TABLE IF EXISTS files; CREATE TABLE files (id INTEGER PRIMARY KEY, path TEXT); "
    "INSERT INTO files VALUES (1, 'x'); SELECT path FROM files"
)


@pytest.fixture(params=["apsw", "dbapi"])
def database(request: pytest.FixtureRequest, sandbox: Any) -> Any:
    """A connection of each kind."""
    connect: Any = openai_vtab.connect if request.param == "apsw" else dbapi.connect
    connection = connect(":memory:", base_url=sandbox.base_url, api_key=sandbox.api_key)
    yield connection
    connection.close()


def test_shadow_of_a_script_is_meant(database: Any, requests: Callable[[], list[str]]) -> None:
    """Its table is used until it is dropped, and nothing is sent."""
    getattr(database, "executescript", database.execute)(SCRIPT)
    assert database.execute("SELECT path FROM files").fetchall() == [("x",)]
    database.execute("DROP TABLE IF EXISTS files")
    database.execute("DROP TABLE IF EXISTS files")
    assert requests() == []
    assert database.execute("SELECT count(filename) > 0 FROM files").fetchall() == [(1,)]


def test_shadow_is_named_in_the_next_error(database: Any) -> None:
    """With the name that reaches the API's table."""
    database.execute("CREATE TABLE files (x)")
    for sql in ("SELECT filename FROM files", "SELECT * FROM (SELECT 1 AS file_id) JOIN files USING (file_id)"):
        with pytest.raises(
            Exception, match=r"main\.files hides the API's table files; write openai\.files for the API's"
        ):
            database.execute(sql)
    assert database.execute("SELECT count(filename) > 0 FROM openai.files").fetchall() == [(1,)]
    with pytest.raises(Exception, match=r"^no such column: nonsense$"):
        database.execute("SELECT nonsense")
    with pytest.raises(Exception, match="it is the API's table, which every database has: there is nothing to drop"):
        database.execute("DROP TABLE vector_stores")
    database.execute("CREATE TABLE numbered (id INTEGER PRIMARY KEY AUTOINCREMENT)")
    with pytest.raises(Exception, match=r"^table sqlite_sequence may not be dropped$"):
        database.execute("DROP TABLE sqlite_sequence -- vector_stores")


@pytest.mark.parametrize(
    "columns",
    ["vector_store_id TEXT, file_ids TEXT", '"index" BIGINT, vector_store_id, files', "file_ids, vector_store_id"],
)
def test_shadow_with_the_columns_of_an_insert_is_refused(database: Any, columns: str) -> None:
    """As tools create it that look into sqlite_schema for a table to append to."""
    sql = f'CREATE TABLE "vector_store_file_batches" ({columns})'
    with pytest.raises(
        openai_vtab.ProgrammingError, match=r"write CREATE TABLE main\.vector_store_file_batches if you mean"
    ):
        database.execute(sql)
    database.execute(f"CREATE TABLE main.vector_store_file_batches ({columns})")


@pytest.mark.parametrize("columns", ["(id TEXT, status TEXT)", "(x)", "AS SELECT 1 AS id"])
def test_shadow_of_a_name_without_another_meaning_is_refused(
    database: Any, requests: Callable[[], list[str]], columns: str
) -> None:
    """Whatever its columns: a frame that was read from the API's table, for example, and is to replace it."""
    with pytest.raises(openai_vtab.ProgrammingError, match="CREATE VIRTUAL TABLE vector_stores USING vector_stores"):
        database.execute(f"CREATE TABLE vector_stores {columns}")
    assert database.execute("SELECT count(*) FROM sqlite_master").fetchall() == [(0,)]
    assert requests() == []


@pytest.mark.parametrize("new", ["TEMP TABLE {} (id)", "VIEW {} AS SELECT 1 AS id", "TEMP VIEW {} (id) AS SELECT 1"])
def test_shadow_may_be_temporary_or_a_view(database: Any, caplog: pytest.LogCaptureFixture, new: str) -> None:
    """An INSERT would go to the TEMP table, and not to the API."""
    kind = "VIEW" if "VIEW" in new else "TABLE"
    meant = f"{kind} {'temp' if 'TEMP' in new else 'main'}.{{}}"
    would_hide = f"an ordinary {kind.lower()} of that name would hide it; .* write CREATE {meant} if you mean it"
    with pytest.raises(openai_vtab.ProgrammingError, match=would_hide.format("vector_stores")):
        database.execute(f"CREATE {new.format('vector_stores')}")
    database.execute(f"CREATE {new.format('files')}")
    (warning,) = [record.message for record in caplog.records if record.name == "openai_vtab"]
    assert f"or CREATE {meant.format('files')}, without this warning" in warning
    database.execute(f"CREATE {new.format('IF NOT EXISTS files')}")
    database.execute(f"CREATE {meant.format('vector_stores')} AS SELECT 1 AS id")
    assert len([record for record in caplog.records if record.name == "openai_vtab"]) == 1


@pytest.mark.parametrize(
    ("columns", "warns"),
    [("(id TEXT, filename TEXT)", True), ("AS SELECT 1 AS a", True), ("(id INTEGER PRIMARY KEY, size)", False)],
)
def test_shadow_that_may_be_a_copy_is_warned_of(
    database: Any, caplog: pytest.LogCaptureFixture, columns: str, warns: bool
) -> None:
    """A table `files` of the user's is often meant; its columns tell."""
    database.execute(f"CREATE TABLE files {columns}")
    found = [record.message for record in caplog.records if record.name == "openai_vtab"]
    assert len(found) == warns
    assert all("hides the API's table files; write openai.files for the API's" in message for message in found)
    database.execute("DROP TABLE files")
    database.execute("CREATE TABLE main.files (id)")
    assert len([record for record in caplog.records if record.name == "openai_vtab"]) == warns


def test_table_of_the_api_can_be_put_into_the_file(database: Any, requests: Callable[[], list[str]]) -> None:
    """For tools that look for it in sqlite_master: it is the same table, and DROP TABLE deletes nothing at the API."""
    database.execute("CREATE VIRTUAL TABLE vector_stores USING vector_stores")
    names = "SELECT name FROM sqlite_master"
    assert database.execute(names).fetchall() == [("vector_stores",)]
    assert database.execute("SELECT name FROM vector_stores WHERE id = 'vs_demo'").fetchall() == [("Product handbook",)]
    database.execute("INSERT INTO vector_stores (name) VALUES ('New')")
    getattr(database, "commit", bool)()
    requests()
    database.execute("DROP TABLE vector_stores")
    assert database.execute(names).fetchall() == []
    assert requests() == []
    assert database.execute("SELECT count(*) FROM vector_stores WHERE name = 'New'").fetchall() == [(1,)]


def test_shadow_may_be_a_ledger(database: Any) -> None:
    """A virtual table of the package hides nothing, and can be dropped."""
    database.execute("CREATE VIRTUAL TABLE vector_store_file_batches USING vector_store_file_batches")
    with pytest.raises(Exception, match=r"^no such column: nonsense$"):
        database.execute("SELECT nonsense FROM vector_store_file_batches")
    database.execute("DROP TABLE IF EXISTS vector_store_file_batches")
    assert database.execute("SELECT count(*) FROM sqlite_schema").fetchall() == [(0,)]


def test_script_with_a_drop_returns_the_rows_of_its_last_statement(db: apsw.Connection) -> None:
    """With bindings, or without such a DROP, APSW divides the text."""
    assert db.execute(SCRIPT).fetchall() == [("x",)]
    assert db.execute("SELECT ?; SELECT ?", (1, 2)).fetchall() == [(1,), (2,)]


def test_script_keeps_its_rows_around_drops(db: apsw.Connection) -> None:
    """All rows if it drops none of the API's tables, otherwise those after the last such DROP."""
    rows = "SELECT 1; SELECT 2; DROP TABLE IF EXISTS t"
    assert db.execute(rows).fetchall() == [(1,), (2,)]
    assert db.execute(f"SELECT 0; DROP TABLE IF EXISTS files; {rows}").fetchall() == [(1,), (2,)]
    assert db.execute("-- DROP TABLE IF EXISTS files").fetchall() == []


def test_script_that_names_none_of_the_tables_is_not_divided(
    db: apsw.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dump of megabytes is only searched."""
    monkeypatch.delattr(hiding_tables, "split")
    for script in ("CREATE TABLE t (files); DROP TABLE IF EXISTS t; SELECT 'files'", "CREATE TABLE files_2 (a)"):
        hiding_tables.refuse_mistaken(db, script)
        assert hiding_tables.pieces(script) == [script]


def test_shadow_that_exists_already_is_not_refused(database: Any) -> None:
    """IF NOT EXISTS creates nothing then."""
    sql = "CREATE TABLE IF NOT EXISTS vector_stores (name, metadata)"
    with pytest.raises(openai_vtab.ProgrammingError, match="an ordinary table of that name would hide it"):
        database.execute(sql)
    database.execute("CREATE TABLE main.vector_stores (name, metadata)")
    database.execute(sql)
    with pytest.raises(openai_vtab.ProgrammingError, match="an ordinary table of that name would hide it"):
        database.execute('create /* a */ table -- b\n "Vector_Stores" (name)')


def test_shadow_is_not_named_in_other_errors(database: Any) -> None:
    """Only where a column is missing in a hidden table."""
    database.execute("CREATE TABLE main.files (a)")
    database.execute("CREATE TABLE users (id)")
    for sql, problem in (
        ("SELECT nosuch(1) FROM files", "no such function: nosuch"),
        ("SELECT * FROM files, vector_store", "no such table: vector_store; did you mean vector_stores[?]"),
        ("INSERT INTO users (files) VALUES (1)", "table users has no column named files"),
    ):
        with pytest.raises(Exception, match=f"^{problem}$"):
            database.execute(sql)
    with pytest.raises(Exception, match=r"main\.files hides the API's table files"):
        database.execute("INSERT INTO files (filename) VALUES (1)")
