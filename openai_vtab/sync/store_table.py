"""The documents table of a vector store in a database: found, or created.

>>> store_table = StoreTable(db, name="Handbook")
>>> store_table.find() or store_table.create()
'handbook'
"""

from __future__ import annotations

import re
from contextlib import suppress

import apsw

from ..documents.arguments import Arguments, parse
from ..errors import OperationalError, ProgrammingError
from ..ledger.shadow_table import quoted
from .places import table_name

MADE = re.compile(r'USING\s+["`\[]?vector_store_documents["`\]]?\s*\((.*)\)\s*\Z', re.IGNORECASE | re.DOTALL)
ARGUMENT = re.compile(r"""(?:'(?:[^']|'')*'|"[^"]*"|`[^`]*`|\[[^\]]*\]|[^,'"`\[])+""")


class StoreTable:
    """The table of one vector store, which is named, or given by its id."""

    def __init__(self, db: apsw.Connection, *, name: str | None = None, vector_store_id: str | None = None) -> None:
        self._db = db
        self._name = name
        self._id = vector_store_id

    def find(self) -> str | None:
        """Return the name of the table. None if no table of the database is for this vector store."""
        found = [table for table, arguments in self._tables() if self._is_for_the_store(table, arguments)]
        if len(found) > 1:
            raise OperationalError(
                f"{', '.join(found)} are tables for the same vector store; DROP those that you do not need, or give "
                "another database"
            )
        return found[0] if found else None

    def create(self) -> str:
        """Create the table, and return its name."""
        table = table_name(self._name or "documents", [str(name) for (name,) in self._db.execute(ALL_NAMES)])
        argument, value = ("name", self._name) if self._id is None else ("vector_store_id", self._id)
        text = str(value).replace("'", "''")
        self._db.execute(f"CREATE VIRTUAL TABLE {quoted(table)} USING vector_store_documents({argument} = '{text}')")
        return table

    def refuse_existing_store(self) -> None:
        """Raise OperationalError if a new table would share the store with documents that it does not know.

        Nothing is sent for a store that is given by its id and is empty; a name must not be taken.
        """
        if self._id is None:
            ids = self.ids_of_name()
            if ids:
                raise OperationalError(
                    f"a vector store with the name {self._name!r} exists ({', '.join(ids)}), and this database does "
                    "not know its documents. Give the database that does, or write --vector-store-id "
                    f"{ids[0]} --rebuild, or another --store"
                )
            return
        (count,) = self._db.execute(
            'SELECT count(*) FROM "openai.vector_stores.vector_store_files" WHERE vector_store_id = ?', (self._id,)
        ).fetchone() or (0,)
        if count:
            raise OperationalError(
                f"the vector store {self._id} has {count} files, and this database does not know them. Give the "
                "database that does, or write --rebuild: files of the folder that are in the store are then not "
                "uploaded again"
            )

    def ids_of_name(self) -> list[str]:
        """The ids of all vector stores of the account with the name."""
        sql = 'SELECT id FROM "openai.vector_stores.vector_stores" WHERE name = ? ORDER BY created_at'
        return [str(id) for (id,) in self._db.execute(sql, (self._name,))]

    def _tables(self) -> list[tuple[str, Arguments]]:
        """The documents tables of the database, with their arguments."""
        found = []
        for name, sql in self._db.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'table'").fetchall():
            match = MADE.search(str(sql))
            if match:
                with suppress(ProgrammingError):  # it would not open, either
                    found.append((str(name), parse(str(name), ARGUMENT.findall(match[1]))))
        return found

    def _is_for_the_store(self, table: str, arguments: Arguments) -> bool:
        if self._id is None:
            return arguments.name == self._name
        return self._id in (arguments.vector_store_id, vector_store_id(self._db, table))


def vector_store_id(db: apsw.Connection, table: str) -> str | None:
    """The vector store of a documents table; None if it has not been created yet."""
    sql = f"SELECT value FROM {quoted(table + '_config')} WHERE name = 'vector_store_id'"
    row = db.execute(sql).fetchone()
    return str(row[0]) if row else None


ALL_NAMES = "SELECT name FROM sqlite_schema"
