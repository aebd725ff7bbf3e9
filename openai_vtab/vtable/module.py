"""The module of a table: SQLite asks it for the table in each schema, and under each name.

>>> Module(context, vector_store_file_batches).create(connection)

https://rogerbinns.github.io/apsw/vtable.html#vtmodule-class
"""

from __future__ import annotations

from functools import cached_property
from types import SimpleNamespace
from typing import Any

import apsw

from ..errors import ProgrammingError
from ..ledger.shadow_table import SUFFIX
from ..schema.decode import getter
from ..schema.table import Table
from ..sqlite.rowids import BELOW_INSERTED, Rowids
from .context import ConnectionContext
from .cursor import Getter
from .row_identity import RowIdentities
from .scan_arguments import ScanArguments
from .table import VTable

# https://www.sqlite.org/c3ref/module.html, iVersion: which of the methods there are
WITH_SAVEPOINT, WITH_SHADOW = 2, 3


class Module:
    """One table of one connection."""

    def __init__(self, context: ConnectionContext, table: Table) -> None:
        self._context = context
        self._table = table
        self._rowids = Rowids(BELOW_INSERTED)
        context.rowids.append(self._rowids)
        self._arguments = ScanArguments(table, context.limits, context.internal_sql.read)

    def create(self, connection: apsw.Connection) -> None:
        """Register the table under its name and its aliases, as eponymous tables."""
        table = self._table
        self._context.internal_sql.add_modules((table.name, *table.aliases))
        module = SimpleNamespace(Connect=self.Connect, Create=self.Connect)
        # ShadowName tells whether NAME_suffix belongs to the table NAME, so that SQLite protects it from ordinary SQL
        # (DEFENSIVE). It is a method of str: APSW loses a KeyboardInterrupt that is raised in a Python function.
        for name in (table.name, *table.aliases):
            if table.remembered and name == table.name:
                try:
                    shadowing = SimpleNamespace(**vars(module), ShadowName=SUFFIX.__eq__)
                    _create(connection, name, shadowing, WITH_SHADOW)
                except Exception as error:
                    # APSW has 33 slots for ShadowName in a process. Without one, only the ledger's protection is lost.
                    if "xShadowName" not in str(error):
                        raise
                else:
                    continue
            _create(connection, name, module, WITH_SAVEPOINT)

    def Connect(
        self, connection: apsw.Connection, modulename: str, dbname: str, tablename: str, *arguments: str
    ) -> tuple[str, VTable | StaleSchemaTable]:
        """Open the table: under the module's own name, or one that was created in a database and has a ledger."""
        if arguments:
            raise ProgrammingError(
                f"{modulename} takes no arguments in CREATE VIRTUAL TABLE: settings are keywords of connect() and "
                "register(); in SQL, a key would be stored in the database file"
            )
        table, context, ledger = self._table, self._context, None
        try:
            if table.remembered and self._is_created(modulename, dbname, tablename):
                ledger = context.stores.ledger(connection, table, dbname, tablename)
        except apsw.SchemaChangeError:
            # SQLite will prepare the statement again, and then connect a table that was created in the file. The table
            # under the module's own name is always there, and has no ledger to be found.
            if tablename.lower() != modulename.lower():
                return table.schema, StaleSchemaTable()
        rows = RowIdentities(table, self._rowids, context.created, ledger)
        return table.schema, VTable(connection, context, tablename, rows, self._getters, self._arguments)

    @cached_property
    def _getters(self) -> tuple[Getter | None, ...]:
        """The function that reads each column. Made when a statement first names the table: most programs use few."""
        return tuple(None if column.is_option else getter(column) for column in self._table.columns)

    def _is_created(self, modulename: str, dbname: str, tablename: str) -> bool:
        """Whether CREATE VIRTUAL TABLE has made the table."""
        if tablename.lower() != modulename.lower():
            return True
        # it may have been created under the module's own name, and then hides the eponymous table
        schema = '"' + dbname.replace('"', '""') + '"'
        sql = f"SELECT 1 FROM {schema}.sqlite_schema WHERE type = 'table' AND name = ? COLLATE NOCASE"
        return bool(list(self._context.internal_sql.read(sql, [tablename])))


class StaleSchemaTable:
    """Stands for a created table after another connection has changed the schema, until SQLite has read it again.

    No statement begins with it, because it has no ledger: it can be planned, but not opened or written to.
    """

    def BestIndexObject(self, info: apsw.IndexInfo) -> bool:
        """Accept any plan: SQLite makes another one before the statement begins."""
        return True

    def Disconnect(self) -> None:
        """SQLite has read the schema."""


def _create(connection: apsw.Connection, name: str, module: Any, version: int) -> None:
    connection.create_module(
        name, module, use_bestindex_object=True, use_no_change=True, eponymous=True, iVersion=version
    )
