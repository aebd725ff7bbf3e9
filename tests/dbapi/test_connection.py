"""Connections: how they are opened, their settings, and what they give beside sqlite3's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw
import pytest

from openai_vtab import dbapi
from openai_vtab.dbapi.connection import BaseConnection
from openai_vtab.settings import Keywords, SharedKeywords

T = "vector_store_file_batches"


def test_factories_make_connections_and_cursors(tmp_path: Path) -> None:
    """A factory is a class of connections or cursors; `uri` opens a file: URI."""

    class OwnCursor(dbapi.Cursor):
        pass

    class OwnConnection(dbapi.Connection):
        pass

    con = dbapi.connect(tmp_path / "my.db", factory=OwnConnection)
    assert type(con) is OwnConnection
    assert type(con.cursor(OwnCursor)) is OwnCursor
    con.close()
    reader = dbapi.connect(f"file:{tmp_path / 'my.db'}?mode=ro", uri=True)
    with pytest.raises(dbapi.OperationalError, match="readonly"):
        reader.execute("CREATE TABLE t (a)")
    reader.close()


def test_base_connection_works_without_the_tables(tmp_path: Path) -> None:
    """BaseConnection opens a plain apsw.Connection, unless `open_database` is given."""
    opened: list[apsw.Connection] = []

    def open_database(file: str, **keywords: Any) -> apsw.Connection:
        opened.append(apsw.Connection(file, **keywords))
        return opened[-1]

    with BaseConnection(tmp_path / "my.db", open_database=open_database) as con:
        con.execute("CREATE TABLE t (a)")
        con.execute("INSERT INTO t VALUES (?)", (1,))
    assert con.apsw is opened[0]
    con.close()
    con = BaseConnection(str(tmp_path / "my.db"))
    assert con.execute("SELECT a FROM t").fetchall() == [(1,)]
    with pytest.raises(dbapi.OperationalError, match=f"no such table: {T}"):
        con.execute(f"SELECT * FROM {T}")
    con.close()


def test_apsw_connection_is_an_attribute(con: dbapi.Connection) -> None:
    """It serves what PEP 249 does not name; its stored views cannot use the tables."""
    assert isinstance(con.apsw, apsw.Connection)
    assert con.apsw.execute("SELECT 1").get == 1
    assert con.apsw.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, -1) == 0


def test_timeout_is_sqlite3s_and_request_timeout_the_apis(sandbox: Any) -> None:
    """sqlite3's `timeout` is for locks."""
    assert Keywords.__annotations__.keys() - SharedKeywords.__annotations__.keys() == {"timeout"}
    dbapi.connect(":memory:", 0.5, request_timeout=3).close()
    with pytest.raises(dbapi.InterfaceError, match="timeout"):
        dbapi.connect(":memory:", request_timeout=-1)
    with pytest.raises(TypeError, match="settings are"):
        dbapi.connect(":memory:", nonsense=1)  # type: ignore[call-overload]


def test_names_left_out_raise_an_explanation(con: dbapi.Connection) -> None:
    """con(sql), `version` and text that is not UTF-8 are refused."""
    with pytest.raises(dbapi.NotSupportedError, match=r"write connection\.execute"):
        con("SELECT 1")
    with pytest.raises(AttributeError, match="no attribute 'version'"):
        dbapi.version  # noqa: B018
    with pytest.raises(dbapi.OperationalError, match="Could not decode"):
        con.execute("SELECT CAST(x'ff' AS TEXT)").fetchone()


def test_iterdump_dumps_ledgers(con: dbapi.Connection) -> None:
    """A ledger is dumped as the table it is, and no request is sent."""
    con.execute(f"CREATE VIRTUAL TABLE my_batches USING {T}")
    dumped = list(con.iterdump())
    assert any("my_batches_ledger" in statement for statement in dumped)
    assert dumped[1] == "PRAGMA writable_schema=ON;"
