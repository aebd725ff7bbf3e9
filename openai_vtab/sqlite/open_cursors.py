"""The cursors of a connection, which know the values that a running statement's parameters have.

SQLite's trace reports the text of every statement, but no bindings. A cursor that runs the statement has them.

>>> cursors = OpenCursors()
>>> connection.cursor_factory = cursors.factory(connection.cursor_factory)
>>> cursors.with_values("SELECT title FROM d WHERE n = ?")
'SELECT title FROM d WHERE n = 5'
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import apsw

from .tokens import TOKEN


class OpenCursors:
    """The open cursors of a connection."""

    def __init__(self) -> None:
        # Not a WeakSet: it runs Python code when a cursor is freed, and a KeyboardInterrupt in that code is lost.
        self._cursors: list[weakref.ref[apsw.Cursor]] = []
        self._most = 64  # references; at this number, the references to freed cursors are dropped

    def factory(self, given: Callable[[apsw.Connection], Any]) -> Callable[[apsw.Connection], Any]:
        """Wrap a connection's cursor factory, so that every cursor that it makes is remembered here.

        A class with its own execute() would do the same, but a Python frame between Connection.execute() and
        Cursor.execute() makes APSW 3.54 crash when an exception's traceback outlives the connection.
        """
        base = getattr(given, "known_cursors_of", given)
        # short, because it is called for every statement
        cursors, kind, reference = self._cursors, apsw.Cursor, weakref.ref

        def make(connection: apsw.Connection) -> Any:
            cursor = base(connection)
            if isinstance(cursor, kind):
                if len(cursors) >= self._most:
                    cursors[:] = map(reference, self._alive())
                    self._most = max(64, 2 * len(cursors))
                cursors.append(reference(cursor))
            return cursor

        make.known_cursors_of = base  # type: ignore[attr-defined]
        return make

    def _alive(self) -> list[apsw.Cursor]:
        """Return the cursors that have not been freed."""
        return [cursor for known in self._cursors if (cursor := known()) is not None]

    @contextlib.contextmanager
    def held(self, connection: apsw.Connection, refuse: Callable[..., Any]) -> Iterator[None]:
        """Within the block, call `refuse` before a statement begins or a cursor is made on any of the user's cursors.

        `refuse` raises. The package's own cursors are not affected: they have their own exec_trace and factory.
        """
        factory, trace = connection.cursor_factory, connection.exec_trace
        traces: list[tuple[apsw.Cursor, Any]] = []
        try:
            connection.cursor_factory = connection.exec_trace = refuse
            for cursor in self._alive():
                # the cursor that runs the present statement is in use: APSW raises, and calls its trace no more
                with contextlib.suppress(apsw.Error):
                    if (own := cursor.exec_trace) is not None:
                        traces.append((cursor, own))
                        cursor.exec_trace = refuse
            yield
        finally:
            connection.cursor_factory, connection.exec_trace = factory, trace
            for cursor, own in traces:
                with contextlib.suppress(apsw.Error):
                    cursor.exec_trace = own

    def with_values(self, sql: str) -> str | None:
        """Return the text of a running statement with its parameters' values; None if they cannot be determined."""
        places = [match.start() for match in TOKEN.finditer(sql) if match.lastgroup == "parameter"]
        if not places:
            return sql
        found: set[str] = set()
        for cursor in self._alive():
            try:
                text = cursor.expanded_sql
            except apsw.Error:  # this cursor runs no statement
                continue
            if text.startswith(sql[: places[0]]):
                found.add(text)
        return found.pop() if len(found) == 1 else None
