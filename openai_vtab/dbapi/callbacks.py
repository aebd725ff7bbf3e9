"""Python functions as SQLite calls them: what they raise and return becomes what sqlite3 makes of it.

An exception of the user's function is the cause (`__cause__`) of the OperationalError that the statement raises.
It must not know connections.

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
from .border import border

_tracebacks = False


def enable_callback_tracebacks(flag: bool, /) -> None:
    """Show every exception of a callback, also of those whose exceptions are otherwise ignored."""
    global _tracebacks  # noqa: PLW0603 - sqlite3's switch is for the process
    _tracebacks = bool(flag)


def report(error: Exception, callback: object) -> None:
    """Show an exception that cannot be raised, if that is wanted."""
    if not _tracebacks:
        return
    if sys.unraisablehook is sys.__unraisablehook__:  # which takes no arguments made in Python
        traceback.print_exception(error)
    else:
        hook: Callable[[Any], object] = sys.unraisablehook
        fields = {"exc_type": type(error), "exc_value": error, "exc_traceback": error.__traceback__}
        hook(SimpleNamespace(**fields, err_msg=None, object=callback))


def _failed(problem: str, error: Exception, callback: object) -> Exception:
    report(error, callback)
    if isinstance(error, MemoryError):
        return MemoryError()
    if isinstance(error, OverflowError):
        return DataError("string or blob too big")
    return OperationalError(problem)


def _returned(value: Any) -> Any:
    """What a function has returned, if SQLite can hold it."""
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise OverflowError("Python int too large to convert to SQLite INTEGER")
    elif isinstance(value, str):
        value.isascii() or value.encode()  # a lone surrogate raises
    elif value is not None and not isinstance(value, float) and not memoryview(value).c_contiguous:
        raise BufferError("underlying buffer is not C-contiguous")
    return value


def scalar(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of create_function."""

    def call(*values: Any) -> Any:
        try:
            return _returned(function(*values))
        except Exception as error:
            raise _failed("user-defined function raised exception", error, function) from error

    return call


class _Aggregate:
    """An instance of the user's class for one group, made with its first row: a group of none gives NULL."""

    def __init__(self, made: Callable[[], Any]) -> None:
        self.made = made
        self.instance: Any = None

    def call(self, method: str, *values: Any) -> Any:
        """Call one of its methods."""
        try:
            function = getattr(self.instance, method)
        except AttributeError as error:
            report(error, self.made)
            raise OperationalError(f"user-defined aggregate's '{method}' method not defined") from error
        try:
            return _returned(function(*values))
        except Exception as error:
            raise _failed(f"user-defined aggregate's '{method}' method raised error", error, self.made) from error

    def step(self, *values: Any) -> None:
        """A row comes in."""
        if self.instance is None:
            try:
                self.instance = self.made()
            except Exception as error:
                raise _failed("user-defined aggregate's '__init__' method raised error", error, self.made) from error
        self.call("step", *values)

    def inverse(self, *values: Any) -> None:
        """A row leaves the window."""
        self.call("inverse", *values)

    def value(self) -> Any:
        """The window's result now."""
        return None if self.instance is None else self.call("value")

    def final(self) -> Any:
        """The group's result."""
        return None if self.instance is None else self.call("finalize")


def aggregate(made: Callable[[], Any]) -> Callable[[], Any]:
    """A class of create_aggregate or create_window_function."""
    return lambda: _Aggregate(made)


def collation(compare: Callable[[str, str], int]) -> Callable[[str, str], int]:
    """A function of create_collation. What it raises ends the statement; sqlite3 takes the two as equal."""

    def call(left: str, right: str) -> int:
        try:
            order = compare(left, right)
            return (order > 0) - (order < 0)
        except Exception as error:
            raise _failed("user-defined collation raised exception", error, compare) from error

    return call


def authorizer(allowed: Callable[..., Any]) -> Callable[..., int]:
    """A function of set_authorizer: what is no answer is a refusal."""

    def call(*question: Any) -> int:
        try:
            answer = allowed(*question)
        except Exception as error:
            report(error, allowed)
            return apsw.SQLITE_DENY
        fits = isinstance(answer, int) and -(2**31) <= answer < 2**31  # SQLite itself refuses numbers it does not know
        return answer if fits else apsw.SQLITE_DENY

    return call


def progress(handler: Callable[[], Any]) -> Callable[[], bool]:
    """A function of set_progress_handler: what it raises ends the statement, like a true answer."""

    def call() -> bool:
        try:
            return bool(handler())
        except Exception as error:
            report(error, handler)
            return True

    return call


def trace(callback: Callable[[str], Any]) -> Callable[[apsw.Cursor | str], None]:
    """A function of set_trace_callback: it is told the statement with its values; what it raises is ignored."""

    def call(statement: apsw.Cursor | str) -> None:
        text = statement if isinstance(statement, str) else _expanded(statement, callback)
        try:
            if text:  # a comment alone is no statement
                callback(text)
        except Exception as error:
            report(error, callback)

    return call


def _expanded(cursor: apsw.Cursor, callback: object) -> str:
    try:
        with border:
            return cursor.expanded_sql if cursor.has_vdbe else ""
    except MemoryError:  # APSW's word for: longer than SQLITE_LIMIT_LENGTH
        report(DataError("Expanded SQL string exceeds the maximum string length"), callback)
        return cursor.sql
