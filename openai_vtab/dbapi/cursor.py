"""Cursor: runs one statement at a time and holds its rows, as in PEP 249 and sqlite3, over an apsw.Cursor.

>>> cursor.execute("SELECT status FROM vector_store_file_batches WHERE vector_store_id = ? AND batch_id = ?", (…))
>>> cursor.fetchone()
('completed',)

https://docs.python.org/3/library/sqlite3.html#cursor-objects
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self, TypeVar

import apsw

from ..errors import ProgrammingError
from ..sqlite import optional_drops
from .connection_lock import ConnectionLock, serialized
from .database_handle import DatabaseHandle
from .exceptions import map_errors
from .exec_trace import Description, ExecTrace
from .single_statement import inspect_sql
from .types import Parameters, convert, to_bindings

NOT_INITIALIZED = "Base Cursor.__init__ not called."
CLOSED = "Cannot operate on a closed cursor."
_END = object()
T = TypeVar("T")


class Cursor:
    """Runs statements on its connection and holds the rows of the last one.

    As in sqlite3, the row after the fetched one has been read already: a statement ends, and its changes are counted,
    when its last row is fetched.
    """

    arraysize = 1
    row_factory: Callable[[Cursor, tuple[Any, ...]], Any] | None = None
    lastrowid: int | None = None
    rowcount = -1
    connection: Any  # the Connection that this cursor belongs to (PEP 249)
    _unusable = NOT_INITIALIZED  # why no method can be called, or empty
    _running = False  # True while a method runs: a callback or parameter must not use the same cursor.
    _lock: ConnectionLock | None = None

    def __init__(self, connection: DatabaseHandle, /) -> None:
        if not isinstance(connection, DatabaseHandle):
            raise TypeError(f"Cursor() argument 1 must be Connection, not {type(connection).__name__}")
        if self._running:
            raise ProgrammingError("Recursive use of cursors not allowed.")
        self.connection = self._handle = connection
        self.row_factory = None
        self._lock = connection._lock
        self._connection = connection._checked()
        self._exec_trace = ExecTrace(connection)
        self._next: tuple[Any, ...] | None = None
        self._is_dml = False
        self._open()
        self._unusable = ""

    @serialized
    def _open(self) -> None:
        self._cursor: apsw.Cursor = self._connection.cursor()
        self._cursor.exec_trace = self._exec_trace
        self._closer = None if self._lock is None else self._lock.closer_for(self._cursor)

    @property
    def description(self) -> Description | None:
        """The columns of the last statement, each (name, None, None, None, None, None, None); None without columns."""
        return None if self._unusable else self._exec_trace.description

    @serialized
    def execute(self, sql: str, parameters: Parameters = (), /) -> Self:
        """Run one statement; its rows can then be fetched or iterated."""
        self._start()
        try:
            statement = self._prepare(sql)
            self._execute(statement, parameters)
            self.lastrowid = self._connection.last_insert_rowid()
        except BaseException:
            self.rowcount = -1
            raise
        finally:
            self._running = False
        return self

    def executemany(self, sql: str, seq_of_parameters: Iterable[Parameters], /) -> Self:
        """Run a statement that changes rows once for each element; the rows of RETURNING are dropped."""
        rows = iter(seq_of_parameters)
        statement = self._prepare_many(sql)
        try:
            for row in rows:  # not under the lock: what makes the rows may wait for another thread's statement
                statement = self._execute_one(statement, row)
        except BaseException:
            self.rowcount = -1
            raise
        finally:
            self._running = False
        return self

    @serialized
    def _prepare_many(self, sql: str) -> str:
        self._start()
        try:
            return self._prepare(sql, many=True)
        except BaseException:
            self._running = False
            raise

    @serialized
    def _execute_one(self, statement: str, row: Parameters) -> str:
        """Run the statement of executemany() for a row of parameters. Returns the statement, or its translation."""
        bindings = to_bindings(row)
        with map_errors:
            statement, _ = self._run(lambda sql: deque(self._cursor.execute(sql, bindings), 0), statement)
        self._count_changes()
        return statement

    @serialized
    def executescript(self, sql_script: str, /) -> Self:
        """Run any number of statements. An open transaction is committed first, unless `autocommit` was set."""
        self._start()
        try:
            if not isinstance(sql_script, str):
                raise TypeError(f"executescript() argument must be str, not {type(sql_script).__name__}")
            if "\0" in sql_script:
                raise ValueError("embedded null character")
            self._handle._check_length(sql_script)
            self._handle._check_statement(sql_script)
            self._reset()
            self._handle._commit_before_script()
            with map_errors:
                for part in self._handle._dialect.divide(sql_script):
                    self._exec_trace.reset()
                    self._run(lambda sql: deque(optional_drops.execute(self._cursor.execute, sql, None), 0), part)
            self._exec_trace.reset()
        finally:
            self._running = False
        return self

    def _start(self, *, closing: bool = False) -> None:
        """Mark the cursor as running. Raises ProgrammingError when it is closed, running, or another thread's."""
        if self._unusable and not (closing and self._unusable == CLOSED):
            raise ProgrammingError(self._unusable)
        self._handle._checked()
        if self._running:
            raise ProgrammingError("Recursive use of cursors not allowed.")
        self._running = True

    def _prepare(self, sql: str, *, many: bool = False) -> str:
        """Check the text, drop the last statement's rows, and begin a transaction where sqlite3 does."""
        if not isinstance(sql, str):
            raise TypeError(f"execute() argument 1 must be str, not {type(sql).__name__}")
        if "\0" in sql:
            raise ProgrammingError("the query contains a null character")
        self._handle._check_length(sql)
        is_dml, statement = inspect_sql(sql)
        if statement is None:
            raise ProgrammingError("You can only execute one statement at a time.")
        self._handle._check_statement(statement)
        self._reset(many=many)
        self._is_dml = is_dml
        if is_dml:
            self.rowcount = 0
            self._handle._begin_implicitly()
        return statement

    def _reset(self, *, many: bool = False) -> None:
        self._next = None
        self._is_dml = False
        self.rowcount = -1
        self._exec_trace.reset(many=many)

    def _execute(self, sql: str, parameters: Parameters) -> None:
        bindings = to_bindings(parameters)
        with map_errors:
            sql, self._next = self._run(
                lambda sql: next(optional_drops.execute(self._cursor.execute, sql, bindings), None), sql
            )
            if self._next is not None:
                self._exec_trace.set_columns(self._cursor.description)
            elif self._exec_trace.description and not self._is_dml:
                self._exec_trace.prepare_columns(self._connection, sql, bindings)
        if self._next is None:
            self._count_changes()

    def _run(self, run: Callable[[str], T], sql: str) -> tuple[str, T]:
        """Run a statement, or its translation if SQLite cannot parse it. Returns what has run, and the result.

        SQLite's error also says what to write instead.
        """
        try:
            return sql, run(sql)
        except apsw.SQLError as error:
            translated = None if self._exec_trace.has_begun else self._handle._dialect.translated(sql, error)
            if translated is None:
                raise self._handle._explained(error, sql) from None
        try:
            return translated, run(translated)
        except apsw.SQLError as error:
            raise self._handle._explained(error, translated) from None

    def _count_changes(self) -> None:
        if self._is_dml:
            self.rowcount += self._connection.changes()

    def __iter__(self) -> Iterator[Any]:
        return self

    @serialized
    def __next__(self) -> Any:
        self._start()
        try:
            row = self._next
            if row is None:
                raise StopIteration
            values = self._convert(row)
            self._next = None  # The statement has ended if the next step fails.
            with map_errors:
                self._next = next(self._cursor, None)
            if self._next is None:
                self._count_changes()
        finally:
            self._running = False
        return values if self.row_factory is None else self.row_factory(self, values)

    def fetchone(self) -> Any:
        """Return the next row, or None after the last one."""
        return next(self, None)

    def fetchmany(self, size: int | None = None) -> list[Any]:
        """Return up to `size` rows, by default `arraysize`; fewer only at the end."""
        wanted = self.arraysize if size is None else size
        rows: list[Any] = []
        while len(rows) < wanted and (row := next(self, _END)) is not _END:
            rows.append(row)
        return rows

    @serialized
    def fetchall(self) -> list[Any]:
        """Return all remaining rows."""
        self._start()
        try:
            rows = [] if self._next is None else [self._next]
            if rows:
                self._next = None
                with map_errors:
                    rows += self._cursor.fetchall()
                self._count_changes()
            values = [self._convert(row) for row in rows]
        finally:
            self._running = False
        make = self.row_factory
        return values if make is None else [make(self, row) for row in values]

    def _convert(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        """Apply the columns' converters and the text factory to a row."""
        converters = self._exec_trace.converters
        text = self._handle.text_factory
        if converters is None:
            if text is str:
                return row
            return tuple(text(value.encode()) if isinstance(value, str) else value for value in row)
        return tuple(
            convert(value, converter)
            if converter is not None
            else (text(value.encode()) if isinstance(value, str) and text is not str else value)
            for value, converter in zip(row, converters, strict=True)
        )

    @serialized
    def close(self) -> None:
        """Drop the remaining rows; the cursor cannot be used again."""
        if self._unusable != NOT_INITIALIZED and self._handle._is_closed_below:
            self._unusable = CLOSED
            return
        self._start(closing=True)
        try:
            self._next = None
            with map_errors:
                self._cursor.close(True)
            self._unusable = CLOSED
        finally:
            self._running = False

    def setinputsizes(self, sizes: Any, /) -> None:
        """Do nothing: PEP 249 requires the method, and SQLite has no use for it."""

    def setoutputsize(self, size: Any, column: Any = None, /) -> None:
        """Do nothing: PEP 249 requires the method, and SQLite has no use for it."""
