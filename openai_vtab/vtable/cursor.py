"""The cursor: one scan of a table, from SQLite's Filter to its rows.

>>> cursor = Cursor(
...     table, getters, rows.rowid, arguments, lookup, list_reader, before_reading, never_numbers, is_mistake, None,
...     only_returned
... )
>>> cursor.Filter(5, "vector_store_id,batch_id", ("vs_1", "vsfb_1"))
>>> cursor.Column(4)
'completed'

https://rogerbinns.github.io/apsw/vtable.html#vtcursor-class
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..planner import ScanKind
from ..schema.columns import ERROR
from ..schema.decode import APIObject
from ..schema.table import Table
from ..schema.values import SQLiteValue, key_text
from .listing import ListReader
from .lookup import Lookup
from .replay import RecordingLookup
from .row_cursor import IsMistake, RowCursor
from .row_identity import Reference, Row
from .scan_arguments import ArgvLayout, ScanArguments, ScanOptions, combinations, narrows, total

NO_ROWS: Iterator[Row] = iter(())

Getter = Callable[[APIObject], SQLiteValue]


class Cursor(RowCursor[Reference, APIObject]):
    """One scan of a table.

    `getters` read the columns of a row; None stands for an option. `before_reading` is called before each scan.
    `never_numbers` returns, for an idxStr, the places in argv whose values equal no key if they are numbers.
    """

    def __init__(
        self,
        table: Table,
        getters: Sequence[Getter | None],
        rowid: Callable[[Reference], int],
        arguments: ScanArguments,
        lookup: Lookup | RecordingLookup,
        list_reader: ListReader,
        before_reading: Callable[[], None],
        never_numbers: Callable[[str], set[int]],
        is_mistake: IsMistake,
        refuse_hidden: Callable[[], None] | None,
        only_returned: Callable[[str, int], bool],
    ) -> None:
        super().__init__(table, getters, rowid, is_mistake, refuse_hidden, only_returned)
        self._own_getters = getters
        self._arguments = arguments
        self._lookup = lookup
        self._list_reader = list_reader
        self._before_reading = before_reading
        self._find_never_numbers = never_numbers
        self._never_numbers: dict[str, set[int]] = {}

    def Filter(self, idxNum: int, idxStr: str, args: tuple[Any, ...]) -> None:  # noqa: N803 - SQLite's names
        """SQLite begins a scan with the plan that BestIndex has made, and the values for it."""
        layout = self._arguments.layouts.get((idxNum, idxStr)) or self._arguments.layout(idxNum, idxStr)
        if layout.plan.compared or self._refuse_hidden is not None:
            args = self._check_comparisons(layout.plan.compared, args)
        self._before_reading()
        # SQLite may have used another plan before
        self._option_values, self._getters, self._idxStr = {}, self._own_getters, idxStr
        if layout.sources is not None and layout.method is not None:
            keys: dict[str, str] = {}
            for source, value in zip(layout.sources, args, strict=True):
                text = key_text(value) if isinstance(value, str) else None
                if text is None:
                    break
                keys[source] = text
            else:
                self._rows, self._row = NO_ROWS, self._lookup.one(layout.one, layout.method, keys)
                return
        self._rows = self._scan(layout, idxStr, args)
        self._row = next(self._rows, None)

    def _scan(self, layout: ArgvLayout, idxStr: str, args: tuple[Any, ...]) -> Iterator[Row]:  # noqa: N803
        """The rows of any scan; Filter itself looks up a single object."""
        given = {name: args[place] for place, name in layout.options}
        if any(given.get(name, "") is None for name in self._table.asked):  # NULL equals nothing
            return NO_ROWS
        # an option that is NULL is not given
        checked = {name: self._arguments.checked(name, value) for name, value in given.items() if value is not None}
        # an option that the API takes as JSON is returned as it was written
        self._option_values = given | {
            name: value
            for name, value in checked.items()
            if isinstance(value, (str, int, float)) and not isinstance(value, bool)
        }
        if layout.plan.kind is not ScanKind.BY_ROWID and self._is_unequal(layout, idxStr, args):
            return NO_ROWS
        if any(args[place] is None for place, *_ in layout.narrowing):  # NULL equals nothing
            return NO_ROWS
        narrowing = {
            source: args[place] for place, name, source in layout.narrowing if narrows(self._table, name, args[place])
        }
        # where SQLite compares and drops rows, LIMIT does not tell how many it reads
        at_most = total(args[len(layout.plan.columns) :]) if len(narrowing) == len(layout.narrowing) else None
        values = [args[place] for place, _ in layout.keys]
        scan = ScanOptions(
            checked,
            single=not any(isinstance(value, (set, frozenset)) for value in values),
            order=layout.plan.order,
            at_most=at_most,
            download=self._table.downloads.get(layout.plan.download),
            idxStr=idxStr,
            responses=layout.plan.responses,
        )
        found = self._found(layout, scan, values, narrowing)
        for place, name in layout.rowid_bounds:
            found = self._satisfying(self._arguments.rowid_test(name, args[place]), found)
        downloads = self._lookup.with_downloads(scan, found)
        if downloads is None:
            return found
        getters = dict(zip(self._table.by_name, self._own_getters, strict=True))
        getters |= {layout.plan.download: downloads.content, ERROR.name: downloads.error}
        self._getters = tuple(getters.values())
        return downloads

    def _found(
        self, layout: ArgvLayout, scan: ScanOptions, values: Sequence[Any], narrowing: dict[str, Any]
    ) -> Iterator[Row]:
        if layout.plan.kind is ScanKind.BY_ROWID:
            return self._lookup.by_rowid(scan, self._arguments.rowids(values[0]))
        texts = {source: self._arguments.texts(value) for (_, source), value in zip(layout.keys, values, strict=True)}
        method = layout.method
        if layout.plan.kind is ScanKind.LEDGER_ONLY:
            return self._lookup.ledger_only(texts)
        if method is None:
            return self._lookup.ledger_refreshed(scan, texts)
        if not method.listing:
            return self._lookup.many(scan, method, texts)
        fixed = {self._table.sources[name]: value for name, value in scan.values.items() if name in method.sent}
        fixed |= narrowing
        return self._list_reader.lists(scan, method, ({**fixed, **key} for key in combinations(texts)))

    def _satisfying(self, test: Callable[[int], bool], rows: Iterator[Row]) -> Iterator[Row]:
        """The rows whose rowid passes the test."""
        return (row for row in rows if test(self._rowid(row[0])))

    def _is_unequal(self, layout: ArgvLayout, idxStr: str, args: tuple[Any, ...]) -> bool:  # noqa: N803
        """Whether a key of argv is a number that cannot equal text.

        Such a number comes from a row value, of a column without affinity; https://www.sqlite.org/rowvalue.html
        """
        numbers = {
            place
            for place, _ in (*layout.keys, *((place, name) for place, name, _ in layout.narrowing))
            if isinstance(args[place], (int, float))
        }
        if not numbers:
            return False
        if idxStr not in self._never_numbers:
            self._never_numbers[idxStr] = self._find_never_numbers(idxStr)
        return not numbers.isdisjoint(self._never_numbers[idxStr])
