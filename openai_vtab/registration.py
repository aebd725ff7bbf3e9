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
import time
import weakref
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import apsw

from . import intents
from .errors import UnsupportedWriteError, WriteError
from .fetch import AHEAD, Asking, Fetch
from .http import Client
from .intents import Intent, IntentLog
from .ledger import Ledger
from .readahead import Note, ReadAhead
from .rowids import KEPT, Rowids
from .settings import Settings
from .spec import Method, Table
from .statements import Cursors, changes_rows, first_word, is_harmless, select_part
from .values import Limits, SQLiteValue
from .writes.queue import WriteQueue

log = logging.getLogger("openai_vtab")

# of SQLite's machine between two looks at the clock: in a hundred rows or so a user's function may take its time
STEPS = 1000


class _Running:
    """A statement that has begun: the user's changes counted then, whether it only reads, and what it asks for.

    Every statement of the connection has one, most of them for a microsecond: `asking` is made when a table of ours is
    opened by it. `first_write` is the number that the queue gives to its first write.
    """

    __slots__ = ("asking", "changes", "first_write", "id", "readonly", "sql")

    def __init__(self, id: int, changes: int, readonly: bool, sql: str, first_write: int) -> None:
        self.id = id
        self.changes = changes
        self.readonly = readonly
        self.sql = sql
        self.first_write = first_write
        self.asking: Asking | None = None


class Registration:
    """The shared part of one connection."""

    def __init__(self, connection: apsw.Connection, settings: Settings) -> None:
        # weak, so that closing and forgetting a connection frees it and ends the threads
        self.connection = weak = weakref.ref(connection)
        self.settings = settings
        root = settings.upload_root
        self.limits = Limits(settings.max_files_per_batch, None if root is None else Path(root))
        self.fetch = Fetch(Client(settings), lambda: (c := weak()) is not None and c.is_interrupted)
        self.writes = WriteQueue(self.fetch)
        self.nested = Nested(weak)
        self.created: dict[tuple[str, ...], float] = {}  # what was made through it, and when (time.monotonic)
        self.ledgers: list[Ledger] = []
        self.rowids: list[Rowids] = []  # of the tables that have no ledger
        self.note: Note | None = None  # set while a statement is run again only to see what it asks for
        self._to_recover: list[Ledger] = []  # opened, and not yet looked at for what a dead process has left behind
        self._statements: dict[int, _Running] = {}
        self._over: list[_Running] = []  # writing statements that have ended, of which nobody knows whether they failed
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
        """Follow which statements are running: SQLite tells when one begins (STMT) and when it is over (PROFILE).

        A statement that a SQL function runs is told like a trigger's, but has an id of its own. When it writes, it
        fails or succeeds by itself; when it reads, it belongs to the statement around it.
        """
        if event.get("trigger") and (event["readonly"] or event["id"] in self._statements):
            return
        ended = self._statements.pop(event["id"], None)
        if ended is not None:
            self._last = ended
            if ended.asking is not None:
                ended.asking.close()
            if not ended.readonly and (ended.asking is not None or ended.first_write < self.writes.next_number):
                self._over.append(ended)
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
            self._statements[event["id"]] = _Running(
                event["id"], changes, event["readonly"], event["sql"], self.writes.next_number
            )

    def _forget_old(self) -> None:
        """What is kept of objects for later statements has a bound, however long the connection lives."""
        for rowids in (*self.rowids, *(ledger.rowids for ledger in self.ledgers)):
            rowids.forget_old()
        while len(self.created) > KEPT:
            del self.created[next(iter(self.created))]

    def judge_nested(self, level: int | None = None) -> None:
        """Before SQLite's next word on the transaction, judge a statement that has ended within another one.

        Not at the Release of its own savepoint, `level`: a statement that is reset is counted after that.
        """
        if self._over and self._statements and (connection := self.connection()) is not None:
            last = self._over[-1]
            if level is None or not self.writes.has_begun(level, last.asking):
                self._judge(connection.total_changes() - self.nested.changes, None)

    def _judge(self, changes: int, ended: _Running | None) -> None:
        """Tell of the writing statements that are over whether they have failed.

        Only at the event after: a statement that is reset counts its rows after the event that tells of its end.
        """
        now = [over for over in self._over if over is ended]
        for over in self._over:
            if over is ended:
                continue
            changed = changes > over.changes
            self.writes.statement_over(over.asking, changed)
            if not changed:  # what its SQL functions have written was undone with it, if it has failed
                self.writes.doubt(over.first_write)
            # their own rows are what counts for the statements around it, of which one may have ended just now
            for around in {*self._statements.values(), *([] if ended is None else [ended])}:
                around.changes += changes - over.changes
        self._over = now

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
        for ledger in list(self._to_recover):
            self._recover(connection, ledger)
        for log_of_intents in list(self.writes.unsettled):
            self._settle(log_of_intents)
        for ledger in self.ledgers:
            ledger.save(can_wait)
            if not self._statements:
                ledger.rowids.renumber()

    def _settle(self, found: IntentLog) -> None:
        """Give the ledgers rows for what transactions that are gone have created."""
        due = found.unsettled()
        outcomes = {intent.id: intent.outcome for intent in due}  # a response may come while the rows are written
        if due:
            try:
                with self.nested.transaction():
                    self._write_creates(found.file, due)
            except Exception as error:  # also what a commit hook of the user's raises: nothing is lost, only late
                log.debug("not remembered yet: %s", error)
                return
            found.settle(outcomes)
        if found.finish():
            found.remove()
            self.writes.unsettled.remove(found)

    def _write_creates(self, file: str, due: Sequence[Intent]) -> None:
        for intent in due:
            ledger = self._ledger_of(file, intent.ledgers)
            if ledger is None:
                log.warning("created, but its ledger is gone: %s", intent.answer or intent.sent)
            else:
                ledger.write_creates([intent])

    def _ledger_of(self, file: str, names: Sequence[str]) -> Ledger | None:
        """The ledger in a file that has, or had, one of these names; None when it is not there any more."""
        beside = [ledger for ledger in self.ledgers if ledger.file == file]
        for ledger in beside:
            if not set(names).isdisjoint(ledger.names) and ledger.is_there():
                return ledger
        others = (Ledger(self.nested, ledger.table, ledger.schema, name, file) for ledger in beside for name in names)
        return next((ledger for ledger in others if ledger.is_there()), None)

    def _recover(self, connection: apsw.Connection, ledger: Ledger) -> None:
        """Settle the intents that a process which is no more has left beside a ledger's file.

        Only with the write lock: a process that still sends holds it. Where it is taken, this is tried again later.
        """
        ours = {found.path for found in self.writes.unsettled}
        left = [path for path in intents.left_behind(ledger.file) if path not in ours]
        if left and connection.readonly(ledger.schema):
            log.warning(
                "%s: a process was interrupted while it created objects, and this connection cannot write them into "
                "the ledger; open it for writing once (%s)",
                ledger.name,
                ", ".join(path.name for path in left),
            )
        elif left:
            try:
                with self.nested.transaction():
                    ledger.lock()
                    left = [path for path in intents.left_behind(ledger.file) if path not in ours]
                    recovered = [intents.read(path, ledger.file) for path in left]
                    for found in recovered:
                        self._write_creates(found.file, found.unsettled())
            except Exception as error:
                log.debug("%s: not recovered yet: %s", ledger.name, error)
                return
            for found in recovered:
                found.remove()
            if count := sum(len(found.unsettled()) for found in recovered):
                log.warning("%s: %d rows recovered of processes that were interrupted", ledger.name, count)
        self._to_recover.remove(ledger)

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

    def ledger(self, connection: apsw.Connection, table: Table, schema: str, name: str) -> Ledger:
        """The ledger of a table; it outlives SQLite's own idea of the table, which a schema change takes away."""
        file = connection.db_filename(schema) or ""
        if not Path(file).is_file():  # some of SQLite's file systems have names, and no files
            file = ""
        for ledger in self.ledgers:
            if (ledger.schema, ledger.name, ledger.file) == (schema, name, file):
                break
        else:
            ledger = Ledger(self.nested, table, schema, name, file)
            self.ledgers.append(ledger)
            self._to_recover.append(ledger)
        ledger.open()
        return ledger

    def connected(self) -> None:
        """A table was connected."""
        self._connected += 1

    def disconnected(self) -> None:
        """A table was disconnected. With the last one the connection is closed, and the threads end.

        Not left to the garbage collector: an exception's traceback can keep a closed connection's objects alive.
        """
        self._connected -= 1
        if self._connected or self.fetch.is_inherited:
            return
        self.fetch.close()
        self.writes.abandon()
        for found in self.writes.unsettled:
            self._save_elsewhere(found)
        self.writes.unsettled.clear()
        for ledger in self.ledgers:
            ledger.save_elsewhere()

    def _save_elsewhere(self, found: IntentLog) -> None:
        saved = True
        due = found.unsettled()
        outcomes = {intent.id: intent.outcome for intent in due}
        for ledger in self.ledgers:
            if ledger.file == found.file:
                saved &= ledger.save_elsewhere([i for i in due if not set(i.ledgers).isdisjoint(ledger.names)])
        if saved:
            found.settle(outcomes)
        if found.finish():
            found.remove()
        else:
            found.leave()
            left = found.unsettled()
            if left:
                log.warning(
                    "created, and remembered when the ledger is opened again: %s", [i.answer or i.sent for i in left]
                )

    def dropped(self) -> None:
        """A table was dropped. The connection stays, even if it was the last one."""
        self._connected -= 1
        if not self._connected:
            self.fetch.close()

    @property
    def statement(self) -> Asking:
        """The statement that runs now: the one begun last of those not over."""
        if not self._statements and self._last is not None:
            # When the schema has changed since it was prepared, SQLite tells that it has ended, not that it begins anew
            last = self._last
            self._statements[last.id] = _Running(last.id, last.changes, last.readonly, last.sql, last.first_write)
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

    def write(self, sql: str, bindings: Sequence[SQLiteValue] = ()) -> int:
        """Carry it out; the rowid of the row that it has inserted, 0 when none. last_insert_rowid() stays the user's.

        The statement must return no rows, as RETURNING does: it is then over when execute() returns. An interrupt
        between two calls would leave it half done and kept alive by the exception's traceback, and SQLite undoes no
        statement around it as long as that is so.
        """
        connection, cursor = self._cursor()
        last = connection.last_insert_rowid()
        before = connection.total_changes()
        outer, self.running = self.running, True
        try:
            connection.set_last_insert_rowid(0)
            cursor.execute(sql, tuple(bindings))
            return connection.last_insert_rowid()
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

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """A transaction of its own, or apsw.BusyError at once: without waiting as long as the user would."""
        connection, _ = self._cursor()
        (patience,) = next(self.read("PRAGMA busy_timeout"))
        if patience:  # 0 also when the user has a handler of his own, which could not be put back
            connection.set_busy_timeout(0)
        try:
            self.write("BEGIN")
            try:
                yield
                self.write("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    self.write("ROLLBACK")  # a COMMIT that is busy would keep every new reader out
                raise
        finally:
            if patience:
                connection.set_busy_timeout(int(patience))

    def run_through(self, sql: str, patience: float) -> bool:
        """Run a query that changes nothing, for at most so many seconds. Whether it came to its end, or never will.

        Its errors are not the statement's: that may never come so far, or give a function other values.
        """
        connection, cursor = self._cursor()
        end = time.monotonic() + patience
        self.running = True
        try:
            connection.set_progress_handler(lambda: time.monotonic() > end, STEPS, id=Nested)
            if not is_harmless(cursor.execute, sql):
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
        # Made by the connection, which closes it: APSW waits for ever for a cursor of apsw.Cursor(connection) that an
        # exception's traceback keeps alive. Not by the user's factory, whose cursors and traces are not for it. No
        # signal handler runs between these assignments and the call.
        factory = connection.cursor_factory
        try:
            connection.cursor_factory = apsw.Cursor
            cursor = apsw.Connection.cursor(connection)
        finally:
            connection.cursor_factory = factory
        cursor.exec_trace = _untraced
        cursor.row_trace = None if connection.row_trace is None else _unchanged
        return connection, cursor


def _untraced(cursor: apsw.Cursor, sql: str, bindings: Any) -> bool:
    return True


def _unchanged(cursor: apsw.Cursor, row: tuple[SQLiteValue, ...]) -> tuple[SQLiteValue, ...]:
    return row


def roll_back(connection: apsw.Connection) -> None:
    """Before a connection is closed: SQLite rolls back, too, but only when it is too late to write ledgers."""
    try:
        if connection.in_transaction:
            cursor = apsw.Cursor(connection)
            cursor.exec_trace = _untraced
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
