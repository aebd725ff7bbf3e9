"""BestIndex of a documents table: what serves a query. The contract with the scan is planner/scan_plan.py.

    idxNum  the scan returns                             argv holds
    1       the document with a rowid                    the rowid, options
    2       documents; a column of the query needs       a key or a file_id, options
            their statuses, which may take requests
    3       documents, without requests                  a key or a file_id
    4       what a search finds, best first              the text, the search's arguments, options

>>> choose(table, [Constraint(0, EQ)], used={0}).plan.encode()
(3, 'key')
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from ..documents.columns import ARGUMENTS
from ..errors import MissingColumnsError
from ..planner import Constraint, IndexChoice, ScanKind, ScanPlan
from ..planner.constraints import EQ, bind
from ..planner.select import IN_ROWS, NOTHING_COST, NOTHING_ROWS, REQUEST_COST
from ..schema.search_validators import MAX_RESULTS
from ..schema.table import Table

MATCH = 64  # https://www.sqlite.org/c3ref/c_index_constraint_eq.html
TEXT = "MATCH"  # the name of the text in a plan: that of the column is the table's, which may have commas and spaces
ALL_ROWS = 1000
# more than two searches, so that SQLite takes these for "MATCH 'a' OR MATCH 'b'": only a search can serve a MATCH
ALL_COST = 10 * REQUEST_COST
KEY_COST = 10.0
ASKING = frozenset({"status", "last_error_code", "last_error_message", "content", "raw"})  # they may need requests


def choose(
    table: Table,
    constraints: Sequence[Constraint],
    order: Sequence[tuple[int, bool]] = (),
    *,
    used: Collection[int] = (),
) -> IndexChoice:
    """The best plan for these constraints. `table` has the name of its column that MATCH searches.

    order: the terms of ORDER BY as (column, descending).
    used: the numbers of the columns that the query reads.
    """
    names = list(table.by_name)
    match = names.index(table.name)
    reads = {names[number] for number in used if number < len(names)}
    download = "content" if "content" in reads else ""
    terms = [replace(term, op=EQ) if (term.op, term.column) == (MATCH, match) else term for term in constraints]
    bound = bind(table, terms, ledger=True)
    options = bound.option_values
    if bound.unusable_option:
        return _nothing(_in_plan(table.name, bound.unusable_option), unusable=True)
    if table.name in options:
        return _search(names, table.name, options, order, download)
    if not options.keys().isdisjoint(column.name for column in ARGUMENTS):
        return _nothing(TEXT, unusable=False)
    rowid = {} if bound.rowid is None else {"rowid": bound.rowid}
    given = {
        name: bound.keys[name] for name in ("key", "file_id") if name in bound.keys and terms[bound.keys[name]].op == EQ
    }
    narrowing = dict([*rowid.items(), *given.items()][:1])
    asks = bool(options) or not ASKING.isdisjoint(reads)
    kind = ScanKind.BY_ROWID if rowid else ScanKind.LEDGER_REFRESHED if asks else ScanKind.LEDGER_ONLY
    in_lists = tuple(position for position in narrowing.values() if terms[position].many)
    rows = IN_ROWS ** len(in_lists) if narrowing else ALL_ROWS
    return IndexChoice(
        ScanPlan(kind, columns=(*narrowing, *options), download=download),
        (*narrowing.values(), *options.values()),
        (rows * KEY_COST if narrowing else ALL_COST) + (REQUEST_COST if asks else 0),
        rows,
        unique=bool(narrowing) and not in_lists,
        in_lists=in_lists,
        # SQLite would compare each row with the current last_insert_rowid(), which an INSERT … SELECT changes meanwhile
        omit=(*rowid.values(), *options.values()),
    )


def _search(
    names: Sequence[str], match: str, options: dict[str, int], order: Sequence[tuple[int, bool]], download: str
) -> IndexChoice:
    """The choice of a search. Its hits come best first."""
    given = sorted(options, key=match.__ne__)  # the text first
    positions = tuple(options[name] for name in given)
    best_first = [(names.index("rank"), False)], [(names.index("score"), True)]
    return IndexChoice(
        ScanPlan(
            ScanKind.METHOD,
            columns=tuple(_in_plan(match, name) for name in given),
            order="asc" if list(order) in best_first else "",
            download=download,
        ),
        positions,
        REQUEST_COST,
        MAX_RESULTS,
        omit=positions,
    )


def _in_plan(match: str, name: str) -> str:
    return TEXT if name == match else name


def _nothing(missing: str, *, unusable: bool) -> IndexChoice:
    plan = ScanPlan(ScanKind.NOTHING, columns=(missing,), unusable=unusable)
    return IndexChoice(plan, (), NOTHING_COST, NOTHING_ROWS)


def missing(table: Table, plan: ScanPlan) -> MissingColumnsError:
    """The error for a plan of the kind NOTHING."""
    (given,) = plan.columns
    name = table.name if given == TEXT else given
    if plan.unusable:
        return MissingColumnsError(
            f"{table.name}.{name}: its value is not known when the table is read; give a value, or a column of a "
            "table that comes earlier in the join"
        )
    arguments = ", ".join(column.name for column in ARGUMENTS)
    return MissingColumnsError(
        f"{table.name}: {arguments} are arguments of a search; write {table.name} MATCH 'text' as well"
    )
