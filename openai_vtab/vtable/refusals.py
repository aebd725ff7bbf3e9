"""DELETE and UPDATE without WHERE, which are refused where they would change all that the API lists.

Every database has the table files, so that a mistake in a file's name and DELETE FROM files would empty an account.
SQLite tells a virtual table nothing of WHERE: the text of the running statement does.

>>> refuse_without_where(context.statements.current, vector_stores, "vector_stores")
"""

from __future__ import annotations

from typing import Any

from ..errors import UnsupportedWriteError
from ..schema.table import Table
from ..sqlite.statement_text import changed_without_where
from .statements import RunningStatement


def refuse_without_where(statement: RunningStatement[Any] | None, table: Table, name: str) -> None:
    """Raise UnsupportedWriteError if the statement changes all rows of the table, whose name in SQL is `name`.

    Called before the table is read. Within a trigger, the running statement is the one that fires the trigger.
    """
    if statement is None or statement.readonly or all(method.variables for method in table.of("SELECT")):
        return
    if changed_without_where(statement.sql) == name:
        raise UnsupportedWriteError(
            f"{name}: without WHERE, the statement would change every object that the API lists, so it is refused and "
            "nothing was sent; write a condition, WHERE true if you mean all, or set allow_unbounded_writes"
        )
