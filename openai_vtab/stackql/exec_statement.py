"""EXEC: a call of the SQL function that has the method, or a query of the table that has it.

>>> translated("EXEC openai.vector_stores.file_batches.cancel @batch_id = 'vsfb_…', @vector_store_id = 'vs_…'")
"SELECT cancel_vector_store_file_batch('vs_…', 'vsfb_…') AS raw"
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from ..errors import ProgrammingError
from ..schema.values import JSON, load_json
from .methods import Operation, executable, full_name, operations, statements
from .names import RESOURCES, like, resource
from .parameters import refuse_setting
from .parser import Argument, Reader
from .placeholders import PLACEHOLDER, no_value, placeholder
from .sql import literal, quoted

JSON_ARGUMENT = "@json"
GET = "get"  # the one method of another verb than EXEC that EXEC calls: it changes nothing
# The first words of methods in the API's description, and the words for them here.
VERBS = {"retrieve": "get", "modify": "update", "upload": "create", "download": "content"}


def translated(reader: Reader) -> str:
    """Return the SQL for an EXEC statement. Raises ProgrammingError."""
    parts = reader.dotted_name()
    place = f"EXEC {'.'.join(parts)}".rstrip()
    found = _operation(parts, place)
    if found is None:
        raise ProgrammingError(_instead(parts, place, reader))
    operation, alias = found
    given = reader.arguments(place)
    values = _values(given, place)
    _check(operation, values, place)
    if not operation.method.function:
        columns = operation.method.gives or "*"
        # An expression of several tokens, such as 'a' OR 'b', is compared as a whole.
        values |= {name: f"({values[name]})" for name, one in given.items() if name in values and len(one.tokens) > 1}
        condition = " AND ".join(f"{name} = {text}" for name, text in values.items())
        return f"SELECT {columns} FROM {quoted(alias, chr(34))} WHERE {condition}"
    order = operation.method.variables
    if tuple(values) != order and any(token.kind == "parameter" for one in given.values() for token in one.tokens):
        # SQLite numbers parameters by where they stand, so they stay in the order in which they are written.
        named = ", ".join(f"{text} AS {name}" for name, text in values.items())
        return f"SELECT {operation.method.function}({', '.join(order)}) AS raw FROM (SELECT {named})"
    return f"SELECT {operation.method.function}({', '.join(values[name] for name in order)}) AS raw"


def _operation(parts: list[str], place: str) -> tuple[Operation, str] | None:
    """The method, and the name of its table's module; None if there is no such method."""
    if len(parts) != 4:
        return None
    found = resource(parts[:3], place)
    for name, operation in executable(found.table).items():
        if parts[3].lower() in (name, full_name(operation, found.table)):
            return operation, operation.table.aliases[0]
    if found.table.lookup_method is not None and parts[3].lower() == GET:
        return Operation(GET, "SELECT", found.table, found.table.lookup_method), found.table.aliases[0]
    return None


def _instead(parts: list[str], place: str, reader: Reader) -> str:
    """The error for a name that is no method of EXEC, with the statement that is meant and its arguments."""
    if len(parts) != 4:
        last = parts[-1].lower() if parts else ""
        named = [full for full, one in RESOURCES.items() if last in executable(one.table)]
        named = [full for full in named if ".".join(parts[:-1]).lower() in full][-1:]
        method = f"{named[0]}.{last}" if named else "openai.SERVICE.RESOURCE.METHOD"
        return f"{place}: a method has four names; write EXEC {method} {reader.rest or '@NAME = …'}"
    found = resource(parts[:3], place)
    methods = executable(found.table)
    names = [f"{found.full}.{name}" for name in methods]
    verb = parts[3].lower().partition("_")[0]
    others = [one for one in operations(found.table) if one.verb != "EXEC" and one.name == VERBS.get(verb, verb)]
    if VERBS.get(verb, verb) in methods:
        advice = f"write EXEC {found.full}.{VERBS[verb]} {reader.rest}".rstrip()
    elif others:
        advice = f"write {' or '.join(statements(others, found.full, _values(reader.arguments(place), place)))}"
    elif close := like(".".join(parts), names):
        advice = f"write EXEC {close[0]} {reader.rest}".rstrip()
    else:
        advice = f"its methods are {', '.join(names)}" if names else f"SHOW METHODS IN {found.full} lists what it has"
    return f"{place}: there is no such method; {advice}"


def _values(given: Mapping[str, Argument], place: str) -> dict[str, str]:
    """The SQL of each argument, and of each member of @@json."""
    for argument in given.values():
        refuse_setting(argument.name, place)
    values = {name: argument.text for name, argument in given.items() if name != JSON_ARGUMENT}
    if JSON_ARGUMENT in given:
        for name, value in _members(given[JSON_ARGUMENT], place).items():
            if name.lower() in values:
                raise ProgrammingError(f"{place}: {name} is given twice; write it in @@json or as @{name}")
            values[name.lower()] = literal(value)
    return values


def _members(argument: Argument, place: str) -> dict[str, JSON]:
    """The members of @@json, without those that are null."""
    example = """write @@json = '{"query": "…"}'"""
    text = argument.tokens[0].text
    if len(argument.tokens) != 1 or argument.tokens[0].kind != "string":
        raise ProgrammingError(f"{place}: @@json must be a string in quotation marks; {example}")
    try:
        members = load_json(text[1:-1].replace("''", "'"))
    except (ValueError, RecursionError) as error:
        names = PLACEHOLDER.findall(text)
        problem = no_value(dict.fromkeys(names)) if names else f"@@json is not JSON ({error}); {example}"
        raise ProgrammingError(f"{place}: {problem}") from None
    if not isinstance(members, dict):
        raise ProgrammingError(f"{place}: @@json is {json.dumps(members)[:40]}, not a JSON object; {example}")
    if missing := [placeholder(value) for value in members.values() if placeholder(value)]:
        raise ProgrammingError(f"{place}: {no_value(missing)}")
    return {name: value for name, value in members.items() if value is not None}


def _check(operation: Operation, values: dict[str, str], place: str) -> None:
    """Raise ProgrammingError for an argument that the method does not have, or that is missing."""
    known = [*operation.required, *operation.optional]
    listed = ", ".join(f"@{name}" for name in known)
    for name in values:
        if name not in known:
            alike = "".join(f"@{close}, one of " for close in like(name, known)[:1])
            raise ProgrammingError(f"{place}: there is no argument @{name}; write {alike}{listed}")
    if missing := [f"@{name} = …" for name in operation.required if name not in values]:
        raise ProgrammingError(f"{place}: {' and '.join(missing)} must be given; the arguments are {listed}")
