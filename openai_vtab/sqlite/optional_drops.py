"""DROP TABLE IF EXISTS of a table that every database has: it does nothing, so that scripts for other databases run.

SQLite refuses to drop a table that a module provides without CREATE VIRTUAL TABLE, with IF EXISTS, too.

>>> execute(connection.execute, "DROP TABLE IF EXISTS files")
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import apsw

from .statement_text import dropped_if_exists

Rows = TypeVar("Rows")
_NOT_DROPPED = "may not be dropped"


def execute(run: Callable[..., Rows], sql: str, bindings: Any = None, **options: Any) -> Rows:
    """Run one statement with `run`, an execute() of APSW's."""
    try:
        return run(sql, bindings, **options)
    except apsw.SQLError as error:
        if _NOT_DROPPED not in str(error) or dropped_if_exists(sql) is None:
            raise
    # With this flag, SQLite does not find such a table; an ordinary one would have been dropped above.
    return run(sql, bindings, **{**options, "prepare_flags": apsw.SQLITE_PREPARE_NO_VTAB})
