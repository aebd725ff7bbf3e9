"""write."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ..errors import RowError, UnsupportedWriteError
from ..schema.table import Method, Table
from ..schema.validators import InvalidValue, Limits, SQLiteValue, identifier, shown


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
        except InvalidValue as refused:
            problem = f"{table.name}.{name}: {refused}"
        else:
            continue
        raise RowError(problem)
    return {source: keys[source] for source in table.key}


def update(table: Table, changed: Mapping[str, SQLiteValue], limits: Limits) -> tuple[Method, dict[str, object]]:
    """The UPDATE method for the columns that are SET, and what it sends. Raises UnsupportedWriteError, RowError."""
    methods = table.of("UPDATE")
    for method in methods:
        if (
            changed.keys() <= (method.only_when_set_to.keys() | set(method.body))
            and method.only_when_set_to.items() <= changed.items()
        ):
            names = {table.source(name): name for name in changed if name in method.body}
            null = {source: None for source, name in names.items() if changed[name] is None}
            given = {source: name for source, name in names.items() if source not in null}
            return method, {**null, **_checked(table, given, changed, limits)}
    possible = " or ".join(
        ", ".join(
            [f"{name} = {shown(value)}" for name, value in method.only_when_set_to.items()]
            + [f"{n} = …" for n in method.body]
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
        if method.only_when_set_to:
            values = ", ".join(f"{name} = {shown(value)}" for name, value in method.only_when_set_to.items())
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
        except InvalidValue as refused:
            problem = f"{table.name}.{name}: {refused}"
        else:
            continue
        raise RowError(problem)
    return parameters
