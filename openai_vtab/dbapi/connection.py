"""BaseConnection: sqlite3's Connection over any apsw.Connection, which the caller's function opens.

>>> connection = BaseConnection("my.db", isolation_level=None)
>>> connection.execute("SELECT ?", (1,)).fetchall()
[(1,)]

https://docs.python.org/3/library/sqlite3.html#connection-objects
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Literal, TypeVar, cast, overload

import apsw
from apsw import Connection as ApswConnection

from .. import errors
from ..errors import NotSupportedError
from ..sqlite.dialect import SQLITE, Dialect
from . import application_defined, callbacks, database_ops
from .blob import Blob
from .connection_lock import holding_both, serialized
from .cursor import Cursor
from .database_handle import LEGACY_TRANSACTION_CONTROL, DatabaseHandle, own_message
from .dump import dump
from .exceptions import map_errors
from .shared_memory import SharedMemory, shared_memory
from .types import Parameters

C = TypeVar("C", bound=Cursor)


class BaseConnection(DatabaseHandle):
    """A connection with sqlite3's arguments.

    `open_database` is called with the file's name and the keywords `flags` and `statementcachesize` of apsw.Connection.
    `dialect` translates statements that SQLite cannot parse.
    `explain` returns the message of an error of SQLite's; it is called with APSW's connection, the error and the SQL.
    """

    Warning = errors.Warning
    Error = errors.Error
    InterfaceError = errors.InterfaceError
    DatabaseError = errors.DatabaseError
    DataError = errors.DataError
    OperationalError = errors.OperationalError
    IntegrityError = errors.IntegrityError
    InternalError = errors.InternalError
    ProgrammingError = errors.ProgrammingError
    NotSupportedError = errors.NotSupportedError

    row_factory: Callable[[Cursor, tuple[Any, ...]], Any] | None = None
    _shared_memory: SharedMemory | None = None  # the database, if its URI shares one in memory

    def __init__(
        self,
        database: str | bytes | os.PathLike[str] | os.PathLike[bytes],
        timeout: float = 5.0,
        detect_types: int = 0,
        isolation_level: str | None = "",
        check_same_thread: bool = True,
        factory: object = None,
        cached_statements: int = 128,
        uri: bool = False,
        *,
        autocommit: bool | Literal[-1] = LEGACY_TRANSACTION_CONTROL,
        open_database: Callable[..., ApswConnection] = ApswConnection,
        dialect: Dialect = SQLITE,
        explain: Callable[[ApswConnection, apsw.SQLError, str], str] = own_message,
    ) -> None:
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | (apsw.SQLITE_OPEN_URI if uri else 0)
        name = os.fsdecode(database)
        shared = shared_memory(name) if uri else None
        opened = partial(open_database, name) if shared is None else partial(shared.open, open_database)
        super().__init__(
            partial(opened, flags=flags, statementcachesize=cached_statements),
            timeout=timeout,
            detect_types=detect_types,
            isolation_level=isolation_level,
            check_same_thread=check_same_thread,
            autocommit=autocommit,
            dialect=dialect,
            explain=explain,
        )
        self.row_factory = None
        self._shared_memory = shared

    @serialized
    def close(self) -> None:
        """Close the database; uncommitted changes are lost, and queued writes are not sent."""
        super().close()
        self._shared_memory = None

    @overload
    def cursor(self) -> Cursor: ...

    @overload
    def cursor(self, factory: Callable[[Any], C]) -> C: ...

    def cursor(self, factory: Callable[[Any], Any] = Cursor) -> Any:
        """Return a new cursor, made by `factory`."""
        self._checked()
        cursor = factory(self)
        if not issubclass(type(cursor), Cursor):
            raise TypeError(f"factory must return a cursor, not {type(cursor).__name__}")
        if self.row_factory is not None:
            cursor.row_factory = self.row_factory
        return cursor

    def execute(self, sql: str, parameters: Parameters = (), /) -> Cursor:
        """Run one statement on a new cursor, and return the cursor."""
        return self.cursor().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Parameters], /) -> Cursor:
        """Run one statement for each element of `parameters` on a new cursor, and return the cursor."""
        return self.cursor().executemany(sql, parameters)

    def executescript(self, sql_script: str, /) -> Cursor:
        """Run any number of statements on a new cursor, and return the cursor."""
        return self.cursor().executescript(sql_script)

    def __call__(self, *sql: str) -> Any:
        """Refuse to prepare a statement, which sqlite3 does here for its own use."""
        self._checked()
        raise NotSupportedError("a connection cannot be called to prepare a statement; write connection.execute(…)")

    def backup(
        self,
        target: BaseConnection,
        *,
        pages: int = -1,
        progress: Callable[[int, int, int], object] | None = None,
        name: str = "main",
        sleep: float = 0.250,
    ) -> None:
        """Copy a database into another connection's, `pages` at a time. Both can be used between two steps.

        `progress` receives SQLite's status, the remaining pages and all pages. `sleep` is in seconds.
        """
        if not isinstance(target, BaseConnection):
            raise TypeError(f"backup() argument 1 must be Connection, not {type(target).__name__}")
        source, destination = self._checked(), target._checked()
        held = holding_both(self._lock, target._lock)
        database_ops.backup(source, destination, held, pages=pages, progress=progress, name=name, sleep=sleep)

    def iterdump(self, *, filter: str | None = None) -> Iterator[str]:
        """Return the SQL statements that recreate the objects whose names are LIKE `filter`, by default all."""
        self._checked()
        return dump(Cursor(self), filter or None)

    @serialized
    def serialize(self, *, name: str = "main") -> bytes:
        """Return the bytes of the database's file."""
        return database_ops.serialize(self._checked(), name)

    @serialized
    def deserialize(self, data: bytes, /, *, name: str = "main") -> None:
        """Replace the database by one in memory that has these bytes."""
        database_ops.deserialize(self._checked(), data, name)

    @serialized
    def blobopen(self, table: str, column: str, row: int, /, *, readonly: bool = False, name: str = "main") -> Blob:
        """Open one value of a row, to read and write it in place."""
        connection = self._checked()
        with map_errors:
            return Blob._wrap(connection.blob_open(name, table, column, row, not readonly), self._checked, self._lock)

    @serialized
    def getconfig(self, op: int, /) -> bool:
        """Return whether one of SQLite's switches, SQLITE_DBCONFIG_…, is on."""
        return database_ops.get_config(self._checked(), op)

    @serialized
    def setconfig(self, op: int, enable: bool = True, /) -> None:
        """Turn one of SQLite's switches on or off."""
        database_ops.set_config(self._checked(), op, enable)

    @serialized
    def create_function(
        self, name: str, narg: int, func: Callable[..., Any] | None, *, deterministic: bool = False
    ) -> None:
        """Register a scalar function with `narg` arguments (-1: any number); None removes it."""
        application_defined.create_function(self._checked(), name, narg, func, deterministic=deterministic)

    @serialized
    def create_aggregate(self, name: str, n_arg: int, aggregate_class: Callable[[], Any] | None) -> None:
        """Register a class with `step` and `finalize` as an aggregate function; None removes it."""
        application_defined.create_aggregate(self._checked(), name, n_arg, aggregate_class)

    @serialized
    def create_window_function(self, name: str, num_params: int, aggregate_class: Callable[[], Any] | None, /) -> None:
        """Register a class with `step`, `inverse`, `value` and `finalize` as a window function; None removes it."""
        application_defined.create_window_function(self._checked(), name, num_params, aggregate_class)

    @serialized
    def create_collation(self, name: str, callback: Callable[[str, str], int] | None, /) -> None:
        """Register a function that returns less than, equal to or more than 0 as a collation; None removes it."""
        application_defined.create_collation(self._checked(), name, callback)

    @serialized
    def set_authorizer(self, authorizer_callback: Callable[..., int] | None) -> None:
        """Ask a function for SQLITE_OK, SQLITE_DENY or SQLITE_IGNORE before each access; None removes it."""
        application_defined.set_authorizer(self._checked(), authorizer_callback)

    @serialized
    def set_progress_handler(self, progress_handler: Callable[[], Any] | None, n: int) -> None:
        """Call a function every `n` instructions of SQLite's machine; a true result interrupts the statement."""
        application_defined.set_progress_handler(self._checked(), progress_handler, n)

    def set_trace_callback(self, trace_callback: Callable[[str], Any] | None) -> None:
        """Pass each statement of this connection's cursors, with its values, to a function; None removes it."""
        self._checked()
        self._trace = None if trace_callback is None else callbacks.trace(trace_callback)

    @serialized
    def enable_load_extension(self, enabled: bool, /) -> None:
        """Allow or forbid load_extension()."""
        connection = self._checked()
        with map_errors:
            connection.enable_load_extension(enabled)

    @serialized
    def load_extension(self, name: str, /, *, entrypoint: str | None = None) -> None:
        """Load a SQLite extension from a shared library."""
        connection = self._checked()
        with map_errors:
            connection.load_extension(name, cast(Any, entrypoint))
