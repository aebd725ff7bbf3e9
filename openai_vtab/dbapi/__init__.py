"""PEP 249 over APSW, and a drop-in for `import sqlite3`, with the tables in every connection.

    from openai_vtab import dbapi as sqlite3

    with sqlite3.connect("my.db") as connection:
        connection.execute("INSERT INTO vector_store_file_batches (vector_store_id, file_ids) VALUES (?, ?)", (…))

Names are sqlite3's own; docs/dbapi.md says what is left out. It must not know any table.

https://peps.python.org/pep-0249/ and https://docs.python.org/3/library/sqlite3.html
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

import apsw

from ..errors import (
    DatabaseError,
    DataError,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    Warning,
)
from ..settings import hide_key
from .adapting import (
    BINARY,
    DATETIME,
    NUMBER,
    PARSE_COLNAMES,
    PARSE_DECLTYPES,
    ROWID,
    STRING,
    Binary,
    Date,
    DateFromTicks,
    PrepareProtocol,
    Time,
    TimeFromTicks,
    Timestamp,
    TimestampFromTicks,
    adapt,
    adapters,
    converters,
    register_adapter,
    register_converter,
)
from .blob import Blob
from .callbacks import enable_callback_tracebacks
from .connection import LEGACY_TRANSACTION_CONTROL, Connection
from .cursor import Cursor
from .row import Row

if TYPE_CHECKING:
    from typing import Unpack

    from .connection import Options

apilevel = "2.0"
paramstyle = "qmark"
threadsafety = 1  # threads share the module; a connection may move between them, but two must not use it at once

sqlite_version = apsw.sqlite_lib_version()
sqlite_version_info = tuple(map(int, sqlite_version.split(".")))

C = TypeVar("C", bound=Connection)


@overload
def connect(
    database: str | bytes | os.PathLike[str] | os.PathLike[bytes],
    timeout: float = 5.0,
    detect_types: int = 0,
    isolation_level: str | None = "",
    check_same_thread: bool = True,
    *,
    cached_statements: int = 128,
    uri: bool = False,
    autocommit: bool | Literal[-1] = LEGACY_TRANSACTION_CONTROL,
    **options: Unpack[Options],
) -> Connection: ...


@overload
def connect(
    database: str | bytes | os.PathLike[str] | os.PathLike[bytes],
    timeout: float = 5.0,
    detect_types: int = 0,
    isolation_level: str | None = "",
    check_same_thread: bool = True,
    *,
    factory: Callable[..., C],
    cached_statements: int = 128,
    uri: bool = False,
    autocommit: bool | Literal[-1] = LEGACY_TRANSACTION_CONTROL,
    **options: Unpack[Options],
) -> C: ...


def connect(database: Any, *arguments: Any, **keywords: Any) -> Any:
    """Open a database with the tables.

    database, timeout (seconds to wait for a lock), detect_types, isolation_level, check_same_thread, factory,
    cached_statements, uri, autocommit: as in sqlite3. The other keywords are those of openai_vtab.connect, api_key,
    base_url and so on, but its `timeout`, which is `request_timeout` here.

    Raises OperationalError when the database cannot be opened, InterfaceError for a wrong setting.
    """
    hide_key(keywords)
    place = 4  # of factory, among sqlite3's positional arguments
    factory = arguments[place] if len(arguments) > place else keywords.get("factory", Connection)
    return factory(database, *arguments, **keywords)


def complete_statement(statement: str) -> bool:
    """Whether a text ends with a whole statement: nothing is open, and there is a semicolon."""
    return apsw.complete(statement)


def __getattr__(name: str) -> int:
    """SQLite's constants, SQLITE_OK and the others, are APSW's."""
    if name.startswith("SQLITE_"):
        value = getattr(apsw, name, None)
        if isinstance(value, int):
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *(name for name in dir(apsw) if name.startswith("SQLITE_"))]


__all__ = [
    "BINARY",
    "DATETIME",
    "LEGACY_TRANSACTION_CONTROL",
    "NUMBER",
    "PARSE_COLNAMES",
    "PARSE_DECLTYPES",
    "ROWID",
    "STRING",
    "Binary",
    "Blob",
    "Connection",
    "Cursor",
    "DataError",
    "DatabaseError",
    "Date",
    "DateFromTicks",
    "Error",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "NotSupportedError",
    "OperationalError",
    "PrepareProtocol",
    "ProgrammingError",
    "Row",
    "Time",
    "TimeFromTicks",
    "Timestamp",
    "TimestampFromTicks",
    "Warning",
    "adapt",
    "adapters",
    "apilevel",
    "complete_statement",
    "connect",
    "converters",
    "enable_callback_tracebacks",
    "paramstyle",
    "register_adapter",
    "register_converter",
    "sqlite_version",
    "sqlite_version_info",
    "threadsafety",
]
