"""Cursor: one statement at a time and its rows, as PEP 249 and sqlite3 have it, over an apsw.Cursor.

It must not know what tables there are, nor how a connection is opened.

>>> cursor.execute("SELECT status FROM vector_store_file_batches WHERE vector_store_id = ? AND batch_id = ?", (…))
>>> cursor.fetchone()
('completed',)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import apsw

from ..errors import DataError, ProgrammingError
from .adapting import converted, parameters
from .beginning import Beginning, Description
from .border import border
from .text import look

if TYPE_CHECKING:
    from typing import Self

    from .connection import Connection

Parameters = Sequence[Any] | Mapping[str, Any]


class Cursor:
    """Runs statements on its connection and holds the rows of the last one.

    The row after the one that is fetched has been read already, as in sqlite3: so a statement is over, and its
    changes are counted, when its last row is fetched.
    """

    arraysize = 1
    row_factory: Callable[[Cursor, tuple[Any, ...]], Any] | None = None
    lastrowid: int | None = None
    rowcount = -1
    _problem = "Base Cursor.__init__ not called."
    _running = False
    connection: Connection

    def __init__(self, connection: Connection, /) -> None:
        if not callable(getattr(connection, "_usable", None)):
            raise TypeError(f"Cursor() argument 1 must be Connection, not {type(connection).__name__}")
        if self._running:
            raise ProgrammingError("Recursive use of cursors not allowed.")
        self.connection = connection
        self.row_factory = None
        self._connection = connection._usable()
        self._cursor: apsw.Cursor = self._connection.cursor()
        self._beginning = Beginning(connection)
        self._cursor.exec_trace = cast(Any, self._beginning)
        self._next: tuple[Any, ...] | None = None
        self._counts = False
        self._problem = ""

    @property
    def description(self) -> Description | None:
        """The columns of the last statement, None when it has none: (name, None, None, None, None, None, None)."""
        return None if self._problem else self._beginning.description

    def execute(self, sql: str, parameters: Parameters = (), /) -> Self:
        """Run one statement; its rows are then fetched, or iterated."""
        with self._use():
            statement = self._prepare(sql)
            self._execute(statement, parameters)
            self.lastrowid = self._connection.last_insert_rowid()
        return self

    def executemany(self, sql: str, seq_of_parameters: Iterable[Parameters], /) -> Self:
        """Run one statement that changes rows once for each of the parameters; rows of RETURNING are dropped."""
        with self._use():
            rows = iter(seq_of_parameters)
            statement = self._prepare(sql, many=True)
            with border:
                for _ in self._cursor.executemany(statement, self._each(rows)):
                    pass
        return self

    def executescript(self, sql_script: str, /) -> Self:
        """Run any number of statements; an open transaction is committed first (not so with `autocommit` set)."""
        with self._use():
            if not isinstance(sql_script, str):
                raise TypeError(f"executescript() argument must be str, not {type(sql_script).__name__}")
            if "\0" in sql_script:
                raise ValueError("embedded null character")
            _check_length(self._connection, sql_script)
            self._reset()
            self.connection._before_script()
            with border:
                for _ in self._cursor.execute(sql_script):
                    pass
            self._beginning.description = None
        return self

    def _prepare(self, sql: str, *, many: bool = False) -> str:
        """Check the text, forget the last statement's rows, and begin a transaction where sqlite3 does."""
        if not isinstance(sql, str):
            raise TypeError(f"execute() argument 1 must be str, not {type(sql).__name__}")
        if "\0" in sql:
            raise ProgrammingError("the query contains a null character")
        _check_length(self._connection, sql)
        changes, statement = look(sql)
        if statement is None:
            raise ProgrammingError("You can only execute one statement at a time.")
        self._reset()
        self._beginning.many = many
        self._counts = changes
        if changes:
            self.rowcount = 0
            self.connection._begin_implicitly()
        return statement

    def _reset(self) -> None:
        self._next = None
        self._counts = False
        self.rowcount = -1
        self._beginning.description = None
        self._beginning.many = False

    def _execute(self, sql: str, given: Parameters) -> None:
        values = parameters(given)
        self._beginning.in_order = isinstance(values, tuple)
        with border:
            self._next = next(self._cursor.execute(sql, values), None)
            if self._next is not None:
                self._beginning.columns(self._cursor.description)
            elif self._beginning.description and not self._counts:
                self._beginning.columns_of(self._connection, sql, values)
        if self._next is None:
            self._over()

    def _each(self, rows: Iterator[Parameters]) -> Iterator[Any]:
        """The parameters of each run. APSW asks for the next when the run before is over, and its changes are known."""
        for row in rows:
            values = parameters(row)
            self._beginning.in_order = isinstance(values, tuple)
            yield values
            self._over()

    def _over(self) -> None:
        if self._counts:
            self.rowcount += self._connection.changes()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        with self._use():
            row = self._next
            if row is None:
                raise StopIteration
            values = self._values(row)
            self._next = None  # should the next step fail, the statement is over
            with border:
                self._next = next(self._cursor, None)
            if self._next is None:
                self._over()
        return values if self.row_factory is None else self.row_factory(self, values)

    def fetchone(self) -> Any:
        """The next row, None after the last one."""
        return next(self, None)

    def fetchmany(self, size: int | None = None) -> list[Any]:
        """The next so many rows, `arraysize` unless told, fewer at the end."""
        wanted = self.arraysize if size is None else size
        rows: list[Any] = []
        while len(rows) < wanted and (row := next(self, _END)) is not _END:
            rows.append(row)
        return rows

    def fetchall(self) -> list[Any]:
        """All rows that are left."""
        with self._use():
            rows = [] if self._next is None else [self._next]
            if rows:
                self._next = None
                with border:
                    rows += self._cursor.fetchall()
                self._over()
            values = [self._values(row) for row in rows]
        make = self.row_factory
        return values if make is None else [make(self, row) for row in values]

    def _values(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        """A row's values by their converters and by the text factory."""
        converters = self._beginning.converters
        text = self.connection.text_factory
        if converters is None:
            if text is str:
                return row
            return tuple(text(value.encode()) if isinstance(value, str) else value for value in row)
        return tuple(
            converted(value, converter)
            if converter is not None
            else (text(value.encode()) if isinstance(value, str) and text is not str else value)
            for value, converter in zip(row, converters, strict=True)
        )

    def close(self) -> None:
        """Give up the rows; the cursor cannot be used again."""
        with self._use(closing=True):
            self._next = None
            with border:
                self._cursor.close(True)
            self._problem = "Cannot operate on a closed cursor."

    def setinputsizes(self, sizes: Any, /) -> None:
        """PEP 249: nothing to do in SQLite."""

    def setoutputsize(self, size: Any, column: Any = None, /) -> None:
        """PEP 249: nothing to do in SQLite."""

    def _use(self, *, closing: bool = False) -> _Use:
        """Refuse what cannot be done with this cursor now; `with` it, the cursor is in use."""
        if self._problem and not (closing and self._problem.startswith("Cannot")):
            raise ProgrammingError(self._problem)
        self.connection._usable()
        if self._running:
            raise ProgrammingError("Recursive use of cursors not allowed.")
        return _Use(self)


_END = object()


class _Use:
    """A cursor while it is used: a function, converter or parameter that it runs must not use it as well."""

    __slots__ = ("cursor",)

    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor

    def __enter__(self) -> None:
        self.cursor._running = True

    def __exit__(self, *_: object) -> None:
        self.cursor._running = False


def _check_length(connection: apsw.Connection, sql: str) -> None:
    """SQLite's own limit, which APSW reports as a lack of memory."""
    if len(sql) > connection.limit(apsw.SQLITE_LIMIT_SQL_LENGTH):
        raise DataError("query string is too large")
