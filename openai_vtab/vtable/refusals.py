"""Writes that are refused: on a read_only connection, and if they would change other objects than was meant.

- DELETE and UPDATE without WHERE. Every database has the table files, so that a mistake in a file's name and DELETE
  FROM files would empty an account.
- A write to archive.files where the database archive has no table files. SQLite finds tables such as the API's in any
  schema, even in one that is not attached. https://www.sqlite.org/vtab.html#epovtab

SQLite tells a virtual table neither of WHERE nor of the schema: the text of the running statement does.

>>> refuse_without_where(context.statements.current, vector_stores, "vector_stores")
"""

from __future__ import annotations

from typing import Any

import apsw

from ..errors import UnsupportedWriteError
from ..schema.table import Table
from ..settings import Settings
from ..sqlite.statement_text import changed_table
from .running_statement import RunningStatement

SCHEMAS = ("", "openai", "main", "temp")  # in which a statement may write to the API's tables


def refuse_if_read_only(settings: Settings, name: str, request: str) -> None:
    """Raise UnsupportedWriteError on a read_only connection. Called before anything is queued or written."""
    if settings.read_only:
        raise UnsupportedWriteError(
            f"{name}: this connection is read_only, and {request} would change something at the API; connect without "
            "read_only, or, if openai-vtab run has started the program, write openai-vtab run --allow-writes"
        )


def refuse_without_where(statement: RunningStatement[Any], table: Table, name: str) -> None:
    """Raise UnsupportedWriteError if the statement changes all rows of the table, whose name in SQL is `name`.

    Called before a statement that writes reads the table. Within a trigger, the running statement is the one
    that fires the trigger.
    """
    if all(method.variables for method in table.of("SELECT")):
        return
    changed = changed_table(statement.sql)
    if changed is not None and changed.name == name and not changed.is_bounded:
        raise UnsupportedWriteError(
            f"{name}: without WHERE, the statement would change every object that the API lists, so it is refused and "
            "nothing was sent; write a condition, WHERE true if you mean all, or set allow_unbounded_writes"
        )


def refuse_other_schema(connection: apsw.Connection | None, statement: RunningStatement[Any], name: str) -> None:
    """Raise UnsupportedWriteError if the statement changes a table `name` of a schema that has no such table.

    Called before a statement that writes reads the table or queues a row. It may read the API's table and change
    another one of the same name, as INSERT INTO archive.files SELECT … FROM openai.files does.
    """
    changed = changed_table(statement.sql)
    if changed is None or changed.name != name or changed.schema in SCHEMAS:
        return
    if connection is not None and not connection.table_exists(changed.schema, name):
        raise UnsupportedWriteError(
            f"{changed.schema}.{name}: there is no such table, and SQLite would change the API's table {name} instead, "
            f"so the statement is refused and nothing was sent; write openai.{name} if you mean the API's table, or "
            f"ATTACH the database that has the table {name} as {changed.schema}"
        )
