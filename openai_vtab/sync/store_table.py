"""The documents table of a vector store in a database: found, or created.

>>> StoreTable(db, name="Handbook").find_or_create()
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
        """Return the name of the table. None if no table of the database is for this vector store. Sends nothing."""
        return self._only(
            [table for table, arguments in self._tables() if self._is_named(arguments) or self._has(table)]
        )

    def find_or_create(self) -> str:
        """Return the name of the table. Raises OperationalError if a new one would not know the store's documents."""
        found = self.find()
        if found is not None:
            return found
        if self._name is None:
            self._refuse_unknown_files()
            return self.create()
        ids = self._ids_of_name()
        # a table that was made again names the store by its id
        found = self._only([table for table, _ in self._tables() if any(self._has(table, id) for id in ids)])
        if found is None and ids:
            raise OperationalError(
                f"a vector store with the name {self._name!r} exists ({', '.join(ids)}), and this database does not "
                "know its documents. Give the database that does; or write --rebuild, so that files of the folder "
                "that are in the vector store are not uploaded again; or give another --store"
            )
        return found or self.create()

    def create(self, vector_store_id: str | None = None) -> str:
        """Create the table, for the vector store that exists if one is given. Returns the table's name."""
        names = self._db.execute("SELECT name FROM sqlite_schema").fetchall()
        table = table_name(self._name or "documents", [str(name) for (name,) in names])
        id = self._id or vector_store_id
        argument, value = ("name", str(self._name)) if id is None else ("vector_store_id", id)
        text = value.replace("'", "''")
        self._db.execute(f"CREATE VIRTUAL TABLE {quoted(table)} USING vector_store_documents({argument} = '{text}')")
        return table

    def existing_id(self) -> str:
        """The id of the vector store. Raises OperationalError unless exactly one has the name."""
        if self._id is not None:
            return self._id
        ids = self._ids_of_name()
        if len(ids) != 1:
            several = (
                f"several vector stores have the name ({', '.join(ids)})" if ids else "no vector store has the name"
            )
            raise OperationalError(f"--store {self._name!r}: {several}; give --vector-store-id")
        return ids[0]

    def _ids_of_name(self) -> list[str]:
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

    def _is_named(self, arguments: Arguments) -> bool:
        return self._name is not None and arguments.name == self._name

    def _has(self, table: str, vector_store_id: str | None = None) -> bool:
        """Whether the table is for a vector store: the given one, or the one of this object."""
        sql = f"SELECT 1 FROM {quoted(table + '_config')} WHERE name = 'vector_store_id' AND value = ?"
        return self._db.execute(sql, (vector_store_id or self._id,)).fetchone() is not None

    def _only(self, tables: list[str]) -> str | None:
        if len(tables) > 1:
            raise OperationalError(
                f"{', '.join(tables)} are tables for the same vector store; DROP those that you do not need, or give "
                "another database"
            )
        return tables[0] if tables else None

    def _refuse_unknown_files(self) -> None:
        sql = 'SELECT count(*) FROM "openai.vector_stores.vector_store_files" WHERE vector_store_id = ?'
        ((count,),) = self._db.execute(sql, (self._id,)).fetchall()
        if count:
            raise OperationalError(
                f"the vector store {self._id} has {count} files, and this database does not know them. Give the "
                "database that does; or write --rebuild, so that files of the folder that are in the vector store are "
                "not uploaded again"
            )
