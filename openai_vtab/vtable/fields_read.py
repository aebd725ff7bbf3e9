"""Which members of the API's objects a statement reads: an object of a list must have them to serve a look-up.

>>> FieldsRead(table, columns_read).of(scan)
frozenset({'filename', 'bytes'})
"""

from __future__ import annotations

from collections.abc import Callable

from ..schema.table import SpecialSource, Table
from .scan_arguments import ScanOptions


class FieldsRead:
    """The members that one statement reads of one table's objects.

    `columns_read` returns the numbers of the columns that the statement reads in scans with an idxStr, None if that is
    not known.
    """

    def __init__(self, table: Table, columns_read: Callable[[str], set[int] | None]) -> None:
        self._table = table
        self._columns_read = columns_read
        self._members: dict[str, frozenset[str] | None] = {}  # by idxStr

    def of(self, scan: ScanOptions) -> frozenset[str] | None:
        """The members, without the keys; None for all: a list may leave some out."""
        if scan.idxStr not in self._members:
            self._members[scan.idxStr] = self._look(scan)
        return self._members[scan.idxStr]

    def _look(self, scan: ScanOptions) -> frozenset[str] | None:
        numbers = self._columns_read(scan.idxStr)
        if numbers is None:
            return None
        table = self._table
        columns = [table.columns[number] for number in numbers if not table.columns[number].is_option]
        if any(column.source == SpecialSource.OBJECT for column in columns):
            return None
        names = {column.source.partition(".")[0] for column in columns if column.name not in table.downloads}
        if scan.download is not None and scan.download.size:
            names.add(table.sources[scan.download.size])
        return frozenset(names - {SpecialSource.ERROR, *table.key})
