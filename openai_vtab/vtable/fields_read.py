"""Which members of the API's objects a statement reads: an object of a list must have them to serve a look-up.

SQLite tells a table which columns a statement uses when it plans the statement, but not which statement then runs. So
the table knows only which columns any statement has used. If a list lacks a member for one of them, the program of the
running statement tells which columns it reads itself. A program is long, and is not read before that is necessary: an
IN list of 1,000 literals has 3,000 instructions.

>>> FieldsRead(table, {0, 1, 2, 8}, columns_read).of(scan)
frozenset({'filename', 'bytes'})
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from ..schema.table import SpecialSource, Table
from .scan_arguments import ScanOptions


class FieldsRead:
    """The members that one statement reads of one table's objects.

    `used` are the numbers of the columns that any statement has used. `columns_read` returns those that the statement
    reads in scans with an idxStr, None if that is not known.
    """

    def __init__(self, table: Table, used: Collection[int], columns_read: Callable[[str], set[int] | None]) -> None:
        self._table = table
        self._used = used
        self._columns_read = columns_read
        self._members: dict[str, frozenset[str] | None] = {}  # by idxStr
        self._exact: set[str] = set()  # the idxStr whose members are those of the program

    def of(self, scan: ScanOptions, exactly: bool = False) -> frozenset[str] | None:
        """The members, without the keys; None for all: a list may leave some out. Unless `exactly`, there may be more.

        The members of a scan are exact from the first call with `exactly` on.
        """
        idxStr = scan.idxStr  # noqa: N806 - SQLite's name
        if idxStr not in self._members or (exactly and idxStr not in self._exact):
            members = None if exactly else self._named(scan, self._used)
            if members is None:
                self._exact.add(idxStr)
                numbers = self._columns_read(idxStr)
                members = None if numbers is None else self._named(scan, numbers)
            self._members[idxStr] = members
        return self._members[idxStr]

    def _named(self, scan: ScanOptions, numbers: Collection[int]) -> frozenset[str] | None:
        table = self._table
        columns = [column for number, column in enumerate(table.columns) if number in numbers and not column.is_option]
        if any(column.source == SpecialSource.OBJECT for column in columns):
            return None
        names = {column.source.partition(".")[0] for column in columns if column.name not in table.downloads}
        if scan.download is not None and scan.download.size:
            names.add(table.sources[scan.download.size])
        return frozenset(names - {SpecialSource.ERROR, *table.key})
