"""SQL of the package's own on the user's connection: within one of its statements, or between two.

It leaves no trace there but in total_changes() and in the user's hooks: no traces, no row factories, and
last_insert_rowid() stays the user's.

>>> sql = InternalSQL(weakref.ref(connection))
>>> next(sql.read("SELECT 1"))
(1,)
"""

from __future__ import annotations

import contextlib
import time
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import apsw

from ..schema.values import SQLiteValue
from .sql_text import is_harmless, without_parameters

# of SQLite's machine between two looks at the clock: in a hundred rows or so a user's function may take its time
STEPS = 1000


class InternalSQL:
    """SQL of ours on the user's connection, that leaves no trace there but in `total_changes()`."""

    def __init__(self, weak: weakref.ref[apsw.Connection]) -> None:
        self._weak = weak
        self.running = False
        self.changes = 0  # how much of total_changes() is ours
        self.unfinished = False  # a transaction of ours could not be rolled back yet
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
        """Carry out one statement by itself, as `alone`."""
        with self.alone():
            self.write(sql, bindings)

    @contextlib.contextmanager
    def alone(self) -> Iterator[apsw.Connection]:
        """For statements that commit each by itself, without waiting for other writers.

        Raises apsw.BusyError also when they would be a part of a statement that found the database busy: SQLite reports
        the end of such a statement before it undoes it.
        """
        with self._without_waiting() as connection:
            _refuse_within_a_statement(connection)
            yield connection
            _refuse_within_a_statement(connection)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """A transaction of its own. Raises apsw.BusyError as `alone`, and InterruptError."""
        with self.alone() as connection:
            if connection.is_interrupted:  # SQLite would not even carry out the ROLLBACK
                raise apsw.InterruptError("interrupted")
            self.write("BEGIN")
            try:
                yield
                self.write("COMMIT")
            except BaseException:
                self.unfinished = True
                self.finish(connection)
                raise

    def finish(self, connection: apsw.Connection) -> None:
        """Roll back a transaction of ours; one that is busy would keep every new reader out.

        As long as the user's statement is interrupted SQLite refuses that, too: then it is done at the next statement.
        """
        try:
            if connection.in_transaction:
                self.write("ROLLBACK")
        except apsw.InterruptError:
            return
        self.unfinished = False

    @contextlib.contextmanager
    def _without_waiting(self) -> Iterator[apsw.Connection]:
        """Set the user's busy timeout to 0 for a while: a statement that only reads must not wait for writers."""
        connection, _ = self._cursor()
        (patience,) = next(self.read("PRAGMA busy_timeout"))
        try:
            if patience:  # 0 also when the user has a handler of his own, which could not be put back
                connection.set_busy_timeout(0)
            yield connection
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
            connection.set_progress_handler(lambda: time.monotonic() > end, STEPS, id=InternalSQL)
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
            connection.set_progress_handler(None, id=InternalSQL)
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
        cursor.exec_trace = untraced
        cursor.row_trace = None if connection.row_trace is None else _unchanged
        return connection, cursor


def _refuse_within_a_statement(connection: apsw.Connection) -> None:
    if connection.txn_state() == apsw.SQLITE_TXN_WRITE:
        raise apsw.BusyError("it would be undone with a statement that was busy")


def untraced(cursor: apsw.Cursor, sql: str, bindings: Any) -> bool:
    """An exec_trace in place of the connection's own: the statement is none of the user's."""
    return True


def _unchanged(cursor: apsw.Cursor, row: tuple[SQLiteValue, ...]) -> tuple[SQLiteValue, ...]:
    return row
