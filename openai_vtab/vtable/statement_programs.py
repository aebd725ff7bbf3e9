"""What SQLite's program for a running statement (EXPLAIN) says about one of its scans.

>>> programs = StatementPrograms(statements.running, internal_sql, cursors.with_values)
>>> programs.columns_read(session, "file_id")
{0, 1, 8}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..execution.statement import StatementSession
from ..sqlite.argument_origins import come_from_rows
from ..sqlite.columns_read import columns_read
from ..sqlite.internal_sql import InternalSQL
from ..sqlite.only_returned import only_returned
from ..sqlite.row_value_affinity import never_numbers
from .running_statement import RunningStatement


class StatementPrograms:
    """The programs of the `running` statements of a connection.

    `with_values` returns a statement's text with the values of its parameters, None if they are not known.
    """

    def __init__(
        self,
        running: Mapping[Any, RunningStatement[StatementSession]],
        internal_sql: InternalSQL,
        with_values: Callable[[str], str | None],
    ) -> None:
        self._running = running
        self._internal_sql = internal_sql
        self._with_values = with_values

    def never_numbers(self, session: StatementSession, idxStr: str) -> set[int]:  # noqa: N803 - SQLite's name
        """The places in argv of a scan of the session's statement whose values equal no text if they are numbers."""
        sql = self._sql_of(session)
        return never_numbers(self._internal_sql.read, self._internal_sql.program(sql), idxStr) if sql else set()

    def columns_read(self, session: StatementSession, idxStr: str) -> set[int] | None:  # noqa: N803 - SQLite's name
        """The columns that the session's statement reads of a table with such a scan; None if that is not known.

        The scan may be that of a query in a SQL function, whose text is not known.
        """
        statement = self._statement_of(session)
        if statement is None or statement.contains_queries:
            return None
        return columns_read(self._internal_sql.program(statement.sql), idxStr)

    def only_returned(self, session: StatementSession, idxStr: str, column: int) -> bool:  # noqa: N803
        """Whether the session's statement does nothing with a column of such a scan but return it."""
        sql = self._sql_of(session)
        return bool(sql) and only_returned(self._internal_sql.program(sql), idxStr, column)

    def joined(self, session: StatementSession, idxStr: str, keys: Mapping[int, str]) -> bool:  # noqa: N803
        """Whether keys of a scan, by their places in argv, are values of other tables of the statement's join.

        False if the statement names one of them itself, in a literal or in the value of a parameter.
        """
        sql = self._sql_of(session)
        text = self._with_values(sql) if sql else None
        if text is None or any(key.replace("'", "''") in text for key in keys.values()):
            return False
        return come_from_rows(self._internal_sql.program(sql), idxStr, keys)

    def _sql_of(self, session: StatementSession) -> str:
        statement = self._statement_of(session)
        return "" if statement is None else statement.sql

    def _statement_of(self, session: StatementSession) -> RunningStatement[StatementSession] | None:
        return next((each for each in self._running.values() if each.session is session), None)
