"""Sessions: transactions with the tables, threads, and interrupt()."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

import openai_vtab
from openai_vtab import dbapi

from ..support.waiting import when

T = "vector_store_file_batches"
SELECT = f"SELECT status FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = ?"
INSERT = f"INSERT INTO {T} (vector_store_id, file_ids) VALUES (?, '[\"file-new-01\"]')"
POST = "POST /vector_stores/vs_demo/file_batches"


def test_commit_sends_the_queued_writes(con: dbapi.Connection, posts: Callable[[], list[str]]) -> None:
    """commit() sends what an implicit transaction has queued; rollback() and close() drop it."""
    con.execute(INSERT, ("vs_demo",))
    assert con.in_transaction
    con.rollback()
    assert posts() == []
    con.executemany(INSERT, [("vs_demo",), ("vs_demo",)])
    assert posts() == []
    con.commit()
    assert posts() == [POST, POST]
    with con:
        con.execute(INSERT, ("vs_demo",))
    assert posts() == [POST]
    con.execute(INSERT, ("vs_demo",))
    con.close()
    assert posts() == []


@pytest.mark.parametrize("autocommit", [-1, False])
def test_commit_that_fails_rolls_back(con: dbapi.Connection, posts: Callable[[], list[str]], autocommit: Any) -> None:
    """The APIError is raised, local changes are undone, and the connection remains usable."""
    con.execute("CREATE TABLE journal (n)")
    con.autocommit = autocommit
    con.execute("INSERT INTO journal VALUES (1)")
    con.execute(INSERT, ("vs_gone",))
    with pytest.raises(openai_vtab.APIError) as caught:
        con.commit()
    assert isinstance(caught.value, dbapi.OperationalError)
    assert con.in_transaction is (autocommit is False)
    with pytest.raises(openai_vtab.WriteError) as report, con:
        con.executemany(INSERT, [("vs_demo",), ("vs_gone",)])
    assert len(report.value.done) == 1
    posts()
    con.execute(INSERT, ("vs_demo",))
    assert posts() == []
    con.rollback()
    assert con.execute("SELECT n FROM journal").fetchall() == []


def test_interrupt_cancels_a_wait(con: dbapi.Connection, sandbox: Any) -> None:
    """interrupt() can be called from another thread, as in sqlite3."""
    interrupted = when(lambda: sandbox.requests, con.interrupt)
    with interrupted, pytest.raises(dbapi.OperationalError, match="interrupted") as caught:
        con.execute(f"{SELECT} AND wait_seconds = 30", ("vsfb_demo_running",))
    assert caught.value.sqlite_errorname == "SQLITE_INTERRUPT"


def test_threads_are_checked_unless_check_same_thread_is_off(con: dbapi.Connection, sandbox: Any) -> None:
    """A connection can be used in its own thread only, by default."""
    free = dbapi.connect(":memory:", check_same_thread=False)
    found: list[Any] = []

    def elsewhere() -> None:
        found.append(free.execute("SELECT 1").fetchone())
        try:
            con.execute("SELECT 1")
        except dbapi.ProgrammingError as error:
            found.append(str(error)[:30])

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    free.close()
    assert found == [(1,), "SQLite objects created in a th"]
    assert dbapi.threadsafety == 3


@pytest.mark.parametrize("options", [{}, {"check_same_thread": False}, {"autocommit": False}], ids=str)
def test_close_of_the_apsw_connection_raises_sqlite3s_error(options: Any) -> None:
    """Every use raises it. Nothing is left to roll back or to close, so these calls do nothing."""
    con = dbapi.connect(":memory:", **options)
    con.execute("CREATE TABLE t AS SELECT zeroblob(9) AS b")
    con.commit()
    cursor, blob = con.execute("SELECT 1 UNION SELECT 2"), con.blobopen("t", "b", 1)
    con.apsw.close()
    uses: list[Callable[[], object]] = [
        *(cursor.fetchone, cursor.fetchall, lambda: cursor.execute("SELECT 1"), con.cursor, con.__enter__),
        *(lambda: con.execute("SELECT 1"), lambda: con.executescript("SELECT 1"), con.commit, con.serialize),
        *(lambda: con.in_transaction, lambda: con.total_changes, lambda: con.create_function("f", 0, len)),
        *(con.interrupt, lambda: con.getlimit(1), blob.read, lambda: len(blob), lambda: con.backup(con)),
        *(lambda: setattr(con, "autocommit", True), lambda: con.isolation_level, con.iterdump),
    ]
    for use in uses:
        with pytest.raises(dbapi.ProgrammingError, match=r"^Cannot operate on a closed database\.$"):
            use()
    for _ in range(2):
        con.rollback()
        cursor.close()
    con.close()
    with pytest.raises(dbapi.ProgrammingError, match=r"^Cannot operate on a closed database\.$"):
        con.rollback()
    con.close()
