"""Python callbacks as SQLite calls them: their results and exceptions are treated as sqlite3 treats them.

An exception in a callback is the `__cause__` of the OperationalError that the statement raises.

>>> connection.create_scalar_function("half", scalar(lambda x: x / 2), 1)

https://docs.python.org/3/library/sqlite3.html#sqlite3.Connection.create_function
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import apsw

from ..errors import DataError, OperationalError
from .exceptions import map_errors

_tracebacks = False


def enable_callback_tracebacks(flag: bool, /) -> None:
    """Show every exception in a callback, including those that are otherwise ignored."""
    global _tracebacks  # noqa: PLW0603 - sqlite3's switch is for the process
    _tracebacks = bool(flag)


def report(error: Exception, callback: object) -> None:
    """Pass an exception to sys.unraisablehook, if enable_callback_tracebacks() asked for it."""
    if not _tracebacks:
        return
    if sys.unraisablehook is sys.__unraisablehook__:  # The default hook refuses arguments made in Python.
        traceback.print_exception(error)
    else:
        hook: Callable[[Any], object] = sys.unraisablehook
        fields = {"exc_type": type(error), "exc_value": error, "exc_traceback": error.__traceback__}
        hook(SimpleNamespace(**fields, err_msg=None, object=callback))


def _to_raise(problem: str, error: Exception, callback: object) -> Exception:
    report(error, callback)
    if isinstance(error, MemoryError):
        return MemoryError()
    if isinstance(error, OverflowError):
        return DataError("string or blob too big")
    return OperationalError(problem)


def _checked_result(value: Any) -> Any:
    """Return a function's result if SQLite can store it."""
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise OverflowError("Python int too large to convert to SQLite INTEGER")
    elif isinstance(value, str):
        value.isascii() or value.encode()  # Encoding raises UnicodeEncodeError for a lone surrogate.
    elif value is not None and not isinstance(value, float) and not memoryview(value).c_contiguous:
        raise BufferError("underlying buffer is not C-contiguous")
    return value


def scalar(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a function for create_function()."""

    def call(*values: Any) -> Any:
        try:
            return _checked_result(function(*values))
        except Exception as error:
            raise _to_raise("user-defined function raised exception", error, function) from error

    return call


class _Aggregate:
    """One group: an instance of the user's class, made with its first row. A group without rows returns NULL."""

    def __init__(self, factory: Callable[[], Any]) -> None:
        self.factory = factory
        self.instance: Any = None

    def call(self, method: str, *values: Any) -> Any:
        """Call a method of the instance."""
        try:
            function = getattr(self.instance, method)
        except AttributeError as error:
            report(error, self.factory)
            raise OperationalError(f"user-defined aggregate's '{method}' method not defined") from error
        try:
            return _checked_result(function(*values))
        except Exception as error:
            raise _to_raise(f"user-defined aggregate's '{method}' method raised error", error, self.factory) from error

    def step(self, *values: Any) -> None:
        """Add a row."""
        if self.instance is None:
            try:
                self.instance = self.factory()
            except Exception as error:
                problem = "user-defined aggregate's '__init__' method raised error"
                raise _to_raise(problem, error, self.factory) from error
        self.call("step", *values)

    def inverse(self, *values: Any) -> None:
        """Remove a row from the window."""
        self.call("inverse", *values)

    def value(self) -> Any:
        """Return the result for the current window."""
        return None if self.instance is None else self.call("value")

    def final(self) -> Any:
        """Return the result for the group."""
        return None if self.instance is None else self.call("finalize")


def aggregate(factory: Callable[[], Any]) -> Callable[[], Any]:
    """Wrap a class for create_aggregate() or create_window_function()."""
    return lambda: _Aggregate(factory)


def collation(compare: Callable[[str, str], int]) -> Callable[[str, str], int]:
    """Wrap a function for create_collation(). Its exception fails the statement; sqlite3 ignores it."""

    def call(left: str, right: str) -> int:
        try:
            order = compare(left, right)
            return (order > 0) - (order < 0)
        except Exception as error:
            raise _to_raise("user-defined collation raised exception", error, compare) from error

    return call


def authorizer(authorize: Callable[..., Any]) -> Callable[..., int]:
    """Wrap a function for set_authorizer(). An exception, or a result that is no C int, denies the access."""

    def call(*action: Any) -> int:
        try:
            result = authorize(*action)
        except Exception as error:
            report(error, authorize)
            return apsw.SQLITE_DENY
        is_c_int = isinstance(result, int) and -(2**31) <= result < 2**31  # SQLite refuses unknown numbers itself.
        return result if is_c_int else apsw.SQLITE_DENY

    return call


def progress(handler: Callable[[], Any]) -> Callable[[], bool]:
    """Wrap a function for set_progress_handler(). An exception interrupts the statement, as a true result does."""

    def call() -> bool:
        try:
            return bool(handler())
        except Exception as error:
            report(error, handler)
            return True

    return call


def trace(callback: Callable[[str], Any]) -> Callable[[apsw.Cursor | str], None]:
    """Wrap a function for set_trace_callback(). It receives the SQL with its values; exceptions are ignored."""

    def call(statement: apsw.Cursor | str) -> None:
        sql = statement if isinstance(statement, str) else _expanded_sql(statement, callback)
        try:
            if sql:  # A text of comments only has no statement.
                callback(sql)
        except Exception as error:
            report(error, callback)

    return call


def _expanded_sql(cursor: apsw.Cursor, callback: object) -> str:
    try:
        with map_errors:
            return cursor.expanded_sql if cursor.has_vdbe else ""
    except MemoryError:  # APSW raises it for a text longer than SQLITE_LIMIT_LENGTH.
        report(DataError("Expanded SQL string exceeds the maximum string length"), callback)
        return cursor.sql
