"""ExecTrace: what APSW reports before the first row of a statement: its columns, and whether it only reads.

It holds no reference to the Cursor, which would then live until the garbage collector finds it, with its locks.

>>> cursor.exec_trace = trace = ExecTrace(handle)
>>> cursor.execute("SELECT 1 AS one")
>>> trace.description
(('one', None, None, None, None, None, None),)

https://rogerbinns.github.io/apsw/execution.html#tracing
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import apsw

from ..errors import ProgrammingError
from .database_handle import DatabaseHandle
from .types import PARSE_COLNAMES, Converter, find_converters, warn_deprecated

Description = tuple[tuple[str, None, None, None, None, None, None], ...]


class ExecTrace:
    """The exec trace of one apsw.Cursor; `description` and `converters` are those of its last statement."""

    def __init__(self, handle: DatabaseHandle) -> None:
        self.handle = handle
        self.description: Description | None = None
        self.converters: list[Converter | None] | None = None
        self.has_begun = False  # whether SQLite has parsed the statement
        self._many = False

    def __call__(self, cursor: apsw.Cursor, sql: str, bindings: Any) -> bool:
        """Check a statement before its first step, and take its columns."""
        self.has_begun = True
        if self._many and cursor.is_readonly:
            raise ProgrammingError("executemany() can only execute DML statements.")
        if isinstance(bindings, tuple) and cursor.bindings_count:
            _warn_of_names(cursor.bindings_names)
        if not self._many:
            # APSW caches `description`, which is outdated when the first step finds that the schema has changed.
            self.set_columns(cursor.description_full)
        if self.handle._trace is not None:
            self.handle._trace(cursor)
        return True

    def reset(self, *, many: bool = False) -> None:
        """Forget the last statement. `many` is for executemany(), whose rows are dropped."""
        self._many = many
        self.has_begun = False
        self.description = None

    def set_columns(self, columns: Sequence[tuple[Any, ...]]) -> None:
        """Take the names and declared types of the columns."""
        names = [column[0] for column in columns]
        detect = self.handle.detect_types
        self.converters = None
        if detect and columns:
            found = find_converters(names, [column[1] for column in columns], detect)
            self.converters = found if any(found) else None
            if detect & PARSE_COLNAMES:
                names = [name.partition("[")[0].removesuffix(" ") if "[" in name else name for name in names]
        self.description = tuple((name, None, None, None, None, None, None) for name in names) or None

    def prepare_columns(self, connection: apsw.Connection, sql: str, bindings: Any) -> None:
        """Prepare again a query that returned no row, and take its columns: APSW may have cached an old schema's."""

        def abort(cursor: apsw.Cursor, sql: str, bindings: Any) -> bool:
            self.set_columns(cursor.description)
            return False

        cursor = apsw.Cursor(connection)
        try:
            cursor.exec_trace = abort
            with suppress(apsw.ExecTraceAbort):
                cursor.execute(sql, bindings, can_cache=False)
        finally:
            del cursor  # the traceback of an exception would keep it, and close() would wait for it for ever


def _warn_of_names(names: Sequence[str | None]) -> None:
    for number, name in enumerate(names, start=1):
        if name is not None and not name.isdecimal():  # The name of ?1 is "1".
            warn_deprecated(
                f"Binding {number} (':{name}') is a named parameter, but you supplied a sequence which requires "
                "nameless (qmark) placeholders."
            )
