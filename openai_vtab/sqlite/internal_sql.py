"""The package's own SQL on the user's connection, within one of the user's statements or between two of them.

It leaves no trace except in total_changes() and in the user's hooks: it calls no trace and no row factory of the
user's, and last_insert_rowid() stays as the user knows it.

>>> sql = InternalSQL(weakref.ref(connection))
>>> next(sql.read("SELECT 1"))
(1,)
"""

from __future__ import annotations

import contextlib
import time
import weakref
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apsw

from ..schema.values import SQLiteValue
from .programs import Instruction
from .repeatable import is_harmless
from .sql_text import without_parameters

# instructions of SQLite between two looks at the clock: about a hundred rows, each of which may call a user's function
STEPS = 1000
SHORT_SECONDS, FEW_STEPS = 0.05, 20  # the steps where there is no more time than that: a few rows


class InternalSQL:
    """Runs the package's own SQL on the user's connection."""

    def __init__(self, weak: weakref.ref[apsw.Connection]) -> None:
        self._weak = weak
        self.running = False  # a statement of the package is being executed
        self.changes = 0  # the part of total_changes() that the package has caused
        self.unfinished = False  # a transaction of the package could not be rolled back yet
        self._modules: set[str] = set()  # the names of the package's modules

    def add_modules(self, names: Iterable[str]) -> None:
        """Remember modules of the package, whose virtual tables a replay may read."""
        self._modules.update(names)

    def read(self, sql: str, bindings: Sequence[SQLiteValue] = (), *, can_cache: bool = True) -> apsw.Cursor:
        """Execute a query and return a cursor of its rows. Raises InterruptError if the statement is interrupted.

        Without `can_cache`, it is prepared anew: SQLite does not see that the schema has changed since an EXPLAIN was
        prepared.
        """
        connection, cursor = self._cursor()
        outer, self.running = self.running, True
        try:
            return cursor.execute(sql, tuple(bindings), can_cache=can_cache)
        except apsw.SQLError as error:
            if not connection.is_interrupted:
                raise
            problem = str(error)
        finally:
            self.running = outer
        # SQLite reports an interrupt while it prepares json_each as "vtable constructor failed"
        raise apsw.InterruptError(problem)

    def can_prepare(self, sql: str) -> bool:
        """Return whether a query can be prepared: its tables and columns exist.

        It is not executed. Within BEGIN, this would begin to read, and where a transaction has read already, SQLite
        does not let its first write wait for another writer: the busy timeout would have no effect.
        """
        try:
            self.read(f"EXPLAIN {sql}", can_cache=False)
        except apsw.SQLError:
            return False
        return True

    def write(self, sql: str, bindings: Sequence[SQLiteValue] = ()) -> int:
        """Execute a statement that writes. Returns the rowid of the row that it has inserted, 0 if it inserted none.

        last_insert_rowid() stays as the user knows it. The statement must not return rows (no RETURNING), so that it
        is over when execute() returns. Otherwise an interrupt between two calls could leave it half done; the
        exception's traceback would keep it alive, and SQLite could not undo the statement around it.
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
        """Execute one statement that commits by itself. Raises apsw.BusyError as `alone` does."""
        with self.alone():
            self.write(sql, bindings)

    @contextlib.contextmanager
    def alone(self) -> Iterator[apsw.Connection]:
        """For statements that each commit by themselves. They do not wait for other writers, but raise apsw.BusyError.

        BusyError is also raised where they would become part of a statement that found the database busy: SQLite
        reports the end of such a statement before it undoes the statement.
        """
        with self._without_waiting() as connection:
            _refuse_within_a_statement(connection)
            yield connection
            _refuse_within_a_statement(connection)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """A transaction of its own. Raises apsw.BusyError as `alone` does, and InterruptError."""
        with self.alone() as connection:
            if connection.is_interrupted:  # SQLite would refuse the ROLLBACK, too
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
        """Roll back the package's transaction, which would otherwise keep every new reader out.

        While the user's statement is interrupted, SQLite refuses the ROLLBACK as well. It is repeated at the next
        statement.
        """
        try:
            if connection.in_transaction:
                self.write("ROLLBACK")
        except apsw.InterruptError:
            return
        self.unfinished = False

    @contextlib.contextmanager
    def _without_waiting(self) -> Iterator[apsw.Connection]:
        """Set the user's busy timeout to 0 within the block: a statement that only reads must not wait for writers."""
        connection, _ = self._cursor()
        (milliseconds,) = next(self.read("PRAGMA busy_timeout"))
        try:
            if milliseconds:  # also 0 if the user has set a busy handler, which could not be restored
                connection.set_busy_timeout(0)
            yield connection
        finally:
            if milliseconds:
                connection.set_busy_timeout(int(milliseconds))

    def program(self, sql: str) -> list[Instruction]:
        """Return the rows of EXPLAIN for a statement, whatever its parameters are; none if EXPLAIN fails."""
        try:
            return list(self.read(f"EXPLAIN {without_parameters(sql)}", can_cache=False))
        except apsw.Error:  # for example an authorizer's refusal
            return []

    def run_through(self, sql: str, seconds: float) -> bool:
        """Run a query that changes nothing, for at most `seconds`. Returns False if it ran out of time.

        Errors of the query count as its end and are not raised: the statement that it was taken from may never come
        so far, or may pass other values to a function.
        """
        connection, cursor = self._cursor()
        end = time.monotonic() + seconds
        steps = STEPS if seconds > SHORT_SECONDS else FEW_STEPS
        self.running = True
        try:
            connection.set_progress_handler(lambda: time.monotonic() > end, steps, id=InternalSQL)
            if not is_harmless(cursor.execute, sql, self._modules):
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
        assert connection is not None  # noqa: S101 - the connection runs the statement that calls this
        # Connection.cursor() makes the cursor, so that closing the connection closes it: APSW waits for ever for an
        # apsw.Cursor(connection) that an exception's traceback keeps alive. The user's factory is replaced meanwhile,
        # because its cursors and traces are the user's. No signal handler runs between these lines.
        factory = connection.cursor_factory
        try:
            connection.cursor_factory = apsw.Cursor
            cursor = apsw.Connection.cursor(connection)
        finally:
            connection.cursor_factory = factory
        cursor.exec_trace = _untraced
        cursor.row_trace = None if connection.row_trace is None else _unchanged
        return connection, cursor


def _refuse_within_a_statement(connection: apsw.Connection) -> None:
    if connection.txn_state() == apsw.SQLITE_TXN_WRITE:
        raise apsw.BusyError("a statement that found the database busy is still being undone; try again")


def _untraced(cursor: apsw.Cursor, sql: str, bindings: Any) -> bool:
    """An exec_trace that replaces the connection's: the statement is not the user's."""
    return True


def _unchanged(cursor: apsw.Cursor, row: tuple[SQLiteValue, ...]) -> tuple[SQLiteValue, ...]:
    return row
