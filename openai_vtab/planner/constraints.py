"""constraints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..schema.table import Table

# https://www.sqlite.org/c3ref/c_index_constraint_eq.html
EQ = 2
LIMIT, OFFSET = 73, 74
ISNULL = 71  # an equality that nothing satisfies: no key of the API is NULL
IS = 72


@dataclass(frozen=True)
class Constraint:
    """One term of the WHERE clause, from https://www.sqlite.org/c3ref/index_info.html; column -1 is the rowid."""

    column: int
    op: int
    usable: bool = True
    collation: str = "BINARY"
    many: bool = False  # an IN that can be delivered whole

    @property
    def pushed(self) -> bool:
        """Whether it can become a key of a request."""
        return self.op in (EQ, IS, ISNULL) and self.collation == "BINARY"


@dataclass
class _Bound:
    """Which constraints can be used: positions by source, by the names of columns that steer, and the rest."""

    keys: dict[str, int]
    names: dict[str, str]
    option_values: dict[str, int]
    rowid: int | None = None
    limits: tuple[int, ...] = ()
    unusable: str = ""

    def has(self, table: Table, name: str) -> bool:
        """Whether the column has a value."""
        return name in self.option_values if table.by_name[name].is_option else table.source(name) in self.keys


def _bind(table: Table, constraints: Sequence[Constraint], ledger: bool) -> _Bound:
    bound = _Bound({}, {}, {})
    for position, constraint in enumerate(constraints):
        if constraint.op in (LIMIT, OFFSET):
            if constraint.usable:
                bound.limits += (position,)
            continue
        if not constraint.pushed or (ledger and constraint.op == ISNULL):  # a ledger lists what has no id, too
            continue
        column = table.columns[constraint.column] if constraint.column >= 0 else None
        if not constraint.usable:
            bound.unusable = column.name if column and column.is_option else bound.unusable or "a key"
        elif column is None:
            bound.rowid = position
        elif column.is_option:
            bound.option_values[column.name] = position
        else:
            source = column.source
            # `=` is one request for each row that asks, IN is the whole list each time
            before = bound.keys.get(source)
            if before is None or (constraints[before].many and not constraint.many):
                bound.keys[source] = position
                bound.names[source] = column.name
    return bound
