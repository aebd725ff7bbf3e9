"""The documentation of a table, from its description.

The tables openai_tables and openai_columns, the shell's .describe and the pages in docs/tables/ are made from it.

>>> methods(vector_stores)[0]["path"]
'/vector_stores/{vector_store_id}'
"""

from __future__ import annotations

from collections.abc import Iterable

from .table import Column, Method, Table
from .values import sql_literal

TABLE_COLUMNS = ("table_name", "verb", "method", "path", "required", "optional", "doc", "example")
COLUMN_COLUMNS = ("table_name", "name", "type", "hidden", "same_as", "doc")


def methods(table: Table) -> list[dict[str, str]]:
    """One row for each method, with the columns TABLE_COLUMNS."""
    return [
        {
            "table_name": table.name,
            "verb": method.verb,
            "method": method.http,
            "path": method.path,
            "required": ", ".join(required(method)),
            "optional": ", ".join(optional(table, method)),
            "doc": table.doc,
            "example": example(table, method),
        }
        for method in table.methods
    ]


def columns(table: Table) -> list[dict[str, str | int | None]]:
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


def same_as(table: Table, column: Column) -> str | None:
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


def page(table: Table) -> str:
    """The table's page in docs/tables/, Markdown."""
    lines = [f"# {table.name}", "", table.doc, ""]
    if table.aliases:
        lines += ["Another name is " + ", ".join(f'`"{name}"`' for name in table.aliases) + ".", ""]
    lines += ["| verb | request | required | optional |", "|---|---|---|---|"]
    lines += [
        f"| {row['verb']} | `{row['method']} {row['path']}` | {_code(row['required'])} | {_code(row['optional'])} |"
        for row in methods(table)
    ]
    for title, hidden in (("Columns", False), ("Hidden columns (name them to read them)", True)):
        chosen = [column for column in table.columns if column.hidden is hidden]
        if chosen:
            lines += ["", f"## {title}", "", "| column | type | |", "|---|---|---|"]
            lines += [f"| `{column.name}` | {column.type} | {column.doc} |" for column in chosen]
    lines += ["", "## Examples", "", "```sql", *"\n\n".join(table.examples).splitlines(), "```"]
    return "\n".join(lines) + "\n"


def overview(tables: Iterable[Table]) -> str:
    """The README's table of tables, Markdown."""
    lines = ["| table | SELECT needs | INSERT | UPDATE | DELETE |", "|---|---|---|---|---|"]
    for table in tables:
        needs = " or ".join(_code(", ".join(method.needs)) or "nothing: a list" for method in table.of("SELECT"))
        writes = [_writes(table, verb) for verb in ("INSERT", "UPDATE", "DELETE")]
        lines.append(f"| [`{table.name}`](docs/tables/{table.name}.md) | {needs} | {' | '.join(writes)} |")
    return "\n".join(lines) + "\n"


def text(table: Table) -> str:
    """The table's page for a terminal."""
    lines = [f"{table.name}: {table.doc}", ""]
    for row in methods(table):
        lines.append(f"{row['verb']}  {row['method']} {row['path']}")
        lines += [f"    {word}: {row[word]}" for word in ("required", "optional") if row[word]]
    width = max(len(column.name) for column in table.columns)
    lines += ["", "Columns (* hidden):"]
    lines += [f"  {'*' if c.hidden else ' '} {c.name:{width}}  {c.type:7}  {c.doc}" for c in table.columns]
    return "\n".join([*lines, "", "Examples:", "", *"\n\n".join(table.examples).splitlines()]) + "\n"


def _writes(table: Table, verb: str) -> str:
    found = table.of(verb)
    words = [_code(", ".join(method.required or method.body or required(method)[-1:])) for method in found]
    return " or ".join(words) if verb != "DELETE" else ("yes" if found else "")


def _code(names: str) -> str:
    return ", ".join(f"`{name}`" for name in names.split(", ")) if names else ""
