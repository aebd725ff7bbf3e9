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

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from .errors import MissingColumnsError, RowError, UnsupportedWriteError
from .spec import WAIT_SECONDS, Method, Table
from .values import Limits, Refused, SQLiteValue, identifier, shown

# https://www.sqlite.org/c3ref/c_index_constraint_eq.html
EQ = 2
LIMIT, OFFSET = 73, 74
ISNULL = 71  # an equality that nothing satisfies: no key of the API is NULL
IS = 72

NOTHING, BY_ROWID, LISTED, REMEMBERED, FIRST_METHOD = 0, 1, 2, 3, 4

# A request is some hundred thousand times the price of a local row, so that SQLite puts the table innermost and
# gives it its keys. The price of "nothing" makes the planner try every other order first.
REQUEST_COST = 1e5
NOTHING_COST = 1e100
# A list is what the ledger knows, keys are looked up whether it knows them or not: where a query gives keys they
# must be used, however many, or the rows would depend on the planner's mood.
LISTED_COST, LISTED_ROWS = 1e50, 1000
LIST_COST, LIST_ROWS = 5e6, 500  # of the API's own lists: a few keys, also in an OR, are rather looked up
IN_ROWS = 25  # what SQLite itself assumes of an IN list of unknown length


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


@dataclass
class _Bound:
    """Which constraints can be used: positions by source, by the names of columns that steer, and the rest."""

    keys: dict[str, int]
    names: dict[str, str]
    steering: dict[str, int]
    rowid: int | None = None
    limits: tuple[int, ...] = ()
    unusable: str = ""

    def has(self, table: Table, name: str) -> bool:
        """Whether the column has a value."""
        return name in self.steering if table.by_name[name].steers else table.source(name) in self.keys


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
            bound.unusable = column.name if column and column.steers else bound.unusable or "a key"
        elif column is None:
            bound.rowid = position
        elif column.steers:
            bound.steering[column.name] = position
        else:
            source = column.source
            # `=` is one request for each row that asks, IN is the whole list each time
            before = bound.keys.get(source)
            if before is None or (constraints[before].many and not constraint.many):
                bound.keys[source] = position
                bound.names[source] = column.name
    return bound


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
    steering = bound.steering
    options = _options(table, bound)

    def plan(idxNum: int, columns: Sequence[str], keys: Sequence[int], cost: float, rows: int) -> Plan:  # noqa: N803
        whole = tuple(position for position in keys if constraints[position].many)
        return Plan(
            idxNum,
            ",".join((*columns, *steering)),
            (*keys, *steering.values()),
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
            names = [name for name in method.needs if not table.by_name[name].steers]
            if not method.many:
                keys = [bound.keys[table.source(name)] for name in names]
                return plan(FIRST_METHOD + number, names, keys, REQUEST_COST, 1)
            if bound.rowid is not None and table.one is not None:
                break
            return _listing(table, constraints, order, bound, FIRST_METHOD + number)
    if bound.rowid is not None and table.one is not None:
        # SQLite would compare each row with last_insert_rowid() as it is then: an INSERT … SELECT changes it meanwhile
        by_rowid = plan(BY_ROWID, ("rowid",), (bound.rowid,), REQUEST_COST, 1)
        return replace(by_rowid, exact=(bound.rowid, *options))
    if ledger:
        narrowing = [s for s in table.key if s in bound.keys and constraints[bound.keys[s]].op == EQ]
        number = LISTED if steering or asks(table, used) else REMEMBERED
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
    names = [name for name in method.needs if not table.by_name[name].steers]
    keys = [bound.keys[table.source(name)] for name in names]
    whole = tuple(position for position in keys if constraints[position].many)
    narrowing = [name for name in method.query if bound.has(table, name)]
    given = {name: constraints[bound.keys[table.source(name)]] for name in narrowing}
    narrowing = [name for name in narrowing if given[name].op == EQ and not given[name].many]
    if WAIT_SECONDS.name in bound.steering:  # what it would be narrowed by may change while it is waited for
        narrowing = []
    keys += [bound.keys[table.source(name)] for name in narrowing]
    names += [*narrowing, *bound.steering]
    argv = (*keys, *bound.steering.values())
    ordered = bool(method.ordered_by) and not whole and len(order) == 1
    ordered = ordered and order[0][0] >= 0 and table.columns[order[0][0]].name == method.ordered_by
    # the first page need not be larger than LIMIT, if nothing is left for SQLite to throw away
    terms = [position for position, term in enumerate(constraints) if term.op not in (LIMIT, OFFSET)]
    if method.many == "pages" and not whole and set(terms) <= set(argv) and (ordered or not order):
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
    return tuple(position for name, position in bound.steering.items() if name not in table.asked)


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


def insert(table: Table, given: Mapping[str, SQLiteValue], limits: Limits) -> tuple[Method, dict[str, object]]:
    """The INSERT method for the columns given (NULLs left out), and its checked parameters by source.

    Raises RowError or UnsupportedWriteError; the message names the table, the column and what to write instead.
    """
    methods = table.of("INSERT")
    if not methods:
        raise UnsupportedWriteError(f"{table.name}: the API has no way to INSERT")
    by_source: dict[str, str] = {}
    for name in given:
        other = by_source.setdefault(table.source(name), name)
        if other != name:
            raise RowError(f"{table.name}.{name}: it is the same as {other}, which is also given; write one of them")
    allowed = {table.source(name) for method in methods for name in method.accepts}
    for source, name in by_source.items():
        if source not in allowed:
            insertable = ", ".join(_insertable(table, methods))
            raise RowError(
                f"{table.name}.{name}: it comes from the API and cannot be inserted; write only {insertable}"
            )
    for method in methods:
        if all(table.source(name) in by_source for name in method.needs):
            extra = by_source.keys() - {table.source(name) for name in method.accepts}
            if extra:
                both = ", ".join(by_source[source] for source in sorted(extra))
                whose = next(m for m in methods if extra & {table.source(name) for name in m.accepts})
                needed = ", ".join(by_source[table.source(n)] for n in method.required if n not in whose.accepts)
                if not needed:
                    raise RowError(f"{table.name}.{both}: it has a meaning only with {' and '.join(whose.required)}")
                raise RowError(f"{table.name}.{both}: it cannot be given together with {needed}; write one of them")
            return method, _checked(table, by_source, given, limits)
    alternatives = " or ".join(" and ".join(method.needs) for method in methods)
    missing = [name for name in methods[0].needs if table.source(name) not in by_source]
    raise RowError(f"{table.name}.{missing[0]}: it is missing or NULL; write {alternatives}")


def adopted(table: Table, given: Mapping[str, SQLiteValue], limits: Limits) -> dict[str, str] | None:
    """The keys of the object when an INSERT gives its keys and nothing else, else None. Raises RowError."""
    if sorted(map(table.source, given)) != sorted(table.key):
        return None
    keys: dict[str, str] = {}
    for name, value in given.items():
        try:
            keys[table.source(name)] = identifier(value, limits)
        except Refused as refused:
            problem = f"{table.name}.{name}: {refused}"
        else:
            continue
        raise RowError(problem)
    return {source: keys[source] for source in table.key}


def update(table: Table, changed: Mapping[str, SQLiteValue], limits: Limits) -> tuple[Method, dict[str, object]]:
    """The UPDATE method for the columns that are SET, and what it sends. Raises UnsupportedWriteError, RowError."""
    methods = table.of("UPDATE")
    for method in methods:
        if changed.keys() <= (method.when.keys() | set(method.body)) and method.when.items() <= changed.items():
            names = {table.source(name): name for name in changed if name in method.body}
            null = {source: None for source, name in names.items() if changed[name] is None}
            given = {source: name for source, name in names.items() if source not in null}
            return method, {**null, **_checked(table, given, changed, limits)}
    possible = " or ".join(
        ", ".join(
            [f"{name} = {shown(value)}" for name, value in method.when.items()] + [f"{n} = …" for n in method.body]
        )
        for method in methods
    )
    refused = ", ".join(f"{name} = {shown(value)}" for name, value in changed.items()) or "the rowid"
    if not possible:
        raise UnsupportedWriteError(f"{table.name}: the API has no way to UPDATE")
    raise UnsupportedWriteError(f"{table.name}: the API cannot SET {refused}; an UPDATE can only SET {possible}")


def delete(table: Table) -> Method:
    """The DELETE method. Raises UnsupportedWriteError."""
    methods = table.of("DELETE")
    if methods:
        return methods[0]
    sentence = f"{table.name}: the API has no way to DELETE"
    for method in table.of("UPDATE"):
        if method.when:
            values = ", ".join(f"{name} = {shown(value)}" for name, value in method.when.items())
            sentence += f"; UPDATE {table.name} SET {values} is possible"
    raise UnsupportedWriteError(sentence)


def _insertable(table: Table, methods: Collection[Method]) -> list[str]:
    """The columns an INSERT may name, in the table's order, each once."""
    accepted = {name for method in methods for name in method.accepts}
    return [column.name for column in table.columns if column.name in accepted]


def _checked(
    table: Table, by_source: Mapping[str, str], given: Mapping[str, SQLiteValue], limits: Limits
) -> dict[str, object]:
    parameters: dict[str, object] = {}
    for source, name in by_source.items():
        check = table.by_name[name].check
        assert check is not None, "Table checks that INSERT columns have one"  # noqa: S101
        try:
            parameters[source] = check(given[name], limits)
        except Refused as refused:
            problem = f"{table.name}.{name}: {refused}"
        else:
            continue
        raise RowError(problem)
    return parameters
