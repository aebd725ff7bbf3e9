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
        places = {source: place for place, source in enumerate((*table.key, "status"), start=1)}
        # where the shadow table has a column, by its number; the last is the rowid's, whose number is -1
        self._places = (*(places.get(column.source) for column in table.columns), None)

    def Column(self, number: int) -> SQLiteValue:
        """The row's value in a column; -1 is the rowid."""
        row: Any = self._row
        fields = row[1]
        if type(fields) is tuple:
            place = self._places[number]
            if place is not None and type(value := fields[place]) is str:
                return value
            self._row = row[0], self._ledger.entry(fields)
        return super().Column(number)
