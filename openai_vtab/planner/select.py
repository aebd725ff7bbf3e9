"""Which method of the API serves a query: a pure choice from the constraints that SQLite offers.

It must not know APSW's objects or HTTP. The contract between planning and scanning, complete in what SQLite
carries from BestIndex to Filter:

    idxNum   0         nothing can serve; idxStr is what to say, Filter raises it
             1         by rowid; argv is the rowid
             2         what the table's ledger lists; argv are keys, if any, that narrow it
             3         the same, and the query reads nothing of it that the API would have to be asked for
             4 + n     by the n-th SELECT method of the table
    idxStr   the columns whose values are in argv, in argv's order: "vector_store_id,batch_id", then those that
             narrow a list, then those that only steer, then LIMIT and OFFSET; after a space "asc" or "desc" when the
             rows of a list come in the order that the query wants: "vector_store_id,status,LIMIT desc"; after a
             space a column that is read and downloaded for each row: "file_id content"
    argv     for `=` the value; for IN a set of all values, or one value per Filter call where APSW cannot take the set

SQLite re-checks every term but the rowid, so a pushed term only saves requests. Only BINARY equality is pushed: the API
compares ids byte by byte, and with COLLATE NOCASE a narrower request would lose rows.

>>> choose(vector_store_file_batches, [Constraint(5, EQ), Constraint(6, EQ)]).idxStr
'vector_store_id,batch_id'
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from ..schema.table import WAIT_SECONDS, Table
from .constraints import EQ, LIMIT, OFFSET, Constraint, _bind, _Bound
from .scan_plan import BY_ROWID, FIRST_METHOD, LISTED, NOTHING, REMEMBERED, Plan

# A request is some hundred thousand times the price of a local row, so that SQLite puts the table innermost and
# gives it its keys. The price of "nothing" makes the planner try every other order first.
REQUEST_COST = 1e5
NOTHING_COST = 1e100
# A list is what the ledger knows, keys are looked up whether it knows them or not: where a query gives keys they
# must be used, however many, or the rows would depend on the planner's mood.
LISTED_COST, LISTED_ROWS = 1e50, 1000
LIST_COST, LIST_ROWS = 5e6, 500  # of the API's own lists: a few keys, also in an OR, are rather looked up
IN_ROWS = 25  # what SQLite itself assumes of an IN list of unknown length


def choose(
    table: Table,
    constraints: Sequence[Constraint],
    order: Sequence[tuple[int, bool]] = (),
    *,
    ledger: bool = False,
    used: Collection[int] = (),
) -> Plan:
    """The best plan for these constraints. Always one: what cannot be served is dear and raises when it is run.

    `order` is what the query is ordered by: (column, descending). With a `ledger` the table can be listed. `used` are
    the numbers of the columns that the query reads.
    """
    bound = _bind(table, constraints, ledger)
    option_values = bound.option_values
    options = _options(table, bound)

    def plan(idxNum: int, columns: Sequence[str], keys: Sequence[int], cost: float, rows: int) -> Plan:  # noqa: N803
        whole = tuple(position for position in keys if constraints[position].many)
        return Plan(
            idxNum,
            ",".join((*columns, *option_values)),
            (*keys, *option_values.values()),
            cost * IN_ROWS ** len(whole),
            rows * IN_ROWS ** len(whole),
            unique=rows == 1 and not whole,
            whole=whole,
            exact=options,
        )

    methods = table.of("SELECT")
    if bound.unusable in table.by_name:  # ignored, it would be NULL in every row, and lose them
        return Plan(NOTHING, f"cannot use {bound.unusable}", (), NOTHING_COST, 1_000_000)
    for number, method in enumerate(methods):
        if all(bound.has(table, name) for name in method.needs):
            names = [name for name in method.needs if not table.by_name[name].is_option]
            if not method.listing:
                keys = [bound.keys[table.source(name)] for name in names]
                return plan(FIRST_METHOD + number, names, keys, REQUEST_COST, 1)
            if bound.rowid is not None and table.lookup_method is not None:
                break
            return _listing(table, constraints, order, bound, FIRST_METHOD + number)
    if bound.rowid is not None and table.lookup_method is not None:
        # SQLite would compare each row with last_insert_rowid() as it is then: an INSERT … SELECT changes it meanwhile
        by_rowid = plan(BY_ROWID, ("rowid",), (bound.rowid,), REQUEST_COST, 1)
        return replace(by_rowid, exact=(bound.rowid, *options))
    if ledger:
        narrowing = [s for s in table.key if s in bound.keys and constraints[bound.keys[s]].op == EQ]
        number = LISTED if option_values or asks(table, used) else REMEMBERED
        columns = [bound.names[source] for source in narrowing]
        keys = [bound.keys[source] for source in narrowing]
        listed = plan(number, columns, keys, LISTED_COST, LISTED_ROWS)
        # the whole ledger is the dearer one, also where SQLite goes through an IN list itself and compares both
        return replace(listed, cost=LISTED_COST if keys else 2 * LISTED_COST)
    missing = [name for name in methods[-1].needs if not bound.has(table, name)]
    word = "cannot use" if bound.unusable else "needs"
    return Plan(NOTHING, f"{word} {','.join(missing)}", (), NOTHING_COST, 1_000_000)


def _listing(
    table: Table,
    constraints: Sequence[Constraint],
    order: Sequence[tuple[int, bool]],
    bound: _Bound,
    number: int,
) -> Plan:
    """The plan of a method that gives a list."""
    method = table.of("SELECT")[number - FIRST_METHOD]
    names = [name for name in method.needs if not table.by_name[name].is_option]
    keys = [bound.keys[table.source(name)] for name in names]
    whole = tuple(position for position in keys if constraints[position].many)
    narrowing = [name for name in method.query if bound.has(table, name)]
    given = {name: constraints[bound.keys[table.source(name)]] for name in narrowing}
    narrowing = [name for name in narrowing if given[name].op == EQ and not given[name].many]
    if WAIT_SECONDS.name in bound.option_values:  # what it would be narrowed by may change while it is waited for
        narrowing = []
    keys += [bound.keys[table.source(name)] for name in narrowing]
    names += [*narrowing, *bound.option_values]
    argv = (*keys, *bound.option_values.values())
    ordered = bool(method.ordered_by) and not whole and len(order) == 1
    ordered = ordered and order[0][0] >= 0 and table.columns[order[0][0]].name == method.ordered_by
    # the first page need not be larger than LIMIT, if nothing is left for SQLite to throw away
    terms = [position for position, term in enumerate(constraints) if term.op not in (LIMIT, OFFSET)]
    if method.listing == "pages" and not whole and set(terms) <= set(argv) and (ordered or not order):
        names += ["LIMIT" if constraints[position].op == LIMIT else "OFFSET" for position in bound.limits]
        argv += bound.limits
    return Plan(
        number,
        ",".join(names) + ((" desc" if order[0][1] else " asc") if ordered else ""),
        argv,
        LIST_COST * IN_ROWS ** len(whole) / (2 if narrowing else 1),
        LIST_ROWS * IN_ROWS ** len(whole) // (2 if narrowing else 1),
        whole=whole,
        ordered=ordered,
        exact=_options(table, bound),
    )


def _options(table: Table, bound: _Bound) -> tuple[int, ...]:
    """The positions of options, which SQLite need not compare: one that is given NULL would otherwise lose the rows."""
    return tuple(position for name, position in bound.option_values.items() if name not in table.asked)


def with_download(table: Table, chosen: Plan, used: Collection[int]) -> Plan:
    """The same plan, that says which column has to be downloaded."""
    for name in table.downloads:
        if chosen.idxNum != NOTHING and any(table.columns[n].name == name for n in used if n < len(table.columns)):
            chosen = replace(chosen, idxStr=f"{chosen.idxStr} {name}")
    return chosen


def asks(table: Table, used: Collection[int]) -> bool:
    """Whether one of these columns is the API's to say: a ledger has the keys and what was sent itself."""
    own = {table.source(name) for method in table.of("INSERT") for name in method.accepts} | set(table.key)
    return any(table.columns[number].source not in own for number in used if number < len(table.columns))
