"""The shadow table of a ledger: where it is, how it is made, renamed and dropped.

>>> ShadowTable(internal_sql, vector_store_file_batches, "main", "my_batches").path
'"main"."my_batches_ledger"'

https://www.sqlite.org/vtab.html#xshadowname
"""

from __future__ import annotations

import apsw

from ..errors import OperationalError, ProgrammingError
from ..schema.table import Table
from ..sqlite.internal_sql import InternalSQL

SUFFIX = "ledger"


class ShadowTable:
    """The table NAME_ledger in the database `schema`.

    `names` are the names that NAME had in the open transaction, because a rollback may bring an older one back.
    """

    def __init__(self, internal_sql: InternalSQL, table: Table, schema: str, name: str) -> None:
        self.names = [name]
        self.schema = schema
        self._sql = internal_sql
        self._table = table
        key = ", ".join(table.key)
        self.without_response = f"seq, {key}, status"
        # JSON as a BLOB: where text is not UTF-8 by a mistake of SQLite's or the server's, the rest of the row stays
        self.columns = f"{self.without_response}, CAST(answer AS BLOB)"

    @property
    def name(self) -> str:
        """The name of the virtual table now: a rollback may have undone a rename without a callback."""
        if len(self.names) == 1:
            return self.names[0]
        return next((name for name in reversed(self.names) if self._exists(name)), self.names[0])

    @property
    def path(self) -> str:
        """The shadow table's name for SQL, with its schema."""
        return self._path(self.name)

    def _path(self, name: str) -> str:
        return f"{quoted(self.schema)}.{quoted(f'{name}_{SUFFIX}')}"

    def forget_old_names(self) -> None:
        """Keep the present name alone. Outside of a transaction, no rollback can bring an older one back."""
        self.names[:] = [self.name]

    def create_unless_exists(self) -> None:
        """Create the shadow table unless it exists. Raises ProgrammingError when it cannot be created."""
        # Looked for first, because CREATE TABLE IF NOT EXISTS waits for other writers although the table exists.
        if self.exists():
            return
        keys = ", ".join(f"{key} TEXT" for key in self._table.key)
        try:
            self._sql.write(
                f"CREATE TABLE {self.path}(seq INTEGER PRIMARY KEY, {keys}, status TEXT NOT NULL, "
                f"answer TEXT, sent TEXT, intent TEXT UNIQUE, UNIQUE ({', '.join(self._table.key)}))"
            )
        except (apsw.SQLError, apsw.ReadOnlyError) as error:
            raise ProgrammingError(
                f"{self.name}: it needs a table {self.name}_{SUFFIX} for itself, and cannot make it ({error}); "
                "if another has that name, write a different one or rename the other"
            ) from None

    def exists(self) -> bool:
        """Return whether the shadow table exists, with the columns that a ledger needs."""
        return self._exists(self.name, f"{self.columns}, sent, intent")

    def _exists(self, name: str, columns: str = "1") -> bool:
        return self._sql.can_prepare(f"SELECT {columns} FROM {self._path(name)}")

    def rename(self, name: str) -> None:
        """ALTER TABLE … RENAME TO: rename the shadow table with its virtual table."""
        self._sql.write(f"ALTER TABLE {self.path} RENAME TO {quoted(f'{name}_{SUFFIX}')}")
        self.names.append(name)

    def drop(self) -> None:
        """DROP TABLE: drop the shadow table with its virtual table."""
        self._sql.write(f"DROP TABLE IF EXISTS {self.path}")

    def lock(self) -> None:
        """Take the write lock of the database, or raise apsw.BusyError at once."""
        self._sql.write(f"UPDATE {self.path} SET seq = seq WHERE false")

    def require(self, happened: bool, verb: str) -> None:
        """Raise OperationalError unless a row was changed.

        An authorizer or a trigger can ignore the change without an error.
        """
        if not happened:
            raise OperationalError(
                f"{self.name}: its row in {self.name}_{SUFFIX} was not {verb}: an authorizer or a trigger has kept "
                "SQLite from it; allow it"
            )


def quoted(name: str) -> str:
    """A name for SQL, whatever characters it has."""
    return '"' + name.replace('"', '""') + '"'


def written(name: str) -> str:
    """A name as a message shows it in SQL: with quotation marks only where SQLite needs them.

    >>> written("handbook"), written("a b")
    ('handbook', '"a b"')
    """
    is_plain = name.isascii() and name.isidentifier() and name.upper() not in apsw.keywords
    return name if is_plain else quoted(name)
