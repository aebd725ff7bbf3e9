"""The documentation of a table, from its description.

The tables openai_tables and openai_columns, the shell's .describe and the pages in docs/reference/tables/ are made from
it.

>>> methods(described(vector_stores))[0]["path"]
'/vector_stores/{vector_store_id}'
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .table import Column, Method, Table
from .values import sql_literal

TABLE_COLUMNS = ("table_name", "verb", "method", "path", "required", "optional", "doc", "example")
DAY = "2026-01-31"  # of the examples
COLUMN_COLUMNS = ("table_name", "name", "type", "hidden", "same_as", "doc")


@dataclass(frozen=True)
class Operation:
    """The operation of one SQL verb on a table. required, optional: names of columns, separated by commas."""

    verb: str
    method: str
    path: str
    required: str
    optional: str
    example: str


@dataclass(frozen=True)
class Described:
    """The documentation of a table.

    overview: Markdown for the README: what SELECT needs, INSERT takes, UPDATE takes, and whether there is a DELETE.
    """

    name: str
    doc: str
    columns: tuple[Column, ...]
    operations: tuple[Operation, ...]
    examples: tuple[str, ...]
    overview: tuple[str, str, str, str]
    aliases: tuple[str, ...] = ()


def described(table: Table) -> Described:
    """Return what is said of a table of the API."""
    operations = tuple(
        Operation(
            method.verb,
            method.http,
            method.path,
            ", ".join(required(method)),
            ", ".join(optional(table, method)),
            example(table, method),
        )
        for method in table.methods
    )
    needs = " or ".join(_code(", ".join(method.needs)) or "nothing: a list" for method in table.of("SELECT"))
    insert, update, delete = (_writes(table, verb) for verb in ("INSERT", "UPDATE", "DELETE"))
    overview = (needs, insert, update, delete)
    return Described(table.name, table.doc, table.columns, operations, table.examples, overview, table.aliases)


def methods(table: Described) -> list[dict[str, str]]:
    """One row for each operation, with the columns TABLE_COLUMNS."""
    return [
        {
            "table_name": table.name,
            "verb": operation.verb,
            "method": operation.method,
            "path": operation.path,
            "required": operation.required,
            "optional": operation.optional,
            "doc": table.doc,
            "example": operation.example,
        }
        for operation in table.operations
    ]


def columns(table: Described) -> list[dict[str, str | int | None]]:
    """One row for each column, with the columns COLUMN_COLUMNS."""
    return [
        {
            "table_name": table.name,
            "name": column.name,
            "type": column.type,
            "hidden": int(column.hidden),
            "same_as": same_as(table, column),
            "doc": column.doc,
        }
        for column in table.columns
    ]


def required(method: Method) -> tuple[str, ...]:
    """The columns that the method needs, and the values that an UPDATE must SET."""
    return (*method.needs, *(f"{name} = {sql_literal(value)}" for name, value in method.only_when_set_to.items()))


def optional(table: Table, method: Method) -> list[str]:
    """The further columns that the method takes, in the table's order. Every SELECT takes the options."""
    reads = method.verb == "SELECT"
    return [
        column.name
        for column in table.columns
        if column.name not in method.needs and (column.name in method.accepts or (reads and column.is_option))
    ]


def same_as(table: Described, column: Column) -> str | None:
    """The column that this one is another name of, None when it is not."""
    first = next(other for other in table.columns if other.source == column.source)
    return None if first is column else first.name


def example(table: Table, method: Method) -> str:
    """The first example of the method's verb, "" when there is none."""
    for text in table.examples:
        verb = "EXEC" if any(m.function and m.function in text for m in table.methods) else text.split(None, 1)[0]
        if verb == method.verb:
            return text
    return ""


def compare_times(column: str, time: str, operator: str = ">=") -> str:
    """How to compare a column of times, in Unix seconds, with a time as SQLite reads it."""
    return f"{column} {operator} unixepoch('{time}')"


def times(table: Described) -> list[str]:
    """How to compare and read the table's times: sentences in Markdown, none when it has no times."""
    name = next((column.name for column in table.columns if column.is_time and not column.hidden), "")
    if not name:
        return []
    return [
        f"Times are Unix seconds, and SQLite calls every number less than any text: `{name} >= '{DAY}'` is never true.",
        f"To compare a time, write `{compare_times(name, DAY)}`.",
        f"To read a time, write `datetime({name}, 'unixepoch')`.",
    ]


def page(table: Described) -> str:
    """The table's page in docs/reference/tables/, Markdown."""
    lines = [f"# {table.name}", "", table.doc, ""]
    if table.aliases:
        names = ", ".join(f'`"{name}"`' for name in table.aliases)
        lines += [f"Another name is {names}." if len(table.aliases) == 1 else f"Other names are {names}.", ""]
    lines += ["| verb | request | required | optional |", "|---|---|---|---|"]
    lines += [
        f"| {row.verb} | `{row.method} {row.path}` | {_code(row.required)} | {_code(row.optional)} |"
        for row in table.operations
    ]
    for title, hidden in (("Columns", False), ("Hidden columns (name them to read them)", True)):
        chosen = [column for column in table.columns if column.hidden is hidden]
        if chosen:
            lines += ["", f"## {title}", "", "| column | type | |", "|---|---|---|"]
            lines += [f"| `{column.name}` | {column.type} | {column.doc} |" for column in chosen]
    if sentences := times(table):
        lines += ["", " ".join(sentences)]
    lines += ["", "## Examples", "", "```sql", *"\n\n".join(table.examples).splitlines(), "```"]
    return "\n".join(lines) + "\n"


def overview(tables: Iterable[Described]) -> str:
    """The README's table of tables, Markdown."""
    lines = ["| table | SELECT needs | INSERT | UPDATE | DELETE |", "|---|---|---|---|---|"]
    lines += [
        f"| [`{table.name}`](docs/reference/tables/{table.name}.md) | {' | '.join(table.overview)} |"
        for table in tables
    ]
    return "\n".join(lines) + "\n"


def text(table: Described) -> str:
    """The table's page for a terminal."""
    lines = [f"{table.name}: {table.doc}", ""]
    for row in table.operations:
        lines.append(f"{row.verb}  {row.method} {row.path}")
        lines += [f"    {word}: {names}" for word in ("required", "optional") if (names := getattr(row, word))]
    width = max(len(column.name) for column in table.columns)
    lines += ["", "Columns (* hidden):"]
    lines += [f"  {'*' if c.hidden else ' '} {c.name:{width}}  {c.type:7}  {c.doc}" for c in table.columns]
    if sentences := times(table):
        lines += ["", *(sentence.replace("`", "") for sentence in sentences)]
    return "\n".join([*lines, "", "Examples:", "", *"\n\n".join(table.examples).splitlines()]) + "\n"


def _writes(table: Table, verb: str) -> str:
    found = table.of(verb)
    words = [_code(", ".join(method.required or method.body or required(method)[-1:])) for method in found]
    return " or ".join(words) if verb != "DELETE" else ("yes" if found else "")


def _code(names: str) -> str:
    return ", ".join(f"`{name}`" for name in names.split(", ")) if names else ""
