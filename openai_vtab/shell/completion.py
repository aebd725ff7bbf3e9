"""Completions of SQL that know what the tables need.

After WHERE and AND, these are the keys that the tables of the statement still need, then their columns. After the dot
of a name, they are columns, and after openai. the tables. After EXEC, they are StackQL's methods, after USING the
modules, and within the parentheses of a module its arguments. write_completion.py has those of INSERT and UPDATE.

>>> completions("SELECT * FROM vector_store_files WHERE ", "")
['vector_store_id']
"""

from __future__ import annotations

from collections.abc import Mapping

from ..advice import MODULES
from ..documents import MODULE
from ..documents.arguments import CHECKS
from ..schema.table import Table
from ..sqlite.statement_text import words
from ..sqlite.tokens import scan
from ..stackql.methods import executable
from ..stackql.names import RESOURCES
from ..tables import TABLES
from .write_completion import written_names

SCHEMA = "openai"
BY_NAME = {table.name: table for table in TABLES}
NO_TABLES: Mapping[str, str] = {}
METHODS = [f"{full}.{name}" for full, found in RESOURCES.items() for name in ("get", *executable(found.table))]
ONE_OF = {"name", "vector_store_id"}  # arguments of which a documents table takes one
BEFORE_A_COLUMN = ("WHERE", "AND", "OR", "ON")


def completions(before: str, token: str, own: Mapping[str, str] = NO_TABLES) -> list[str] | None:
    """The completions of `token` after the text `before`, None where all that SQL has may stand.

    own: the tables of the open database, each with its module, "" for an ordinary table.
    """
    if alone := _names_of_statement(before):
        return [name for name in alone if name.startswith(token.lower())] or None
    qualifier, dot, begun = token.rpartition(".")
    if qualifier.lower() == SCHEMA:
        return [f"{qualifier}.{name}" for name in sorted(BY_NAME) if name.startswith(begun.lower())]
    if dot:
        names = {column.name for table in TABLES for column in table.columns}
        return [f"{qualifier}.{name}" for name in sorted(names) if name.startswith(begun.lower())]
    if writable := written_names(before, own):
        return [name for name in writable if name.lower().startswith(begun.lower())] or None
    written = words(before)
    if not written or written[-1] not in BEFORE_A_COLUMN:
        return None
    named = {word.lower() for word in written}
    tables = [table for name, table in BY_NAME.items() if name in named]
    if not tables:
        return None
    missing = [name for table in tables for name in required(table) if name not in named]
    columns = [column.name for table in tables for column in table.columns]
    for offered in (missing, columns):
        found = [name for name in dict.fromkeys(offered) if name.startswith(begun.lower())]
        if found:
            return found
    return None


def _names_of_statement(before: str) -> list[str]:
    """The names that alone may follow the text in EXEC and CREATE VIRTUAL TABLE; none for any other place."""
    tokens = [token for token in scan(before.rpartition(";")[2]) if token.kind != "comment"]
    upper = [token.upper for token in tokens]
    if upper == ["EXEC"]:
        return METHODS
    if upper[:2] != ["CREATE", "VIRTUAL"] or "USING" not in upper:
        return []
    following = tokens[upper.index("USING") + 1 :]
    if not following:
        return [f"{name}(" if name == MODULE else name for name in MODULES]
    if following[0].name.lower() != MODULE or following[-1].text not in ("(", ","):
        return []
    given = {token.name.lower() for token in following}
    given |= ONE_OF if given & ONE_OF else set()
    return [f"{name} = '" for name in CHECKS if name not in given]


def required(table: Table) -> tuple[str, ...]:
    """The keys without which the table returns nothing: those of the SELECT method that needs least."""
    return min((method.needs for method in table.of("SELECT")), key=len)


def can_run(word: str) -> bool:
    """Whether SQLite can parse the name as it is: those of StackQL have three parts, and need quotation marks."""
    return word.count(".") < (1 if word.startswith(f"{SCHEMA}.") else 2)
