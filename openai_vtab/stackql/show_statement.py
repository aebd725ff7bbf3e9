"""SHOW, DESCRIBE and REGISTRY: queries that return rows from the tables' descriptions.

>>> translate("SHOW SERVICES IN openai")
"WITH shown(id, name, title) AS (VALUES\\n  ('files', 'files', 'Files'), …) SELECT * FROM shown"
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .._version import __version__
from ..errors import ProgrammingError
from ..schema.values import JSON
from .methods import Operation, operations
from .names import PROVIDER, RESOURCES, SERVICES, Resource, meant, provider, resource, service
from .parser import Reader
from .sql import quoted, rows_as_query

Rows = list[tuple[JSON, ...]]
FORMS = (
    "SHOW SERVICES IN openai",
    "SHOW RESOURCES IN openai.vector_stores",
    "SHOW METHODS IN openai.vector_stores.file_batches",
    "SHOW INSERT INTO openai.vector_stores.file_batches",
    "SHOW PROVIDERS",
    "SHOW VERSION",
)

INSTEAD = {
    "TABLES": "write SHOW RESOURCES IN openai.vector_stores, or SELECT name FROM sqlite_schema for your own tables",
    "VIEWS": "write SELECT name FROM sqlite_schema WHERE type = 'view'",
    "DATABASES": "write SHOW SERVICES IN openai, or PRAGMA database_list for your own databases",
    "SCHEMAS": "write SHOW SERVICES IN openai, or PRAGMA database_list for your own databases",
    "COLUMNS": "write DESCRIBE {name}, or PRAGMA table_xinfo('{name}') for a table of your own",
    "CREATE": "write SELECT sql FROM sqlite_schema WHERE name = '{name}'",
    "AUTH": "the key is read from OPENAI_API_KEY",
}


def show(reader: Reader, hints: str) -> str:
    """Return the SQL for a SHOW statement. Raises ProgrammingError."""
    is_extended = reader.takes("EXTENDED")
    what = reader.word()
    if what == "INSERT" and reader.takes("INTO"):
        return _insert_templates(reader, required_only="REQUIRED" in hints.upper())
    if what not in SHOWN:
        name = reader.rest.split()[-1] if reader.rest else "NAME"
        instead = INSTEAD[what].format(name=name) if what in INSTEAD else f"write {', '.join(FORMS)}"
        raise ProgrammingError(f"{_place('SHOW', [what])}: there is no such statement; {instead}")
    columns, rows = SHOWN[what](_name(reader, f"SHOW {what}"))
    if not is_extended:
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    return rows_as_query(columns, rows, _condition(reader, f"SHOW {what}", columns[0]))


def describe(reader: Reader, verb: str) -> str:
    """Return the SQL for DESCRIBE, DESC and DESCRIBE METHOD. Raises ProgrammingError."""
    is_extended = reader.takes("EXTENDED")
    is_method = verb == "DESCRIBE" and reader.takes("METHOD")
    is_extended = reader.takes("EXTENDED") or is_extended
    parts = reader.dotted_name()
    place = _place(f"{verb} METHOD" if is_method else verb, parts)
    if [part.lower() for part in parts] == [PROVIDER]:
        raise ProgrammingError(f"{place}: {PROVIDER} is the provider; write SHOW SERVICES IN {PROVIDER}")
    if len(parts) == 1 and not is_method:
        example = next(iter(meant(parts)), "openai.vector_stores.file_batches")
        raise ProgrammingError(
            f"{place}: DESCRIBE is for openai's resources; write DESCRIBE {example}, or, for a table of your own, "
            f"PRAGMA table_xinfo({quoted(parts[0], chr(34))})"
        )
    found = resource(parts[:3] if is_method else parts, place)
    columns, rows = _method(found, parts, place) if is_method else _fields(found, is_extended)
    if not is_extended:
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    return rows_as_query(columns, rows, _condition(reader, place, "name"))


def registry(reader: Reader) -> str:
    """Return the SQL for REGISTRY PULL and REGISTRY LIST. Raises ProgrammingError."""
    what = reader.word()
    name = next(iter(reader.dotted_name()), PROVIDER)
    provider(name, f"REGISTRY {what} {name}")
    if what == "PULL":
        return rows_as_query(("message",), [("Nothing has to be pulled: the tables of openai are built in.",)])
    if what == "LIST":
        return rows_as_query(("provider", "version"), [(PROVIDER, __version__)])
    raise ProgrammingError(f"{_place('REGISTRY', [what])}: the tables of openai are built in; leave the statement out")


def _providers(_: list[str]) -> tuple[Sequence[str], Rows]:
    return ("name", "version", "description"), [(PROVIDER, __version__, "Vector stores and files of OpenAI's API.")]


def _version(_: list[str]) -> tuple[Sequence[str], Rows]:
    return ("version", "description"), [(__version__, "The version of openai-vtab.")]


def _services(parts: list[str]) -> tuple[Sequence[str], Rows]:
    place = _place("SHOW SERVICES IN", parts)
    if not parts:
        raise ProgrammingError(f"{place}: a name is missing; write {FORMS[0]}")
    provider(".".join(parts), place)
    rows: Rows = []
    for name in SERVICES:
        docs = dict.fromkeys(found.table.doc for found in RESOURCES.values() if found.service == name)
        rows.append((name, name, name.replace("_", " ").capitalize(), " ".join(docs)))
    return ("id", "name", "title", "description"), rows


def _resources(parts: list[str]) -> tuple[Sequence[str], Rows]:
    place = _place("SHOW RESOURCES IN", parts)
    if len(parts) < 2:
        known = " or ".join(f"SHOW RESOURCES IN {PROVIDER}.{name}" for name in SERVICES)
        raise ProgrammingError(f"{place}: a service has two names; write {known}")
    name = service(parts, place)
    if len(parts) != 2:
        raise ProgrammingError(f"{place}: a service has two names; write SHOW RESOURCES IN {PROVIDER}.{name}")
    rows = [(one.name, one.full, one.table.doc) for one in RESOURCES.values() if one.service == name]
    return ("name", "id", "description"), [*rows]


def _methods(parts: list[str]) -> tuple[Sequence[str], Rows]:
    place = _place("SHOW METHODS IN", parts)
    if not parts:
        raise ProgrammingError(f"{place}: a name is missing; write {FORMS[2]}")
    found = resource(parts, place)
    rows = [(one.name, ", ".join(one.required), one.verb, one.described) for one in operations(found.table)]
    return ("MethodName", "RequiredParams", "SQLVerb", "description"), [*rows]


SHOWN: dict[str, Callable[[list[str]], tuple[Sequence[str], Rows]]] = {
    "PROVIDERS": _providers,
    "VERSION": _version,
    "SERVICES": _services,
    "RESOURCES": _resources,
    "METHODS": _methods,
}


def _place(words: str, parts: list[str]) -> str:
    """The beginning of an error: the statement."""
    return f"{words} {'.'.join(parts)}".rstrip()


def _name(reader: Reader, place: str) -> list[str]:
    """The name after IN or FROM, [] if there is none."""
    if not reader.takes("IN", "FROM"):
        return []
    parts = reader.dotted_name()
    if not parts:
        raise ProgrammingError(f"{place} IN: a name is expected; write one such as {' or '.join(FORMS[1:3])}")
    return parts


def _condition(reader: Reader, place: str, first: str) -> str:
    """LIKE and WHERE, as a condition on the rows."""
    if reader.takes("LIKE") and (pattern := reader.string()) and reader.at_end:
        return f" WHERE {first} LIKE {pattern}"
    if not reader.at_end and not (reader.rest[:5].upper() == "WHERE"):
        raise ProgrammingError(
            f"{place}: {reader.rest[:40]!r} is not expected; write LIKE '%…%' or WHERE …, or nothing"
        )
    return f" {reader.rest}" if reader.rest else ""


def _fields(found: Resource, is_extended: bool) -> tuple[Sequence[str], Rows]:
    """The columns that SELECT * returns; EXTENDED shows the hidden ones, too."""
    columns = [column for column in found.table.columns if is_extended or not column.hidden]
    return ("name", "type", "description"), [(one.name, one.type, one.doc) for one in columns]


def _method(found: Resource, parts: list[str], place: str) -> tuple[Sequence[str], Rows]:
    """The parameters of a method, and the columns that it returns."""
    named = [one for one in operations(found.table) if len(parts) == 4 and one.name == parts[3].lower()]
    if not named:
        known = dict.fromkeys(f"{found.full}.{one.name}" for one in operations(found.table))
        raise ProgrammingError(f"{place}: there is no such method; write {' or '.join(known)}")
    rows: Rows = []
    for one in named:
        rows += [_parameter(one, name, "input_required") for name in one.required]
        rows += [_parameter(one, name, "input_optional") for name in one.optional]
    table = named[0].table
    rows += [(column.name, column.type, "output", column.doc) for column in table.columns if not column.hidden]
    return ("name", "type", "param_type", "description"), list(dict.fromkeys(rows))


def _parameter(operation: Operation, name: str, kind: str) -> tuple[JSON, ...]:
    column = operation.table.by_name[name.partition(" = ")[0]]  # an UPDATE requires a value: status = 'cancelled'
    return column.name, column.type, kind, column.doc


def _insert_templates(reader: Reader, *, required_only: bool) -> str:
    """A row for each way to insert: a statement with placeholders."""
    parts = reader.dotted_name()
    place = _place("SHOW INSERT INTO", parts)
    found = resource(parts, place)
    rows: Rows = []
    for one in operations(found.table):
        if one.verb == "INSERT":
            names = [*one.required, *(() if required_only else one.optional)]
            columns = ",\n  ".join(names)
            values = ",\n  ".join(f"'{{{{ {name} }}}}'" for name in names)
            rows.append((f"INSERT INTO {found.full} (\n  {columns}\n)\nSELECT\n  {values};",))
    if not rows:
        raise ProgrammingError(f"{place}: the API cannot create one; SHOW METHODS IN {found.full} lists what it can")
    return rows_as_query(("template",), rows)
