"""Advice for the errors that SQLite itself raises: what to write instead.

openai_vtab.connect(), openai_vtab.dbapi and the shell add it to SQLite's message; the exception keeps its class.

>>> advice(connection, "no such column: creatd_at", "SELECT creatd_at FROM files")
'did you mean created_at?'
"""

from __future__ import annotations

import difflib
import re
import weakref
from collections.abc import Callable, Iterable
from contextlib import suppress

import apsw

from .documents import MODULE
from .documents.description import described
from .errors import ProgrammingError
from .sqlite.internal_sql import InternalSQL
from .sqlite.statement_text import changed_table
from .stackql import functions, translate
from .tables import TABLES
from .vtable import hiding_tables, local_files
from .vtable.introspection import NAMES

OURS = (*(table.name for table in TABLES), *NAMES, local_files.TABLE)  # tables that every database has
MODULES = [MODULE, *(table.name for table in TABLES if table.remembered)]
FUNCTIONS = {method.function: method.variables for table in TABLES for method in table.of("EXEC")}
FUNCTIONS |= {local_files.FUNCTION: ("path",), local_files.TABLE: tuple(local_files.INPUTS)}
HAS_NAMES = "SELECT name FROM pragma_table_list WHERE type <> 'shadow' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
IS_DOCUMENTS = "SELECT 1 FROM pragma_table_list WHERE type = 'shadow' AND name = ? || '_documents' COLLATE NOCASE"
COLUMNS = "SELECT name FROM pragma_table_xinfo(?)"
TRANSLATE = (
    "it is a statement of StackQL's: write db.execute(openai_vtab.stackql.translate(sql)), or use openai_vtab.dbapi or "
    "the shell, which translate it"
)
_WORD = re.compile(r"[^\W\d]\w*")


def advice(connection: apsw.Connection, message: str, sql: str) -> str:
    """Return what to write instead of a statement that SQLite refuses with this message; "" if unknown."""
    if hidden := hiding_tables.hint(connection, sql, message):
        return hidden
    for pattern, advise in RULES:
        if found := pattern.fullmatch(message):
            with suppress(apsw.Error):  # the connection is closed or interrupted, or an authorizer refuses
                return advise(InternalSQL(weakref.ref(connection)), found[1], sql)
    return ""


def advised(connection: apsw.Connection, error: apsw.Error, sql: str) -> str:
    """The message of an error of SQLite's, with what to write instead."""
    message = str(error)
    found = advice(connection, message, sql)
    return f"{message}; {found}" if found else message


def _table(database: InternalSQL, name: str, _: str) -> str:
    bare = name.rpartition(".")[2]
    if bare.lower() == MODULE:
        return f"it is a module: CREATE VIRTUAL TABLE my_documents USING {MODULE}(name = 'My documents')"
    return _meant(bare, [*OURS, *_names(database)])


def _column(database: InternalSQL, name: str, sql: str) -> str:
    table, dot, bare = name.rpartition(".")
    known = {each.lower(): each for each in (*OURS, *_names(database))}
    named = dict.fromkeys(known[word] for word in map(str.lower, _WORD.findall(sql)) if word in known)
    columns = [str(column) for each in named for (column,) in database.read(COLUMNS, (each,))]
    if bare.lower() in map(str.lower, columns):  # the name is right, but not at that place
        return ""
    return _meant(bare, columns, before=table + dot)


def _inserted_column(database: InternalSQL, name: str, sql: str) -> str:
    """The column that is meant, or the ways to INSERT into a documents table."""
    changed = changed_table(sql)
    if changed is None or not _is_documents(database, changed.name):
        return _column(database, name, sql)
    return _column(database, name, sql) or f"give {_inserts()}"


def _values(database: InternalSQL, name: str, _: str) -> str:
    """The columns to name in an INSERT into a documents table, because those that it takes are not the first."""
    return f"name the columns: INSERT INTO {name} {_inserts()}" if _is_documents(database, name) else ""


def _inserts() -> str:
    """The ways to INSERT into a documents table."""
    return " or ".join(f"({each.required})" for each in described().operations if each.verb == "INSERT")


def _upsert(database: InternalSQL, name: str, _: str) -> str:
    if _is_documents(database, name):
        return f"write INSERT OR REPLACE INTO {name}, which replaces the document of the same key"
    return "leave ON CONFLICT out"


def _match(database: InternalSQL, _: str, sql: str) -> str:
    """The one column that MATCH searches, unless it is named already."""
    words = set(map(str.lower, _WORD.findall(sql)))
    tables = [name for name in _names(database) if name.lower() in words and _is_documents(database, name)]
    if not tables:
        return ""
    return (
        f"write {tables[0]} MATCH '…': the name of the table stands before MATCH, and the condition is joined with "
        "others by AND alone"
    )


def _is_documents(database: InternalSQL, name: str) -> bool:
    return bool(list(database.read(IS_DOCUMENTS, (name,))))


def _module(_: InternalSQL, name: str, __: str) -> str:
    return _meant(name, MODULES)


def _function(_: InternalSQL, name: str, sql: str) -> str:
    if name.lower() in OURS:
        return f"it is a table: SELECT … FROM {name}(…)"
    return functions.instead(name, sql) or _meant(name, FUNCTIONS)


def _arguments(_: InternalSQL, name: str, __: str) -> str:
    arguments = FUNCTIONS.get(name.lower())
    return f"write {name}({', '.join(arguments)})" if arguments else ""


def _returning(_: InternalSQL, verb: str, __: str) -> str:
    return f"leave RETURNING out, and read the rows with a SELECT {'before' if verb == 'DELETE' else 'after'} it"


def _unsafe(_: InternalSQL, name: str, __: str) -> str:
    return (
        f"a view or trigger that is stored in a database cannot use {name}: write CREATE TEMP VIEW instead of "
        "CREATE VIEW, and the statement itself instead of a trigger"
    )


def _statement(_: InternalSQL, __: str, sql: str) -> str:
    """What to do with a statement of StackQL's. The shell and dbapi come here only with what they have translated."""
    try:
        is_stackqls = translate(sql) != sql
    except ProgrammingError as refused:
        return str(refused)
    return TRANSLATE if is_stackqls else ""


def _names(database: InternalSQL) -> list[str]:
    return [str(name) for (name,) in database.read(HAS_NAMES)]


def _meant(name: str, known: Iterable[str], before: str = "") -> str:
    """A question with the known name that is most like the name; "" if none is."""
    by_lower = {each.lower(): each for each in known}
    close = difflib.get_close_matches(name.lower(), by_lower, 1)
    return f"did you mean {before}{by_lower[close[0]]}?" if close else ""


# SQLite's messages, and what finds the advice for the name in each.
RULES: tuple[tuple[re.Pattern[str], Callable[[InternalSQL, str, str], str]], ...] = tuple(
    (re.compile(pattern, re.DOTALL), advise)
    for pattern, advise in (
        (r'near "(.+)": syntax error', _statement),
        (r"no such table: (.+)", _table),
        (r"no such column: (.+)", _column),
        (r"table .+ has no column named (.+)", _inserted_column),
        (r"table (.+) has \d+ columns but \d+ values were supplied", _values),
        (r'UPSERT not implemented for virtual table "(.+)"', _upsert),
        (r"unable to use function (MATCH) in the requested context", _match),
        (r"cannot join using column (.+) - column not present in both tables", _column),
        (r"no such module: (.+)", _module),
        (r"no such function: (.+)", _function),
        (r"wrong number of arguments to function (.+)\(\)", _arguments),
        (r"too many arguments on (.+)\(\) - max \d+", _arguments),
        (r"(UPDATE|DELETE) RETURNING is not available on virtual tables", _returning),
        (r'unsafe use of virtual table "(.+)"', _unsafe),
        (r"unsafe use of (.+\(\))", _unsafe),
    )
)
