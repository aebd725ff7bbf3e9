"""Connections that threads share: every call is serialised, and nothing waits that must not.

A worker thread that hangs fails its test, because `in_threads` waits for 20 seconds at most.
"""

from __future__ import annotations

import inspect
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from openai_vtab import dbapi
from openai_vtab.dbapi.connection import BaseConnection
from openai_vtab.dbapi.database_handle import DatabaseHandle

from ..support.meeting import meeting
from ..support.waiting import until

T = "vector_store_file_batches"
COUNT = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {}) SELECT i FROM n"
# Public methods without the lock: what they use is a Python attribute, or takes the lock itself.
WITHOUT_LOCK = {
    (DatabaseHandle, BaseConnection): "__call__ __enter__ __exit__ backup cursor execute executemany executescript"
    " interrupt isolation_level iterdump set_trace_callback",
    (dbapi.Cursor,): "__iter__ description executemany fetchmany fetchone setinputsizes setoutputsize",
    (dbapi.Blob,): "__contains__ __delitem__ __enter__ __exit__ __iter__",
}


def in_threads(*programs: Callable[[], object], seconds: float = 20) -> list[BaseException]:
    """Run functions in a thread each, and return their exceptions."""
    errors: list[BaseException] = []

    def run(program: Callable[[], object]) -> None:
        try:
            program()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(program,), daemon=True) for program in programs]
    for thread in threads:
        thread.start()
    end = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    assert not any(thread.is_alive() for thread in threads), "threads hang"
    return errors


class Gate:
    """The SQL function gate(): tells that its statement runs, and waits until it is opened."""

    def __init__(self, connection: dbapi.Connection) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()
        connection.create_function("gate", 0, self.wait)

    def wait(self) -> int:
        self.reached.set()
        assert self.opened.wait(20)
        return 1


@pytest.fixture
def shared(sandbox: Any) -> Iterator[dbapi.Connection]:
    """A connection for all threads, with a table of 100 rows."""
    connection = dbapi.connect(
        ":memory:",
        isolation_level=None,
        check_same_thread=False,
        base_url=sandbox.base_url,
        api_key=sandbox.api_key,
    )
    connection.execute(f"CREATE TABLE t AS {COUNT.format(100)}")
    yield connection
    with suppress(dbapi.ProgrammingError):  # closed already
        connection.interrupt()  # a thread that hangs must not hang the other tests
    connection.close()


@pytest.mark.parametrize("statements", [100, pytest.param(10_000, marks=pytest.mark.slow)])
def test_threads_share_a_connection(shared: dbapi.Connection, statements: int) -> None:
    """8 threads read and write, and each gets its own rows."""

    def work() -> None:
        me = threading.get_ident()
        for n in range(statements):
            if n % 4 == 0:
                shared.execute("INSERT INTO t VALUES (?)", (-1,))
            assert shared.execute("SELECT ?, ?", (me, n)).fetchall() == [(me, n)]

    assert in_threads(*[work] * 8, seconds=300) == []
    assert shared.execute("SELECT count(*) FROM t WHERE i = -1").fetchone() == (2 * statements,)


def test_threads_share_a_cursor(shared: dbapi.Connection) -> None:
    """Each row is fetched once, by one of them."""
    cursor = shared.execute(COUNT.format(2000))
    seen: list[int] = []

    def fetch() -> None:
        while row := cursor.fetchone():
            seen.append(row[0])

    assert in_threads(*[fetch] * 4) == []
    assert sorted(seen) == list(range(1, 2001))


def test_threads_send_the_requests_of_a_statement_concurrently(
    shared: dbapi.Connection, sandbox: Any, requests: Callable[[], list[str]]
) -> None:
    """One statement runs at a time, and sends all its requests at once."""
    keys = ["vsfb_demo_finished", "vsfb_demo_failures", "vsfb_demo_running"]
    query = f"SELECT count(*) FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id IN (?, ?, ?)"

    def read() -> None:
        assert shared.execute(query, keys).fetchone() == (3,)

    with meeting(sandbox, 2, after=1):  # two at once, if SQLite gives the values one by one
        assert in_threads(*[read] * 8) == []
    assert len(requests()) == 8 * 3
    assert 2 <= sandbox.max_in_flight <= 3


def test_cursors_of_other_threads_work_between_two_rows(shared: dbapi.Connection) -> None:
    """A statement that is half read does not hold the lock."""
    cursor = shared.execute("SELECT i FROM t")
    assert cursor.fetchone() == (1,)
    assert in_threads(lambda: shared.execute("SELECT i FROM t").fetchall()) == []
    assert cursor.fetchone() == (2,)


def test_executemany_reads_its_rows_without_the_lock(shared: dbapi.Connection) -> None:
    """Rows may come from a thread that uses the connection; the cursor that runs is refused to all."""
    rows: queue.Queue[Any] = queue.Queue()
    cursor = shared.cursor()

    def produce() -> None:
        with pytest.raises(dbapi.ProgrammingError, match="Recursive use of cursors"):
            for _ in range(2000):
                cursor.execute("SELECT 1")
                time.sleep(0.005)
        for _ in range(3):
            rows.put(shared.execute("SELECT count(*) + 1000 FROM t").fetchone())
        rows.put(None)

    assert in_threads(produce, lambda: cursor.executemany("INSERT INTO t VALUES (?)", iter(rows.get, None))) == []
    assert shared.execute("SELECT count(*) FROM t WHERE i > 1000").fetchone() == (3,)


def test_functions_use_their_connection(shared: dbapi.Connection) -> None:
    """The lock is reentrant; of the cursors, only the one that runs is refused."""
    cursor = shared.cursor()
    shared.create_function("other", 0, lambda: shared.execute("SELECT max(i) FROM t").fetchone()[0])
    shared.create_function("same", 0, lambda: cursor.execute("SELECT 1").fetchone()[0])

    def work() -> None:
        for _ in range(20):
            assert shared.execute("SELECT other()").fetchone() == (100,)

    assert in_threads(*[work] * 4) == []
    with pytest.raises(dbapi.OperationalError) as caught:
        cursor.execute("SELECT same()")
    assert str(caught.value.__cause__) == "Recursive use of cursors not allowed."


def test_interrupt_does_not_wait(shared: dbapi.Connection) -> None:
    """It ends the statement of another thread, for whose end others wait."""
    running = threading.Event()
    shared.create_function("tell", 0, lambda: running.set() or 1)

    def endless() -> None:
        with pytest.raises(dbapi.OperationalError, match="interrupted"):
            shared.execute("WITH RECURSIVE n (i) AS (SELECT tell() UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n")

    def interrupt() -> None:
        assert running.wait(20)
        shared.interrupt()

    assert in_threads(endless, interrupt) == []
    assert shared.execute("SELECT 1").fetchone() == (1,)


def test_keyboard_interrupt_ends_the_wait_for_the_lock(shared: dbapi.Connection) -> None:
    """The lock is not lost: the connection works afterwards, in all threads."""
    gate = Gate(shared)
    thread = threading.Thread(target=lambda: shared.execute("SELECT gate()"), daemon=True)
    thread.start()
    assert gate.reached.wait(20)
    timer = threading.Timer(0.05, lambda: signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        timer.start()
        shared.execute("SELECT 1")
    gate.opened.set()
    thread.join(20)
    assert in_threads(lambda: shared.execute("SELECT 1")) == []


def test_close_waits_for_another_thread(shared: dbapi.Connection) -> None:
    """The next call of that thread raises sqlite3's ProgrammingError."""
    gate = Gate(shared)

    def work() -> None:
        cursor = shared.execute("SELECT gate() UNION ALL SELECT 2")
        until(lambda: shared._unusable)
        for call in (cursor.fetchall, lambda: shared.execute("SELECT 1"), shared.commit):
            with pytest.raises(dbapi.ProgrammingError, match=r"^Cannot operate on a closed database\.$"):
                call()

    def close() -> None:
        assert gate.reached.wait(20)
        threading.Timer(0.05, gate.opened.set).start()
        shared.close()
        assert gate.opened.is_set()

    assert in_threads(work, close) == []


@pytest.mark.parametrize("kind", ["cursor", "blob"])
def test_close_after_another_thread_has_dropped(shared: dbapi.Connection, kind: str) -> None:
    """What is dropped while a statement runs is closed, although the main thread only waits: APSW would need it."""
    gate = Gate(shared)
    opened: list[Any] = []

    def work() -> None:
        if kind == "cursor":
            opened.append(shared.execute("SELECT i FROM t"))
        else:
            shared.execute("CREATE TABLE b AS SELECT zeroblob(9) AS b")
            opened.append(shared.blobopen("b", "b", 1))
        shared.execute("SELECT gate()")
        shared.close()

    def drop() -> None:
        assert gate.reached.wait(20)
        opened.clear()
        gate.opened.set()

    assert in_threads(work, drop) == []


def test_dropped_cursors_end_their_statements(shared: dbapi.Connection) -> None:
    """No statement that was half read keeps the table locked."""

    def work() -> None:
        for _ in range(50):
            shared.execute("SELECT i FROM t").fetchone()

    assert in_threads(*[work] * 6) == []
    shared.execute("DROP TABLE t")


def test_backups_in_both_directions_end(shared: dbapi.Connection) -> None:
    """Two threads take two locks in the same order; between two steps others use the connections."""
    other = dbapi.connect(":memory:", check_same_thread=False)
    shared.executemany("INSERT INTO t VALUES (zeroblob(3000))", [()] * 50)
    used: list[Any] = []

    def use(*_: int) -> None:
        used.extend(in_threads(lambda: shared.execute("SELECT 1")))

    def copy(source: dbapi.Connection, target: dbapi.Connection) -> None:
        for _ in range(10):
            with suppress(dbapi.OperationalError):  # locked: the other backup writes to it
                source.backup(target, pages=7, progress=use, sleep=0.001)

    assert in_threads(lambda: copy(shared, other), lambda: copy(other, shared)) == []
    assert used == []
    other.close()


def test_thread_that_must_not_use_a_connection_does_not_wait(con: dbapi.Connection) -> None:
    """With check_same_thread it is refused at once; what sqlite3 shows to all threads can be read."""
    gate = Gate(con)

    def elsewhere() -> None:
        try:
            assert gate.reached.wait(20)
            with pytest.raises(dbapi.ProgrammingError, match="can only be used in that same thread"):
                con.execute("SELECT 1")
        finally:
            gate.opened.set()

    errors: list[Any] = []
    thread = threading.Thread(target=lambda: errors.extend(in_threads(elsewhere)))
    thread.start()
    con.execute("SELECT gate()")
    thread.join()
    assert errors == []
    assert in_threads(lambda: (con.in_transaction, con.total_changes, con.isolation_level)) == []


@pytest.mark.parametrize("classes", WITHOUT_LOCK, ids=lambda classes: classes[-1].__name__)
def test_public_methods_hold_the_lock(classes: tuple[type, ...]) -> None:
    """All but those that are known not to need it."""
    found = []
    for name, value in ((name, value) for cls in classes for name, value in vars(cls).items()):
        method = value.fset or value.fget if isinstance(value, property) else value
        is_public = not name.startswith("_") or name.endswith("__")
        if is_public and inspect.isfunction(method) and name != "__init__" and not hasattr(method, "__wrapped__"):
            found.append(name)
    assert sorted(found) == WITHOUT_LOCK[classes].split()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")
def test_fork_frees_the_lock() -> None:
    """The child gets an error at once, although a thread of the parent's is within SQLite."""
    program = """
import os, threading
from openai_vtab import dbapi
connection = dbapi.connect(":memory:", check_same_thread=False)
reached, opened = threading.Event(), threading.Event()
connection.create_function("gate", 0, lambda: (reached.set(), opened.wait(20), 1)[2])
thread = threading.Thread(target=lambda: connection.execute("SELECT gate()"))
thread.start()
reached.wait()
child = os.fork()
if not child:
    try:
        connection.execute("SELECT 1")
    except dbapi.ProgrammingError as error:
        print(error, flush=True)
    os._exit(0)
os.waitpid(child, 0)
opened.set()
thread.join()
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], check=False, capture_output=True, text=True, timeout=30
    )
    assert done.stdout == "Cursor couldn't run because the Connection is busy in another thread\n", done.stderr
