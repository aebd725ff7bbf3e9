"""DELETE and UPDATE without WHERE are refused, through every way to connect, unless the setting allows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import apsw
import pytest
import sqlalchemy

import openai_vtab
from openai_vtab import dbapi

REFUSED = "without WHERE, the statement would change every object that the API lists"


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM files",
        "SELECT 1; DELETE FROM main.files; SELECT 2",
        "DELETE FROM openai.files",
        "-- clean up\nDELETE FROM files",
        "-- delete all\n\ufeffDELETE FROM files",
        'DELETE FROM "openai.vector_stores.vector_stores"',
        "WITH x AS (SELECT 1 WHERE 1) UPDATE vector_stores SET name = 'x'",
        "UPDATE vector_stores SET name = t.n FROM (SELECT 'x' AS n) AS t",
    ],
)
def test_unbounded_write_is_refused(db: apsw.Connection, requests: Callable[[], list[str]], sql: str) -> None:
    """Before the first request, and again when the statement is run again."""
    for _ in range(2):
        with pytest.raises(openai_vtab.UnsupportedWriteError, match=REFUSED):
            db.execute(sql).fetchall()
    assert requests() == []


def test_unbounded_write_of_another_name_of_the_table(db: apsw.Connection) -> None:
    """CREATE VIRTUAL TABLE gives it one, and RENAME another."""
    db.execute("CREATE VIRTUAL TABLE mine USING files; ALTER TABLE mine RENAME TO yours")
    with pytest.raises(openai_vtab.UnsupportedWriteError, match=f"yours: {REFUSED}"):
        db.execute("DELETE FROM yours")


def test_unbounded_write_in_a_sql_function(db: apsw.Connection) -> None:
    """The statement that the function runs is judged, not the one that calls it."""
    db.create_scalar_function("empty", lambda: db.execute("DELETE FROM files").fetchall() and None)
    with pytest.raises(openai_vtab.UnsupportedWriteError, match=REFUSED):
        db.execute("SELECT empty() WHERE 1").fetchall()


def test_unbounded_write_is_meant_with_where_true(db: apsw.Connection) -> None:
    """It runs, and EXPLAIN and a WHERE that matches nothing change nothing."""
    before = db.execute("SELECT count(*) FROM files").get
    db.execute("DELETE FROM files WHERE false; EXPLAIN DELETE FROM files").fetchall()
    assert db.execute("SELECT count(*) FROM files").get == before > 0
    db.execute("DELETE FROM files WHERE true")
    assert db.execute("SELECT count(*) FROM files").get == 0


def test_unbounded_write_of_ledgers_and_ordinary_tables(db: apsw.Connection) -> None:
    """They are not the API's."""
    db.execute("CREATE VIRTUAL TABLE led USING vector_store_file_batches; DELETE FROM led")
    db.execute("CREATE TABLE files (id); INSERT INTO files VALUES (1); DELETE FROM files")
    assert db.execute("SELECT count(*) FROM main.files").get == 0


def test_unbounded_write_of_a_trigger(connect: Callable[..., apsw.Connection]) -> None:
    """The statement that fires it has another table, whether it has a WHERE or not."""
    db = connect()
    db.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 1)
    db.execute("CREATE TABLE t (x); INSERT INTO t VALUES (1)")
    db.execute("CREATE TEMP TRIGGER g AFTER DELETE ON t BEGIN DELETE FROM files; END")
    db.execute("DELETE FROM t")
    assert db.execute("SELECT count(*) FROM files").get == 0


def test_unbounded_write_through_every_way_to_connect(sandbox: Any) -> None:
    """Refused by default, and allowed by the setting."""
    address = {"base_url": sandbox.base_url, "api_key": sandbox.api_key}

    def through_register(**settings: Any) -> Any:
        connection = apsw.Connection(":memory:")
        openai_vtab.register(connection, **settings)
        return connection.execute

    def through_sqlalchemy(allow_unbounded_writes: bool = False, **settings: Any) -> Any:
        url = f"sqlite+openai_vtab://?allow_unbounded_writes={str(allow_unbounded_writes).lower()}"
        connection = sqlalchemy.create_engine(url, connect_args=settings).connect()
        return lambda sql: connection.execute(sqlalchemy.text(sql))

    doors: list[Callable[..., Any]] = [
        lambda **settings: openai_vtab.connect(**settings).execute,
        lambda **settings: dbapi.connect(":memory:", isolation_level=None, **settings).execute,
        through_register,
        through_sqlalchemy,
    ]
    for door in doors:
        with pytest.raises(Exception, match=REFUSED):
            door(**address)("DELETE FROM files")
        door(**address, allow_unbounded_writes=True)("DELETE FROM files")


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM archive.files WHERE created_at > 0",
        "UPDATE archive.vector_stores SET name = 'x' WHERE true",
        "INSERT INTO archive.vector_stores (name) VALUES ('x')",
        "-- copy\nINSERT INTO other.vector_stores (name) SELECT 'x'",
    ],
)
def test_schema_that_has_no_such_table_is_refused(
    db: apsw.Connection, requests: Callable[[], list[str]], sql: str
) -> None:
    """Whether a database has that name or not: SQLite would change the API's table."""
    db.execute("ATTACH ':memory:' AS other")
    with pytest.raises(openai_vtab.UnsupportedWriteError, match=r"(archive|other)\.\w+: there is no such table"):
        db.execute(sql)
    assert requests() == []


def test_schema_that_has_the_table_is_written_to(db: apsw.Connection, requests: Callable[[], list[str]]) -> None:
    """An ordinary table, also from the API's table of the same name, or one that was created there."""
    db.execute("ATTACH ':memory:' AS archive; CREATE TABLE archive.files (file_id)")
    db.execute("INSERT INTO archive.files SELECT file_id FROM openai.files")
    db.execute("DELETE FROM archive.files WHERE file_id IN (SELECT file_id FROM openai.files)")
    assert db.execute("SELECT count(*) FROM archive.files").get == 0
    db.execute("CREATE VIRTUAL TABLE archive.mine USING vector_stores")
    db.execute("INSERT INTO archive.mine (name) VALUES ('x'); INSERT INTO main.vector_stores (name) VALUES ('x')")
    assert [each for each in requests() if each.startswith("POST")] == ["POST /vector_stores"] * 2


def test_comment_before_a_statement_that_reads(db: apsw.Connection, requests: Callable[[], list[str]]) -> None:
    """Each statement reads anew, whether another one is open or not."""
    sql = (
        "-- poll\nSELECT status FROM vector_store_files WHERE vector_store_id = 'vs_demo' AND file_id = 'file-demo-01'"
    )
    for _ in range(2):
        db.execute(sql).fetchall()
    other = db.execute("SELECT 1 UNION ALL SELECT 2")
    for _ in range(2):
        db.execute(sql).fetchall()
    other.close()
    assert len(requests()) == 4


def test_misspelt_name_in_double_quotes_is_no_string(db: apsw.Connection, requests: Callable[[], list[str]]) -> None:
    """As a string, it would be unlike every file's name, and DELETE would delete all files."""
    with pytest.raises(apsw.SQLError, match='no such column: "filname"'):
        db.execute("DELETE FROM files WHERE \"filname\" <> 'keep.txt'")
    assert requests() == []
