"""What a Connection does with whole databases and blobs, and its limits and switches, under sqlite3's names.

It must not know transactions or rows.

>>> connection.backup(other)
>>> data = connection.serialize()
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import apsw

from ..errors import OperationalError, ProgrammingError
from .blob import Blob
from .border import border
from .dump import dump

if TYPE_CHECKING:
    from .connection import Connection
    from .cursor import Cursor


class Copying:
    """The part of Connection that copies databases."""

    if TYPE_CHECKING:  # what Connection itself gives

        def _usable(self) -> apsw.Connection: ...

        def cursor(self) -> Cursor:
            """A new cursor."""

    def backup(
        self,
        target: Connection,
        *,
        pages: int = -1,
        progress: Callable[[int, int, int], object] | None = None,
        name: str = "main",
        sleep: float = 0.250,
    ) -> None:
        """Copy a database into another connection's, so many pages at a time; it can be in use meanwhile."""
        if not isinstance(target, Copying):
            raise TypeError(f"backup() argument 1 must be Connection, not {type(target).__name__}")
        source, destination = self._usable(), target._usable()
        if target is self:
            raise ValueError("target cannot be the same connection instance")
        if progress is not None and not callable(progress):
            raise TypeError("progress argument must be a callable")
        if destination.in_transaction:
            raise OperationalError("target is in transaction")
        with border, destination.backup("main", source, name) as steps:
            while not steps.done:
                try:
                    steps.step(pages or -1)
                    status = apsw.SQLITE_DONE if steps.done else apsw.SQLITE_OK
                except (apsw.BusyError, apsw.LockedError) as error:
                    status = int(error.result)  # type: ignore[union-attr]
                if progress is not None:
                    progress(status, steps.remaining, steps.page_count)
                if status not in (apsw.SQLITE_OK, apsw.SQLITE_DONE):
                    time.sleep(sleep)

    def iterdump(self, *, filter: str | None = None) -> Iterator[str]:
        """The SQL statements that make the database again, of the objects whose names are LIKE `filter`."""
        self._usable()
        return dump(self.cursor(), filter or None)

    def serialize(self, *, name: str = "main") -> bytes:
        """The database as the bytes of its file."""
        connection = self._usable()
        if name not in connection.db_names():
            raise OperationalError(f"unknown database {name}")
        with border:
            return connection.serialize(name)

    def deserialize(self, data: bytes, /, *, name: str = "main") -> None:
        """Replace the database by one in memory that has these bytes."""
        connection = self._usable()
        if name not in connection.db_names():
            raise OperationalError(f"unknown database {name}")
        with border:
            connection.deserialize(name, data)

    def blobopen(self, table: str, column: str, row: int, /, *, readonly: bool = False, name: str = "main") -> Blob:
        """Open one value of a row to be read and written in place."""
        connection = self._usable()
        with border:
            return Blob._of(connection.blob_open(name, table, column, row, not readonly), self._usable)

    def getlimit(self, category: int, /) -> int:
        """One of SQLite's limits, SQLITE_LIMIT_…"""
        return self.setlimit(category, -1)

    def setlimit(self, category: int, limit: int, /) -> int:
        """Set one of SQLite's limits; its value before."""
        before = self._usable().limit(category, limit)
        if before < 0:
            raise ProgrammingError("'category' is out of bounds")
        return before

    def getconfig(self, op: int, /) -> bool:
        """One of SQLite's switches, SQLITE_DBCONFIG_…"""
        return bool(self._config(op, -1))

    def setconfig(self, op: int, enable: bool = True, /) -> None:
        """Set one of SQLite's switches."""
        if self._config(op, int(enable)) != int(enable):
            raise OperationalError("Unable to set config")

    def _config(self, op: int, value: int) -> int:
        connection = self._usable()
        try:
            with border:
                return connection.config(op, value)
        except ValueError:
            raise ValueError(f"unknown config 'op': {op}") from None
