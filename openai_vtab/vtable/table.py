"""The virtual table as one schema sees it: planning, scans and writes.

>>> cursor = VTable(connection, context, "files", rows, getters, arguments).Open()
>>> cursor.Filter(5, "vector_store_id,batch_id", ("vs_1", "vsfb_1"))

https://rogerbinns.github.io/apsw/vtable.html#vttable-class and https://www.sqlite.org/vtab.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import apsw

from ..errors import RowError, UnsupportedWriteError
from ..execution.statement import StatementSession
from ..ledger.shadow_table import quoted
from ..schema.values import SQLiteValue
from . import best_index
from .context import ConnectionContext
from .cursor import Cursor, Getter
from .fields_read import FieldsRead
from .ledger_cursor import LedgerCursor
from .listing import ListReader
from .lookup import Lookup
from .refusals import refuse_other_schema, refuse_without_where
from .replay import RecordingLookup
from .replayed_lists import ReplayedListReader
from .row_cursor import IsMistake, never_a_mistake
from .row_identity import RowIdentities
from .scan_arguments import ScanArguments
from .transactions import TransactionHooks, reports_refusal
from .write_only_columns import WriteOnlyColumns
from .writing import RowWriter


class VTable(TransactionHooks):
    """The table as one schema sees it, under the name that it has there."""

    def __init__(
        self,
        connection: apsw.Connection,
        context: ConnectionContext,
        name: str,
        rows: RowIdentities,
        getters: Sequence[Getter | None],
        arguments: ScanArguments,
    ) -> None:
        super().__init__(connection, context)
        self._name = name.lower()
        self.table = rows.table
        self.rows = rows
        self._writer = RowWriter(context, rows)
        self._write_only_columns = WriteOnlyColumns(rows.table)
        self._getters = getters
        self._arguments = arguments
        self._used: set[int] = set()  # the columns that any statement has used

    def BestIndexObject(self, info: apsw.IndexInfo) -> bool:
        """SQLite plans a query: the planner chooses what serves it."""
        if self.rows.ledger is None:  # a ledger has what was sent to create a row
            self._write_only_columns.warn(info)
        self._used |= info.colUsed
        best_index.plan(self.table, info, ledger=self.rows.ledger is not None)
        return True

    def Open(self) -> Cursor:
        """SQLite opens a cursor: one that reads for the running statement, or one that records its requests."""
        rows, context = self.rows, self.context
        recorder = context.replayer.recorder
        session = context.session if recorder is None else recorder.session
        fields_read = FieldsRead(self.table, self._used, partial(context.programs.columns_read, session))
        joined = partial(context.programs.joined, session)
        is_mistake: IsMistake = never_a_mistake
        refuse_hidden: Callable[[], None] | None = None
        if recorder is None:
            statement = context.statements.current
            is_mistake = partial(context.number_comparisons.is_mistake, self.table, statement)
            if statement is not None and not statement.readonly:
                refuse_other_schema(self.connection(), statement, self._name)
                refuse_hidden = partial(context.number_comparisons.refuse_hidden, self.table, self._path, statement)
                if rows.ledger is None and not context.settings.allow_unbounded_writes:
                    refuse_without_where(statement, self.table, self._name)
            reading = Lookup(rows, session, fields_read)
            lookup: Lookup | RecordingLookup = reading
            list_reader = ListReader(rows, session, reading.finished, context.settings.max_rows, joined)
            before_reading: Callable[[], None] = partial(self.before_reading, session)
        else:
            lookup = RecordingLookup(rows, recorder, fields_read)
            list_reader = ReplayedListReader(rows, recorder, context.settings.max_rows, joined)
            before_reading = _do_nothing
        never_numbers = partial(context.programs.never_numbers, session)
        make = Cursor if rows.ledger is None else partial(LedgerCursor, rows.ledger)
        return make(
            self.table,
            self._getters,
            rows.rowid,
            self._arguments,
            lookup,
            list_reader,
            before_reading,
            never_numbers,
            is_mistake,
            refuse_hidden,
            partial(context.programs.only_returned, session),
        )

    @property
    def _path(self) -> str:
        """The name in SQL, with the schema; no database is attached as openai, so that it names the API's own table."""
        ledger = self.rows.ledger
        return f"openai.{quoted(self._name)}" if ledger is None else f"{quoted(ledger.schema)}.{quoted(ledger.name)}"

    def before_reading(self, reader: StatementSession) -> None:
        """Send what other statements have queued, so that a scan reads what was written before it."""
        if self.context.statements.unjudged:
            self.context.judge_nested()
        if not self._writes.is_empty:
            self._writes.flush(reader)
        if self.rows.ledger is not None and (connection := self.connection()) is not None:
            self.context.settle(connection, can_wait=False)

    def Destroy(self) -> None:
        """DROP TABLE: drop the ledger as well. What the transaction has queued for the table is still sent."""
        if self._writes.holds(self.rows):
            self.context.join_transaction(self.table)
        if self.rows.ledger is not None:
            self.rows.ledger.drop()
        self.context.dropped()

    def Rename(self, name: str) -> None:
        """ALTER TABLE … RENAME TO."""
        if self.rows.ledger is not None:
            self.rows.ledger.shadow.rename(name)

    @reports_refusal
    def UpdateInsertRow(self, rowid: int | None, fields: Sequence[SQLiteValue]) -> int:
        """INSERT: queue the row, and return its rowid."""
        self._refuse_conflict_clause("INSERT")
        refuse_other_schema(self.connection(), self.context.statements.writing, self._name)
        if rowid is not None:
            raise RowError(f"{self.table.name}.rowid: it is given by the table; leave it out")
        columns = zip(self.table.columns, fields, strict=True)
        return self._writer.insert({column.name: value for column, value in columns if value is not None})

    @reports_refusal
    def UpdateChangeRow(self, rowid: int, newrowid: int, fields: Sequence[Any]) -> None:
        """UPDATE: queue the change."""
        self._refuse_conflict_clause("UPDATE")
        if newrowid != rowid:
            raise UnsupportedWriteError(f"{self.table.name}: the rowid cannot be SET")
        columns = zip(self.table.columns, fields, strict=True)
        self._writer.update(rowid, {column.name: value for column, value in columns if value is not apsw.no_change})

    @reports_refusal
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
                f"{self.table.name}: {verb} OR {name} is not possible, because the API has no conflicts; write {verb}"
            )


def _do_nothing() -> None:
    """A replay sends nothing before it reads."""
