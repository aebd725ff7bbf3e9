"""The common part of all cursors: stepping through the rows that Filter has found, and reading their columns.

>>> cursor.Filter(5, "vector_store_id,batch_id", ("vs_1", "vsfb_1"))
>>> while not cursor.Eof():
...     cursor.Column(4)
...     cursor.Next()

https://rogerbinns.github.io/apsw/vtable.html#vtcursor-class
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import apsw

from ..errors import ProgrammingError
from ..schema.table import Table
from ..schema.values import SQLiteValue

Reference = TypeVar("Reference")
Fields = TypeVar("Fields")
IsMistake = Callable[[str, Any], bool]  # of a name in ScanPlan.compared and its value: number_comparisons.py


def never_a_mistake(name: str, value: Any) -> bool:
    """Check nothing: a replay must not warn of what the real scan warns of."""
    return False


class RowCursor(Generic[Reference, Fields]):
    """The rows of one scan: what identifies them, and what `getters` read the columns in.

    A getter that is None stands for an option. `rowid` returns the rowid of a row. Filter, which a subclass has, sets
    `_rows`, `_row`, `_option_values` and `_idxStr`. `is_mistake` checks a value that a column of numbers is compared
    with. `refuse_hidden`, if it is given, checks the comparisons of the statement that Filter does not see.
    `only_returned` tells, for an idxStr and the number of a column, whether the statement only returns the column.
    """

    def __init__(
        self,
        table: Table,
        getters: Sequence[Callable[[Fields], SQLiteValue] | None],
        rowid: Callable[[Reference], int],
        is_mistake: IsMistake,
        refuse_hidden: Callable[[], None] | None,
        only_returned: Callable[[str, int], bool],
    ) -> None:
        self._table = table
        self._rowid = rowid
        self._getters = getters
        self._is_mistake = is_mistake
        self._refuse_hidden = refuse_hidden  # None once it has run
        self._mistakes: set[str] = set()  # the names of this statement's comparisons that were warned of
        self._only_returned = only_returned
        self._nulls: set[tuple[str, int]] = set()  # by idxStr: options that are only returned, without a value
        self._idxStr = ""
        self._option_values: dict[str, SQLiteValue] = {}
        self._rows: Iterator[tuple[Reference, Fields]] = iter(())
        self._row: tuple[Reference, Fields] | None = None

    def Eof(self) -> bool:
        """Whether the scan is over."""
        return self._row is None

    def Next(self) -> None:
        """Go to the next row."""
        self._row = None  # the next row may be large, and need not be in memory together with this one
        self._row = next(self._rows, None)

    def Rowid(self) -> int:
        """The row's rowid."""
        assert self._row is not None  # noqa: S101 - SQLite asks only while Eof is false
        return self._rowid(self._row[0])

    def Column(self, number: int) -> SQLiteValue:
        """The row's value in a column; -1 is the rowid."""
        assert self._row is not None  # noqa: S101
        if number < 0:
            return self._rowid(self._row[0])
        get = self._getters[number]
        return self._option_value(number) if get is None else get(self._row[1])

    def ColumnNoChange(self, number: int) -> Any:
        """A column that an UPDATE does not SET, so that UpdateChangeRow knows which columns are SET."""
        return apsw.no_change

    def Close(self) -> None:
        """End the scan, perhaps before its last row."""
        self._rows = iter(())

    def _check_comparisons(self, names: Sequence[str], args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Check the statement's comparisons: those whose values end argv, and those that SQLite does not offer.

        Returns the other values.
        """
        begin = len(args) - len(names)
        for name, value in zip(names, args[begin:], strict=True):
            if value is None or isinstance(value, (int, float)) or name in self._mistakes:
                continue
            if self._is_mistake(name, value):
                self._mistakes.add(name)
        if self._refuse_hidden is not None:  # after the others, whose errors say more
            self._refuse_hidden()
            self._refuse_hidden = None
        return args[:begin]

    def _option_value(self, number: int) -> SQLiteValue:
        """The value that the query gives an option; NULL without one, as for the arguments of SQLite's own functions.

        Raises ProgrammingError if the statement does more with this NULL than return it: no row would satisfy
        `wait_seconds > 5`, and the option would have had no effect.
        """
        name = self._table.columns[number].name
        if name in self._option_values:
            return self._option_values[name]
        if (self._idxStr, number) not in self._nulls:
            if not self._only_returned(self._idxStr, number):
                operator = "MATCH" if name == self._table.name else "="
                raise ProgrammingError(
                    f"{self._table.name}.{name}: it has no value of its own to compare or compute with; write "
                    f"{name} {operator} … with a value, or with a column of a table that comes earlier in the join"
                )
            self._nulls.add((self._idxStr, number))
        return None
