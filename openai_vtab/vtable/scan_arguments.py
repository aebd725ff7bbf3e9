"""The arguments of a scan: how to read a plan's argv, the checked options, and the values as keys of the API.

>>> arguments = ScanArguments(vector_store_files, Limits(), internal_sql.read)
>>> arguments.layout(5, "vector_store_id,file_id").keys
((0, 'vector_store_id'), (1, 'id'))
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, TypeVar

from ..errors import ProgrammingError
from ..planner import ScanKind, ScanPlan, missing_columns
from ..planner.constraints import ROWID_BOUNDS
from ..protocol import Object, Request, Response
from ..schema.table import Method, SpecialSource, Table
from ..schema.values import InvalidValue, Limits, SQLiteValue, key_text

LARGEST = 2.0**63  # of SQLite's integers
# rowid_test() calls these with the bound first and the rowid second, so that each is the mirror of its symbol.
NUMERIC = {">": operator.lt, "<=": operator.ge, "<": operator.gt, ">=": operator.le}

Item = TypeVar("Item")
Parsed = TypeVar("Parsed")
Read = Callable[[str, Sequence[SQLiteValue]], Iterator[tuple[SQLiteValue, ...]]]


@dataclass(frozen=True)
class ScanOptions:
    """How a scan reads its rows.

    `values` maps the columns that are options to their checked values. `single`: the scan is of one key, perhaps for
    a row of a join. `order` is "asc" or "desc" if the rows of a list must come in that order. `at_most` is how many
    rows will be read, None if that is not known. `download` gives a column that the statement reads. `idxStr` is that
    of the plan. `responses`: whether the statement reads columns of the responses that a ledger has stored.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    single: bool = True
    order: str = ""
    at_most: int | None = None
    download: Method | None = None
    idxStr: str = ""  # noqa: N815 - SQLite's name
    responses: bool = False


class ListRequests(Protocol):
    """The requests of a statement, as far as a list needs them: a StatementSession, or a RequestRecorder.

    skip_unreadable: a key or list that cannot be read becomes an error row.
    """

    skip_unreadable: bool

    def prefetch(
        self, items: Any, request: Callable[[Item], Request | None], /
    ) -> Iterator[tuple[Item, Request | None]]:
        """The items with their requests, which are sent ahead."""

    def look_up(self, request: Request, /, *, alone: bool) -> bool:
        """Send the request. Returns False if its response must not be read."""

    def start(self, request: Request, /) -> bool:
        """Send the request; its response is read later."""

    def response(self, request: Request, /) -> Response:
        """The response to the request."""

    def parse_once(self, request: Request, parse: Callable[[Response], Parsed], /) -> Parsed:
        """The meaning of the response."""

    def record_unreadable(self, request: Request, error: Exception, /) -> None:
        """Return if the statement continues without the request's rows. Raises the error otherwise."""


def error_row(session: ListRequests, keys: Mapping[str, Any], request: Request, error: Exception) -> Object:
    """An error row: the keys, and why they could not be read. Raises the error unless the statement continues."""
    session.record_unreadable(request, error)
    message = getattr(error, "message", None) or str(error)
    return {
        **keys,
        SpecialSource.ERROR: {
            "status": getattr(error, "status", None),
            "code": getattr(error, "code", None),
            "message": "; ".join(filter(None, (message, getattr(error, "hint", "")))),
            "request_id": getattr(error, "request_id", None),
        },
    }


@dataclass(frozen=True, eq=False)
class ArgvLayout:
    """Where the values are in argv of a plan: their places, with the columns' names or sources.

    `sources` are those of the keys if argv has nothing but the keys of one object, which Cursor.Filter looks up without
    further steps, else None; `one` is how the scan reads this object.
    """

    plan: ScanPlan
    method: Method | None
    keys: tuple[tuple[int, str], ...]
    narrowing: tuple[tuple[int, str, str], ...]
    options: tuple[tuple[int, str], ...]
    rowid_bounds: tuple[tuple[int, str], ...]
    sources: tuple[str, ...] | None
    one: ScanOptions


class ScanArguments:
    """Reads what SQLite passes to Filter of one table. `read` executes SQL of the package."""

    def __init__(self, table: Table, limits: Limits, read: Read) -> None:
        self.table = table
        self.layouts: dict[tuple[int, str], ArgvLayout] = {}  # by idxNum and idxStr
        self._limits = limits
        self._read = read

    def layout(self, idxNum: int, idxStr: str) -> ArgvLayout:  # noqa: N803 - SQLite's names
        """The layout of a plan; MissingColumnsError if the plan says that nothing can serve the query."""
        plan = ScanPlan.decode(idxNum, idxStr)
        if plan.kind is ScanKind.NOTHING:
            raise missing_columns(self.table, plan)
        method = self.table.of("SELECT")[plan.method] if plan.kind is ScanKind.METHOD else None
        keys, narrowing, options, rowid_bounds = [], [], [], []
        for place, name in enumerate(plan.columns):
            if name in ROWID_BOUNDS.values():
                rowid_bounds.append((place, name))
            elif name != "rowid" and self.table.by_name[name].is_option:
                options.append((place, name))
            elif method is not None and name in method.query:
                narrowing.append((place, name, self.table.sources[name]))
            else:
                keys.append((place, name if name == "rowid" else self.table.sources[name]))
        is_lookup = method is not None and not (
            method.listing or narrowing or options or rowid_bounds or plan.limits or plan.download
        )
        layout = ArgvLayout(
            plan,
            method,
            tuple(keys),
            tuple(narrowing),
            tuple(options),
            tuple(rowid_bounds),
            tuple(source for _, source in keys) if is_lookup else None,
            ScanOptions(idxStr=idxStr),
        )
        self.layouts[idxNum, idxStr] = layout
        return layout

    def checked(self, name: str, value: SQLiteValue) -> Any:
        """An option's checked value. Raises ProgrammingError."""
        check = self.table.by_name[name].check
        assert check is not None  # noqa: S101 - Table requires a check for each option
        try:
            return check(value, self._limits)
        except InvalidValue as refused:
            raise ProgrammingError(f"{self.table.name}.{name}: {refused}") from None

    def texts(self, value: Any) -> list[str]:
        """The keys that a value of argv, or a set of values, stands for, in a stable order."""
        if isinstance(value, str):
            text = key_text(value)
            return [] if text is None else [text]
        values = value if isinstance(value, (set, frozenset)) else (value,)
        texts = {key_text(self._as_text(v) if isinstance(v, float) else v) for v in values}
        # a column of REAL holds 5.0, which SQLite compares with '5' as a number
        texts |= {str(int(v)) for v in values if isinstance(v, float) and v.is_integer() and abs(v) < LARGEST}
        return sorted(text for text in texts if text is not None)

    def rowids(self, value: Any) -> list[int]:
        """The rowids that a value of argv, or a set of values, stands for, in ascending order."""
        values = value if isinstance(value, (set, frozenset)) else (value,)
        numbers = {self._whole_number(v) if isinstance(v, (float, str)) else v for v in values}
        return sorted(number for number in numbers if isinstance(number, int))

    def rowid_test(self, name: str, value: SQLiteValue) -> Callable[[int], bool]:
        """Whether a rowid satisfies the bound of this name, as SQLite compares the rowid of an ordinary table."""
        symbol = name.removeprefix("rowid")
        if isinstance(value, (int, float)):
            return partial(NUMERIC[symbol], value)
        # both operands get numeric affinity
        sql = f"SELECT CAST(?1 AS INTEGER) {symbol} ?2"
        return lambda rowid: bool(next(self._read(sql, [rowid, value]))[0])

    def _whole_number(self, value: SQLiteValue) -> SQLiteValue:
        """The integer that SQLite compares a rowid with; None if no rowid equals the value."""
        sql = "SELECT CAST(?1 AS INTEGER) WHERE CAST(?1 AS INTEGER) = ?1"
        return next(self._read(sql, [value]), (None,))[0]

    def _as_text(self, value: float) -> SQLiteValue:
        """The number as SQLite writes it to compare it with text."""
        return next(self._read("SELECT CAST(? AS TEXT)", [value]))[0]


def combinations(texts: Mapping[str, Sequence[str]]) -> Iterator[dict[str, str]]:
    """The keys of a scan: all combinations of the values that `texts` has for each source."""
    return (dict(zip(texts, values, strict=True)) for values in itertools.product(*texts.values()))


def narrows(table: Table, name: str, value: SQLiteValue) -> bool:
    """Whether the API can narrow a list to a value: OpenAI refuses values that another server's rows may have."""
    known = table.by_name[name].values
    return isinstance(value, str) and value != "" and (not known or value in known)


def total(limit_and_offset: Sequence[Any]) -> int | None:
    """LIMIT plus OFFSET; None if there is no limit."""
    counts = [number for number in limit_and_offset if isinstance(number, int) and number >= 0]
    return sum(counts) if counts and len(counts) == len(limit_and_offset) else None
