"""What APSW tells when a statement begins, before its first row: its columns, and whether it only reads.

It must not know the Cursor that runs it, which it would keep alive.

>>> cursor.exec_trace = beginning = Beginning(connection)
>>> cursor.execute("SELECT 1 AS one")
>>> beginning.description
(('one', None, None, None, None, None, None),)

https://rogerbinns.github.io/apsw/execution.html#tracing
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import apsw

from ..errors import ProgrammingError
from .adapting import PARSE_COLNAMES, Converter, column_converters, deprecated

if TYPE_CHECKING:
    from .connection import Connection

Description = tuple[tuple[str, None, None, None, None, None, None], ...]


class Beginning:
    """The exec trace of a cursor."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.many = False
        self.in_order = False  # whether the parameters are a sequence
        self.description: Description | None = None
        self.converters: list[Converter | None] | None = None

    def __call__(self, cursor: apsw.Cursor, sql: str, bindings: Any) -> bool:
        """A statement is about to make its first step."""
        if self.many and cursor.is_readonly:
            raise ProgrammingError("executemany() can only execute DML statements.")
        if self.in_order and cursor.bindings_count:
            self._warn_of_names(cursor.bindings_names)
        if not self.many:
            # not `description`, which APSW would remember: after a change of the schema, the first step corrects it
            self.columns(cursor.description_full)
        if self.connection._trace is not None:
            self.connection._trace(cursor)
        return True

    def columns(self, columns: Sequence[tuple[Any, ...]]) -> None:
        """Take the columns' names and declared types."""
        names = [column[0] for column in columns]
        detect = self.connection.detect_types
        self.converters = None
        if detect and columns:
            found = column_converters(names, [column[1] for column in columns], detect)
            self.converters = found if any(found) else None
            if detect & PARSE_COLNAMES:
                names = [name.partition("[")[0].removesuffix(" ") if "[" in name else name for name in names]
        self.description = tuple((name, None, None, None, None, None, None) for name in names) or None

    def columns_of(self, connection: apsw.Connection, sql: str, values: Any) -> None:
        """Take those of a query that has given no row: as APSW's cache has it, they may be an old schema's."""

        def look_only(cursor: apsw.Cursor, sql: str, bindings: Any) -> bool:
            self.columns(cursor.description)
            return False

        cursor = apsw.Cursor(connection)
        cursor.exec_trace = cast(Any, look_only)
        with suppress(apsw.ExecTraceAbort):
            cursor.execute(sql, values, can_cache=False)

    @staticmethod
    def _warn_of_names(names: Sequence[str | None]) -> None:
        for number, name in enumerate(names, start=1):
            if name is not None and not name.isdecimal():  # ?1 has the name 1
                deprecated(
                    f"Binding {number} (':{name}') is a named parameter, but you supplied a sequence which requires "
                    "nameless (qmark) placeholders."
                )
