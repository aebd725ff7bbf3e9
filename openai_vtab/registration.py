"""What the tables of one registered connection share: the client's threads, the outbox, the ledgers, the statements.

It follows through SQLite's trace which statements run, and runs SQL of its own between and within them. It must not
know any table, nor HTTP.

>>> Registration(connection, Settings()).statement

https://www.sqlite.org/c3ref/trace_v2.html
"""

from __future__ import annotations

import atexit
import time
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import apsw

from .fetch import AHEAD, Asking, Fetch
from .http import Client
from .ledger import Ledger
from .outbox import Outbox
from .readahead import Note, ReadAhead
from .settings import Settings
from .spec import Table
from .statements import Bindings, cursor_factory, is_harmless, select_part
from .values import Limits, SQLiteValue


@dataclass
class _Running:
    """A statement that has begun: what it asks for, the user's changes counted then, whether it only reads."""

    asking: Asking
    changes: int
    readonly: bool
    sql: str
    bindings: Bindings


class Registration:
    """The shared part of one connection."""

    def __init__(self, connection: apsw.Connection, settings: Settings) -> None:
        # weak, so that closing and forgetting a connection frees it and ends the threads
        weak = weakref.ref(connection)
        self.settings = settings
        self.limits = Limits(settings.max_files_per_batch)
        self.fetch = Fetch(Client(settings), lambda: (c := weak()) is not None and c.is_interrupted)
        self.outbox = Outbox(self.fetch)
        self.nested = Nested(weak)
        self.ledgers: dict[tuple[str, str], Ledger] = {}
        self.note: Note | None = None  # set while a statement is run again only to see what it asks for
        self._statements: dict[int, _Running] = {}
        self._over: list[_Running] = []
        self._bindings: Bindings = None  # of the statement that begins next
        self._connected = 0
        mask = apsw.SQLITE_TRACE_STMT | apsw.SQLITE_TRACE_PROFILE
        connection.trace_v2(mask, self._trace, id=Registration)
        if settings.read_ahead:
            connection.cursor_factory = cursor_factory(connection.cursor_factory, self._bound)
        weakref.finalize(self, self.fetch.close)
        _open[:] = [ref for ref in _open if ref() is not None] + [weak]

    def _trace(self, event: dict[str, Any]) -> None:
        """Follow which statements are running: SQLite tells when one begins (STMT) and when it is over (PROFILE)."""
        if self.nested.running or event.get("trigger"):
            return
        changes = event["total_changes"] - self.nested.changes
        # only now, because a statement that is reset counts its rows after the event that tells of its end
        for over in self._over:
            self.outbox.statement_over(over.asking, changes > over.changes)
        self._over.clear()
        ended = self._statements.pop(event["id"], None)
        if ended is not None:
            ended.asking.close()
            if not ended.readonly:
                self._over.append(ended)
        begins = event["code"] == apsw.SQLITE_TRACE_STMT
        # of a writing statement that begins, what is written now would be a part, to be undone with it
        if (begins and event["readonly"]) or ended is not None:
            self._between_statements(event["connection"])
        if begins:
            asking = Asking(self.fetch)
            running = _Running(asking, changes, event["readonly"], event["sql"], self._bindings)
            self._bindings = None
            if self.settings.read_ahead:
                asking.read_ahead = ReadAhead(asking.start, AHEAD * self.fetch.size, partial(self._replay, running))
            self._statements[event["id"]] = running

    def _between_statements(self, connection: apsw.Connection) -> None:
        """Outside of a transaction: forget what a lost one had queued, and write what ledgers keep for later."""
        if connection.in_transaction or not all(running.readonly for running in self._statements.values()):
            return
        # Usually empty: APSW calls no Rollback when a commit fails by somebody's Python exception
        self.outbox.rollback()
        for ledger in self.ledgers.values():
            ledger.save()
            if not self._statements:
                ledger.rowids.renumber()

    def _bound(self, bindings: Bindings) -> None:
        self._bindings = bindings

    def _replay(self, running: _Running, note: Note, patience: float) -> bool:
        """Run a statement's query once more, to note what it asks for. Whether it came to its end."""
        sql = running.sql if running.readonly else select_part(running.sql)
        if sql is None or self.note is not None:
            return True
        self.note = note
        try:
            return self.nested.run_through(sql, running.bindings, patience)
        finally:
            self.note = None

    def ledger(self, connection: apsw.Connection, table: Table, schema: str, name: str) -> Ledger:
        """The ledger of a table; it outlives SQLite's own idea of the table, which a schema change takes away."""
        key = (schema, name)
        if key not in self.ledgers:
            self.ledgers[key] = Ledger(self.nested, table, schema, name, connection.db_filename(schema) or "")
        self.ledgers[key].open()
        return self.ledgers[key]

    def connected(self, change: int) -> None:
        """A table was connected (1) or disconnected (-1). With the last one the threads end.

        Not left to the garbage collector: an exception's traceback can keep a closed connection's objects alive.
        """
        self._connected += change
        if not self._connected:
            self.fetch.close()
            self.outbox.rollback()
            for ledger in self.ledgers.values():
                ledger.save_elsewhere()

    @property
    def statement(self) -> Asking:
        """The statement that runs now: the one begun last of those not over."""
        for running in reversed(self._statements.values()):
            return running.asking
        return Asking(self.fetch)


class Nested:
    """SQL of ours on the user's connection, that leaves no trace there but in `total_changes()`."""

    def __init__(self, weak: weakref.ref[apsw.Connection]) -> None:
        self._weak = weak
        self.running = False
        self.changes = 0  # how much of total_changes() is ours

    def read(self, sql: str, bindings: Sequence[SQLiteValue] = ()) -> Iterator[tuple[SQLiteValue, ...]]:
        """The rows, as they are read."""
        _, cursor = self._cursor()
        self.running = True
        try:
            return cursor.execute(sql, tuple(bindings))
        finally:
            self.running = False

    def write(self, sql: str, bindings: Sequence[SQLiteValue] = ()) -> list[tuple[SQLiteValue, ...]]:
        """Carry it out; the rows of RETURNING. last_insert_rowid() stays the user's."""
        connection, cursor = self._cursor()
        last = connection.last_insert_rowid()
        before = connection.total_changes()
        self.running = True
        try:
            return cursor.execute(sql, tuple(bindings)).fetchall()
        finally:
            self.running = False
            self.changes += connection.total_changes() - before
            connection.set_last_insert_rowid(last)

    def run_through(self, sql: str, bindings: Any, patience: float) -> bool:
        """Run a query that changes nothing, for at most so many seconds. Whether it came to its end, or never will.

        What is raised through the callbacks of a table is not caught, unless it is an apsw.Error.
        """
        connection, cursor = self._cursor()
        end = time.monotonic() + patience
        self.running = True
        try:
            connection.set_progress_handler(lambda: time.monotonic() > end, 20_000, id=Nested)
            if not is_harmless(cursor.execute, sql, bindings):
                return True
            for _ in cursor.execute(sql, bindings):
                pass
        except apsw.InterruptError:
            return False
        except apsw.Error:
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


# Connections that may be open at the interpreter's exit. Plain references, without callbacks as weakref.finalize has
# them: a callback that sets off a garbage collection while a subclass of apsw.Connection is freed crashes Python.
_open: list[weakref.ref[apsw.Connection]] = []


@atexit.register
def _close_all() -> None:
    """SQLite disconnects tables when a connection is freed; after APSW has been taken down, that crashes."""
    for weak in _open:
        connection = weak()
        if connection is not None:
            connection.close(True)
