"""What a Connection is given to call: functions, collations and handlers, under sqlite3's names.

It must not know transactions or rows.

>>> connection.create_function("half", 1, lambda x: x / 2, deterministic=True)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import apsw

from ..errors import OperationalError, ProgrammingError
from . import callbacks
from .border import border

MOST_ARGUMENTS = 1000  # https://www.sqlite.org/limits.html#max_function_arg, as APSW is built


class Extending:
    """The part of Connection that registers Python callables."""

    _trace: Callable[[apsw.Cursor | str], None] | None = None

    if TYPE_CHECKING:  # what Connection itself gives

        def _usable(self) -> apsw.Connection: ...

    def create_function(
        self, name: str, narg: int, func: Callable[..., Any] | None, *, deterministic: bool = False
    ) -> None:
        """Make a Python function known to SQL; None takes it away. `narg` -1 takes any number of arguments."""
        connection = self._usable()
        _check_arguments(narg, OperationalError("Error creating function"))
        function = None if func is None else callbacks.scalar(func)
        # What only computes may be used by the indexes and views of the file, as with sqlite3: trusted_schema is off
        flags = apsw.SQLITE_INNOCUOUS if deterministic else 0
        with border:
            connection.create_scalar_function(name, function, narg, deterministic=deterministic, flags=flags)

    def create_aggregate(self, name: str, n_arg: int, aggregate_class: Callable[[], Any] | None) -> None:
        """Make a class with `step` and `finalize` known to SQL as an aggregate function."""
        connection = self._usable()
        _check_arguments(n_arg, OperationalError("Error creating aggregate"))
        factory = None if aggregate_class is None else callbacks.aggregate(aggregate_class)
        with border:
            connection.create_aggregate_function(name, factory, n_arg)

    def create_window_function(self, name: str, num_params: int, aggregate_class: Callable[[], Any] | None, /) -> None:
        """Make a class with `step`, `inverse`, `value` and `finalize` known to SQL as a window function."""
        connection = self._usable()
        _check_arguments(num_params, ProgrammingError("Error creating window function"))
        factory = None if aggregate_class is None else callbacks.aggregate(aggregate_class)
        with border:
            connection.create_window_function(name, factory, num_params)

    def create_collation(self, name: str, callback: Callable[[str, str], int] | None, /) -> None:
        """Make an order of texts known to SQL: a function that returns less than, equal to or more than 0."""
        connection = self._usable()
        if callback is not None and not callable(callback):
            raise TypeError("parameter must be callable")
        with border:
            connection.create_collation(name, None if callback is None else callbacks.collation(callback))

    def set_authorizer(self, authorizer_callback: Callable[..., int] | None) -> None:
        """Ask a function whether SQL may do what it is about to do: SQLITE_OK, SQLITE_DENY or SQLITE_IGNORE."""
        connection = self._usable()
        with border:
            connection.authorizer = None if authorizer_callback is None else callbacks.authorizer(authorizer_callback)

    def set_progress_handler(self, progress_handler: Callable[[], Any] | None, n: int) -> None:
        """Call a function every `n` steps of SQLite's machine; a true answer ends the statement."""
        connection = self._usable()
        handler = None if progress_handler is None or n <= 0 else callbacks.progress(progress_handler)
        with border:
            connection.set_progress_handler(handler, max(n, 1), id=Extending)

    def set_trace_callback(self, trace_callback: Callable[[str], Any] | None) -> None:
        """Tell a function each statement of this connection's cursors, with its values in it."""
        self._usable()
        self._trace = None if trace_callback is None else callbacks.trace(trace_callback)

    def enable_load_extension(self, enabled: bool, /) -> None:
        """Allow load_extension()."""
        with border:
            self._usable().enable_load_extension(enabled)

    def load_extension(self, name: str, /, *, entrypoint: str | None = None) -> None:
        """Load a SQLite extension from a shared library."""
        connection = self._usable()
        with border:
            connection.load_extension(name, cast(Any, entrypoint))


def _check_arguments(number: int, error: Exception) -> None:
    """APSW reports a wrong number with whatever SQLite said last."""
    if not -1 <= number <= MOST_ARGUMENTS:
        raise error
