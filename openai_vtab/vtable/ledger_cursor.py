"""The cursor of a table with a ledger: rows that need no request are read as they are in the shadow table.

A ledger may have tens of thousands of finished rows, of which a query reads the keys and the status.

>>> cursor = LedgerCursor(ledger, table, getters, rows.rowid, …)
"""

from __future__ import annotations

from typing import Any

from ..ledger.store import Ledger
from ..schema.table import Table
from ..schema.values import SQLiteValue
from .cursor import Cursor


class LedgerCursor(Cursor):
    """One scan of a table with a ledger."""

    def __init__(self, ledger: Ledger, table: Table, *arguments: Any) -> None:
        super().__init__(table, *arguments)
        self._ledger = ledger
        shape = ledger.shape
        places = {source: place for place, source in enumerate(shape.key, start=1)} | {"status": shape.status_place}
        # The places of the columns in a row of the shadow table; the last is that of column -1, the rowid. Columns that
        # the shadow row lacks point to place 0 (seq). It is an integer, so the test for a str in Column fails, and
        # Column makes an object of the row.
        self._places = (*(places.get(column.source, 0) for column in table.columns), 0)

    def Column(self, number: int) -> SQLiteValue:
        """The row's value in a column; -1 is the rowid."""
        row: Any = self._row
        fields = row[1]
        if type(fields) is tuple:
            if type(value := fields[self._places[number]]) is str:
                return value
            self._row = row[0], self._ledger.entry(fields)
        return super().Column(number)
