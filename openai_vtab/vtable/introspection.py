"""Tables about the tables: openai_tables and openai_columns describe them, openai_requests is the request log.

>>> SELECT verb, method, path, required FROM openai_tables WHERE table_name = 'vector_stores'
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import apsw

from ..schema import docs
from ..schema.docs import Described
from ..schema.values import SQLiteValue
from ..transport.request_log import COLUMNS, RequestLog

Row = tuple[SQLiteValue, ...]
NAMES = OPERATIONS, COLUMNS_OF_TABLES, REQUESTS = "openai_tables", "openai_columns", "openai_requests"


def create(connection: apsw.Connection, tables: Sequence[Described], log: RequestLog) -> set[str]:
    """Register the three tables, and return their names. Their rows are made when they are read."""

    def rows(of: Callable[[Described], Sequence[dict[str, Any]]]) -> list[Row]:
        return [tuple(row.values()) for table in tables for row in of(table)]

    made = {
        OPERATIONS: (docs.TABLE_COLUMNS, lambda: rows(docs.methods)),
        COLUMNS_OF_TABLES: (docs.COLUMN_COLUMNS, lambda: rows(docs.columns)),
        REQUESTS: (tuple(COLUMNS), log.rows),
    }
    for name, (columns, look) in made.items():
        module = InfoModule(f"CREATE TABLE {name}({', '.join(columns)})", look)
        connection.create_module(
            name, cast(Any, module), use_bestindex_object=True, eponymous=True, eponymous_only=True, read_only=True
        )
    return set(made)


class InfoModule:
    """A table of rows that do not change while they are read; it is its own VTable."""

    def __init__(self, schema: str, rows: Callable[[], list[Row]]) -> None:
        self._schema = schema
        self._rows = rows

    def Connect(self, *_: Any) -> tuple[str, InfoModule]:
        """SQLite opens the table."""
        return self._schema, self

    def BestIndexObject(self, info: apsw.IndexInfo) -> bool:
        """Scan all rows: there are few."""
        info.estimatedRows = 100
        return True

    def Open(self) -> InfoCursor:
        """SQLite opens a cursor."""
        return InfoCursor(self._rows())

    def Disconnect(self) -> None:
        """SQLite closes the table."""


class InfoCursor:
    """One scan of a table."""

    def __init__(self, rows: list[Row]) -> None:
        self._rows = rows
        self._at = 0

    def Filter(self, *_: Any) -> None:
        """SQLite begins a scan."""
        self._at = 0

    def Eof(self) -> bool:
        """Whether the scan is over."""
        return self._at >= len(self._rows)

    def Next(self) -> None:
        """Go to the next row."""
        self._at += 1

    def Rowid(self) -> int:
        """The row's number."""
        return self._at + 1

    def Column(self, number: int) -> SQLiteValue:
        """The row's value in a column."""
        return self._rows[self._at][number] if number >= 0 else self.Rowid()

    def Close(self) -> None:
        """The scan is over."""
