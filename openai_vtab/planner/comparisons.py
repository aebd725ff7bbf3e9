"""The comparisons of a column of numbers whose values a scan checks: vtable/number_comparisons.py says why.

SQLite compares; the plan only names these terms, so that Filter receives their values. They change neither the cost
nor the rows of a plan, so that SQLite takes the same plan with and without them.

>>> with_comparisons(chosen, files, [Constraint(4, LT, compared=True)]).idxStr
'created_at<'
>>> column_and_operator("created_at<")
('created_at', '<')
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ..schema.table import Table
from .constraints import EQ, IS, Constraint
from .scan_plan import IndexChoice, ScanKind

# https://www.sqlite.org/c3ref/c_index_constraint_eq.html, as the plan and the messages write them
SYMBOLS = {EQ: "=", IS: "=", 4: ">", 8: "<=", 16: "<", 32: ">=", 68: "<>", 69: "<>"}
PATTERNS = {65: ".LIKE", 66: ".GLOB"}
OPERATORS = SYMBOLS | PATTERNS
_NAME = re.compile(r"(\w+)([<>=]+|\.\w+)")


def is_compared(op: int, literal: object, many: bool, is_time: bool) -> bool:
    """Whether a scan checks the value of such a term of a column of numbers.

    op: SQLite's number of the operator.
    literal: the value if the statement has it as a literal, else None.
    many: the term is an IN whose values are delivered as one set.
    is_time: the column holds times. LIKE and GLOB are then a mistake.

    An equality with any other value is left out. It may be a part of a row value, and SQLite would then scan the table
    once for each row of `(created_at, id) IN (SELECT …)`. With a text, an equality is true for no row.
    """
    if isinstance(literal, (int, float)):
        return False
    if op == EQ:
        return many or literal is not None
    return op in SYMBOLS or (op in PATTERNS and is_time)


def with_comparisons(chosen: IndexChoice, table: Table, constraints: Sequence[Constraint]) -> IndexChoice:
    """The choice with the values of these terms at the end of argv, except those that are in argv already."""
    found = [at for at, term in enumerate(constraints) if term.compared and term.usable and at not in chosen.argv]
    if not found or chosen.plan.kind is ScanKind.NOTHING:
        return chosen
    names = tuple(table.columns[constraints[at].column].name + OPERATORS[constraints[at].op] for at in found)
    return replace(
        chosen,
        plan=replace(chosen.plan, compared=names),
        argv=(*chosen.argv, *found),
        in_lists=(*chosen.in_lists, *(at for at in found if constraints[at].many)),
    )


def column_and_operator(name: str) -> tuple[str, str]:
    """The column and the operator of a name in ScanPlan.compared. LIKE and GLOB are words there: "created_at.LIKE"."""
    found = _NAME.fullmatch(name)
    assert found is not None, name  # noqa: S101 - `with_comparisons` has made it
    return found[1], found[2].removeprefix(".")
