"""scan_plan."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import MissingColumnsError
from ..schema.table import Table

NOTHING, BY_ROWID, LISTED, REMEMBERED, FIRST_METHOD = 0, 1, 2, 3, 4


@dataclass(frozen=True)
class Plan:
    """What BestIndex answers. `argv` are positions in the list of constraints."""

    idxNum: int  # noqa: N815 - SQLite's name
    idxStr: str  # noqa: N815
    argv: tuple[int, ...]
    cost: float
    rows: int
    unique: bool = False
    whole: tuple[int, ...] = ()  # of argv, the IN lists to be delivered as one set
    ordered: bool = False  # the rows come in the order that the query wants
    exact: tuple[int, ...] = ()  # of argv, what SQLite need not compare again


def missing_columns(table: Table, idxStr: str) -> MissingColumnsError:  # noqa: N803
    """The error for a scan that nothing can serve, from the idxStr that `choose` gave it."""
    needs = table.of("SELECT")[-1].needs
    missing = idxStr.rpartition(" ")[2].split(",")
    sentence = (
        f"{table.name} needs {' AND '.join(f'{name} = …' for name in needs)} (or IN), from values or from a table "
    )
    sentence += f"that comes earlier in the join; missing: {', '.join(missing)}"
    if idxStr.startswith("cannot use"):
        sentence += " (a term is there, but its value is not known when the table is read)"
    return MissingColumnsError(sentence)
