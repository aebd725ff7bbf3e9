"""A table of documents as one schema sees it: its scans, its writes, and its part in transactions.

A write only changes rows of the shadow tables, within the user's transaction, so that SQLite undoes it. COMMIT brings
the API to what the rows say.

>>> DocumentsTable(connection, context, store, arguments, hits)

https://rogerbinns.github.io/apsw/vtable.html#vttable-class
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import apsw

from ..documents.arguments import Arguments
from ..documents.changes import Changes
from ..documents.columns import columns
from ..documents.commands import Commands
from ..documents.shared_files import SharedFiles
from ..documents.store import DocumentStore
from ..errors import RowError, UnsupportedWriteError
from ..planner import with_comparisons
from ..schema.table import Table
from ..schema.values import SQLiteValue
from ..tables.vector_store_files import vector_store_files
from . import best_index, documents_plan
from .context import ConnectionContext
from .documents_content import DocumentContent
from .documents_cursor import DocumentsCursor
from .documents_rows import Statuses
from .documents_search import DocumentSearch
from .listing import ListReader, as_they_stand
from .refusals import refuse_if_read_only
from .row_cursor import IsMistake, never_a_mistake
from .row_identity import RowIdentities
from .scan_arguments import ScanArguments
from .transactions import TransactionHooks, reports_refusal
from .write_only_columns import WriteOnlyColumns

log = logging.getLogger("openai_vtab")


class DocumentsTable(TransactionHooks):
    """The table as one schema sees it. `hits` are the rows of vector_store_search that its searches read."""

    def __init__(
        self,
        connection: apsw.Connection,
        context: ConnectionContext,
        store: DocumentStore,
        arguments: Arguments,
        hits: RowIdentities,
    ) -> None:
        super().__init__(connection, context)
        self._store = store
        self._created_with = arguments
        self._table = Table(store.name, "Documents.", columns(store.name), (), "vector_store.file")
        self._names = [column.name for column in self._table.columns]
        self._match = store.name  # the column that MATCH searches, and that takes commands
        shared_files = SharedFiles(context.internal_sql, store, lambda: context.statements.writing)
        self._changes = Changes(store, arguments, context.limits, shared_files)
        self._commands = Commands(store, shared_files)
        self._scan_arguments = ScanArguments(self._table, context.limits, context.internal_sql.read)
        self._hits = hits
        self._write_only_columns = WriteOnlyColumns(self._table)

    def BestIndexObject(self, info: apsw.IndexInfo) -> bool:
        """SQLite plans a query."""
        self._write_only_columns.warn(info)
        table, constraints = self._table, best_index.constraints(self._table, info)
        chosen = documents_plan.choose(table, constraints, best_index.order(info), used=info.colUsed)
        best_index.answer(info, with_comparisons(chosen, table, constraints))
        return True

    def Open(self) -> DocumentsCursor:
        """SQLite opens a cursor: one that reads for the running statement, or one that records its requests."""
        context, store, hits = self.context, self._store, self._hits
        recorder = context.replayer.recorder
        session = context.session if recorder is None else recorder.session
        store_id = store.setting("vector_store_id")
        vector_store_id = None if store_id is None else str(store_id)
        statuses = Statuses(session if recorder is None else None, store, vector_store_id, context.clock)
        is_mistake: IsMistake = never_a_mistake
        refuse_hidden: Callable[[], None] | None = None
        if recorder is None:
            statement = context.statements.current
            is_mistake = partial(context.number_comparisons.is_mistake, self._table, statement)
            if statement is not None and not statement.readonly:
                look = context.number_comparisons.refuse_hidden
                refuse_hidden = partial(look, self._table, store.shadow.table, statement)
        lists = ListReader(hits, recorder or session, as_they_stand, context.settings.max_rows, _never_joined)
        return DocumentsCursor(
            self._table,
            store,
            vector_store_id,
            statuses,
            DocumentSearch(store, statuses, lists, hits.rowids, vector_store_id),
            DocumentContent(session, recorder, statuses, vector_store_id),
            self._scan_arguments,
            partial(context.programs.never_numbers, session),
            is_mistake,
            refuse_hidden,
            partial(context.programs.only_returned, session),
        )

    def Rename(self, name: str) -> None:
        """ALTER TABLE … RENAME TO: SQLite opens the table again, under its new name."""
        columns(name)
        self._store.shadow.rename(name)

    def Destroy(self) -> None:
        """DROP TABLE: forget the documents. The files and the vector store stay at the API."""
        if self._store in self.context.stores.written_documents:  # ROLLBACK TO may bring the table back
            self.context.join_transaction(vector_store_files)
        left = self._store.at_the_api()
        if left:
            log.warning(
                "%s: the table is dropped, and %d file%s at the API, in the vector store %s",
                self._store.name,
                left,
                " stays" if left == 1 else "s stay",
                self._store.setting("vector_store_id"),
            )
        self._store.drop()
        self.context.dropped()

    @reports_refusal
    def UpdateInsertRow(self, rowid: int | None, fields: Sequence[SQLiteValue]) -> int:
        """INSERT: write the document's rows, and return its rowid; or carry out a command."""
        refuse_if_read_only(self.context.settings, self._store.name, "INSERT")
        if rowid is not None:
            raise RowError(f"{self._store.name}.rowid: it is given by the table; leave it out")
        given: dict[str, SQLiteValue] = {
            name: value for name, value in zip(self._names, fields, strict=True) if value is not None
        }
        if self._match in given:
            return self._command(given)
        return self._changes.insert(given, self._conflict)

    @reports_refusal
    def UpdateChangeRow(self, rowid: int, newrowid: int, fields: Sequence[Any]) -> None:
        """UPDATE: change the document's rows."""
        refuse_if_read_only(self.context.settings, self._store.name, "UPDATE")
        if newrowid != rowid:
            raise UnsupportedWriteError(f"{self._store.name}: the rowid cannot be SET")
        given = zip(self._names, fields, strict=True)
        changed = {name: value for name, value in given if value is not apsw.no_change}
        self._changes.update(rowid, changed, self._conflict)

    @reports_refusal
    def UpdateDeleteRow(self, rowid: int) -> None:
        """DELETE: take the document away; its files are detached and deleted at COMMIT."""
        refuse_if_read_only(self.context.settings, self._store.name, "DELETE")
        self._changes.delete(rowid)

    def _command(self, given: dict[str, SQLiteValue]) -> int:
        """INSERT INTO handbook (handbook) VALUES ('sync'). The rowid is the one of the latest INSERT."""
        self._commands.run(given.pop(self._match), given)
        connection = self.connection()
        return 0 if connection is None else connection.last_insert_rowid()

    @property
    def _conflict(self) -> int:
        """The statement's conflict clause, for a key that exists already."""
        connection = self.connection()
        return apsw.SQLITE_ABORT if connection is None else connection.vtab_on_conflict()

    def Begin(self) -> None:
        """The table takes part in a transaction from now on.

        What earlier transactions have carried out must be known before rows are compared with it.
        """
        self.context.stores.write_waiting_outcomes(self._store)
        self.context.stores.written_documents.begin(self._store, self._created_with)


def _never_joined(idxStr: str, keys: Mapping[int, str]) -> bool:  # noqa: N803 - SQLite's name
    """The vector store of a search is the table's own."""
    return False
