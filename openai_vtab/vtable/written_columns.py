"""Conditions on a column that only an INSERT gives, such as files.path: the column is NULL in every row that is read.

`files JOIN documents ON files.path = documents.path` returns no row, and SQLite says nothing.

>>> WrittenColumns(files).look(info)
WARNING:openai_vtab:files.path is NULL in every row, so that a condition on it returns no row: …
"""

from __future__ import annotations

import logging

import apsw

from ..schema.table import Table

log = logging.getLogger("openai_vtab")

NULL_TESTS = (apsw.SQLITE_INDEX_CONSTRAINT_ISNULL, apsw.SQLITE_INDEX_CONSTRAINT_ISNOTNULL)


class WrittenColumns:
    """Logs a warning for each such column of one table, once."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._warned: set[int] = set()

    def look(self, info: apsw.IndexInfo) -> None:
        """Look for conditions on such a column among the terms of a query that SQLite plans."""
        written = self._table.written
        for term in range(info.nConstraint):
            number = info.get_aConstraint_iColumn(term)
            if number not in written or number in self._warned or info.get_aConstraint_op(term) in NULL_TESTS:
                continue
            self._warned.add(number)
            log.warning(
                "%s.%s is NULL in every row, so that a condition on it returns no row: an INSERT gives it, and the "
                "API does not return it%s",
                self._table.name,
                written[number],
                self._instead(written[number]),
            )

    def _instead(self, column: str) -> str:
        if column != "path":
            return ""
        if "key" in self._table.by_name:
            return "; compare key"
        return "; compare filename, which is the last part of the path"
