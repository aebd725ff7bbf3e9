"""The rows that tables keep in shadow tables: those of ledgers and of documents tables, for one connection.

They outlive SQLite's objects for their tables, which a change of the schema takes away.

>>> stores = ShadowStores(internal_sql, writes, sender, workers, files_per_batch=2000, on_created=print,
...                       on_documents=print)
>>> ledger = stores.ledger(connection, vector_store_file_batches, "main", "my_batches")
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import apsw

from ..documents.arguments import Arguments
from ..documents.outcomes import DocumentOutcomes
from ..documents.shared_files import SharedFiles
from ..documents.store import DocumentStore
from ..documents.transaction import WrittenDocuments
from ..execution.workers import WorkerPool
from ..ledger.store import Ledger
from ..schema.table import Table
from ..sqlite.database_files import file_of
from ..sqlite.internal_sql import InternalSQL
from ..tables import TABLES
from ..writes.queue import WriteQueue
from ..writes.settlement import Settlement
from ..writes.write_sender import WriteSender

if TYPE_CHECKING:
    from ..documents.commit import DocumentCommit


class ShadowStores:
    """The ledgers and documents tables that a connection has opened.

    files_per_batch: how many files one request may attach.
    on_created: called with the key of each vector store that the COMMIT of a documents table has created.
    on_documents: called with what such a COMMIT has done (sent, updated, deleted, replaced) to how many documents.
    """

    def __init__(
        self,
        internal_sql: InternalSQL,
        writes: WriteQueue,
        sender: WriteSender,
        workers: WorkerPool,
        *,
        files_per_batch: int,
        on_created: Callable[[tuple[str, ...]], None],
        on_documents: Callable[[str, int], None],
    ) -> None:
        self._internal_sql = internal_sql
        self._writes = writes
        self._workers = workers
        self._files_per_batch = files_per_batch
        self._told = on_created, on_documents
        self.ledgers: list[Ledger] = []
        self._documents: list[DocumentOutcomes] = []
        self.written_documents = WrittenDocuments(writes, sender, self._commit_of)
        openers = [partial(Ledger, internal_sql, table) for table in TABLES if table.remembered]
        self.settlement = Settlement(internal_sql, writes.intents, [*openers, self._outcomes_of])

    def ledger(self, connection: apsw.Connection, table: Table, schema: str, name: str) -> Ledger:
        """Return the rows of a ledger of `table`. Creates its shadow table unless it exists."""
        file = file_of(connection, schema)
        for ledger in self.ledgers:
            if (ledger.schema, ledger.name, ledger.file) == (schema, name, file):
                break
        else:
            ledger = Ledger(self._internal_sql, table, schema, name, file, self.settlement.waiting)
            self.ledgers.append(ledger)
            self.settlement.add(ledger)
        ledger.shadow.create_unless_exists()
        return ledger

    def documents(self, connection: apsw.Connection, schema: str, name: str) -> DocumentStore:
        """Return the rows of a documents table."""
        file = file_of(connection, schema)
        for found in self._documents:
            if (found.schema, found.name, found.file) == (schema, name, file):
                break
        else:
            found = self._outcomes_of(schema, name, file)
            self._documents.append(found)
            self.settlement.add(found)
        return found.store

    def write_waiting_outcomes(self, store: DocumentStore) -> None:
        """Write what a documents table does not know yet, within the user's transaction. Raises SQLite's errors."""
        self.settlement.write_within(next(each for each in self._documents if each.store is store))

    def _outcomes_of(self, schema: str, name: str, file: str) -> DocumentOutcomes:
        return DocumentOutcomes(DocumentStore(self._internal_sql, schema, name, file))

    def _commit_of(self, store: DocumentStore, arguments: Arguments) -> DocumentCommit:
        # imported on first use, with half of documents/: most connections have no documents table
        from ..documents.commit import DocumentCommit

        self.write_waiting_outcomes(store)
        others = [each.store for each in self._documents if each.store is not store]
        holders = SharedFiles(self._internal_sql, store, object).holders  # looks for them at each call
        return DocumentCommit(
            store, arguments, self._writes, self._workers, self._files_per_batch, others, holders, *self._told
        )
