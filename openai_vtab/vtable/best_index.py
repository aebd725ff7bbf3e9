"""BestIndex: the constraints of a query from SQLite to the planner, and the planner's choice back.

>>> best_index.plan(vector_store_files, info, ledger=False)

https://rogerbinns.github.io/apsw/vtable.html#indexinfo-class
"""

from __future__ import annotations

import apsw

from .. import planner
from ..schema.table import Table

# The first APSW release that gets no IN lists as sets. In APSW 3.54.0 and 3.54.1, an empty set ends the process
# (segmentation fault on Python 3.12 and 3.13) or the statement (SQLError <NULL> on 3.11), and no later release has been
# verified. Raise it together with the upper bound in setup.py, once the tests pass with a newer release.
UNVERIFIED_APSW = (3, 54)
TAKES_WHOLE_LISTS = tuple(map(int, apsw.apsw_version().split(".")[:2])) < UNVERIFIED_APSW


def plan(table: Table, info: apsw.IndexInfo, *, ledger: bool) -> None:
    """Have the planner choose what serves the query, and write its choice into `info`."""
    used = info.colUsed if ledger or table.downloads else ()
    terms = constraints(table, info)
    answer(
        info,
        planner.with_comparisons(planner.choose(table, terms, order(info), ledger=ledger, used=used), table, terms),
    )


def constraints(table: Table, info: apsw.IndexInfo) -> list[planner.Constraint]:
    """The terms of the WHERE clause."""
    return [
        planner.Constraint(
            info.get_aConstraint_iColumn(i),
            info.get_aConstraint_op(i),
            info.get_aConstraint_usable(i),
            info.get_aConstraint_collation(i),
            many := info.get_aConstraintUsage_in(i),
            _is_compared(table, info, i, many),
        )
        for i in range(info.nConstraint)
    ]


def _is_compared(table: Table, info: apsw.IndexInfo, number: int, many: bool) -> bool:
    """Whether the scan looks at the term's value."""
    column = table.numbers.get(info.get_aConstraint_iColumn(number))
    if column is None or (many and not TAKES_WHOLE_LISTS):
        return False
    literal = info.get_aConstraint_rhs(number)
    return planner.is_compared(info.get_aConstraint_op(number), literal, many, column.is_time)


def order(info: apsw.IndexInfo) -> list[tuple[int, bool]]:
    """The terms of ORDER BY as (column, descending)."""
    return [(info.get_aOrderBy_iColumn(i), info.get_aOrderBy_desc(i)) for i in range(info.nOrderBy)]


def answer(info: apsw.IndexInfo, chosen: planner.IndexChoice) -> None:
    """Tell SQLite the planner's choice."""
    for number, position in enumerate(chosen.argv, start=1):
        info.set_aConstraintUsage_argvIndex(position, number)
    if TAKES_WHOLE_LISTS:  # otherwise SQLite calls Filter once for each value, and read-ahead makes that concurrent
        for position in chosen.in_lists:
            info.set_aConstraintUsage_in(position, True)
    for position in chosen.omit:
        info.set_aConstraintUsage_omit(position, True)
    info.idxNum, info.idxStr = chosen.plan.encode()
    info.estimatedCost = chosen.cost
    info.estimatedRows = chosen.rows
    info.orderByConsumed = bool(chosen.plan.order)
    if chosen.unique:
        info.idxFlags = apsw.SQLITE_INDEX_SCAN_UNIQUE
