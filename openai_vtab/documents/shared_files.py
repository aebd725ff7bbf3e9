"""Files that another table of the connection knows, so that they must not be detached.

Detaching a file from one vector store has been seen to detach it from all of them. So a file stays when another
documents table, of whatever attached database, has it, or when a ledger of batches has sent it.

>>> SharedFiles(internal_sql, store, statement).refuse(files, "DELETE")
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import apsw

from ..errors import RowError
from ..ledger.shadow_table import SUFFIX, quoted
from ..sqlite.internal_sql import InternalSQL
from ..sqlite.sql_text import module_of
from ..tables.vector_store_file_batches import vector_store_file_batches
from . import MODULE
from .rows import StoredFile
from .store import DocumentStore

_BATCHES = {vector_store_file_batches.name, *vector_store_file_batches.aliases}


class SharedFiles:
    """The files of one table that others know.

    statement: returns the statement that runs. The files are looked for once in each statement.
    """

    def __init__(self, internal_sql: InternalSQL, store: DocumentStore, statement: Callable[[], object]) -> None:
        self._sql = internal_sql
        self._store = store
        self._statement = statement
        self._looked: tuple[object, dict[str, str]] | None = None

    def refuse(self, files: Iterable[StoredFile], key: str) -> None:
        """Raise RowError when one of the files of a document is known to another table."""
        for file in files:
            if file.file_id is not None and (holder := self.holders().get(file.file_id)):
                raise RowError(
                    f"{self._store.name}: the document {key!r} keeps its file {file.file_id}, because {holder}, and "
                    "detaching a file has been seen to detach it from all vector stores; take it out there first, or "
                    "detach it with DELETE FROM vector_store_files"
                )

    def holders(self) -> dict[str, str]:
        """Return the files of the table that another table knows: by file id, the words for an error message."""
        statement = self._statement()
        if self._looked is None or self._looked[0] is not statement:
            self._looked = statement, dict(self._find())
        return self._looked[1]

    def _find(self) -> Iterator[tuple[str, str]]:
        ours = self._store.shadow.path("files")
        for schema, name, module in list(self._tables()):
            table = f"{schema}.{name}"
            if module == MODULE:
                path = f"{quoted(schema)}.{quoted(f'{name}_files')}"
                if path != ours:
                    sql = f"SELECT file_id FROM {ours} JOIN {path} USING (file_id)"
                    yield from self._holders(sql, f"{table} knows it")
            elif module in _BATCHES:
                path = f"{quoted(schema)}.{quoted(f'{name}_{SUFFIX}')}"
                sql = (
                    f"SELECT file_id, ledger.id FROM {path} AS ledger, openai.json_tree(ledger.sent) AS sent "
                    f"JOIN {ours} ON file_id = sent.atom WHERE sent.key = 'file_id' OR typeof(sent.key) = 'integer'"
                )
                yield from self._holders(sql, f"{table} has sent it in the batch")

    def _holders(self, sql: str, words: str) -> Iterator[tuple[str, str]]:
        try:
            for file_id, *batch_id in self._sql.read(sql):
                yield str(file_id), " ".join(map(str, [words, *batch_id]))
        except apsw.SQLError:  # a table whose shadow table has been dropped knows nothing
            return

    def _tables(self) -> Iterator[tuple[str, str, str]]:
        """Yield the schema, name and module of each virtual table."""
        for _, schema, _ in self._sql.read("PRAGMA database_list"):
            sql = f"SELECT name, sql FROM {quoted(str(schema))}.sqlite_schema WHERE sql LIKE 'CREATE VIRTUAL TABLE %'"
            for name, text in self._sql.read(sql):
                yield str(schema), str(name), module_of(str(text))
