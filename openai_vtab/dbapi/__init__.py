"""PEP 249 over APSW: a drop-in for `import sqlite3` whose connections have the tables.

    from openai_vtab import dbapi as sqlite3

    with sqlite3.connect("my.db") as connection:
        connection.execute("INSERT INTO vector_store_file_batches (vector_store_id, file_ids) VALUES (?, ?)", (…))

Names are sqlite3's own; docs/guides/other-tools.md lists what is left out. This file alone connects the tables
to the rest, which is a PEP 249 module for any apsw.Connection. Each file imports only files below it:

    connection                      sqlite3's Connection
    application_defined, database_ops, dump what its methods do
    row, cursor                     sqlite3's Row and Cursor
    blob, callbacks, exec_trace     around APSW's blobs, callbacks and statements
    database_handle                 an open database: its thread, its transaction
    connection_lock                 the lock of a connection that threads share
    single_statement, exceptions, types the text of SQL; errors; adapters, converters and PEP 249's types
    uri                             databases in memory that connections share

https://peps.python.org/pep-0249/ and https://docs.python.org/3/library/sqlite3.html
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, TypeVar, Unpack, overload

import apsw

from ..advice import advised
from ..connection import connect as open_with_tables
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
from ..settings import SharedKeywords, hide_secrets, refuse_unknown
from ..sqlite.dialect import Dialect
from ..stackql import divide, translate
from ..vtable import hiding_tables
from .blob import Blob
from .callbacks import enable_callback_tracebacks
from .connection import BaseConnection
from .cursor import Cursor
from .database_handle import LEGACY_TRANSACTION_CONTROL
from .row import Row
from .types import (
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

apilevel = "2.0"
paramstyle = "qmark"
threadsafety = 3  # Threads may share the module, connections (with check_same_thread=False) and cursors.

dbapi2 = sys.modules[__name__]  # programs import sqlite3.dbapi2, or it from sqlite3
sqlite_version = apsw.sqlite_lib_version()
sqlite_version_info = tuple(map(int, sqlite_version.split(".")))


class DBAPIKeywords(SharedKeywords, total=False):
    """The settings of openai_vtab.connect; its `timeout` is `request_timeout` here."""

    request_timeout: float


# the arguments of sqlite3.connect(), and the settings
KEYWORDS = (
    *("timeout", "detect_types", "isolation_level", "check_same_thread", "factory", "cached_statements", "uri"),
    *("autocommit", *DBAPIKeywords.__annotations__),
)


class Connection(BaseConnection):
    """A connection to a database with the tables; connect() describes the arguments."""

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
        **options: Unpack[DBAPIKeywords],
    ) -> None:
        hide_secrets(options)
        refuse_unknown("openai_vtab.dbapi.connect()", options, KEYWORDS)
        settings: dict[str, Any] = dict(options)
        if "request_timeout" in settings:
            settings["timeout"] = settings.pop("request_timeout")
        super().__init__(
            database,
            timeout,
            detect_types,
            isolation_level,
            check_same_thread,
            factory,
            cached_statements,
            uri,
            autocommit=autocommit,
            open_database=partial(_open, **settings),
            dialect=Dialect(translate, _divide),
            explain=advised,
        )

    def _check_statement(self, sql: str) -> None:
        """Raise ProgrammingError for a CREATE TABLE that would hide a table of the API's by mistake."""
        hiding_tables.refuse_mistaken(self.apsw, sql)


def _open(*arguments: Any, **settings: Any) -> apsw.Connection:
    """Open a database with the tables. As in sqlite3, a name in double quotes that is no column is a string."""
    hide_secrets(settings)
    connection = open_with_tables(*arguments, **settings)
    connection.config(apsw.SQLITE_DBCONFIG_DQS_DML, 1)
    return connection


def _divide(script: str) -> list[str]:
    return [piece for part in divide(script) for piece in hiding_tables.pieces(part)]


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
    **options: Unpack[DBAPIKeywords],
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
    **options: Unpack[DBAPIKeywords],
) -> C: ...


def connect(database: Any, *arguments: Any, **keywords: Any) -> Any:
    """Open a database with the tables.

    - database, timeout (seconds to wait for a lock), detect_types, isolation_level, check_same_thread, factory,
      cached_statements, uri, autocommit: as in sqlite3.
    - The other keywords are those of openai_vtab.connect: api_key, base_url and so on. Its `timeout` is called
      `request_timeout` here.

    Raises OperationalError if the database cannot be opened, and InterfaceError for a wrong setting.
    """
    hide_secrets(keywords)
    position = 4  # of `factory` among the positional arguments after the database
    factory = arguments[position] if len(arguments) > position else keywords.get("factory", Connection)
    return factory(database, *arguments, **keywords)


def complete_statement(statement: str) -> bool:
    """Return whether a text ends with a complete statement: a semicolon, and no open quote, comment or trigger."""
    return apsw.complete(statement)


def __getattr__(name: str) -> int:
    """Return SQLite's constants, SQLITE_OK and the others, from APSW."""
    if name.startswith("SQLITE_"):
        value = getattr(apsw, name, None)
        if isinstance(value, int):
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    constants = (name for name, value in vars(apsw).items() if name.startswith("SQLITE_") and isinstance(value, int))
    return [*globals(), *constants]


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
