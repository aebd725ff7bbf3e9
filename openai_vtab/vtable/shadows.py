"""Ordinary tables that hide the API's: a table of the user's has precedence over one of the same name of the package.

Scripts for other databases may create a table `files`, and mean it. A program that writes to the API must not do so by
mistake, as tools that look for a table in sqlite_schema, and create what is not there.

>>> connection.execute("CREATE TABLE files (id INTEGER PRIMARY KEY, size)")
>>> hint(connection, "SELECT file_id FROM files", "no such column: file_id")
"main.files hides the API's table files; write openai.files for the API's"
"""

from __future__ import annotations

import re
import weakref

import apsw

from ..errors import ProgrammingError
from ..schema.table import Table
from ..sqlite.internal_sql import InternalSQL
from ..sqlite.sql_text import module_of
from ..sqlite.statement_text import created_table, names, split
from ..tables import TABLES

BY_NAME = {table.name: table for table in TABLES}
INDEX = "index"  # the column that pandas adds
_CREATE = re.compile(r"\bCREATE\s+TABLE\b", re.IGNORECASE)


def refuse_mistaken(sql: str) -> None:
    """Raise ProgrammingError if a script creates a table that looks like an INSERT into a table of the API's.

    CREATE TABLE main.NAME says that the table is meant.
    """
    if not _CREATE.search(sql):
        return
    for new in filter(None, map(created_table, split(sql))):
        table = BY_NAME.get(new.name)
        if table is not None and _takes(table, set(new.columns) - {INDEX}):
            raise ProgrammingError(
                f"{new.name} is the API's table, which exists without CREATE TABLE, and an ordinary table of that name "
                f"would hide it; leave the CREATE TABLE out, or write CREATE TABLE main.{new.name} if you mean it"
            )


def _takes(table: Table, columns: set[str]) -> bool:
    """Whether an INSERT into the API's table could give just these columns."""
    return bool(columns) and any(set(each.needs) <= columns <= each.accepts for each in table.of("INSERT"))


def hiding(connection: apsw.Connection) -> list[tuple[str, str]]:
    """The schema and the name of each table or view that hides one of the API's. A ledger of that name is none."""
    sql = InternalSQL(weakref.ref(connection))
    found = []
    for _, schema, _ in list(sql.read("PRAGMA database_list")):
        quoted = str(schema).replace('"', '""')
        rows = sql.read(f"SELECT name, sql FROM \"{quoted}\".sqlite_schema WHERE type IN ('table', 'view')")
        found += [
            (str(schema), str(name))
            for name, text in list(rows)
            if str(name).lower() in BY_NAME and module_of(str(text)) not in BY_NAME
        ]
    return found


def hint(connection: apsw.Connection, sql: str, problem: str) -> str:
    """What to say besides SQLite's error about a statement that names a hidden table; "" without such a table."""
    named = names(sql)
    if named.isdisjoint(BY_NAME):
        return ""
    if "may not be dropped" in problem:
        return "it is the API's table, which every database has: there is nothing to drop"
    try:
        hides = [(schema, name) for schema, name in hiding(connection) if name.lower() in named]
    except apsw.Error:  # an authorizer refuses, or the database is busy: the statement's own error says more
        return ""
    return "; ".join(
        f"{schema}.{name} hides the API's table {name.lower()}; write openai.{name.lower()} for the API's"
        for schema, name in hides
    )
