"""The module vector_store_documents: CREATE VIRTUAL TABLE makes a table of documents, and its shadow tables.

>>> DocumentsModule(context).create(connection)

https://rogerbinns.github.io/apsw/vtable.html#vtmodule-class
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import apsw

from ..documents import MODULE
from ..documents.arguments import Arguments, parse
from ..documents.columns import declaration
from ..documents.shadow import SUFFIXES
from ..documents.store import DocumentStore
from ..sqlite.rowids import Rowids
from ..tables.vector_store_search import vector_store_search
from .context import ConnectionContext
from .module import WITH_SAVEPOINT, WITH_SHADOW, StaleSchemaTable
from .row_identity import RowIdentities

if TYPE_CHECKING:
    from .documents_table import DocumentsTable


class DocumentsModule:
    """The module of one connection. It is not eponymous: a table needs the arguments."""

    def __init__(self, context: ConnectionContext) -> None:
        self._context = context
        self._hits = RowIdentities(vector_store_search, Rowids(), context.created)
        context.rowids.append(self._hits.rowids)

    def create(self, connection: apsw.Connection) -> None:
        """Register the module."""
        self._context.internal_sql.add_modules([MODULE])
        module = SimpleNamespace(Create=self.Create, Connect=self.Connect)
        # ShadowName is a C method, and may be missing: module.py says why
        shadowing = SimpleNamespace(**vars(module), ShadowName=SUFFIXES.__contains__)
        try:
            _create(connection, shadowing, WITH_SHADOW)
        except Exception as error:
            if "xShadowName" not in str(error):
                raise
            _create(connection, module, WITH_SAVEPOINT)

    def Create(
        self, connection: apsw.Connection, modulename: str, dbname: str, tablename: str, *arguments: str
    ) -> tuple[str, DocumentsTable]:
        """CREATE VIRTUAL TABLE: make the shadow tables. Raises ProgrammingError."""
        declared, parsed = declaration(tablename), parse(tablename, arguments, self._context.limits)
        store = self._context.stores.documents(connection, dbname, tablename)
        store.create(parsed.vector_store_id)
        table = self._table(connection, store, parsed)
        table.Begin()  # SQLite does not call it for a table that the transaction creates
        return declared, table

    def Connect(
        self, connection: apsw.Connection, modulename: str, dbname: str, tablename: str, *arguments: str
    ) -> tuple[str, DocumentsTable | StaleSchemaTable]:
        """Open a table that was created before."""
        declared, parsed = declaration(tablename), parse(tablename, arguments, self._context.limits)
        store = self._context.stores.documents(connection, dbname, tablename)
        try:
            if not store.shadow.exists():  # they were dropped; without them, the table could not even be dropped
                store.create(parsed.vector_store_id)
        except apsw.SchemaChangeError:  # SQLite will prepare the statement again
            return declared, StaleSchemaTable()
        return declared, self._table(connection, store, parsed)

    def _table(self, connection: apsw.Connection, store: DocumentStore, arguments: Arguments) -> DocumentsTable:
        # imported on first use, with most of documents/: most connections have no documents table
        from .documents_table import DocumentsTable

        # OR FAIL and OR ROLLBACK: SQLite does what they say
        connection.vtab_config(apsw.SQLITE_VTAB_CONSTRAINT_SUPPORT, 1)
        return DocumentsTable(connection, self._context, store, arguments, self._hits)


def _create(connection: apsw.Connection, module: Any, version: int) -> None:
    connection.create_module(MODULE, module, use_bestindex_object=True, use_no_change=True, iVersion=version)
