"""The statements of one connection: which of them are running, and whether one that writes has succeeded.

Theory of operation
-------------------
SQLite has no callback for the beginning or the failure of a statement. It has a trace with two events: STMT, when a
statement begins, and PROFILE, when it is over. https://www.sqlite.org/c3ref/trace_v2.html

A virtual table must know more: which statement calls it, when that statement is over, and whether a statement that
wrote rows has failed, because SQLite undoes such a statement without telling the tables. The tracker concludes that
from the events and from total_changes():

- SQLite does not count the rows of a statement that fails. So a statement that writes has succeeded if
  total_changes() has grown, and if no table has refused one of its rows.
- The verdict, `succeeded` or `failed`, comes with PROFILE. But SQLite counts the rows of a statement that is reset only
  after its PROFILE, and one with RETURNING may be reset. Its verdict comes with the next event, or before: a table that
  must know it calls `judge`.
- SQLite reports a statement that a SQL function runs like the program of a trigger, but with an id of its own. If it
  writes, it succeeds or fails by itself, and its rows do not count for the statements around it. If it reads, it
  belongs to the statement around it.
- If the schema has changed since a statement was prepared, SQLite ends it, prepares it again and runs it without
  another STMT. So a table that is called while no statement is running is called by the statement that ended last.
- A user's statement whose text begins with a comment looks like one that a SQL function runs. If its next line does
  not tell, it is taken for such a one, but the statements before it are judged: it may be a COMMIT.
- A COMMIT that finds the database busy looks like any other: the queue of writes keeps its state (writes/queue.py).
- `succeeded` and `failed` are called only for a statement that may have written to a table of the package: it has
  called one, something was queued while it ran, or another statement was running around it.

The sequences, as tests/vtable/test_statements.py runs them: `1r` is a statement that reads, `1w` a statement that
writes, `call` the call of a table of the package, `refused` a row that such a table refuses, and `+1` a growth of
total_changes().

    a query, read to its end or closed before
        STMT 1r  call  PROFILE 1
        began 1, ended 1
    a query that SQLite prepares again after a schema change
        STMT 1r  PROFILE 1  call  PROFILE 1
        began 1, ended 1, ended 1
    a query of the package itself
        STMT 1r  PROFILE 1
        nothing
    a write
        STMT 1w  call  +1  PROFILE 1  STMT 2r  PROFILE 2
        began 1, succeeded 1, ended 1, began 2, ended 2
    a write that returns rows and is reset
        STMT 1w  call  PROFILE 1  +2  STMT 2r  PROFILE 2
        began 1, ended 1, succeeded 1, began 2, ended 2
    a write that violates a constraint
        STMT 1w  call  PROFILE 1  STMT 2r  PROFILE 2
        began 1, failed 1, ended 1, began 2, ended 2
    a write whose row a table refuses
        STMT 1w  call  refused  PROFILE 1  STMT 2r  PROFILE 2
        began 1, failed 1, ended 1, began 2, ended 2
    a write to other tables
        STMT 1w  +1  PROFILE 1  STMT 2r  PROFILE 2
        began 1, ended 1, began 2, ended 2
    a write that fires a trigger
        STMT 1w  call  STMT 1w trigger  STMT 1w trigger  +2  PROFILE 1  STMT 2r  PROFILE 2
        began 1, succeeded 1, ended 1, began 2, ended 2
    a write with the action of a foreign key
        STMT 1w  call  STMT 1w  +2  PROFILE 1  STMT 2r  PROFILE 2
        began 1, succeeded 1, ended 1, began 2, ended 2
    a query in a SQL function
        STMT 1r  STMT 2r trigger  call  PROFILE 2  PROFILE 1
        began 1, ended 1
    a write that fails, and what may be a COMMIT with a comment, or a query in a SQL function
        STMT 1r  STMT 2w  call  PROFILE 2  STMT 3r trigger  PROFILE 3  PROFILE 1
        began 1, began 2, failed 2, ended 2, ended 1
    a write in a SQL function of a query
        STMT 1r  STMT 2w trigger  call  +1  PROFILE 2  PROFILE 1
        began 1, began 2, succeeded 2, ended 2, ended 1
    a write in a SQL function of a write that fails
        STMT 1w  STMT 2w trigger  call  +1  PROFILE 2  call  PROFILE 1  STMT 3r  PROFILE 3
        began 1, began 2, succeeded 2, ended 2, failed 1, ended 1, began 3, ended 3
    a write with RETURNING that fails in a SQL function of a write, judged by a table
        STMT 1w  STMT 2w trigger  call  PROFILE 2  judge  +1  PROFILE 1  STMT 3r  PROFILE 3
        began 1, began 2, ended 2, failed 2, ended 1, began 3, ended 3
    a COMMIT that finds the database busy, and another one
        STMT 1r  PROFILE 1  STMT 1r  PROFILE 1
        began 1, ended 1, began 1, ended 1

>>> tracker = StatementTracker(InternalSQL(weak), open_session=…, position=…, began=…, ended=…, succeeded=…, failed=…)
>>> connection.trace_v2(EVENTS, tracker.follow)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic

import apsw

from ..sqlite.internal_sql import InternalSQL
from ..sqlite.sql_text import first_word
from .running_statement import RunningStatement, S

BEGINS = apsw.SQLITE_TRACE_STMT
EVENTS = BEGINS | apsw.SQLITE_TRACE_PROFILE
# First words of statements. SQLite marks a nested statement with "-- ", as if its text began with a comment. One of
# these words after the comment shows that the comment, and so the statement, is the user's.
WRITES = ("ALTER", "BEGIN", "CREATE", "DELETE", "DROP", "INSERT", "REPLACE", "UPDATE", "WITH")
READS = (
    *("ATTACH", "BEGIN", "COMMIT", "DETACH", "END", "EXPLAIN", "PRAGMA", "RELEASE", "ROLLBACK", "SAVEPOINT", "SELECT"),
    *("VALUES", "WITH"),
)


class StatementTracker(Generic[S]):
    """Follows the statements of one connection, and reports to the callbacks.

    `began(statement, connection)` is called before the statement counts as running, `ended(statement, connection)`
    when it counts no more, `succeeded(statement)` or `failed(statement)` with the verdict. `open_session` makes a
    statement's session, which is closed when the statement ends. `position` returns a number that grows with
    everything that is queued.
    """

    def __init__(
        self,
        internal_sql: InternalSQL,
        *,
        open_session: Callable[[RunningStatement[S]], S],
        position: Callable[[], int],
        began: Callable[[RunningStatement[S], apsw.Connection], None],
        ended: Callable[[RunningStatement[S], apsw.Connection], None],
        succeeded: Callable[[RunningStatement[S]], None],
        failed: Callable[[RunningStatement[S]], None],
    ) -> None:
        self._internal_sql = internal_sql
        self._open_session = open_session
        self._position = position
        self._began = began
        self._ended = ended
        self._succeeded = succeeded
        self._failed = failed
        self.running: dict[int, RunningStatement[S]] = {}  # by id, in the order of beginning
        self.unjudged: list[RunningStatement[S]] = []  # writing statements that have ended, the latest last
        self._latest: RunningStatement[S] | None = None  # the statement that ended last

    def follow(self, event: dict[str, Any]) -> None:
        """Take one event of apsw.Connection.trace_v2."""
        id, internal_sql = event["id"], self._internal_sql
        begins = event["code"] == BEGINS
        if begins:
            sql, readonly = event["sql"], event["readonly"]
            if id in self.running and (event["trigger"] or not readonly):
                self.running[id].fire_trigger()  # or the action of a foreign key, whose program has no name
                return
            if event["trigger"]:
                if readonly and internal_sql.running:
                    return
                # without a second line, all of the text would be the comment
                own = _own_text(sql, readonly, bool(self.running)) if "\n" in sql else ""
                if readonly and not own:
                    self._contain_query()
                    self.judge(event["total_changes"])  # it may be the user's COMMIT all the same, with a comment
                    return
                sql = own or sql
        ended = self.running.pop(id, None)
        if ended is not None:
            self._end(ended)
        if internal_sql.running:
            return  # a statement of the package, or a user's cursor that is collected while it runs
        connection = event["connection"]
        if internal_sql.unfinished:
            internal_sql.finish(connection)
        changes = event["total_changes"] - internal_sql.changes
        if self.unjudged:
            self._judge(changes, ended)
            if ended in self.unjudged and "RETURNING" not in ended.sql.upper():
                self._judge(changes, None)
        if ended is not None:
            self._ended(ended, connection)
        if begins:
            begun = RunningStatement(self._open_session, id, sql, readonly, changes, self._position())
            self._began(begun, connection)
            self.running[id] = begun

    def _contain_query(self) -> None:
        for around in self.running.values():
            around.contain_query()

    def _end(self, ended: RunningStatement[S]) -> None:
        self._latest = ended
        if ended.session is not None:
            ended.session.close()
        # the rows of a statement within another one must not count for the outer one
        if not ended.readonly and (ended.session or ended.position < self._position() or self.running):
            self.unjudged.append(ended)

    def judge(self, total_changes: int) -> None:
        """Report which of the writing statements that have ended have succeeded."""
        if self.unjudged:
            self._judge(total_changes - self._internal_sql.changes, None)

    def _judge(self, changes: int, just_ended: RunningStatement[S] | None) -> None:
        """The same, without the statement whose end SQLite reports now: its rows are not counted yet."""
        due = [statement for statement in self.unjudged if statement is not just_ended]
        self.unjudged = [statement for statement in self.unjudged if statement is just_ended]
        for statement in due:
            grown = changes - statement.changes
            if grown > 0 and not statement.refused:
                self._succeeded(statement)
            else:
                self._failed(statement)
            for around in {*self.running.values(), *([] if just_ended is None else [just_ended])}:
                around.leave_out(grown)

    @property
    def is_writing(self) -> bool:
        """Whether a statement that writes is running, rather than being reset."""
        return any(not statement.readonly for statement in self.running.values())

    @property
    def current(self) -> RunningStatement[S] | None:
        """The statement that runs now: the one that began last. None if no statement has ever begun."""
        return next(reversed(self.running.values()), None) or self._begin_again()

    @property
    def writing(self) -> RunningStatement[S]:
        """The writing statement that runs now, and whose row SQLite hands over."""
        found = next((statement for statement in reversed(self.running.values()) if not statement.readonly), None)
        if found is None and self._latest is not None and not self._latest.readonly:
            found = self._begin_again()
        assert found is not None  # noqa: S101 - SQLite has reported the statement before it hands over a row
        return found

    def _begin_again(self) -> RunningStatement[S] | None:
        """The statement that ended last runs again: SQLite has prepared it once more."""
        latest = self._latest
        if latest is None:
            return None
        self.running[latest.id] = again = latest.again()
        return again


def _own_text(sql: str, readonly: bool, within: bool) -> str:
    """The text of a statement that begins with a comment, "" for that of one within another statement.

    SQLite puts "-- " before the text of a statement within another one. APSW takes that away, also from a text that
    begins with such a comment itself: its first line would then count as SQL. `within` tells whether another one runs.
    """
    own = f"-- {sql}"
    if not readonly:
        return own if first_word(own) in WRITES else ""
    return own if first_word(own) in READS and not (within and first_word(sql) in READS) else ""
