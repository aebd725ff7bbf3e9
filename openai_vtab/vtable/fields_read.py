"""Which members of the API's objects the scans of one table read (execution/needed_members.py).

>>> FieldsRead(table, {0, 1, 2, 8}, columns_read).of(scan).planned
frozenset({'filename', 'bytes'})
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial

from ..execution.needed_members import Members, NeededMembers
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
        self._needed: dict[str, NeededMembers] = {}  # by idxStr

    def of(self, scan: ScanOptions) -> NeededMembers:
        """The members that a scan reads, without the keys."""
        needed = self._needed.get(scan.idxStr)
        if needed is None:
            # neither refers to this object: a cycle would keep the statement's session alive
            planned = partial(_named, self._table, scan, self._used)
            exact = partial(_exact, self._table, scan, self._used, self._columns_read)
            self._needed[scan.idxStr] = needed = NeededMembers(planned, exact)
        return needed


def _exact(
    table: Table, scan: ScanOptions, used: Collection[int], columns_read: Callable[[str], set[int] | None]
) -> Members:
    numbers = columns_read(scan.idxStr)
    return _named(table, scan, used if numbers is None else numbers)


def _named(table: Table, scan: ScanOptions, numbers: Collection[int]) -> Members:
    """The members of the columns with these numbers."""
    columns = [column for number, column in enumerate(table.columns) if number in numbers and not column.is_option]
    if any(column.source == SpecialSource.OBJECT for column in columns):
        return None
    names = {column.source.partition(".")[0] for column in columns if column.name not in table.downloads}
    if scan.download is not None and scan.download.size:
        names.add(table.sources[scan.download.size])
    return frozenset(names - {SpecialSource.ERROR, *table.key})
