"""Ordinary tables that hide the API's: a table of the user's has precedence over one of the same name of the package.

Scripts for other databases may create a table `files`, and mean it. A program that reads or writes the API's objects
must not do so by mistake, as tools that look for a table in sqlite_schema, and create what is not there.

Scripts may also drop such a table before they create it: see sqlite/optional_drops.py.

>>> connection.execute("CREATE TABLE files (id INTEGER PRIMARY KEY, size)")
>>> hint(connection, "SELECT file_id FROM files", "no such column: file_id")
"main.files hides the API's table files; write openai.files for the API's"
"""

from __future__ import annotations

import logging
import re
import weakref
from itertools import groupby

import apsw

from ..errors import ProgrammingError
from ..schema.table import Table
from ..sqlite.internal_sql import InternalSQL
from ..sqlite.sql_text import module_of
from ..sqlite.statement_text import NewTable, created_table, dropped_if_exists, names, split
from ..tables import TABLES

log = logging.getLogger("openai_vtab")

BY_NAME = {table.name: table for table in TABLES}
GENERIC = frozenset({"files"})  # tables of other programs have such a name, too
INDEX = "index"  # the column that pandas adds
# Searches for one of the names come before any division into tokens, which takes a second for each megabyte.
_NAMES = "|".join(BY_NAME)
_BLANKS = r"(?:[\s\ufeff]|--[^\n]*|/\*.*?\*/)*+"
_CREATE, _DROP = (
    re.compile(pattern, re.IGNORECASE | re.DOTALL)
    for pattern in (
        rf"\bCREATE{_BLANKS}(?:TEMP(?:ORARY)?{_BLANKS})?(?:TABLE|VIEW){_BLANKS}(?:IF{_BLANKS}NOT{_BLANKS}EXISTS{_BLANKS})?"
        rf"[\"'`\[]?(?:{_NAMES})\b",
        rf"\bDROP{_BLANKS}TABLE{_BLANKS}IF{_BLANKS}EXISTS{_BLANKS}[^;]*?\b(?:{_NAMES})\b",
    )
)
_NO_DROP = re.compile(r"table (.+) may not be dropped", re.DOTALL)
_NO_COLUMN = re.compile(r"no such column: |table (.+) has no column named |cannot join using column ", re.DOTALL)


def refuse_mistaken(connection: apsw.Connection, sql: str) -> None:
    """Raise ProgrammingError if a script creates a table or view that would hide one of the API's by mistake.

    - A name that begins with vector_store has no other meaning, whatever the columns.
    - A table `files` whose columns are those of an INSERT into the API's table is a tool's attempt to append to it.
    - One whose columns the API's table has, too, may be a copy of it: the log warns.

    CREATE TABLE main.NAME says that the table is meant, and so does temp.NAME. IF NOT EXISTS creates nothing where the
    database has the table.
    """
    if not _CREATE.search(sql):
        return
    for new in filter(None, map(created_table, split(sql))):
        table = BY_NAME.get(new.name)
        if table is None or (new.if_not_exists and _exists(connection, new)):
            continue
        columns = set(new.columns) - {INDEX}
        if new.name not in GENERIC or _takes(table, columns):
            raise ProgrammingError(
                f"{new.name} is the API's table, which exists without CREATE TABLE, and an ordinary {new.kind.lower()} "
                f"of that name would hide it; leave the CREATE {new.kind} out; or, for a tool that looks for the table "
                f"in sqlite_master, write CREATE VIRTUAL TABLE {new.name} USING {new.name}; or write "
                f"CREATE {new.kind} {new.schema}.{new.name} if you mean it"
            )
        if columns <= table.by_name.keys():
            log.warning(
                "CREATE %(kind)s %(name)s: from now on, the ordinary %(what)s hides the API's table %(name)s; write "
                "openai.%(name)s for the API's, or CREATE %(kind)s %(schema)s.%(name)s, without this warning, if you "
                "mean it",
                {"kind": new.kind, "what": new.kind.lower(), "name": new.name, "schema": new.schema},
            )


def pieces(script: str) -> list[str]:
    """Divide a script, so that each DROP TABLE IF EXISTS of a table of the API's is alone, for optional_drops."""
    if not _DROP.search(script):
        return [script]
    found: list[str] = []
    for is_drop, group in groupby(split(script), lambda statement: dropped_if_exists(statement) in BY_NAME):
        statements = list(group)
        found += statements if is_drop else ["".join(statements)]
    return found or [script]


def _exists(connection: apsw.Connection, new: NewTable) -> bool:
    """Whether a database file, or the TEMP one, has a table or view of this name already."""
    named = f"SELECT 1 FROM {new.schema}.sqlite_schema WHERE type IN ('table', 'view') AND name = ? COLLATE NOCASE"
    return bool(list(InternalSQL(weakref.ref(connection)).read(named, (new.name,))))


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
    """Advice for SQLite's error about a column, or a DROP, of a table with the name of one of the API's.

    Returns "" for any other error, and where no table hides the API's.
    """
    if (no_drop := _NO_DROP.fullmatch(problem)) and no_drop[1].lower() in BY_NAME:
        return "it is the API's table, which every database has: there is nothing to drop"
    no_column = _NO_COLUMN.match(problem)
    if no_column is None:
        return ""
    named = names(sql)
    if named.isdisjoint(BY_NAME):
        return ""
    if no_column[1] is not None:
        named = {no_column[1].lower()}
    try:
        hides = [(schema, name) for schema, name in hiding(connection) if name.lower() in named]
    except apsw.Error:  # an authorizer refuses, or the database is busy: the statement's own error says more
        return ""
    return "; ".join(
        f"{schema}.{name} hides the API's table {name.lower()}; write openai.{name.lower()} for the API's"
        for schema, name in hides
    )
