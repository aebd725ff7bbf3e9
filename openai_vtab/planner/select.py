"""Which method of the API serves a query: a pure choice from the constraints that SQLite offers.

SQLite checks every term again but the rowid and the options, so that a term that becomes part of a request only saves
requests. The contract with the scan is in scan_plan.py.

>>> choose(vector_store_file_batches, [Constraint(5, EQ), Constraint(6, EQ)]).idxStr
'vector_store_id,batch_id'
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from ..schema.columns import WAIT_SECONDS
from ..schema.table import Listing, Table
from .constraints import EQ, LIMIT, OFFSET, Constraint, UsableConstraints, bind
from .scan_plan import IndexChoice, ScanKind, ScanPlan

# One request costs as much as some hundred thousand local rows, so that SQLite puts the table innermost and gives it
# its keys. The cost of NOTHING makes SQLite try every other join order first.
REQUEST_COST = 1e5
NOTHING_COST, NOTHING_ROWS = 1e100, 1_000_000
# Given keys are looked up, also those that the ledger does not know. The ledger's list has only those that it knows. So
# a query that gives keys must look them up, or its rows would depend on the join order.
LEDGER_COST, LEDGER_ROWS = 1e50, 1000
LIST_COST, LIST_ROWS = 5e6, 500  # the API's own lists: looking up a few keys, also in an OR, is cheaper
IN_ROWS = 25  # SQLite's own estimate for an IN list of unknown length


def choose(
    table: Table,
    constraints: Sequence[Constraint],
    order: Sequence[tuple[int, bool]] = (),
    *,
    ledger: bool = False,
    used: Collection[int] = (),
) -> IndexChoice:
    """The best plan for these constraints; one of the kind NOTHING when no method of the API can serve them.

    order: the terms of ORDER BY as (column, descending).
    ledger: whether the table has a ledger, which can be listed.
    used: the numbers of the columns that the query reads.
    """
    bound = bind(table, constraints, ledger)
    if bound.unusable_option:  # SQLite would compare it with NULL in every row, and lose them all
        return _nothing((bound.unusable_option,), unusable=True)
    chosen = (
        _by_method(table, constraints, order, bound)
        or _by_rowid(table, constraints, bound)
        or (_by_ledger(table, constraints, bound, used) if ledger else None)
    )
    if chosen is None:
        missing = tuple(name for name in table.of("SELECT")[-1].needs if not bound.has(table, name))
        return _nothing(missing, bound.has_unusable_key)
    # SQLite must not evaluate rowid > last_insert_rowid() again for each row: an INSERT … SELECT changes it meanwhile
    bounds = tuple(bound.rowid_bounds.values())
    chosen = replace(
        chosen,
        plan=replace(chosen.plan, columns=(*chosen.plan.columns, *bound.rowid_bounds)),
        argv=(*chosen.argv, *bounds),
        omit=(*chosen.omit, *bounds),
    )
    for name in table.downloads:
        if any(table.columns[n].name == name for n in used if n < len(table.columns)):
            return replace(chosen, plan=replace(chosen.plan, download=name))
    return chosen


def _from_responses(table: Table, used: Collection[int]) -> set[str]:
    """The sources of those of these columns that must come from the API.

    A ledger has the keys, and what was sent to create a row.
    """
    own = {table.sources[name] for method in table.of("INSERT") for name in method.accepts} | set(table.key)
    return {table.columns[number].source for number in used if number < len(table.columns)} - own


def _nothing(missing: tuple[str, ...], unusable: bool) -> IndexChoice:
    plan = ScanPlan(ScanKind.NOTHING, columns=missing, unusable=unusable)
    return IndexChoice(plan, (), NOTHING_COST, NOTHING_ROWS)


def _by_method(
    table: Table, constraints: Sequence[Constraint], order: Sequence[tuple[int, bool]], bound: UsableConstraints
) -> IndexChoice | None:
    """The choice of the first SELECT method that has all it needs; a list only if the rowid cannot be looked up."""
    for number, method in enumerate(table.of("SELECT")):
        if all(bound.has(table, name) for name in method.needs):
            if method.listing:
                if bound.rowid is not None and table.lookup_method is not None:
                    return None
                return _listing(table, constraints, order, bound, number)
            names = [name for name in method.needs if not table.by_name[name].is_option]
            keys = [bound.keys[table.sources[name]] for name in names]
            plan = ScanPlan(ScanKind.METHOD, number, (*names, *bound.option_values))
            return _look_up(table, constraints, bound, plan, keys)
    return None


def _by_rowid(table: Table, constraints: Sequence[Constraint], bound: UsableConstraints) -> IndexChoice | None:
    if bound.rowid is None or table.lookup_method is None:
        return None
    plan = ScanPlan(ScanKind.BY_ROWID, columns=("rowid", *bound.option_values))
    chosen = _look_up(table, constraints, bound, plan, [bound.rowid])
    # SQLite must not evaluate rowid = last_insert_rowid() again, either: an INSERT … SELECT changes it meanwhile
    return replace(chosen, omit=(bound.rowid, *chosen.omit))


def _look_up(
    table: Table, constraints: Sequence[Constraint], bound: UsableConstraints, plan: ScanPlan, keys: Sequence[int]
) -> IndexChoice:
    """The choice of a plan that reads one object for each value of its keys."""
    in_lists = tuple(position for position in keys if constraints[position].many)
    return IndexChoice(
        plan,
        (*keys, *bound.option_values.values()),
        REQUEST_COST * IN_ROWS ** len(in_lists),
        IN_ROWS ** len(in_lists),
        unique=not in_lists,
        in_lists=in_lists,
        omit=_options(table, bound),
    )


def _by_ledger(
    table: Table, constraints: Sequence[Constraint], bound: UsableConstraints, used: Collection[int]
) -> IndexChoice:
    narrowing = [s for s in table.key if s in bound.keys and constraints[bound.keys[s]].op == EQ]
    keys = [bound.keys[source] for source in narrowing]
    in_lists = tuple(position for position in keys if constraints[position].many)
    from_responses = _from_responses(table, used)
    kind = ScanKind.LEDGER_REFRESHED if bound.option_values or from_responses else ScanKind.LEDGER_ONLY
    return IndexChoice(
        ScanPlan(
            kind,
            columns=(*(bound.names[source] for source in narrowing), *bound.option_values),
            responses=bool(from_responses - {"status", *bound.option_values}),
        ),
        (*keys, *bound.option_values.values()),
        # the whole ledger costs more, also when SQLite runs through an IN list itself and compares both plans
        LEDGER_COST if keys else 2 * LEDGER_COST,
        LEDGER_ROWS * IN_ROWS ** len(in_lists),
        in_lists=in_lists,
        omit=_options(table, bound),
    )


def _listing(
    table: Table,
    constraints: Sequence[Constraint],
    order: Sequence[tuple[int, bool]],
    bound: UsableConstraints,
    number: int,
) -> IndexChoice:
    """The choice of a method that gives a list."""
    method = table.of("SELECT")[number]
    names = [name for name in method.needs if not table.by_name[name].is_option]
    keys = [bound.keys[table.sources[name]] for name in names]
    in_lists = tuple(position for position in keys if constraints[position].many)
    given = {name: bound.keys[table.sources[name]] for name in method.query if bound.has(table, name)}
    narrowing = [name for name, at in given.items() if constraints[at].op == EQ and not constraints[at].many]
    if WAIT_SECONDS.name in bound.option_values:  # the value that would narrow the list may change during the wait
        narrowing = []
    keys += [given[name] for name in narrowing]
    argv = (*keys, *bound.option_values.values())
    ordered = bool(method.ordered_by) and not in_lists and len(order) == 1
    ordered = ordered and order[0][0] >= 0 and table.columns[order[0][0]].name == method.ordered_by
    # the first page need not be larger than LIMIT if SQLite has no term left by which it could reject rows
    terms = {position for position, term in enumerate(constraints) if term.op not in (LIMIT, OFFSET)}
    is_limited = method.listing is Listing.PAGES and not in_lists and terms <= set(argv) and (ordered or not order)
    limits = bound.limits if is_limited else ()
    return IndexChoice(
        ScanPlan(
            ScanKind.METHOD,
            number,
            (*names, *narrowing, *bound.option_values),
            tuple("LIMIT" if constraints[position].op == LIMIT else "OFFSET" for position in limits),
            order=("desc" if order[0][1] else "asc") if ordered else "",
        ),
        argv + limits,
        LIST_COST * IN_ROWS ** len(in_lists) / (2 if narrowing else 1),
        LIST_ROWS * IN_ROWS ** len(in_lists) // (2 if narrowing else 1),
        in_lists=in_lists,
        omit=_options(table, bound),
    )


def _options(table: Table, bound: UsableConstraints) -> tuple[int, ...]:
    """The positions of options that SQLite must not compare: an option that is given as NULL would lose the rows."""
    return tuple(position for name, position in bound.option_values.items() if name not in table.asked)
