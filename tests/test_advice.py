"""Errors of SQLite's say what to write instead: the same words from connect(), dbapi, SQLAlchemy and the shell."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import apsw
import pytest
import sqlalchemy
from sqlalchemy import exc

import openai_vtab
from openai_vtab import advice, dbapi, sandbox

from .shell.command import run_shell

T = "vector_store_file_batches"
SCHEMA = f"""
CREATE TABLE mine(title, batch_id);
CREATE VIEW stored AS SELECT id FROM vector_stores;
CREATE VIEW calling AS SELECT readfile('a.md');
CREATE TRIGGER store AFTER INSERT ON mine BEGIN INSERT INTO vector_stores (name) VALUES (new.title); END;
CREATE VIRTUAL TABLE ledger USING {T};
CREATE VIRTUAL TABLE notes USING vector_store_documents(vector_store_id = 'vs_demo');
INSERT INTO notes_documents (key, attributes) VALUES ('a', '{{}}');
"""
UNSAFE = "write CREATE TEMP VIEW instead of CREATE VIEW, and the statement itself instead of a trigger"
# a statement, SQLite's message, and what follows it
ERRORS = {
    "a table": ("SELECT * FROM vector_store_batches", "no such table: vector_store_batches", "did you mean vector_store_file_batches?"),
    "a table of the user's": ("INSERT INTO ledgr DEFAULT VALUES", "no such table: ledgr", "did you mean ledger?"),
    "a table of a schema": ("SELECT * FROM main.vector_stors", "no such table: main.vector_stors", "did you mean vector_stores?"),
    "a module": (
        "SELECT * FROM vector_store_documents",
        "no such table: vector_store_documents",
        "it is a module: CREATE VIRTUAL TABLE my_documents USING vector_store_documents(name = 'My documents')",
    ),
    "a column": ("SELECT creatd_at FROM files", "no such column: creatd_at", "did you mean created_at?"),
    "a column with its table": ("SELECT f.Creatd_At FROM Files f", "no such column: f.Creatd_At", "did you mean f.created_at?"),
    "a hidden column": ("SELECT 1 FROM files WHERE contnt = 'x'", "no such column: contnt", "did you mean content?"),
    "a column of the user's": ("SELECT titel FROM mine", "no such column: titel", "did you mean title?"),
    "a column of an INSERT": (
        f"INSERT INTO {T} (vector_store, file_ids) VALUES (1, 2)",
        f"table {T} has no column named vector_store",
        "did you mean vector_store_id?",
    ),
    "a column of an UPDATE": ("UPDATE vector_stores SET nam = 'x'", "no such column: nam", "did you mean name?"),
    "a column of a documents table": (
        "INSERT INTO notes (key, text) VALUES (1, 2)",
        "table notes has no column named text",
        "give (key, path) or (key, content) or (key, file_id)",
    ),
    "values without columns": (
        "INSERT INTO notes VALUES ('a', 'text')",
        "table notes has 12 columns but 2 values were supplied",
        "name the columns: INSERT INTO notes (key, path) or (key, content) or (key, file_id)",
    ),
    "an upsert": (
        "INSERT INTO notes (key, content) VALUES (1, 2) ON CONFLICT (key) DO NOTHING",
        'UPSERT not implemented for virtual table "notes"',
        "write INSERT OR REPLACE INTO notes, which replaces the document of the same key",
    ),
    "a column before MATCH": (
        "SELECT passage FROM notes WHERE passage MATCH 'refunds'",
        "unable to use function MATCH in the requested context",
        "write notes MATCH '…': the name of the table stands before MATCH",
    ),
    "a module's name": ("CREATE VIRTUAL TABLE m USING vector_store_document", "no such module: vector_store_document", "did you mean vector_store_documents"),
    "a function": ("SELECT cancel_vector_store_batch('v', 'b')", "no such function: cancel_vector_store_batch", "did you mean cancel_vector_store_file_batch?"),
    "a function of StackQL's": (
        "SELECT split_part(lower('a_b'), '_', 2)",
        "no such function: split_part",
        """write json_extract('["' || replace(lower('a_b'), '_', '","') || '"]', '$[' || (2 - 1) || ']')""",
    ),
    "a changed row": (
        "UPDATE vector_stores SET name = 'x' WHERE id = 'y' RETURNING id",
        "UPDATE RETURNING is not available on virtual tables",
        "leave RETURNING out, and read the rows with a SELECT after it",
    ),
    "arguments": (
        "SELECT cancel_vector_store_file_batch('vsfb_1')",
        "wrong number of arguments to function cancel_vector_store_file_batch()",
        "write cancel_vector_store_file_batch(vector_store_id, batch_id)",
    ),
    "arguments of readfile": ("SELECT readfile()", "wrong number of arguments to function readfile()", "write readfile(path)"),
    "arguments of fsdir": ("SELECT * FROM fsdir(1, 2, 3)", "too many arguments on fsdir() - max 2", "write fsdir(path, dir)"),
    "a stored view": (
        "SELECT * FROM stored",
        'unsafe use of virtual table "vector_stores"',
        f"a view or trigger that is stored in a database cannot use vector_stores: {UNSAFE}",
    ),
    "a stored trigger": ("INSERT INTO mine VALUES (1, 2)", 'unsafe use of virtual table "vector_stores"', UNSAFE),
    "a function in a view": ("SELECT * FROM calling", "unsafe use of readfile()", f"cannot use readfile(): {UNSAFE}"),
}  # fmt: skip
# messages that stay SQLite's own
PLAIN = {
    "SELECT nothing_like_it FROM files": "no such column: nothing_like_it",
    "SELECT x.id FROM files": "no such column: x.id",
    "SELECT * FROM zzz": "no such table: zzz",
    "SELECT json_valid()": "wrong number of arguments to function json_valid()",
    "SELECT 1 +": "incomplete input",
}


@pytest.fixture(scope="module")
def opened() -> Any:
    """A connection of each interface, with SCHEMA: what runs a statement, and the exception's class."""
    with sandbox.run() as running:
        settings: Any = {"base_url": running.base_url, "api_key": running.api_key}
        db = openai_vtab.connect(**settings)
        con = dbapi.connect(":memory:", **settings)
        engine = sqlalchemy.create_engine("sqlite+openai_vtab://", connect_args=settings)
        with engine.connect() as connection:
            db.execute(SCHEMA)
            con.executescript(SCHEMA)
            connection.connection.driver_connection.executescript(SCHEMA)  # type: ignore[union-attr]
            yield {
                "connect": (db.execute, apsw.SQLError),
                "dbapi": (con.execute, dbapi.OperationalError),
                "executescript": (con.executescript, dbapi.OperationalError),
                "SQLAlchemy": (connection.exec_driver_sql, exc.OperationalError),
            }
        con.close()
        db.close()


@pytest.mark.parametrize("door", ["connect", "dbapi", "executescript", "SQLAlchemy"])
@pytest.mark.parametrize(("sql", "message", "instead"), ERRORS.values(), ids=ERRORS)
def test_advice_follows_the_message(opened: Any, door: str, sql: str, message: str, instead: str) -> None:
    """The exception has its class, and SQLite's message comes first."""
    run, kind = opened[door]
    with pytest.raises(kind) as caught:
        run(sql)
    text = str(caught.value.orig if door == "SQLAlchemy" else caught.value)
    assert text.startswith(f"{message}; ")
    assert instead in text


@pytest.mark.parametrize(
    ("sql", "instead"),
    [
        ("SELECT * FROM openai.vector_stores.vector_stores", advice.TRANSLATE),
        ("SHOW SERVICES IN openai", advice.TRANSLATE),
        ("SHOW TABLES", "SHOW TABLES: there is no such statement; write SHOW RESOURCES IN openai.vector_stores"),
        ("SELEC 1", ""),
    ],
)
def test_advice_for_statements_of_stackql(opened: Any, sql: str, instead: str) -> None:
    """connect() does not translate them; what it says to write runs."""
    run, kind = opened["connect"]
    with pytest.raises(kind, match="syntax error") as caught:
        run(sql)
    assert instead in str(caught.value)
    assert "; " in str(caught.value) or not instead
    if instead == advice.TRANSLATE:
        run(openai_vtab.stackql.translate(sql)).fetchall()


@pytest.mark.parametrize(("sql", "message"), PLAIN.items())
def test_advice_is_not_given_where_none_is_known(opened: Any, sql: str, message: str) -> None:
    """The message is SQLite's."""
    for door in ("connect", "dbapi"):
        run, kind = opened[door]
        with pytest.raises(kind) as caught:
            run(sql)
        assert str(caught.value) == message


def test_advice_keeps_the_codes_of_an_error(opened: Any) -> None:
    """SQLite's result code, and the place in the statement."""
    with pytest.raises(apsw.SQLError) as caught:
        opened["connect"][0]("SELECT creatd_at FROM files")
    assert (caught.value.result, caught.value.error_offset) == (apsw.SQLITE_ERROR, 7)
    with pytest.raises(dbapi.OperationalError) as ours:
        opened["dbapi"][0]("SELECT creatd_at FROM files")
    assert ours.value.sqlite_errorname == "SQLITE_ERROR"


def test_advice_of_executemany(opened: Any) -> None:
    """As for execute()."""
    con = opened["dbapi"][0].__self__
    with pytest.raises(dbapi.OperationalError, match=r"no such table: min; did you mean mine\?"):
        con.executemany("INSERT INTO min VALUES (?, ?)", [(1, 2)])


def test_advice_in_the_shell_has_the_same_words() -> None:
    """Before the place that APSW's shell shows."""
    done = run_shell("--sandbox", ":memory:", "SELECT creatd_at FROM files")
    assert done.stderr.startswith("no such column: creatd_at; did you mean created_at?\n   SELECT creatd_at")
    assert done.returncode == 1


def test_advice_names_a_table_that_hides_the_apis(connect: Callable[..., apsw.Connection]) -> None:
    """With a name that the API's table has besides."""
    db = connect()
    db.execute("CREATE TABLE files (name); CREATE TABLE mine (file_id)")
    hidden = "main.files hides the API's table files; write openai.files for the API's"
    for sql in ("SELECT filename FROM files", "SELECT * FROM mine JOIN files USING (file_id)"):
        with pytest.raises(apsw.SQLError, match=re.escape(hidden)):
            db.execute(sql)
    assert db.execute("SELECT count(*) FROM openai.files WHERE id = 'file-demo-01'").get == 1


def test_advice_needs_no_permission_of_an_authorizer(connect: Callable[..., apsw.Connection]) -> None:
    """One that refuses the schema leaves SQLite's message."""
    db = connect()
    db.authorizer = lambda *_: apsw.SQLITE_DENY
    assert advice.advice(db, "no such column: creatd_at", "SELECT creatd_at FROM files") == ""
    db.authorizer = None


# register()


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        (lambda: sqlite3.connect(":memory:"), "not sqlite3.Connection; open the database with openai_vtab.dbapi.connect(…)"),
        (lambda: dbapi.connect(":memory:"), "this connection has the tables already"),
        (lambda: sqlalchemy.create_engine("sqlite://"), "create_engine('sqlite+openai_vtab:///my.db')"),
        (lambda: "my.db", "not builtins.str; openai_vtab.connect('my.db') opens a database"),
    ],
    ids=["sqlite3", "dbapi", "SQLAlchemy", "str"],
)  # fmt: skip
def test_register_names_what_to_use_for_another_connection(given: Callable[[], Any], advice: str) -> None:
    """At once, as a TypeError."""
    connection = given()
    with pytest.raises(TypeError, match=r"^register\(\) takes an apsw\.Connection, ") as caught:
        openai_vtab.register(connection)
    assert advice in str(caught.value)
    getattr(connection, "close", lambda: None)()


def test_register_refuses_an_asynchronous_connection_outside_of_its_thread(sandbox: Any) -> None:
    """The error has both ways; no coroutine is left that was not awaited."""

    async def main() -> None:
        async with aclosing(await apsw.Connection.as_async(":memory:")) as db:
            with pytest.raises(
                openai_vtab.InterfaceError, match=r"write await openai_vtab\.connect_async\(…\), or await"
            ):
                openai_vtab.register(db)  # type: ignore[arg-type]
            await db.async_run(openai_vtab.register, db, base_url=sandbox.base_url, api_key=sandbox.api_key)
            assert await (await db.execute("SELECT count(*) FROM vector_stores")).get > 0

    asyncio.run(main())


def test_connect_async_sends_writes_when_it_commits(sandbox: Any, requests: Callable[[], list[str]]) -> None:
    """async with raises the exception of the package, and an open transaction is rolled back by aclose()."""
    insert = f"INSERT INTO {T} (vector_store_id, file_ids) VALUES (?, '[\"file-new-01\"]')"

    async def main() -> None:
        db = await openai_vtab.connect_async(base_url=sandbox.base_url, api_key=sandbox.api_key)
        async with db:
            await db.execute(insert, ("vs_demo",))
        assert requests() == ["POST /vector_stores/vs_demo/file_batches"]
        with pytest.raises(openai_vtab.WriteError, match="No vector store found"):
            async with db:
                await db.execute(insert, ("vs_gone",))
                await db.execute(insert, ("vs_gone",))
        requests()
        with pytest.raises(ZeroDivisionError):
            async with db:
                raise ZeroDivisionError
        await db.execute("BEGIN")
        await db.execute(insert, ("vs_demo",))
        await db.aclose()
        assert requests() == []

    asyncio.run(main())


def test_connect_async_refuses_a_wrong_setting(tmp_path: Path) -> None:
    """The connection is closed."""

    async def main() -> None:
        with pytest.raises(openai_vtab.InterfaceError, match="max_retries is -1"):
            await openai_vtab.connect_async(tmp_path / "my.db", max_retries=-1)

    asyncio.run(main())
