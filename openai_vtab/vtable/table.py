"""The virtual table as one schema sees it: planning, scans, writes, and its part in transactions.

>>> cursor = VTable(connection, context, rows, getters, arguments).Open()
>>> cursor.Filter(5, "vector_store_id,batch_id", ("vs_1", "vsfb_1"))

https://rogerbinns.github.io/apsw/vtable.html#vttable-class and https://www.sqlite.org/vtab.html
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from functools import partial, wraps
from typing import Any, TypeVar, cast

import apsw

from ..errors import RowError, UnsupportedWriteError
from ..execution.statement import StatementSession
from ..schema.values import SQLiteValue
from . import best_index
from .context import ConnectionContext
from .cursor import Cursor, Getter
from .listing import ListReader
from .lookup import Lookup
from .replay import RecordingLookup
from .row_identity import RowIdentities
from .scan import ScanArguments
from .writing import RowWriter

Update = TypeVar("Update", bound=Callable[..., Any])


def _reports_refusal(update: Update) -> Update:
    """Report that a method has refused a row: its statement fails, and SQLite does not report that."""

    @wraps(update)
    def method(self: VTable, *arguments: Any) -> Any:
        try:
            return update(self, *arguments)
        except BaseException:
            self.context.statements.writing.refuse_row()
            raise

    return cast(Update, method)


class VTable:
    """The table as one schema sees it."""

    def __init__(
        self,
        connection: apsw.Connection,
        context: ConnectionContext,
        rows: RowIdentities,
        getters: Sequence[Getter | None],
        arguments: ScanArguments,
    ) -> None:
        self.connection = weakref.ref(connection)
        self.context = context
        self.table = rows.table
        self.rows = rows
        self._writes = context.writes
        self._writer = RowWriter(context, rows)
        self._getters = getters
        self._arguments = arguments
        context.connected()

    def BestIndexObject(self, info: apsw.IndexInfo) -> bool:
        """SQLite plans a query: the planner chooses what serves it."""
        best_index.plan(self.table, info, ledger=self.rows.ledger is not None)
        return True

    def Open(self) -> Cursor:
        """SQLite opens a cursor: one that reads for the running statement, or one that records its requests."""
        rows, context = self.rows, self.context
        recorder = context.replayer.recorder
        if recorder is None:
            session = context.session
            lookup: Lookup | RecordingLookup = Lookup(rows, session)
            list_reader = ListReader(rows, session, lookup, context.settings.max_rows)
            before_reading: Callable[[], None] = partial(self.before_reading, session)
        else:
            session = recorder.session
            lookup = RecordingLookup(rows, recorder)
            list_reader = ListReader(rows, recorder, lookup, context.settings.max_rows)
            before_reading = _do_nothing
        never_numbers = partial(context.never_numbers, session)
        return Cursor(self.table, self._getters, self._arguments, lookup, list_reader, before_reading, never_numbers)

    def before_reading(self, reader: StatementSession) -> None:
        """Send what other statements have queued, so that a scan reads what was written before it."""
        if self.context.statements.unjudged:
            self.context.judge_nested()
        if not self._writes.is_empty:
            self._writes.flush(reader)
        if self.rows.ledger is not None and (connection := self.connection()) is not None:
            self.context.settle(connection, can_wait=False)

    def Disconnect(self) -> None:
        """SQLite closes the table."""
        self.context.disconnected()

    def Destroy(self) -> None:
        """DROP TABLE: drop the ledger as well.

        SQLite does not call Sync and Commit of a table that it has dropped. If rows of the table are still queued, a
        write that changes nothing makes the table of the same module join the transaction, so that they are sent.
        """
        if self._writes.holds(self.rows):
            name = self.table.aliases[0] if self.table.aliases else self.table.name
            self.context.internal_sql.write(f'DELETE FROM "{name}" WHERE false')
        if self.rows.ledger is not None:
            self.rows.ledger.drop()
        self.context.dropped()

    def Rename(self, name: str) -> None:
        """ALTER TABLE … RENAME TO."""
        if self.rows.ledger is not None:
            self.rows.ledger.shadow.rename(name)

    @_reports_refusal
    def UpdateInsertRow(self, rowid: int | None, fields: Sequence[SQLiteValue]) -> int:
        """INSERT: queue the row, and return its rowid."""
        self._refuse_conflict_clause("INSERT")
        if rowid is not None:
            raise RowError(f"{self.table.name}.rowid: it is given by the table; leave it out")
        columns = zip(self.table.columns, fields, strict=True)
        return self._writer.insert({column.name: value for column, value in columns if value is not None})

    @_reports_refusal
    def UpdateChangeRow(self, rowid: int, newrowid: int, fields: Sequence[Any]) -> None:
        """UPDATE: queue the change."""
        self._refuse_conflict_clause("UPDATE")
        if newrowid != rowid:
            raise UnsupportedWriteError(f"{self.table.name}: the rowid cannot be SET")
        columns = zip(self.table.columns, fields, strict=True)
        self._writer.update(rowid, {column.name: value for column, value in columns if value is not apsw.no_change})

    @_reports_refusal
    def UpdateDeleteRow(self, rowid: int) -> None:
        """DELETE: a ledger forgets the row; otherwise queue the deletion."""
        self._writer.delete(rowid)

    def _refuse_conflict_clause(self, verb: str) -> None:
        """Raise UnsupportedWriteError for OR IGNORE and the like: keys come from the API, and never conflict.

        https://www.sqlite.org/c3ref/vtab_on_conflict.html
        """
        connection = self.connection()
        mode = connection.vtab_on_conflict() if connection else apsw.SQLITE_ABORT
        if mode != apsw.SQLITE_ABORT:
            clause = apsw.mapping_conflict_resolution_modes[mode]
            name = str(clause).removeprefix("SQLITE_")
            raise UnsupportedWriteError(
                f"{self.table.name}: {verb} OR {name} is not possible, the API knows no conflicts; write {verb}"
            )

    def Begin(self) -> None:
        """The table takes part in a transaction from now on."""

    def Sync(self) -> None:
        """COMMIT, first half: send what is queued. An error here fails the COMMIT."""
        if self.context.statements.is_writing:  # otherwise the latest statement itself may commit, as it is reset
            self.context.judge_nested()
        self._writes.flush()

    def Commit(self) -> None:
        """COMMIT, second half: cannot fail."""
        self._writes.commit()

    def Rollback(self) -> None:
        """ROLLBACK, or a COMMIT that SQLite could not complete after Sync."""
        self._writes.rollback(self.context.user_rolls_back)

    def Savepoint(self, level: int) -> None:
        """SAVEPOINT, or the beginning of a statement that may have to be undone alone."""
        self.context.judge_nested()
        self._writes.savepoint(level, self.context.session)

    def Release(self, level: int) -> None:
        """RELEASE."""
        self.context.judge_nested(level)
        self._writes.release(level)

    def RollbackTo(self, level: int) -> None:
        """ROLLBACK TO, or a statement that failed within a transaction."""
        self.context.judge_nested()
        self._writes.rollback_to(level)


def _do_nothing() -> None:
    """A replay sends nothing before it reads."""
