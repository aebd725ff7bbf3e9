"""The comparisons of a column of numbers whose values a scan looks at: vtable/number_comparisons.py says why.

SQLite compares; the plan only names these terms, so that Filter is given their values. A plan that SQLite would take
for a key is left alone: the cost and the rows are the same with and without these terms.

>>> with_comparisons(chosen, files, [Constraint(4, LT, compared=True)]).idxStr
'created_at<'
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..schema.table import Table
from .constraints import EQ, IS, Constraint
from .scan_plan import IndexChoice, ScanKind

# https://www.sqlite.org/c3ref/c_index_constraint_eq.html, as the plan and the messages write them
SYMBOLS = {EQ: "=", IS: "=", 4: ">", 8: "<=", 16: "<", 32: ">=", 68: "<>", 69: "<>"}
PATTERNS = {65: ".LIKE", 66: ".GLOB"}
OPERATORS = SYMBOLS | PATTERNS


def is_compared(op: int, literal: object, many: bool, is_time: bool) -> bool:
    """Whether a scan looks at the value of such a term of a column of numbers.

    literal: the value if the statement has it as a literal, else None.
    many: it is an IN whose values are delivered as one set.
    is_time: the column holds times, which nobody compares with a pattern.

    An equality with another value is left out, unless it is such an IN: SQLite tells it not from a part of a row value,
    and would scan the table once for each row of `(created_at, id) IN (SELECT …)`. It is true for no row at all.
    """
    if isinstance(literal, (int, float)):
        return False
    if op == EQ:
        return many or literal is not None
    return op in SYMBOLS or (op in PATTERNS and is_time)


def with_comparisons(chosen: IndexChoice, table: Table, constraints: Sequence[Constraint]) -> IndexChoice:
    """The choice with the values of these terms at the end of argv, for all that it does not use otherwise."""
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
