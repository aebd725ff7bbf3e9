"""Which method of the API carries out an INSERT, UPDATE or DELETE, and with which checked values.

>>> update(vector_store_file_batches, {"status": "cancelled"}, Limits())[0].route
'POST /vector_stores/{vector_store_id}/file_batches/{batch_id}/cancel'
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ..errors import RowError, UnsupportedWriteError
from ..schema.table import Method, Table
from ..schema.validators import identifier
from ..schema.values import InvalidValue, Limits, SQLiteValue, sql_literal


def insert(table: Table, given: Mapping[str, SQLiteValue], limits: Limits) -> tuple[Method, dict[str, object]]:
    """The INSERT method for the columns that are given (without NULLs), and its checked parameters by source.

    Raises RowError or UnsupportedWriteError.
    """
    methods = table.of("INSERT")
    if not methods:
        raise UnsupportedWriteError(f"{table.name}: the API has no way to INSERT")
    by_source: dict[str, str] = {}
    for name in given:
        other = by_source.setdefault(table.sources[name], name)
        if other != name:
            raise RowError(f"{table.name}.{name} is another name of {other}, which is also given; give one of them")
    allowed = {table.sources[name] for method in methods for name in method.accepts}
    for source, name in by_source.items():
        if source not in allowed:
            insertable = ", ".join(_insertable(table, methods))
            problem = f"{table.name}.{name} comes from the API and cannot be inserted; give only {insertable}"
            if table.remembered and source in table.key:
                problem += f"; a ledger also takes ({', '.join(table.key)}) of one that exists"
            raise RowError(problem)
    for method in methods:
        if all(table.sources[name] in by_source for name in method.needs):
            if extra := by_source.keys() - {table.sources[name] for name in method.accepts}:
                raise _not_together(table, method, by_source, extra)
            return method, _checked(table, by_source, given, limits)
    alternatives = " or ".join(f"({', '.join(method.needs)})" for method in methods)
    missing = [name for name in methods[0].needs if table.sources[name] not in by_source]
    raise RowError(f"{table.name}.{missing[0]} is missing or NULL; give {alternatives}")


def adopted(table: Table, given: Mapping[str, SQLiteValue], limits: Limits) -> dict[str, str] | None:
    """The keys of an existing object, by source, when an INSERT gives exactly its keys; otherwise None.

    Raises RowError for a key that is not an id.
    """
    if sorted(table.sources[name] for name in given) != sorted(table.key):
        return None
    keys: dict[str, str] = {}
    for name, value in given.items():
        try:
            keys[table.sources[name]] = identifier(value, limits)
        except InvalidValue as error:
            raise RowError(f"{table.name}.{name}: {error}") from None
    return {source: keys[source] for source in table.key}


def update(table: Table, changed: Mapping[str, SQLiteValue], limits: Limits) -> tuple[Method, dict[str, object]]:
    """The UPDATE method for the columns that are SET, and the values that it sends, by source.

    Raises UnsupportedWriteError or RowError.
    """
    methods = table.of("UPDATE")
    for method in methods:
        settable = method.only_when_set_to.keys() | set(method.body)
        if changed and changed.keys() <= settable and method.only_when_set_to.items() <= changed.items():
            names = {table.sources[name]: name for name in changed if name in method.body}
            null = {source: None for source, name in names.items() if changed[name] is None}
            given = {source: name for source, name in names.items() if source not in null}
            return method, {**null, **_checked(table, given, changed, limits)}
    if not methods:
        raise UnsupportedWriteError(f"{table.name}: the API has no way to UPDATE")
    possible = " or ".join(", ".join([*_settings(method), *(f"{n} = …" for n in method.body)]) for method in methods)
    refused = ", ".join(f"{name} = {sql_literal(value)}" for name, value in changed.items()) or "the rowid"
    raise UnsupportedWriteError(f"{table.name}: the API cannot SET {refused}; an UPDATE can only SET {possible}")


def delete(table: Table) -> Method:
    """The DELETE method. Raises UnsupportedWriteError when the API has none."""
    methods = table.of("DELETE")
    if methods:
        return methods[0]
    problem = f"{table.name}: the API has no way to DELETE"
    for method in table.of("UPDATE"):
        if method.only_when_set_to:
            problem += f"; UPDATE {table.name} SET {', '.join(_settings(method))} is possible"
    raise UnsupportedWriteError(problem)


def _settings(method: Method) -> list[str]:
    """The values that an UPDATE must SET to use the method, as SQL."""
    return [f"{name} = {sql_literal(value)}" for name, value in method.only_when_set_to.items()]


def _not_together(table: Table, method: Method, by_source: Mapping[str, str], extra: Collection[str]) -> RowError:
    """The error for columns that the method does not accept beside those that it needs."""
    names = ", ".join(by_source[source] for source in sorted(extra))
    owner = next(m for m in table.of("INSERT") if not {table.sources[name] for name in m.accepts}.isdisjoint(extra))
    conflicting = ", ".join(by_source[table.sources[name]] for name in method.required if name not in owner.accepts)
    if not conflicting:
        return RowError(f"{table.name}.{names} is accepted only together with {' and '.join(owner.required)}")
    return RowError(f"{table.name}.{names} cannot be given together with {conflicting}; give one of them")


def _insertable(table: Table, methods: Collection[Method]) -> list[str]:
    """The columns that an INSERT may name, in the table's order."""
    accepted = {name for method in methods for name in method.accepts}
    return [column.name for column in table.columns if column.name in accepted]


def _checked(
    table: Table, by_source: Mapping[str, str], given: Mapping[str, SQLiteValue], limits: Limits
) -> dict[str, object]:
    """The values as JSON, by source. Raises RowError for one that must not be sent."""
    parameters: dict[str, object] = {}
    for source, name in by_source.items():
        check = table.by_name[name].check
        assert check is not None, "Table checks that INSERT columns have one"  # noqa: S101
        try:
            parameters[source] = check(given[name], limits)
        except InvalidValue as error:
            raise RowError(f"{table.name}.{name}: {error}") from None
    return parameters
