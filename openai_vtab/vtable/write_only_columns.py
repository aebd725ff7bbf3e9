"""Conditions on a column that only an INSERT gives, such as files.path: the column is NULL in every row that is read.

`files JOIN documents ON files.path = documents.path` returns no row, and SQLite says nothing.

>>> WriteOnlyColumns(files).warn(info)
WARNING:openai_vtab:files.path is NULL in every row, so that a condition on it returns no row: …
"""

from __future__ import annotations

import logging

import apsw

from ..schema.table import Table

log = logging.getLogger("openai_vtab")

NULL_TESTS = (apsw.SQLITE_INDEX_CONSTRAINT_ISNULL, apsw.SQLITE_INDEX_CONSTRAINT_ISNOTNULL)


class WriteOnlyColumns:
    """Logs one warning for each write-only column of a table that a query has a condition on."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._warned: set[int] = set()

    def warn(self, info: apsw.IndexInfo) -> None:
        """Warn of conditions on write-only columns in a query that SQLite plans. IS NULL is no mistake."""
        write_only = self._table.write_only
        for term in range(info.nConstraint):
            number = info.get_aConstraint_iColumn(term)
            if number not in write_only or number in self._warned or info.get_aConstraint_op(term) in NULL_TESTS:
                continue
            self._warned.add(number)
            log.warning(
                "%s.%s is NULL in every row, so that a condition on it returns no row: an INSERT gives it, and the "
                "API does not return it%s",
                self._table.name,
                write_only[number],
                self._instead(write_only[number]),
            )

    def _instead(self, column: str) -> str:
        """What to compare instead, beginning with a semicolon; "" if no other column has such a value."""
        if column != "path":
            return ""
        if "key" in self._table.by_name:
            return "; compare key"
        return "; compare filename, which is the last part of the path"
