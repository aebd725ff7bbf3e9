"""StackQL's statements through dbapi and SQLAlchemy: translated when SQLite cannot parse them, and only then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine, text

import openai_vtab
from openai_vtab import dbapi
from openai_vtab.stackql import fill, parse_manifest

from ..stackql import pages

BATCH = "/vector_stores/vs_demo/file_batches/vsfb_demo_running"


@pytest.fixture
def con(sandbox: Any) -> Iterator[dbapi.Connection]:
    """A connection to the sandbox."""
    opened = dbapi.connect(":memory:", base_url=sandbox.base_url, api_key=sandbox.api_key)
    yield opened
    opened.close()


def test_dialect_runs_the_page_as_it_stands(con: dbapi.Connection, requests: Callable[[], list[str]]) -> None:
    """SELECT, INSERT and EXEC, filled from the page's manifest; the INSERT is sent at COMMIT."""
    values = {**parse_manifest(pages.MANIFEST, "m.yaml"), "batch_id": "vsfb_demo_running"}
    cursor = con.execute(fill(pages.SELECT, values))
    assert [column[0] for column in cursor.description or ()][:2] == ["id", "created_at"]
    assert [(row[0], row[4], row[5]) for row in cursor] == [("vsfb_demo_running", "in_progress", "vs_demo")]
    assert requests() == [f"GET {BATCH}"]
    for page in (pages.INSERT, pages.INSERT_REQUIRED):
        assert con.execute(fill(page, values)).rowcount == 1
    assert con.in_transaction
    assert requests() == []
    con.commit()
    assert requests() == ["POST /vector_stores/vs_demo/file_batches"] * 2
    sql = "SELECT total_count, status FROM openai.vector_stores.file_batches WHERE rowid = last_insert_rowid()"
    assert con.execute(sql).fetchone() == (2, "in_progress")
    requests()
    cursor = con.execute(fill(pages.EXEC, values))
    assert (cursor.description or ())[0][0] == "raw"
    assert '"id":"vsfb_demo_running"' in cursor.fetchone()[0]
    assert requests() == [f"POST {BATCH}/cancel"]


def test_dialect_runs_the_newer_pages(con: dbapi.Connection, requests: Callable[[], list[str]]) -> None:
    """Their comments hide commas, and their JSON has placeholders without quotation marks."""
    values = {
        "vector_store_id": "vs_demo",
        "batch_id": "vsfb_demo_running",
        "query": 'refund "policy"',
        "rewrite_query": False,
    }
    values |= {"max_num_results": 1, "filters": {"type": "ne", "key": "lang", "value": "it's"}}
    con.execute(fill(pages.CANCEL, values)).fetchall()
    assert len(con.execute(fill(pages.SEARCH, values)).fetchall()) == 1
    assert requests() == [f"POST {BATCH}/cancel", "POST /vector_stores/vs_demo/search"]


def test_dialect_keeps_the_order_of_parameters(con: dbapi.Connection, requests: Callable[[], list[str]]) -> None:
    """Of EXEC, whose arguments are in another order than the function's."""
    exec_ = "EXEC openai.vector_stores.file_batches.cancel @batch_id={}, @vector_store_id={}"
    for names, given in (
        (("?", "?"), ("vsfb_demo_running", "vs_demo")),
        (("?2", "?1"), ("vs_demo", "vsfb_demo_running")),
        ((":b", "@v"), {"b": "vsfb_demo_running", "v": "vs_demo"}),
    ):
        con.execute(exec_.format(*names), given)
        assert requests() == [f"POST {BATCH}/cancel"]


def test_dialect_translates_executemany(con: dbapi.Connection, requests: Callable[[], list[str]]) -> None:
    """The first row counts, too; EXEC changes no rows."""
    insert = "INSERT INTO openai.vector_stores.files (vector_store_id, data__file_id) VALUES (?, ?)"
    cursor = con.executemany(insert, (("vs_demo", f"file-new-0{n}") for n in (1, 2, 3)))
    assert cursor.rowcount == 3
    con.commit()
    assert requests() == ["POST /vector_stores/vs_demo/files"] * 3
    with pytest.raises(dbapi.ProgrammingError, match="can only execute DML"):
        con.executemany("EXEC openai.files.files.content @file_id=?", [("file-demo-01",)])
    assert requests() == []
    assert con.executemany("SHOW NONSENSE", []).rowcount == -1


def test_dialect_translates_scripts(con: dbapi.Connection, requests: Callable[[], list[str]]) -> None:
    """Statement by statement: what precedes one that is refused has run."""
    con.executescript(
        "CREATE TABLE d (x); SHOW SERVICES IN openai; INSERT INTO d VALUES ('; EXEC');"
        "CREATE TRIGGER r AFTER INSERT ON d BEGIN UPDATE d SET x = 1; SELECT 1; END;"
        "DELETE FROM openai.vector_stores.files WHERE vector_store_id = 'vs_demo' AND file_id = 'file-demo-02';"
        "INSERT INTO d VALUES (2) -- the last"
    )
    assert con.execute("SELECT * FROM d").fetchall() == [(1,), (1,)]
    con.commit()
    assert "DELETE /vector_stores/vs_demo/files/file-demo-02" in requests()
    with pytest.raises(dbapi.ProgrammingError, match="SHOW NONSENSE: there is no such statement; write"):
        con.executescript("CREATE TABLE e (x); SHOW NONSENSE; CREATE TABLE f (x)")
    assert con.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall() == [("d",), ("e",)]


def test_dialect_leaves_other_errors_as_they_are(con: dbapi.Connection) -> None:
    """SQLite's own, without a trace of the dialect's; a refused statement hides SQLite's error."""
    for sql, problem in {
        "SELECT a FROM b": "no such table: b",
        "SELEC 1": 'near "SELEC": syntax error',
        "SELECT a.b.c.d": 'near ".": syntax error',
        "SELECT 1 IS DISTINCT FROM a.b.c FROM nope": "no such table: nope",
        "SELECT 'x": 'unrecognized token: "\'x"',
        "CREATE TABLE": "incomplete input",
    }.items():
        with pytest.raises(dbapi.OperationalError) as failed:
            con.execute(sql)
        assert str(failed.value) == problem
        assert failed.value.sqlite_errorcode == dbapi.SQLITE_ERROR
    with pytest.raises(dbapi.ProgrammingError) as refused:
        con.execute("EXEC a.b.c.d")
    assert refused.value.__suppress_context__


def test_dialect_is_not_asked_about_an_error_of_a_running_statement(con: dbapi.Connection) -> None:
    """Its message may end like that of a syntax error."""
    con.execute("CREATE TABLE d (x)")
    con.execute("CREATE TRIGGER r AFTER INSERT ON d BEGIN SELECT RAISE(ABORT, 'a syntax error'); END")
    with pytest.raises(dbapi.IntegrityError, match="a syntax error"):
        con.execute("INSERT INTO d SELECT 1")
    con.create_function("fail", 0, lambda: con.apsw.execute("EXEC nonsense"))
    with pytest.raises(dbapi.OperationalError):
        con.execute("SELECT fail()")


def test_dialect_with_a_database_named_openai(con: dbapi.Connection, requests: Callable[[], list[str]]) -> None:
    """Its tables keep their names of two parts, and a CTE its own; names of three parts are the API's."""
    con.executescript("ATTACH ':memory:' AS openai; CREATE TABLE openai.files (id); CREATE TABLE main.files (id);")
    con.execute("DELETE FROM openai.files")
    con.execute("DELETE FROM files")
    assert con.execute("SELECT openai.files.id FROM openai.files").fetchall() == []
    assert requests() == []
    found = con.execute("WITH openai AS (SELECT 1) SELECT count(*) FROM openai, openai.files.files AS f").fetchone()
    assert found > (10,)
    assert requests() == ["GET /files?limit=10000&order=desc"]


def test_dialect_through_sqlalchemy(sandbox: Any, requests: Callable[[], list[str]]) -> None:
    """With its own parameters."""
    engine = create_engine(
        "sqlite+openai_vtab://", connect_args={"base_url": sandbox.base_url, "api_key": sandbox.api_key}
    )
    with engine.begin() as connection:
        sql = "EXEC openai.vector_stores.file_batches.cancel @batch_id=:batch, @vector_store_id=:store"
        cancelled = connection.execute(text(sql), {"store": "vs_demo", "batch": "vsfb_demo_running"}).scalar_one()
        assert '"vsfb_demo_running"' in cancelled
        methods = connection.execute(text("SHOW METHODS IN openai.files.files")).mappings().all()
        assert [row["MethodName"] for row in methods] == ["get", "list", "create", "create", "delete", "content"]
    engine.dispose()
    assert requests() == [f"POST {BATCH}/cancel"]


def test_dialect_is_of_no_use_to_other_connections() -> None:
    """A BaseConnection knows SQLite alone."""
    plain = dbapi.connection.BaseConnection(":memory:")
    with pytest.raises(dbapi.OperationalError, match='near "SHOW": syntax error'):
        plain.execute("SHOW VERSION")
    plain.close()
    assert openai_vtab.__version__
