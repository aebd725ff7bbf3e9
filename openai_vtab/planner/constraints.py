"""The terms of a WHERE clause, as SQLite offers them, and which of them a request can use.

>>> bind(vector_store_file_batches, [Constraint(5, EQ), Constraint(0, EQ)], ledger=False).keys
{'vector_store_id': 0, 'id': 1}
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..schema.table import Table

# https://www.sqlite.org/c3ref/c_index_constraint_eq.html
EQ = 2
LIMIT, OFFSET = 73, 74
ROWID_BOUNDS = {4: "rowid>", 8: "rowid<=", 16: "rowid<", 32: "rowid>="}  # by the operator
ISNULL = 71  # an equality that no row satisfies: no key of the API is NULL
IS = 72


@dataclass(frozen=True)
class Constraint:
    """One term of the WHERE clause, from https://www.sqlite.org/c3ref/index_info.html.

    column: the column's number, -1 for the rowid.
    op: the operator, such as EQ.
    usable: the term's value is known before the table is read.
    many: it is an IN whose values can be delivered as one set.
    compared: a scan checks its value (comparisons.py).
    """

    column: int
    op: int
    usable: bool = True
    collation: str = "BINARY"
    many: bool = False
    compared: bool = False

    @property
    def pushed(self) -> bool:
        """Whether the term can become a key of a request.

        Only BINARY equality can: the API compares ids byte by byte, so that with COLLATE NOCASE the response to a
        request would lack rows.
        """
        return self.op in (EQ, IS, ISNULL) and self.collation == "BINARY"


@dataclass
class UsableConstraints:
    """The positions of the constraints that a request can use.

    keys: by the sources of their columns.
    names: the names under which the columns of `keys` were given, by the same sources.
    option_values: those of options, by the options' names.
    rowid_bounds: those that compare the rowid, by their names in ROWID_BOUNDS.
    limits: those of LIMIT and OFFSET.
    unusable_option: an option whose value is not known before the table is read, else "".
    has_unusable_key: the same for a key.
    """

    keys: dict[str, int] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    option_values: dict[str, int] = field(default_factory=dict)
    rowid: int | None = None
    rowid_bounds: dict[str, int] = field(default_factory=dict)
    limits: tuple[int, ...] = ()
    unusable_option: str = ""
    has_unusable_key: bool = False

    def has(self, table: Table, name: str) -> bool:
        """Whether the column has a value."""
        return name in self.option_values if table.by_name[name].is_option else table.sources[name] in self.keys


def bind(table: Table, constraints: Sequence[Constraint], ledger: bool) -> UsableConstraints:
    """Sort the constraints by what a request can do with them."""
    bound = UsableConstraints()
    for position, constraint in enumerate(constraints):
        if constraint.op in (LIMIT, OFFSET):
            if constraint.usable:
                bound.limits += (position,)
            continue
        if constraint.column < 0 and constraint.usable and constraint.op in ROWID_BOUNDS:
            bound.rowid_bounds.setdefault(ROWID_BOUNDS[constraint.op], position)
            continue
        # a row of the ledger may have no id, and IS NULL is how to find it: SQLite compares
        if not constraint.pushed or (ledger and constraint.op == ISNULL):
            continue
        column = table.columns[constraint.column] if constraint.column >= 0 else None
        if not constraint.usable:
            if column is not None and column.is_option:
                bound.unusable_option = column.name
            else:
                bound.has_unusable_key = True
        elif column is None:
            bound.rowid = position
        elif column.is_option:
            bound.option_values[column.name] = position
        else:
            # `=` needs one request for each row of a join, IN needs the whole list each time
            before = bound.keys.get(column.source)
            if before is None or (constraints[before].many and not constraint.many):
                bound.keys[column.source] = position
                bound.names[column.source] = column.name
    return bound
