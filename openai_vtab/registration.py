"""What the tables of one registered connection share: the client's threads, the outbox, the ledgers, the statements.

It follows through SQLite's trace which statements run, and runs SQL of its own between and within them. It must not
know any table, nor HTTP.

>>> Registration(connection, Settings()).statement

https://www.sqlite.org/c3ref/trace_v2.html
"""

from __future__ import annotations

import atexit
import contextlib
import os
import time
import weakref
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import apsw

from .errors import UnsupportedWriteError
from .fetch import AHEAD, Asking, Fetch
from .http import Client
from .ledger import Ledger
from .outbox import Outbox
from .readahead import Note, ReadAhead
from .rowids import KEPT, Rowids
from .settings import Settings
from .spec import Method, Table
from .statements import Cursors, changes_rows, is_harmless, never_numbers, select_part, without_parameters
from .values import Limits, SQLiteValue

# of SQLite's machine between two looks at the clock: in a hundred rows or so a user's function may take its time
STEPS = 1000


class _Running:
    """A statement that has begun: the user's changes counted then, whether it only reads, and what it asks for.

    Every statement of the connection has one, most of them for a microsecond: `asking` is made when a table of ours is
    opened by it.
    """

    __slots__ = ("asking", "changes", "id", "readonly", "sql")

    def __init__(self, id: int, changes: int, readonly: bool, sql: str) -> None:
        self.id = id
        self.changes = changes
        self.readonly = readonly
        self.sql = sql
        self.asking: Asking | None = None


class Registration:
    """The shared part of one connection."""

    def __init__(self, connection: apsw.Connection, settings: Settings) -> None:
        # weak, so that closing and forgetting a connection frees it and ends the threads
        weak = weakref.ref(connection)
        self.settings = settings
        root = settings.upload_root
        self.limits = Limits(settings.max_files_per_batch, None if root is None else Path(root))
        self.fetch = Fetch(Client(settings), lambda: (c := weak()) is not None and c.is_interrupted)
        self.outbox = Outbox(self.fetch)
        self.nested = Nested(weak)
        self.created: dict[tuple[str, ...], float] = {}  # what was made through it, and when (time.monotonic)
        self.ledgers: list[Ledger] = []
        self.rowids: list[Rowids] = []  # of the tables that have no ledger
        self.note: Note | None = None  # set while a statement is run again only to see what it asks for
        self._statements: dict[int, _Running] = {}
        self._over: list[tuple[_Running, Asking]] = []
        self._last: _Running | None = None  # that has ended
        self._cursors = Cursors()
        self._connected = 0
        mask = apsw.SQLITE_TRACE_STMT | apsw.SQLITE_TRACE_PROFILE
        connection.trace_v2(mask, self._trace, id=Registration)
        if settings.read_ahead:
            connection.cursor_factory = self._cursors.factory(connection.cursor_factory)
        weakref.finalize(self, self.fetch.close)
        _open[:] = [ref for ref in _open if ref() is not None] + [weak]

    def _trace(self, event: dict[str, Any]) -> None:
        """Follow which statements are running: SQLite tells when one begins (STMT) and when it is over (PROFILE)."""
        if event.get("trigger"):
            return
        ended = self._statements.pop(event["id"], None)
        if ended is not None:
            self._last = ended
            if ended.asking is not None:
                ended.asking.close()
                if not ended.readonly:
                    self._over.append((ended, ended.asking))
                if not self._statements:
                    self._forget_old()
        if self.nested.running:
            return  # a cursor can be collected meanwhile; what we run ourselves is not among the statements
        changes = event["total_changes"] - self.nested.changes
        if self._over:
            self._judge(changes, ended)
        begins = event["code"] == apsw.SQLITE_TRACE_STMT
        # of a writing statement that begins, what is written now would be a part, to be undone with it
        if (begins and event["readonly"]) or ended is not None:
            # changes() stays the user's own when it is asked for right after a statement that writes
            self.settle(event["connection"], can_wait=ended is None or not ended.readonly)
        if begins:
            self._statements[event["id"]] = _Running(event["id"], changes, event["readonly"], event["sql"])

    def _forget_old(self) -> None:
        """What is kept of objects for later statements has a bound, however long the connection lives."""
        for rowids in (*self.rowids, *(ledger.rowids for ledger in self.ledgers)):
            rowids.forget_old()
        while len(self.created) > KEPT:
            del self.created[next(iter(self.created))]

    def _judge(self, changes: int, ended: _Running | None) -> None:
        """Tell of the writing statements that are over whether they have failed.

        Only at the event after: a statement that is reset counts its rows after the event that tells of its end.
        """
        now = [over for over in self._over if over[0] is ended]
        for over, asking in self._over:
            if over is not ended:
                self.outbox.statement_over(asking, changes > over.changes)
        self._over = now

    def refuse_if_read_only(self, table: Table, method: Method) -> None:
        """Before anything is queued, or written to a ledger: the one place where read_only is decided."""
        if self.settings.read_only:
            raise UnsupportedWriteError(
                f"{table.name}: this connection is read_only, and {method.http} {method.path} would change something "
                "at the API"
            )

    def settle(self, connection: apsw.Connection, *, can_wait: bool) -> None:
        """Outside of a transaction: forget what a lost one had queued, and write what ledgers keep for later.

        What is only learned, not created, is not written when it can wait.
        """
        if not self.ledgers and self.outbox.is_empty:
            return
        if connection.in_transaction or not all(running.readonly for running in self._statements.values()):
            return
        # Usually empty: APSW calls no Rollback when a commit fails by somebody's Python exception
        self.outbox.rollback()
        for ledger in self.ledgers:
            ledger.save(can_wait)
            if not self._statements:
                ledger.rowids.renumber()

    def _replay(self, running: _Running, note: Note, patience: float) -> bool:
        """Run a statement's query once more, to note what it asks for. Whether it came to its end."""
        sql = self._cursors.with_values(running.sql)
        if sql is not None and not running.readonly:
            sql = select_part(sql)
        if sql is None or self.note is not None:
            return True
        self.note = note
        try:
            return self.nested.run_through(sql, patience)
        finally:
            self.note = None

    def never_numbers(self, asking: Asking, idxStr: str) -> set[int]:  # noqa: N803 - SQLite's name
        """The positions in a scan's argv of values that equal no text when they are numbers.

        `asking` is of the statement that scans; it tells it from others that run.
        """
        running = next((r for r in self._statements.values() if r.asking is asking), None)
        if running is None:
            return set()
        return never_numbers(self.nested.read, self.nested.program(running.sql), idxStr)

    def ledger(self, connection: apsw.Connection, table: Table, schema: str, name: str) -> Ledger:
        """The ledger of a table; it outlives SQLite's own idea of the table, which a schema change takes away."""
        file = connection.db_filename(schema) or ""
        for ledger in self.ledgers:
            if (ledger.schema, ledger.name, ledger.file) == (schema, name, file):
                break
        else:
            ledger = Ledger(self.nested, table, schema, name, file)
            self.ledgers.append(ledger)
        ledger.open()
        return ledger

    def connected(self, change: int) -> None:
        """A table was connected (1) or disconnected (-1). With the last one the threads end.

        Not left to the garbage collector: an exception's traceback can keep a closed connection's objects alive.
        """
        self._connected += change
        if not self._connected and not self.fetch.is_inherited:
            self.fetch.close()
            self.outbox.rollback()
            for ledger in self.ledgers:
                ledger.save_elsewhere()

    @property
    def statement(self) -> Asking:
        """The statement that runs now: the one begun last of those not over."""
        if not self._statements and self._last is not None:
            # When the schema has changed since it was prepared, SQLite tells that it has ended, not that it begins anew
            last = self._last
            self._statements[last.id] = _Running(last.id, last.changes, last.readonly, last.sql)
        for running in reversed(self._statements.values()):
            if running.asking is None:
                running.asking = self._asking(running)
            return running.asking
        return Asking(self.fetch)

    def _asking(self, running: _Running) -> Asking:
        asking = Asking(self.fetch)
        # never of a statement that writes: what is not there would be missing in what it writes
        asking.tolerates = self.settings.errors == "row" and running.readonly
        asking.supposes = self.settings.dry_run and changes_rows(running.sql)
        if self.settings.read_ahead:
            asking.read_ahead = ReadAhead(asking.predict, AHEAD * self.fetch.size, partial(self._replay, running))
        return asking


class Nested:
    """SQL of ours on the user's connection, that leaves no trace there but in `total_changes()`."""

    def __init__(self, weak: weakref.ref[apsw.Connection]) -> None:
        self._weak = weak
        self.running = False
        self.changes = 0  # how much of total_changes() is ours
        self.ours: set[str] = set()  # the names of our modules

    def read(self, sql: str, bindings: Sequence[SQLiteValue] = ()) -> Iterator[tuple[SQLiteValue, ...]]:
        """The rows, as they are read."""
        connection, cursor = self._cursor()
        outer, self.running = self.running, True
        try:
            return cursor.execute(sql, tuple(bindings))
        except apsw.SQLError as error:
            if not connection.is_interrupted:
                raise
            problem = str(error)
        finally:
            self.running = outer
        raise apsw.InterruptError(problem)  # as "vtable constructor failed", where it was to prepare json_each

    def write(self, sql: str, bindings: Sequence[SQLiteValue] = ()) -> list[tuple[SQLiteValue, ...]]:
        """Carry it out; the rows of RETURNING. last_insert_rowid() stays the user's."""
        connection, cursor = self._cursor()
        last = connection.last_insert_rowid()
        before = connection.total_changes()
        outer, self.running = self.running, True
        try:
            return cursor.execute(sql, tuple(bindings)).fetchall()
        finally:
            self.running = outer
            self.changes += connection.total_changes() - before
            connection.set_last_insert_rowid(last)

    def write_unless_busy(self, sql: str, bindings: Sequence[SQLiteValue]) -> None:
        """Carry it out by itself, without waiting for other writers as long as the user would.

        Raises apsw.BusyError also when it is a part of a statement: of one that found the database busy, SQLite tells
        that it is over before it is undone.
        """
        connection, _ = self._cursor()
        (patience,) = next(self.read("PRAGMA busy_timeout"))
        if patience:  # 0 also when the user has a handler of his own, which could not be put back
            connection.set_busy_timeout(0)
        try:
            self.write(sql, bindings)
            if connection.txn_state() == apsw.SQLITE_TXN_WRITE:
                raise apsw.BusyError("it would be undone with a statement that was busy")
        finally:
            if patience:
                connection.set_busy_timeout(int(patience))

    def program(self, sql: str) -> list[tuple[Any, ...]]:
        """What SQLite makes of a statement: the rows of EXPLAIN, whatever its parameters; none when it cannot tell."""
        try:
            return list(self.read(f"EXPLAIN {without_parameters(sql)}"))
        except apsw.Error:  # an authorizer's, say
            return []

    def run_through(self, sql: str, patience: float) -> bool:
        """Run a query that changes nothing, for at most so many seconds. Whether it came to its end, or never will.

        Its errors are not the statement's: that may never come so far, or give a function other values.
        """
        connection, cursor = self._cursor()
        end = time.monotonic() + patience
        self.running = True
        try:
            connection.set_progress_handler(lambda: time.monotonic() > end, STEPS, id=Nested)
            if not is_harmless(cursor.execute, sql, self.ours):
                return True
            for _ in cursor.execute(sql):
                pass
        except apsw.InterruptError:
            return False
        except Exception:
            return True
        finally:
            cursor.close(True)
            connection.set_progress_handler(None, id=Nested)
            self.running = False
        return True

    def _cursor(self) -> tuple[apsw.Connection, apsw.Cursor]:
        connection = self._weak()
        assert connection is not None  # noqa: S101 - it is running the statement that asks
        cursor = apsw.Cursor(connection)  # not connection.cursor(): the user's factory and traces are not for it
        cursor.exec_trace = _untraced
        cursor.row_trace = None if connection.row_trace is None else _unchanged
        return connection, cursor


def _untraced(cursor: apsw.Cursor, sql: str, bindings: Any) -> bool:
    return True


def _unchanged(cursor: apsw.Cursor, row: tuple[SQLiteValue, ...]) -> tuple[SQLiteValue, ...]:
    return row


def roll_back(connection: apsw.Connection) -> None:
    """Before a connection is closed: SQLite rolls back, too, but only when it is too late to write ledgers."""
    with contextlib.suppress(apsw.Error):  # closed already
        if connection.in_transaction:
            cursor = apsw.Cursor(connection)
            cursor.exec_trace = _untraced
            cursor.execute("ROLLBACK")


# Connections that may be open at the interpreter's exit. Plain references, without callbacks as weakref.finalize has
# them: a callback that sets off a garbage collection while a subclass of apsw.Connection is freed crashes Python.
_open: list[weakref.ref[apsw.Connection]] = []


@atexit.register
def _close_all() -> None:
    """SQLite disconnects tables when a connection is freed; after APSW has been taken down, that crashes."""
    for weak in _open:
        connection = weak()
        if connection is not None:
            roll_back(connection)
            # a daemon thread that uses it keeps it alive, and goes on with nothing when the interpreter ends
            with contextlib.suppress(apsw.ThreadingViolationError):
                connection.close(True)


def _keep_out() -> None:
    """In the child of a fork: its parent's connections must be neither used nor closed, which would take the parent's
    transactions back. So they are never freed here.

    https://www.sqlite.org/howtocorrupt.html#_carrying_an_open_database_across_a_fork_
    """
    inherited = [connection for weak in _open if (connection := weak()) is not None]
    _open.clear()
    if inherited:
        import ctypes

        for connection in inherited:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


if hasattr(os, "register_at_fork"):  # pragma: no branch - not on Windows
    os.register_at_fork(after_in_child=_keep_out)
