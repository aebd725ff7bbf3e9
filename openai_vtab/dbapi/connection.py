"""Connection: a database with the tables, and its transactions as Python 3.12's sqlite3 has them.

It wraps the apsw.Connection of openai_vtab.connect, which is its attribute `apsw`. It must not know any table.

>>> connection = Connection("my.db", base_url="http://127.0.0.1:8080/v1")
>>> with connection:
...     connection.execute("INSERT INTO vector_store_file_batches (vector_store_id, file_ids) VALUES (?, ?)", (…))

https://docs.python.org/3/library/sqlite3.html#sqlite3-transaction-control
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

import apsw
from apsw import Connection as ApswConnection

from .. import connection as door
from .. import errors
from ..errors import NotSupportedError, ProgrammingError
from ..settings import hide_key
from .border import border
from .copying import Copying
from .cursor import Cursor, Parameters
from .extending import Extending

if TYPE_CHECKING:
    from typing import Self, Unpack

    from ..settings import Shared

    class Options(Shared, total=False):
        """The settings beside sqlite3's own arguments; of Settings, `timeout` is `request_timeout` here."""

        request_timeout: float


LEGACY_TRANSACTION_CONTROL: Literal[-1] = -1
ISOLATION_LEVELS = ("", "DEFERRED", "IMMEDIATE", "EXCLUSIVE")
CLOSED = "Cannot operate on a closed database."

C = TypeVar("C", bound=Cursor)


class Connection(Extending, Copying):
    """A connection; connect() says what its arguments are."""

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

    apsw: ApswConnection
    row_factory: Callable[[Cursor, tuple[Any, ...]], Any] | None = None
    text_factory: Callable[[bytes], Any] = str
    _problem = "Base Connection.__init__ not called."
    _thread: int | None = None
    _isolation_level: str | None = ""
    _autocommit: bool | Literal[-1] = LEGACY_TRANSACTION_CONTROL

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
        **options: Unpack[Options],
    ) -> None:
        hide_key(options)
        # a second call, as from a subclass, begins anew; cursors of the first keep its database
        self._problem, self.row_factory, self.text_factory = type(self)._problem, None, str
        self.detect_types = detect_types
        self._isolation_level = _checked_level(isolation_level)
        autocommit = _checked_autocommit(autocommit)
        settings: Any = dict(options)
        if "request_timeout" in settings:
            settings["timeout"] = settings.pop("request_timeout")
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | (apsw.SQLITE_OPEN_URI if uri else 0)
        opening: Any = {"flags": flags, "statementcachesize": cached_statements}
        with border:
            self.apsw = door.connect(os.fsdecode(database), **opening, **settings)
            self.apsw.set_busy_timeout(int(timeout * 1000))
        self._thread = threading.get_ident() if check_same_thread else None
        self._problem = ""
        self.autocommit = autocommit

    def _usable(self) -> ApswConnection:
        """APSW's connection. Raises ProgrammingError when it is closed or another thread's."""
        thread = threading.get_ident()
        if self._thread not in (None, thread):
            raise ProgrammingError(
                "SQLite objects created in a thread can only be used in that same thread. The object was created in "
                f"thread id {self._thread} and this is thread id {thread}."
            )
        if self._problem:
            raise ProgrammingError(self._problem)
        return self.apsw

    @overload
    def cursor(self) -> Cursor: ...

    @overload
    def cursor(self, factory: Callable[[Connection], C]) -> C: ...

    def cursor(self, factory: Callable[[Connection], Any] = Cursor) -> Any:
        """A new cursor, of `factory` when one is given."""
        self._usable()
        cursor = factory(self)
        if not issubclass(type(cursor), Cursor):
            raise TypeError(f"factory must return a cursor, not {type(cursor).__name__}")
        if self.row_factory is not None:
            cursor.row_factory = self.row_factory
        return cursor

    def execute(self, sql: str, parameters: Parameters = (), /) -> Cursor:
        """Run one statement on a new cursor."""
        return self.cursor().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Parameters], /) -> Cursor:
        """Run one statement for each of the parameters on a new cursor."""
        return self.cursor().executemany(sql, parameters)

    def executescript(self, sql_script: str, /) -> Cursor:
        """Run any number of statements on a new cursor."""
        return self.cursor().executescript(sql_script)

    def commit(self) -> None:
        """End the transaction: what it has queued is sent, and local changes are kept if that succeeds."""
        self._end("COMMIT")

    def rollback(self) -> None:
        """End the transaction: what it has queued is not sent, and local changes are undone."""
        self._end("ROLLBACK")

    def _end(self, how: str) -> None:
        connection = self._usable()
        if self._autocommit is True or not connection.in_transaction:
            return
        try:
            self._control(how)
        finally:
            # a COMMIT that the API has failed has rolled back, and the next write must not be sent at once
            if self._autocommit is False and not self.apsw.in_transaction:
                self._control("BEGIN")

    def _control(self, sql: str) -> None:
        """Begin or end a transaction; the trace callback is told."""
        if self._trace is not None:
            self._trace(sql)
        with border:
            self.apsw.execute(sql)

    def _begin_implicitly(self) -> None:
        """Before a statement that changes rows: sqlite3's legacy transaction control."""
        legacy = self._autocommit == LEGACY_TRANSACTION_CONTROL and self._isolation_level is not None
        if legacy and not self.apsw.in_transaction:
            self._control(f"BEGIN {self._isolation_level}")

    def _before_script(self) -> None:
        if self._autocommit == LEGACY_TRANSACTION_CONTROL:
            self.commit()

    def close(self) -> None:
        """Close the database; what is not committed is lost, and what is queued is not sent."""
        if self._problem != CLOSED:
            connection = self._usable()
            if self._autocommit is False and connection.in_transaction:
                self._control("ROLLBACK")
            with border:
                connection.close(True)
        self._problem = CLOSED

    def __enter__(self) -> Self:
        self._usable()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> Literal[False]:
        if kind is not None:
            self.rollback()
            return False
        try:
            self.commit()
        except BaseException:
            self.rollback()
            raise
        return False

    @property
    def isolation_level(self) -> str | None:
        """What stands after the implicit BEGIN: "", DEFERRED, IMMEDIATE or EXCLUSIVE; None: there is no such BEGIN."""
        self._usable()
        return self._isolation_level

    @isolation_level.setter
    def isolation_level(self, level: str | None) -> None:
        self._usable()
        self._isolation_level = _checked_level(level)
        if level is None:
            self.commit()

    @property
    def autocommit(self) -> bool | Literal[-1]:
        """False: a transaction is always open. True: SQLite's own mode. LEGACY_TRANSACTION_CONTROL: isolation_level."""
        self._usable()
        return self._autocommit

    @autocommit.setter
    def autocommit(self, mode: bool | Literal[-1]) -> None:
        connection = self._usable()
        self._autocommit = _checked_autocommit(mode)
        if mode is True and connection.in_transaction:
            self._control("COMMIT")
        if mode is False and not connection.in_transaction:
            self._control("BEGIN")

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return bool(self._usable().in_transaction)

    @property
    def total_changes(self) -> int:
        """How many rows were changed since the database was opened."""
        return self._usable().total_changes()

    def interrupt(self) -> None:
        """End what runs, also while it waits for the network; from any thread."""
        if self._problem:
            raise ProgrammingError(self._problem)
        self.apsw.interrupt()

    def __call__(self, *sql: str) -> Any:
        """sqlite3's own use of it, to prepare a statement, is not offered."""
        self._usable()
        raise NotSupportedError("a statement cannot be prepared alone here; write connection.execute(…)")


def _checked_level(level: str | None) -> str | None:
    if level is None:
        return None
    if not isinstance(level, str):
        raise TypeError("isolation_level must be str or None")
    upper = str.upper(level)
    if upper not in ISOLATION_LEVELS:
        raise ValueError("isolation_level string must be '', 'DEFERRED', 'IMMEDIATE', or 'EXCLUSIVE'")
    return upper


def _checked_autocommit(mode: bool | Literal[-1]) -> bool | Literal[-1]:
    if mode is not True and mode is not False and (isinstance(mode, bool) or mode != LEGACY_TRANSACTION_CONTROL):
        raise ValueError("autocommit must be True, False, or openai_vtab.dbapi.LEGACY_TRANSACTION_CONTROL")
    return mode
