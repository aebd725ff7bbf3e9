"""An open database, the checks before each use of it, and transaction control as in Python 3.12's sqlite3.

It lies under connections and cursors, which both need the checks and the implicit BEGIN.

>>> handle = DatabaseHandle(partial(apsw.Connection, "my.db"), autocommit=False)
>>> handle.in_transaction
True
>>> handle.commit()

https://docs.python.org/3/library/sqlite3.html#sqlite3-transaction-control
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Literal, Self

from apsw import SQLITE_LIMIT_SQL_LENGTH, ConnectionClosedError, SQLError
from apsw import Connection as ApswConnection
from apsw import Cursor as ApswCursor

from ..errors import DataError, ProgrammingError
from ..sqlite.dialect import SQLITE, Dialect
from .connection_lock import ConnectionLock, serialized
from .exceptions import CLOSED, map_errors, to_pep249

LEGACY_TRANSACTION_CONTROL: Literal[-1] = -1
ISOLATION_LEVELS = ("", "DEFERRED", "IMMEDIATE", "EXCLUSIVE")
NOT_INITIALIZED = "Base Connection.__init__ not called."


def own_message(connection: ApswConnection, error: SQLError, sql: str) -> str:
    """Return the message of SQLite's error unchanged."""
    return str(error)


class DatabaseHandle:
    """An open apsw.Connection, the attribute `apsw`, with sqlite3's rules for its threads and transactions.

    `explain` returns the message of an error that a statement has raised, for APSW's connection, error and SQL text.
    """

    apsw: ApswConnection
    detect_types: int
    text_factory: Callable[[bytes], Any] = str
    _trace: Callable[[ApswCursor | str], None] | None = None
    _unusable = NOT_INITIALIZED  # why no method can be called, or empty
    _thread: int | None = None
    _lock: ConnectionLock | None = None
    _isolation_level: str | None = ""
    _autocommit: bool | Literal[-1] = LEGACY_TRANSACTION_CONTROL
    _dialect = SQLITE

    def __init__(
        self,
        open_database: Callable[[], ApswConnection],
        *,
        timeout: float = 5.0,
        detect_types: int = 0,
        isolation_level: str | None = "",
        check_same_thread: bool = True,
        autocommit: bool | Literal[-1] = LEGACY_TRANSACTION_CONTROL,
        dialect: Dialect = SQLITE,
        explain: Callable[[ApswConnection, SQLError, str], str] = own_message,
    ) -> None:
        # A second call, as sqlite3 allows, opens another database; cursors of the first keep theirs.
        self._unusable = NOT_INITIALIZED
        self.text_factory = str
        self.detect_types = detect_types
        self._dialect = dialect
        self._explain = explain
        self._isolation_level = _checked_level(isolation_level)
        autocommit = _checked_autocommit(autocommit)
        with map_errors:
            self.apsw = open_database()
            self.apsw.set_busy_timeout(int(timeout * 1000))
            self._max_sql_length = self.apsw.limit(SQLITE_LIMIT_SQL_LENGTH)
        self._thread = threading.get_ident() if check_same_thread else None
        self._lock = None if check_same_thread else ConnectionLock()
        self._unusable = ""
        self.autocommit = autocommit

    def _checked(self) -> ApswConnection:
        """Return APSW's connection. Raises ProgrammingError when it is closed or belongs to another thread."""
        thread = threading.get_ident()
        if self._thread not in (None, thread):
            raise ProgrammingError(
                "SQLite objects created in a thread can only be used in that same thread. The object was created in "
                f"thread id {self._thread} and this is thread id {thread}."
            )
        return self._open()

    def _open(self) -> ApswConnection:
        """Return APSW's connection, in any thread. Raises ProgrammingError when it is closed."""
        if self._unusable:
            raise ProgrammingError(self._unusable)
        try:
            self.apsw.row_trace  # noqa: B018 - of APSW's attributes, one that needs no mutex and reads nothing
        except ConnectionClosedError:
            raise ProgrammingError(CLOSED) from None
        return self.apsw

    @property
    def _is_closed_below(self) -> bool:
        """Whether `apsw` was closed, by the program or at the interpreter's exit, and this object was not.

        Then there is nothing left to roll back or to close. At the exit, pools of connections do so later.
        """
        try:
            self._open()
        except ProgrammingError:
            return not self._unusable
        return False

    def _explained(self, error: SQLError, sql: str) -> Exception:
        """Return the error of a statement as PEP 249's."""
        return to_pep249(error, self._explain(self.apsw, error, sql))

    def _check_statement(self, sql: str) -> None:
        """Raise an exception if the text must not run. A subclass may have reasons."""

    @serialized
    def getlimit(self, category: int, /) -> int:
        """Return one of SQLite's limits, SQLITE_LIMIT_…"""
        return self._limit(category, -1)

    @serialized
    def setlimit(self, category: int, limit: int, /) -> int:
        """Set one of SQLite's limits, and return its former value."""
        before = self._limit(category, limit)
        self._max_sql_length = self._limit(SQLITE_LIMIT_SQL_LENGTH, -1)
        return before

    def _limit(self, category: int, limit: int) -> int:
        before = self._checked().limit(category, limit)
        if before < 0:
            raise ProgrammingError("'category' is out of bounds")
        return before

    def _check_length(self, sql: str) -> None:
        """Raise DataError for a text above SQLite's limit, which APSW would report as a lack of memory."""
        if len(sql) > self._max_sql_length:
            raise DataError("query string is too large")

    @serialized
    def commit(self) -> None:
        """Commit the transaction: its queued writes are sent, and local changes are kept if all of them succeed."""
        self._end_transaction("COMMIT")

    @serialized
    def rollback(self) -> None:
        """Roll back the transaction: its queued writes are dropped, and local changes are undone."""
        if not self._is_closed_below:
            self._end_transaction("ROLLBACK")

    def _end_transaction(self, sql: str) -> None:
        connection = self._checked()
        if self._autocommit is True or not connection.in_transaction:
            return
        try:
            self._control(sql)
        finally:
            # A failed COMMIT may have rolled back; without a new BEGIN, the next write would be sent at once.
            if self._autocommit is False and not self.apsw.in_transaction:
                self._control("BEGIN")

    def _control(self, sql: str) -> None:
        """Run BEGIN, COMMIT or ROLLBACK, and report it to the trace callback."""
        if self._trace is not None:
            self._trace(sql)
        with map_errors:
            self.apsw.execute(sql)

    def _begin_implicitly(self) -> None:
        """Begin a transaction before a statement that changes rows, under sqlite3's legacy transaction control."""
        legacy = self._autocommit == LEGACY_TRANSACTION_CONTROL and self._isolation_level is not None
        if legacy and not self.apsw.in_transaction:
            self._control(f"BEGIN {self._isolation_level}")

    def _commit_before_script(self) -> None:
        if self._autocommit == LEGACY_TRANSACTION_CONTROL:
            self.commit()

    @serialized
    def close(self) -> None:
        """Close the database; uncommitted changes are lost, and queued writes are not sent."""
        if not self._is_closed_below:
            self._close()
        self._unusable = CLOSED

    def _close(self) -> None:
        if self._unusable == CLOSED:
            return
        connection = self._checked()
        if self._lock is not None:
            self._lock.close_dropped()
        if self._autocommit is False and connection.in_transaction:
            self._control("ROLLBACK")
        connection.close(True)

    def __enter__(self) -> Self:
        self._checked()
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
        """The word after the implicit BEGIN: "", DEFERRED, IMMEDIATE or EXCLUSIVE; None for no implicit BEGIN."""
        self._open()
        return self._isolation_level

    @isolation_level.setter
    def isolation_level(self, level: str | None) -> None:
        self._checked()
        self._isolation_level = _checked_level(level)
        if level is None:
            self.commit()

    @property
    def autocommit(self) -> bool | Literal[-1]:
        """How transactions begin and end.

        - False: a transaction is always open.
        - True: SQLite's own autocommit mode.
        - LEGACY_TRANSACTION_CONTROL: `isolation_level` decides.
        """
        self._checked()
        return self._autocommit

    @autocommit.setter
    @serialized
    def autocommit(self, mode: bool | Literal[-1]) -> None:
        connection = self._checked()
        self._autocommit = _checked_autocommit(mode)
        if mode is True and connection.in_transaction:
            self._control("COMMIT")
        if mode is False and not connection.in_transaction:
            self._control("BEGIN")

    @property
    @serialized
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return bool(self._open().in_transaction)

    @property
    @serialized
    def total_changes(self) -> int:
        """The number of rows changed since the database was opened."""
        return self._open().total_changes()

    def interrupt(self) -> None:
        """Cancel the running statement, even while it waits for the network; callable from any thread."""
        with map_errors:
            self._open().interrupt()


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
    if mode is not True and mode is not False and mode != LEGACY_TRANSACTION_CONTROL:
        raise ValueError(f"autocommit must be True, False, or {__package__}.LEGACY_TRANSACTION_CONTROL")
    return mode
