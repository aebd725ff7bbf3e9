"""A statement that has begun, and what is known of it until it is over (statements.py).

>>> statement = RunningStatement(open_session, id=7, sql="SELECT 1", readonly=True, changes=0, position=0)
>>> statement.open()
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar


class Closable(Protocol):
    """The session of a statement, as far as it is known here."""

    def close(self) -> None:
        """End the session with its statement."""


S = TypeVar("S", bound=Closable)


class RunningStatement(Generic[S]):
    """A statement that has begun.

    `changes` is total_changes() at its beginning, later without the rows that count for others. `position` is how much
    was queued at its beginning. `session` is None until the statement calls a table of the package. `refused` tells
    that a table has refused one of its rows, `fires_triggers` that it has fired one, `contains_queries` that queries
    of its SQL functions share its session.
    """

    __slots__ = (
        *("_open_session", "changes", "contains_queries", "fires_triggers", "id", "position", "readonly", "refused"),
        *("session", "sql"),
    )

    def __init__(
        self,
        open_session: Callable[[RunningStatement[S]], S],
        id: int,
        sql: str,
        readonly: bool,
        changes: int,
        position: int,
    ) -> None:
        self._open_session = open_session
        self.id = id
        self.sql = sql
        self.readonly = readonly
        self.changes = changes
        self.position = position
        self.refused = False
        self.fires_triggers = False
        self.contains_queries = False
        self.session: S | None = None

    def open(self) -> S:
        """Return the statement's session, opened by the first call."""
        if self.session is None:
            self.session = self._open_session(self)
        return self.session

    def refuse_row(self) -> None:
        """A table has refused a row of the statement: SQLite undoes the statement."""
        self.refused = True

    def fire_trigger(self) -> None:
        """The program of a trigger begins within the statement."""
        self.fires_triggers = True

    def contain_query(self) -> None:
        """A SQL function of the statement runs a query, which is not followed by itself."""
        self.contains_queries = True

    def leave_out(self, rows: int) -> None:
        """Some rows that total_changes() counts are those of a statement within this one."""
        self.changes += rows

    def again(self) -> RunningStatement[S]:
        """The statement as SQLite runs it once more, after it has prepared it again."""
        return RunningStatement(self._open_session, self.id, self.sql, self.readonly, self.changes, self.position)
