"""URIs: databases in memory that connections share, as temporary files; and what SQLite itself does with a URI."""

from __future__ import annotations

import gc
import multiprocessing
import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from openai_vtab import dbapi

SHARED = "file:shared?mode=memory&cache=shared"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def connect(uri: str = SHARED, **keywords: Any) -> dbapi.Connection:
    return dbapi.connect(uri, uri=True, **keywords)


@pytest.mark.parametrize(
    "other",
    [SHARED, "file:shared?cache=shared&mode=memory", "file:sh%61red?mode=memory&cache=shared&x=1#fragment"],
)
def test_shared_memory_is_one_database_for_each_name(other: str) -> None:
    """Connections that give the same name see the same tables; those of another name, or without cache=shared, do not."""
    with connect() as first, connect(other) as second:
        first.execute("CREATE TABLE t (n)")
        first.execute("INSERT INTO t VALUES (1)")
        first.commit()
        assert second.execute("SELECT n FROM t").fetchall() == [(1,)]
        for private in ("file:other?mode=memory&cache=shared", "file:shared?mode=memory", ":memory:"):
            elsewhere = connect(private)
            assert elsewhere.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
            elsewhere.close()
    first.close()
    second.close()


@pytest.mark.parametrize("module", [sqlite3, dbapi])
def test_shared_memory_ends_with_its_last_connection(module: Any, folder: Path) -> None:
    """As in sqlite3: closed, the database is forgotten; a connection that nobody closed counts until it is collected."""
    first = module.connect("file::memory:?cache=shared", uri=True)
    second = module.connect("file::memory:?cache=shared", uri=True)
    first.execute("CREATE TABLE t (n)")
    first.close()
    assert second.execute("SELECT count(*) FROM t").fetchone() == (0,)
    second.close()
    third = module.connect("file::memory:?cache=shared", uri=True)
    assert third.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    third.close()
    assert list(folder.iterdir()) == []


def test_shared_memory_of_a_collected_connection_is_deleted(folder: Path) -> None:
    """Not only close() releases the file."""
    connection: Any = connect()
    assert len(list(folder.iterdir())) == 1
    connection.apsw.close()
    del connection
    gc.collect()
    assert list(folder.iterdir()) == []


def test_shared_memory_can_be_written_while_others_read() -> None:
    """A reader in the middle of its rows keeps its snapshot; the writer does not wait for it."""
    with connect(isolation_level=None) as writer, connect() as reader:
        writer.execute("CREATE TABLE t (n)")
        writer.executemany("INSERT INTO t VALUES (?)", [(n,) for n in range(3)])
        rows = reader.execute("SELECT n FROM t")
        assert rows.fetchone() == (0,)
        writer.execute("INSERT INTO t VALUES (3)")
        assert rows.fetchall() == [(1,), (2,)]
        assert reader.execute("SELECT count(*) FROM t").fetchone() == (4,)
    writer.close()
    reader.close()


def test_shared_memory_is_one_for_threads_that_open_it_together() -> None:
    """No thread gets a database of its own."""
    keeper = connect()
    start = threading.Barrier(8)

    def open_and_write(n: int) -> None:
        start.wait()
        with connect() as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS t (n)")
            connection.execute("INSERT INTO t VALUES (?)", (n,))
        connection.close()

    threads = [threading.Thread(target=open_and_write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert keeper.execute("SELECT count(*) FROM t").fetchone() == (8,)
    keeper.close()


def _in_child() -> None:
    child = connect()
    assert child.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    child.close()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_shared_memory_of_a_forked_child_is_its_own(folder: Path) -> None:
    """The child neither sees the parent's database nor deletes its file."""
    parent = connect()
    parent.execute("CREATE TABLE t (n)")
    child = multiprocessing.get_context("fork").Process(target=_in_child)
    child.start()
    child.join()
    assert child.exitcode == 0
    assert parent.execute("SELECT count(*) FROM t").fetchone() == (0,)
    parent.close()
    assert list(folder.iterdir()) == []


def test_shared_memory_is_readable_by_its_owner_alone(folder: Path) -> None:
    """The contents were meant for memory."""
    connection = connect()
    (made,) = folder.iterdir()
    assert made.stat().st_mode & 0o077 == 0
    connection.close()


def refused(module: Any, uri: str) -> str:
    """What a write through a URI ends with: the error, or the rows."""
    connection = module.connect(uri, uri=True)
    try:
        connection.execute("INSERT INTO t VALUES (2)")
        connection.commit()
        return str(connection.execute("SELECT count(*) FROM t").fetchall())
    except module.OperationalError as error:
        return str(error)
    finally:
        connection.close()


@pytest.mark.parametrize("options", ["", "?mode=rw", "?mode=ro", "?immutable=1", "?mode=ro&nolock=1", "?cache=shared"])
def test_uri_options_of_a_file_are_those_of_sqlite3(options: str, tmp_path: Path) -> None:
    """What a URI allows is SQLite's business, with the tables as without."""
    path = tmp_path / "a file.db"
    outcomes = []
    for module in (sqlite3, dbapi):
        path.unlink(missing_ok=True)
        connection: Any = sqlite3.connect(path)
        connection.executescript("CREATE TABLE t (n); INSERT INTO t VALUES (1)")
        connection.close()
        outcomes.append(refused(module, path.as_uri() + options))
    assert outcomes[0] == outcomes[1]


def test_uri_of_a_missing_file_in_mode_ro_is_an_error(tmp_path: Path) -> None:
    """No file is created."""
    with pytest.raises(dbapi.OperationalError, match="unable to open database file"):
        connect((tmp_path / "none.db").as_uri() + "?mode=ro")
    assert list(tmp_path.iterdir()) == []


def test_uri_is_a_file_name_without_the_keyword(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in sqlite3, only uri=True gives the text a meaning."""
    monkeypatch.chdir(tmp_path)
    dbapi.connect(SHARED).close()
    assert not any(path.is_dir() for path in tmp_path.iterdir())


def test_shared_memory_has_the_tables_and_can_be_copied(sandbox: Any, requests: Callable[[], list[str]]) -> None:
    """Backup into and out of it, iterdump, and a query of the API."""
    settings = {"base_url": sandbox.base_url, "api_key": sandbox.api_key}
    source, target = connect(**settings), dbapi.connect(":memory:")
    source.executescript("CREATE TABLE t (n); INSERT INTO t VALUES (1)")
    assert source.execute("SELECT name FROM vector_stores WHERE id = 'vs_demo'").fetchall() == [("Product handbook",)]
    source.backup(target)
    assert list(target.iterdump()) == list(source.iterdump())
    assert requests() == ["GET /vector_stores/vs_demo"]
    source.close()
    target.close()
