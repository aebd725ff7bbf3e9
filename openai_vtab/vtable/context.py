"""What the tables of one registered connection share: the client's threads, the writes, the ledgers, the statements.

It follows through SQLite's trace which statements run, and runs SQL of its own between and within them. It must not
know any table, nor HTTP.

>>> Registration(connection, Settings()).statement

https://www.sqlite.org/c3ref/trace_v2.html
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import apsw

from ..clock import REAL, Clock
from ..errors import UnsupportedWriteError, WriteError
from ..execution.read_ahead import ReadAhead
from ..execution.statement import WINDOW_FACTOR, StatementSession
from ..execution.workers import WorkerPool
from ..ledger.store import Ledger
from ..protocol import Request
from ..schema.table import Method, Table
from ..schema.values import Limits
from ..settings import Settings
from ..sqlite.internal_sql import InternalSQL, untraced
from ..sqlite.rowids import KEPT, Rowids
from ..sqlite.sql_text import (
    Cursors,
    changes_rows,
    first_word,
    never_numbers,
    select_part,
)
from ..transport.client import Client
from ..writes.queue import WriteQueue
from ..writes.settlement import Settlement
from .lookup import RequestRecorder

log = logging.getLogger("openai_vtab")


class _UserReads(BaseException):
    """A function of the user's runs a statement in a replay.

    Not an Exception: the function could take that for a result, and remember it.
    """


def _keep_note_from_user(*_: object) -> bool:
    """End a replay: the tables of ours would tell the user's own statement that they have no rows."""
    raise _UserReads


class RunningStatement:
    """A statement that has begun: the user's changes counted then, whether it only reads, and what it asks for.

    Every statement of the connection has one; `asking` is made when it opens a table of ours. `first_write` is the
    number that the queue gives to its first write.
    """

    __slots__ = ("changes", "failed", "first_write", "id", "readonly", "session", "sql")

    def __init__(self, id: int, changes: int, readonly: bool, sql: str, first_write: int) -> None:
        self.id = id
        self.changes = changes
        self.readonly = readonly
        self.sql = sql
        self.first_write = first_write
        self.failed = False  # a row of it was refused
        self.session: StatementSession | None = None


class ConnectionContext:
    """The shared part of one connection."""

    def __init__(self, connection: apsw.Connection, settings: Settings, *, clock: Clock = REAL) -> None:
        # weak, so that closing and forgetting a connection frees it and ends the threads
        self.connection = weak = weakref.ref(connection)
        self.settings = settings
        self.clock = clock
        root = settings.upload_root
        self.limits = Limits(settings.max_files_per_batch, None if root is None else Path(root))
        self.workers = WorkerPool(
            Client(settings, clock=clock), lambda: (c := weak()) is not None and c.is_interrupted, clock=clock
        )
        self.writes = WriteQueue(self.workers)
        self.internal_sql = InternalSQL(weak)
        self.created: dict[tuple[str, ...], float] = {}  # what was made through it, and when (clock.monotonic)
        self.settlement = Settlement(self.internal_sql, self.writes)
        self.ledgers = self.settlement.ledgers
        self.rowids: list[Rowids] = []  # of the tables that have no ledger
        self.note: RequestRecorder | None = None  # set while a statement is run again only to see what it asks for
        self._statements: dict[int, RunningStatement] = {}
        self._over: list[
            RunningStatement
        ] = []  # writing statements that have ended, of which nobody knows whether they failed
        self._last: RunningStatement | None = None  # the statement that ended last
        self._cursors = Cursors()
        self._connected = 0
        mask = apsw.SQLITE_TRACE_STMT | apsw.SQLITE_TRACE_PROFILE
        connection.trace_v2(mask, self._trace, id=ConnectionContext)
        if settings.read_ahead:
            connection.cursor_factory = self._cursors.factory(connection.cursor_factory)
        weakref.finalize(self, self.workers.close)
        _open[:] = [ref for ref in _open if ref() is not None] + [weak]

    def _trace(self, event: dict[str, Any]) -> None:
        """Follow which statements are running: SQLite tells when one begins (STMT) and when it is over (PROFILE).

        A statement that a SQL function runs is told like a trigger's, but has an id of its own. When it writes, it
        fails or succeeds by itself; when it reads, it belongs to the statement around it.
        """
        if event.get("trigger") and (event["readonly"] or event["id"] in self._statements):
            return
        ended = self._statements.pop(event["id"], None)
        if ended is not None:
            self._last = ended
            if ended.session is not None:
                ended.session.close()
            # of one within another, what SQLite has counted is not the outer one's
            if not ended.readonly and (
                ended.session or ended.first_write < self.writes.next_number or self._statements
            ):
                self._over.append(ended)
            if not self._statements:
                self._forget_old()
        if self.internal_sql.running:
            return  # a cursor can be collected meanwhile; what we run ourselves is not among the statements
        if self.internal_sql.unfinished:
            self.internal_sql.finish(event["connection"])
        changes = event["total_changes"] - self.internal_sql.changes
        if self._over:
            self._judge(changes, ended)
        begins = event["code"] == apsw.SQLITE_TRACE_STMT
        # of a writing statement that begins, what is written now would be a part, to be undone with it
        if (begins and event["readonly"]) or ended is not None:
            # changes() stays the user's own when it is asked for right after a statement that writes
            self.settle(event["connection"], can_wait=ended is None or not ended.readonly)
        if begins:
            self._statements[event["id"]] = RunningStatement(
                event["id"], changes, event["readonly"], event["sql"], self.writes.next_number
            )

    def _forget_old(self) -> None:
        """What is kept of objects for later statements has a bound, however long the connection lives."""
        for rowids in (*self.rowids, *(ledger.rowids for ledger in self.ledgers)):
            rowids.forget_old()
        while len(self.created) > KEPT:
            del self.created[next(iter(self.created))]

    def judge_nested(self, level: int | None = None) -> None:
        """Before the next savepoint or commit callback, judge a statement that has ended within another one.

        Not at the Release of its own savepoint, `level`: SQLite updates total_changes only after that callback.
        """
        if self._over and self._statements and (connection := self.connection()) is not None:
            last = self._over[-1]
            if level is None or not self.writes.is_begun_by(level, last.session):
                self._judge(connection.total_changes() - self.internal_sql.changes, None)

    def _judge(self, changes: int, ended: RunningStatement | None) -> None:
        """Tell the queue which of the writing statements that have ended have failed.

        Only at the event after: a statement that is reset counts its rows after the event that tells of its end.
        """
        now = [over for over in self._over if over is ended]
        for over in self._over:
            if over is ended:
                continue
            changed = changes > over.changes and not over.failed
            self.writes.statement_over(over.session, changed)
            if not changed:  # what its SQL functions have written was undone with it, if it has failed
                self.writes.doubt(over.first_write)
            # their own rows are what counts for the statements around it, of which one may have ended just now
            for around in {*self._statements.values(), *([] if ended is None else [ended])}:
                around.changes += changes - over.changes
        self._over = now

    @property
    def is_writing(self) -> bool:
        """Whether a writing statement is running, rather than being reset."""
        return any(not running.readonly for running in self._statements.values())

    @property
    def writer(self) -> StatementSession:
        """The writing statement that runs now."""
        return self._asking_of(self._writing())

    def refused(self) -> None:
        """A row of the writing statement that runs now was refused with an exception: SQLite undoes the statement."""
        self._writing().failed = True

    def _writing(self) -> RunningStatement:
        running = next((r for r in reversed(self._statements.values()) if not r.readonly), None)
        if running is None and self._last is not None and not self._last.readonly:
            running = self._begun_anew()
        assert running is not None  # noqa: S101 - SQLite has told of the statement whose row it hands over
        return running

    @property
    def user_rolls_back(self) -> bool:
        """Whether it is the user's ROLLBACK, or the end of the connection, that SQLite carries out now."""
        sql = next((running.sql for running in reversed(self._statements.values())), "ROLLBACK")
        return first_word(sql) == "ROLLBACK"

    def refuse_if_read_only(self, table: Table, method: Method) -> None:
        """Before anything is queued, or written to a ledger: the one place where read_only is decided."""
        if self.settings.read_only:
            raise UnsupportedWriteError(
                f"{table.name}: this connection is read_only, and {method.http} {method.path} would change something "
                "at the API"
            )

    def settle(self, connection: apsw.Connection, *, can_wait: bool) -> None:
        """Outside of a transaction: finish what an interrupt has cut short, and write what ledgers keep for later.

        What is only learned, not created, is not written when it can wait.
        """
        if not self.ledgers and self.writes.is_empty:
            return
        if connection.in_transaction or not all(running.readonly for running in self._statements.values()):
            return
        if connection.txn_state() == apsw.SQLITE_TXN_WRITE:
            return  # of a statement that is reset, SQLite tells that it is over before it commits it
        self.writes.abandon()
        self.settlement.settle(connection, can_wait)
        if not self._statements:
            for ledger in self.ledgers:
                ledger.rowids.renumber()

    def _replay(self, running: RunningStatement, record: Callable[[Request], None], patience: float) -> bool:
        """Run a statement's query once more, to note what it asks for. Whether it came to its end."""
        sql = self._cursors.with_values(running.sql)
        if sql is not None and not running.readonly:
            sql = select_part(sql)
        connection = self.connection()
        if sql is None or self.note is not None or connection is None:
            return True
        self.note = note = RequestRecorder(record)
        try:
            with self._cursors.held(connection, _keep_note_from_user):
                return self.internal_sql.run_through(sql, patience) and not note.partial
        except _UserReads:
            return not note.partial
        finally:
            self.note = None

    def never_numbers(self, session: StatementSession, idxStr: str) -> set[int]:  # noqa: N803 - SQLite's name
        """The positions in a scan's argv of values that equal no text when they are numbers.

        `asking` is of the statement that scans; it tells it from others that run.
        """
        running = next((r for r in self._statements.values() if r.session is session), None)
        if running is None:
            return set()
        return never_numbers(self.internal_sql.read, self.internal_sql.program(running.sql), idxStr)

    def ledger(self, connection: apsw.Connection, table: Table, schema: str, name: str) -> Ledger:
        """The ledger of a table; it outlives SQLite's own idea of the table, which a schema change takes away."""
        file = connection.db_filename(schema) or ""
        if not Path(file).is_file():  # some of SQLite's file systems have names, and no files
            file = ""
        for ledger in self.ledgers:
            if (ledger.schema, ledger.name, ledger.file) == (schema, name, file):
                break
        else:
            ledger = self.settlement.new_ledger(table, schema, name, file)
        ledger.shadow.create_unless_exists()
        return ledger

    def connected(self) -> None:
        """A table was connected."""
        self._connected += 1

    def disconnected(self) -> None:
        """A table was disconnected. With the last one the connection is closed, and the threads end.

        Not left to the garbage collector: an exception's traceback can keep a closed connection's objects alive.
        """
        self._connected -= 1
        if self._connected or self.workers.is_inherited:
            return
        self.workers.close()
        self.writes.abandon()
        self.settlement.close()

    def dropped(self) -> None:
        """A table was dropped. The connection stays, even if it was the last one."""
        self._connected -= 1
        if not self._connected:
            self.workers.close()

    @property
    def statement(self) -> StatementSession:
        """The statement that runs now: the one begun last of those not over."""
        running = next(reversed(self._statements.values()), None) or self._begun_anew()
        return StatementSession(self.workers) if running is None else self._asking_of(running)

    def _begun_anew(self) -> RunningStatement | None:
        """The statement that ended last, which runs again.

        When the schema has changed since it was prepared, SQLite tells that it has ended, not that it begins anew.
        """
        last = self._last
        if last is None:
            return None
        running = RunningStatement(last.id, last.changes, last.readonly, last.sql, last.first_write)
        self._statements[last.id] = running
        return running

    def _asking_of(self, running: RunningStatement) -> StatementSession:
        if running.session is None:
            running.session = self._asking(running)
        return running.session

    def _asking(self, running: RunningStatement) -> StatementSession:
        return StatementSession(
            self.workers,
            # only for statements that read: a statement that writes must not silently skip rows
            skip_unreadable=self.settings.errors == "row" and running.readonly,
            assume_exists=self.settings.dry_run and changes_rows(running.sql),
            read_ahead=partial(self._read_ahead, running) if self.settings.read_ahead else None,
        )

    def _read_ahead(self, running: RunningStatement, session: StatementSession) -> ReadAhead:
        replay = partial(self._replay, running)
        return ReadAhead(session.predict, WINDOW_FACTOR * self.workers.size, replay, clock=self.clock)


def roll_back(connection: apsw.Connection) -> None:
    """Before a connection is closed: SQLite rolls back, too, but only when it is too late to write ledgers."""
    try:
        if connection.in_transaction:
            cursor = apsw.Cursor(connection)
            cursor.exec_trace = untraced
            cursor.execute("ROLLBACK")
    except apsw.Error:  # closed already
        return
    except WriteError as error:  # of a COMMIT that was busy: the rollback is done
        log.warning("%s", error)


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
