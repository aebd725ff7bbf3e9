"""Functions, collations and handlers of an apsw.Connection, registered as sqlite3 registers them.

>>> create_function(connection, "half", 1, lambda x: x / 2, deterministic=True)

https://docs.python.org/3/library/sqlite3.html#connection-objects
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import apsw

from ..errors import OperationalError, ProgrammingError
from . import callbacks
from .exceptions import map_errors

MAX_ARGUMENTS = 1000  # https://www.sqlite.org/limits.html#max_function_arg, as APSW builds SQLite


def create_function(
    connection: apsw.Connection, name: str, narg: int, func: Callable[..., Any] | None, *, deterministic: bool
) -> None:
    """Register a scalar function with `narg` arguments (-1: any number); None removes it."""
    _check_arguments(narg, OperationalError("Error creating function"))
    function = None if func is None else callbacks.scalar(func)
    # trusted_schema is off: only an innocuous function can be used in the indexes and views of the file, and sqlite3
    # allows that for every deterministic one.
    flags = apsw.SQLITE_INNOCUOUS if deterministic else 0
    with map_errors:
        connection.create_scalar_function(name, function, narg, deterministic=deterministic, flags=flags)


def create_aggregate(
    connection: apsw.Connection, name: str, n_arg: int, aggregate_class: Callable[[], Any] | None
) -> None:
    """Register a class with `step` and `finalize` as an aggregate function; None removes it."""
    _check_arguments(n_arg, OperationalError("Error creating aggregate"))
    factory = None if aggregate_class is None else callbacks.aggregate(aggregate_class)
    with map_errors:
        connection.create_aggregate_function(name, factory, n_arg)


def create_window_function(
    connection: apsw.Connection, name: str, num_params: int, aggregate_class: Callable[[], Any] | None
) -> None:
    """Register a class with `step`, `inverse`, `value` and `finalize` as a window function; None removes it."""
    _check_arguments(num_params, ProgrammingError("Error creating window function"))
    factory = None if aggregate_class is None else callbacks.aggregate(aggregate_class)
    with map_errors:
        connection.create_window_function(name, factory, num_params)


def create_collation(connection: apsw.Connection, name: str, callback: Callable[[str, str], int] | None) -> None:
    """Register a function that returns less than, equal to or more than 0 as a collation; None removes it."""
    if callback is not None and not callable(callback):
        raise TypeError("parameter must be callable")
    with map_errors:
        connection.create_collation(name, None if callback is None else callbacks.collation(callback))


def set_authorizer(connection: apsw.Connection, authorizer_callback: Callable[..., int] | None) -> None:
    """Ask a function for SQLITE_OK, SQLITE_DENY or SQLITE_IGNORE before each access; None removes it."""
    with map_errors:
        connection.authorizer = None if authorizer_callback is None else callbacks.authorizer(authorizer_callback)


def set_progress_handler(connection: apsw.Connection, progress_handler: Callable[[], Any] | None, n: int) -> None:
    """Call a function every `n` instructions of SQLite's virtual machine; a true result interrupts the statement."""
    handler = None if progress_handler is None or n <= 0 else callbacks.progress(progress_handler)
    with map_errors:
        connection.set_progress_handler(handler, max(n, 1), id=__name__)


def _check_arguments(number: int, error: Exception) -> None:
    """Check the number of arguments, for which APSW would report SQLite's last error, whatever that was."""
    if not -1 <= number <= MAX_ARGUMENTS:
        raise error
