"""Whole databases and the switches of an apsw.Connection, as sqlite3 has them.

>>> backup(source, target, lambda call: call(), pages=-1, progress=None, name="main", sleep=0.25)
>>> data = serialize(source)

https://docs.python.org/3/library/sqlite3.html#sqlite3.Connection.backup
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import apsw

from ..errors import OperationalError
from .exceptions import map_errors


def backup(
    source: apsw.Connection,
    target: apsw.Connection,
    hold: Callable[[Callable[[], Any]], Any],
    *,
    pages: int,
    progress: Callable[[int, int, int], object] | None,
    name: str,
    sleep: float,
) -> None:
    """Copy the database `name` into `target`, `pages` at a time (0 or less: all at once).

    `hold` calls a function while it holds the locks of both connections: between two steps, other threads use them.
    `progress` receives SQLite's status, the remaining pages and all pages. While the source is locked, the copy is
    retried every `sleep` seconds.
    """
    if target is source:
        raise ValueError("target cannot be the same connection instance")
    if progress is not None and not callable(progress):
        raise TypeError("progress argument must be a callable")
    with map_errors:
        copy: apsw.Backup = hold(partial(_begin_backup, source, target, name))
        try:
            while not copy.done:
                try:
                    hold(partial(copy.step, pages or -1))
                    status = apsw.SQLITE_DONE if copy.done else apsw.SQLITE_OK
                except (apsw.BusyError, apsw.LockedError) as error:
                    status = int(error.result)  # type: ignore[union-attr]
                if progress is not None:
                    progress(status, copy.remaining, copy.page_count)
                if status not in (apsw.SQLITE_OK, apsw.SQLITE_DONE):
                    time.sleep(sleep)
        finally:
            hold(partial(copy.close, not copy.done))


def _begin_backup(source: apsw.Connection, target: apsw.Connection, name: str) -> apsw.Backup:
    if target.in_transaction:
        raise OperationalError("target is in transaction")
    return target.backup("main", source, name)


def serialize(connection: apsw.Connection, name: str) -> bytes:
    """Return the bytes of the database's file."""
    _check_database(connection, name)
    with map_errors:
        return connection.serialize(name)


def deserialize(connection: apsw.Connection, data: bytes, name: str) -> None:
    """Replace a database by one in memory that has these bytes."""
    _check_database(connection, name)
    with map_errors:
        connection.deserialize(name, data)


def get_config(connection: apsw.Connection, op: int) -> bool:
    """Return whether one of SQLite's switches, SQLITE_DBCONFIG_…, is on."""
    return bool(_config(connection, op, -1))


def set_config(connection: apsw.Connection, op: int, enable: bool) -> None:
    """Turn one of SQLite's switches on or off."""
    if _config(connection, op, int(enable)) != int(enable):
        raise OperationalError("Unable to set config")


def _config(connection: apsw.Connection, op: int, value: int) -> int:
    try:
        with map_errors:
            return connection.config(op, value)
    except ValueError:
        raise ValueError(f"unknown config 'op': {op}") from None


def _check_database(connection: apsw.Connection, name: str) -> None:
    if name not in connection.db_names():
        raise OperationalError(f"unknown database {name}")
