"""The shadow tables of a documents table: where they are, how they are made, renamed and dropped.

>>> DocumentShadow(internal_sql, "main", "handbook").path("files")
'"main"."handbook_files"'

https://www.sqlite.org/vtab.html#xshadowname
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import apsw

from ..errors import OperationalError, ProgrammingError
from ..ledger.shadow_table import quoted
from ..schema.values import SQLiteValue
from ..sqlite.internal_sql import InternalSQL

DEFINITIONS = {
    "documents": "id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, attributes TEXT NOT NULL, chunking TEXT, "
    "sha256 TEXT, bytes INTEGER, filename TEXT, stamp TEXT",
    "files": "id INTEGER PRIMARY KEY, document INTEGER, file_id TEXT UNIQUE, sha256 TEXT, bytes INTEGER, "
    "filename TEXT, owned INTEGER NOT NULL, state TEXT NOT NULL, attributes TEXT, chunking TEXT, batch_id TEXT, "
    "created_at INTEGER, attached_at INTEGER, answer TEXT, intent TEXT UNIQUE, version INTEGER NOT NULL DEFAULT 0, "
    # as constraints, the indexes need no names, which RENAME would leave behind
    "UNIQUE (document, id), UNIQUE (state, id), UNIQUE (sha256, id)",
    "config": "name TEXT PRIMARY KEY, value",
}
SUFFIXES = frozenset(DEFINITIONS)

ShadowRows = Mapping[str, Sequence[tuple[SQLiteValue, ...]]]  # by suffix


class DocumentShadow:
    """The tables NAME_documents, NAME_files and NAME_config in the database `schema`.

    `names` are the names that NAME had in the open transaction, because a rollback may bring an older one back.
    """

    def __init__(self, internal_sql: InternalSQL, schema: str, name: str) -> None:
        self.names = [name]
        self.schema = schema
        self._sql = internal_sql

    @property
    def name(self) -> str:
        """The name of the virtual table now: a rollback may have undone a rename without a callback."""
        if len(self.names) == 1:
            return self.names[0]
        return next((name for name in reversed(self.names) if self._exists(name)), self.names[0])

    @property
    def table(self) -> str:
        """The name of the virtual table for SQL, with its schema."""
        return f"{quoted(self.schema)}.{quoted(self.name)}"

    def path(self, suffix: str) -> str:
        """The name of a shadow table for SQL, with its schema."""
        return _path(self.schema, self.name, suffix)

    def create(self) -> None:
        """Create the shadow tables. Raises ProgrammingError when they cannot be created."""
        try:
            for suffix, columns in DEFINITIONS.items():
                self._sql.write(f"CREATE TABLE {self.path(suffix)}({columns})")
        except (apsw.SQLError, apsw.ReadOnlyError) as error:
            raise ProgrammingError(
                f"{self.name}: it needs the tables {self.name}_documents, {self.name}_files and {self.name}_config for "
                f"itself, and cannot make them ({error}); if another has such a name, write a different one"
            ) from None

    def exists(self) -> bool:
        """Return whether the shadow tables exist."""
        return self._exists(self.name)

    def _exists(self, name: str) -> bool:
        return all(self._sql.can_prepare(f"SELECT 1 FROM {_path(self.schema, name, suffix)}") for suffix in SUFFIXES)

    def rename(self, name: str) -> None:
        """ALTER TABLE … RENAME TO: rename the shadow tables with their virtual table."""
        paths = {suffix: self.path(suffix) for suffix in DEFINITIONS}
        for suffix, path in paths.items():
            self._sql.write(f"ALTER TABLE {path} RENAME TO {quoted(f'{name}_{suffix}')}")
        self.names.append(name)

    def drop(self) -> None:
        """DROP TABLE: drop the shadow tables with their virtual table."""
        for suffix in DEFINITIONS:
            self._sql.write(f"DROP TABLE IF EXISTS {self.path(suffix)}")

    def copy(self) -> ShadowRows:
        """Return all rows, by table."""
        return {suffix: list(self._sql.read(f"SELECT * FROM {self.path(suffix)}")) for suffix in DEFINITIONS}

    def put_back(self, rows: ShadowRows) -> None:
        """Make the rows what `copy` has returned."""
        for suffix, former in rows.items():
            self._sql.write(f"DELETE FROM {self.path(suffix)}")
            for row in former:
                self._sql.write(f"INSERT INTO {self.path(suffix)} VALUES ({', '.join('?' * len(row))})", row)

    def forget_old_names(self) -> None:
        """Keep the present name alone. Outside of a transaction, no rollback can bring an older one back."""
        self.names[:] = [self.name]

    def lock(self) -> None:
        """Take the write lock of the database, or raise apsw.BusyError at once."""
        self._sql.write(f"UPDATE {self.path('config')} SET value = value WHERE false")

    def require(self, happened: bool, verb: str) -> None:
        """Raise OperationalError unless a row was changed: an authorizer or a trigger can ignore a change."""
        if not happened:
            raise OperationalError(
                f"{self.name}: its row was not {verb}: an authorizer or a trigger has prevented it; allow it"
            )


@lru_cache(maxsize=256)  # every statement on a row asks for it
def _path(schema: str, name: str, suffix: str) -> str:
    return f"{quoted(schema)}.{quoted(f'{name}_{suffix}')}"
