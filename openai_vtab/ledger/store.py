"""The ledger: what a table created in a database file remembers, because the API cannot list it.

    CREATE VIRTUAL TABLE my_batches USING vector_store_file_batches;

keeps one row for each object in the shadow table my_batches_ledger:

    seq               its place, newest last; the rowid of my_batches
    vector_store_id   the keys, named as in the table's description;
    id                NULL while the API has not said it
    status            the status in the latest response; 'unknown' for a create with an unknown outcome; 'queued' only
                      within the transaction that writes the row
    answer            the latest response, JSON; NULL when there was none
    sent              what was given to create it, JSON; NULL when it was created elsewhere
    intent            the id of the intent that it was created by (see intents.py); NULL when it was created elsewhere

It never holds an API key. Rows of the open transaction are written into it, so that SQLite undoes them. What a failed
transaction has created all the same is written afterwards, from its intents.

>>> ledger.remember({"vector_store_id": "vs_1", "id": "vsfb_1"}, {"status": "completed"}); ledger.save()
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence

import apsw

from ..errors import OperationalError, RowError
from ..schema.table import Table
from ..schema.values import SQLiteValue
from ..sqlite.internal_sql import InternalSQL
from ..sqlite.rowids import Rowids
from ..sqlite.separate_connection import separate_connection
from . import rows_from_intents
from .intents import Intent
from .row import QUEUED, LedgerRow, Object, RowShape, ShadowRow, dumped, parsed, status_of
from .rows_from_intents import FIRST_WAITING
from .shadow_table import SUFFIX, ShadowTable, quoted
from .unsaved_lookups import UnsavedLookups

log = logging.getLogger("openai_vtab")

# The statements say openai.json_each: no schema has that name, so that SQLite takes its own function, whatever tables
# the user has.

Keys = Mapping[str, str]


class Ledger:
    """The memory of one table, in the database file `file` ("" when it is not in one).

    `waiting` returns the intents of creates that could not be written into the shadow table yet.
    """

    def __init__(
        self,
        internal_sql: InternalSQL,
        table: Table,
        schema: str,
        name: str,
        file: str,
        waiting: Callable[[Ledger], Sequence[Intent]] = lambda _: (),
    ) -> None:
        self._sql = internal_sql
        self._waiting = waiting
        self._pending = UnsavedLookups(table)
        self.shadow = ShadowTable(internal_sql, table, schema, name)
        self.table = table
        self.key = table.key
        self.file = file
        self.rowids = Rowids()  # of objects that were looked up, and are not in the shadow table
        sent = {table.sources[column] for method in table.of("INSERT") for column in method.accepts} - set(table.key)
        self.shape = RowShape(table.key, frozenset(sent), self._sent)

    @property
    def name(self) -> str:
        """The name of the table now."""
        return self.shadow.name

    @property
    def names(self) -> list[str]:
        """The names that the table has had since the open transaction began."""
        return self.shadow.names

    @property
    def schema(self) -> str:
        """The name under which the database file was attached."""
        return self.shadow.schema

    def is_there(self) -> bool:
        """Return whether the shadow table exists."""
        return self.shadow.exists()

    def lock(self) -> None:
        """Take the write lock of the database, or raise apsw.BusyError at once."""
        self.shadow.lock()

    def drop(self) -> None:
        """DROP TABLE: forget everything."""
        self.shadow.drop()
        self._pending.clear()

    # reading

    def _source(self) -> tuple[str, list[SQLiteValue]]:
        """Return what to select from, and its bindings: the shadow table, and creates that it has no rows for yet."""
        waiting = self._waiting(self)
        if not waiting:
            return self.shadow.path, []
        return rows_from_intents.with_rows(self.shadow.path, self.key), [rows_from_intents.values(waiting, self.key)]

    def entries(self, wanted: Mapping[str, Sequence[str]], *, responses: bool) -> Iterator[LedgerRow]:
        """Return the rows, oldest first; `wanted` has, for some of the keys, the only values to return.

        Without `responses`, the rows have no response, and reading them takes a tenth less time.
        """
        return map(self.entry, self.readable(self.rows(wanted, responses=responses)))

    def rows(self, wanted: Mapping[str, Sequence[str]], *, responses: bool) -> apsw.Cursor:
        """Return a cursor over the shadow table's rows, for `entry`. It raises UnicodeDecodeError: see `readable`."""
        terms = [f"status <> '{QUEUED}'"]
        terms += [f"{source} IN (SELECT value FROM openai.json_each(?))" for source in wanted]
        source, bindings = self._source()
        columns = self.shadow.columns if responses else self.shadow.without_response
        sql = f"SELECT {columns} FROM {source} WHERE {' AND '.join(terms)} ORDER BY seq"
        return self._sql.read(sql, [*bindings, *(json.dumps(list(values)) for values in wanted.values())])

    def entry(self, row: ShadowRow) -> LedgerRow:
        """Return a row of the shadow table as an object."""
        status = row[self.shape.status_place]
        return LedgerRow(self.shape, row, status if type(status) is str else str(status))

    def find(self, keys: Keys) -> LedgerRow | None:
        """Return the row with these keys, None when there is none."""
        terms = " AND ".join(f"{source} = ?" for source in keys)
        source, bindings = self._source()
        sql = f"SELECT {self.shadow.columns} FROM {source} WHERE {terms} AND status <> '{QUEUED}'"
        return next(map(self.entry, self.readable(self._sql.read(sql, [*bindings, *keys.values()]))), None)

    def at(self, seq: SQLiteValue) -> LedgerRow | None:
        """Return the row with this rowid, None when there is none."""
        source, bindings = self._source()
        sql = f"SELECT {self.shadow.columns} FROM {source} WHERE seq = ? AND status <> '{QUEUED}'"
        return next(map(self.entry, self.readable(self._sql.read(sql, [*bindings, seq]))), None)

    def readable(self, rows: Iterator[ShadowRow]) -> Iterator[ShadowRow]:
        """Yield the rows of a cursor without those that were edited by hand and are no text."""
        while True:
            try:
                for row in rows:  # noqa: UP028 - "yield from" would close the cursor
                    yield row
            except UnicodeDecodeError as error:
                self.leave_out(error)
            else:
                return

    def leave_out(self, error: UnicodeDecodeError) -> None:
        """Log that a row was edited by hand, so that its keys are no text."""
        log.debug("%s: a row is left out: %s", self.name, error)

    def _sent(self, seq: int | None) -> Object:
        """Return what was given to create the object of a row: the columns' sources and their JSON."""
        source, bindings = self._source()
        found = self._sql.read(f"SELECT CAST(sent AS BLOB) FROM {source} WHERE seq = ?", [*bindings, seq])
        return parsed(next(found, (None,))[0])

    def row_of(self, keys: Keys, answer: Object) -> LedgerRow:
        """Return a row for an object that the shadow table does not have."""
        values = tuple(keys[source] for source in self.key)
        return LedgerRow(self.shape, (None, *values), status_of(answer), answer)

    def is_final(self, row: LedgerRow) -> bool:
        """Return whether the API need not, or cannot, be asked for the object of a row."""
        return row.status in self.table.finished or not row.askable

    # writing, within the user's transaction

    def add(self, keys: Mapping[str, str], sent: Object | None, intent: str | None = None) -> int:
        """Insert a row for a queued request, and return its rowid.

        Raises RowError when the ledger has the object already, OperationalError when the row does not stay.
        """
        values = [keys.get(source) for source in self.key]
        marks = ", ".join("?" * (len(values) + 3))
        sql = f"INSERT INTO {self.shadow.path}({', '.join(self.key)}, status, sent, intent) VALUES ({marks})"
        text = None if sent is None else dumped(sent)
        try:
            new = self._sql.write(sql, [*values, QUEUED, text, intent])
        except apsw.ConstraintError as error:
            last = self.key[-1]
            if last not in keys or getattr(error, "extendedresult", 0) != apsw.SQLITE_CONSTRAINT_UNIQUE:
                raise  # of a trigger or an index that the user has added
            raise RowError(
                f"{self.name}.{last}: {keys[last]!r} is in the ledger already; leave it out, or DELETE it first"
            ) from None
        self.shadow.require(new != 0 and self._status_at(new) == QUEUED, "inserted")
        return new

    def complete(self, seq: int, keys: Keys, answer: Object) -> None:
        """Write the response to the request that row `seq` was queued for.

        Raises OperationalError when an authorizer or a trigger has kept SQLite from it.
        """
        settings = ", ".join(f"{source} = ?" for source in self.key)
        status = status_of(answer)
        # OR REPLACE: a server that answers two creates with one id has one object
        self._sql.write(
            f"UPDATE OR REPLACE {self.shadow.path} SET {settings}, status = ?, answer = ? WHERE seq = ?",
            [*(keys[source] for source in self.key), status, dumped(answer), seq],
        )
        self.shadow.require(self._status_at(seq) == status, "updated")

    def _status_at(self, seq: int) -> SQLiteValue:
        rows = self._sql.read(f"SELECT status FROM {self.shadow.path} WHERE seq = ?", [seq])
        return next(rows, (None,))[0]

    def forget(self, seq: int | None, keys: Mapping[str, str | None]) -> None:
        """DELETE: remove a row, by its rowid or, for an object that was looked up a moment ago, by its keys."""
        known = tuple(str(keys[source]) for source in self.key)
        self._pending.forget(known)
        if seq is not None and 0 <= seq - FIRST_WAITING < len(self._waiting(self)):
            raise OperationalError(
                f"{self.name}: the row is not in the ledger's table yet, because another connection was reading when "
                "it was to be written; SELECT it outside of a transaction, then DELETE it"
            )
        if seq is not None:
            self._sql.write(f"DELETE FROM {self.shadow.path} WHERE seq = ?", [seq])
        else:
            terms = " AND ".join(f"{source} = ?" for source in self.key)
            self._sql.write(f"DELETE FROM {self.shadow.path} WHERE {terms}", known)

    # writing between the user's transactions

    def remember(self, keys: Keys, answer: Object) -> None:
        """Keep an object that was looked up until it can be written."""
        self._pending.remember(keys, answer)

    def save(self, can_wait: bool = False) -> None:
        """Write what was looked up, in one statement of its own, outside of a transaction; not when it can wait.

        While another connection writes, everything stays kept.
        """
        self.shadow.forget_old_names()
        if self._pending and not can_wait:
            try:
                self._sql.write_unless_busy(self._pending.statement(self.shadow.path), [self._pending.values()])
            except apsw.ReadOnlyError:  # a file that cannot be written needs no memory of look-ups
                self._pending.clear()
            except Exception as error:  # a commit hook of the user's may raise anything
                log.debug("%s: not remembered yet: %s", self.name, error)
            else:
                self._pending.clear()

    def is_of(self, intent: Intent) -> bool:
        """Return whether an intent of this database file is one of this ledger."""
        return not set(intent.ledgers).isdisjoint(self.names)

    def write_outcomes(self, intents: Sequence[Intent]) -> int:
        """Write rows for what transactions that are gone have created, or may have.

        Returns the number of rows that were inserted or completed.
        """
        forget, insert = rows_from_intents.statements(self.shadow.path, self.key)
        values = rows_from_intents.values(intents, self.key)
        self._sql.write(forget, [values])
        before = self._sql.changes
        self._sql.write(insert, [values])
        written = self._sql.changes - before
        for intent in intents:
            self.shadow.require(not intent.may_exist or self._has_row_of(intent), "inserted")
        return written

    def _has_row_of(self, intent: Intent) -> bool:
        """Return whether there is a row of the intent, or of the object that it has created."""
        terms = " AND ".join(f"{source} = ?" for source in self.key)
        sql = f"SELECT 1 FROM {self.shadow.path} WHERE intent = ? OR ({terms})"
        return next(self._sql.read(sql, [intent.id, *rows_from_intents.key_values(intent, self.key)]), None) is not None

    def save_elsewhere(self, intents: Sequence[Intent] = ()) -> bool:
        """Write everything on a connection of its own, while the user's is closing. Returns whether that worked."""
        if not self._pending and not intents:
            return True
        if not self.file:
            return False
        try:
            shadow = quoted(f"{self.names[0]}_{SUFFIX}")
            with separate_connection(self.file) as connection:
                for sql in rows_from_intents.statements(shadow, self.key):
                    connection.execute(sql, (rows_from_intents.values(intents, self.key),))
                connection.execute(self._pending.statement(shadow), (self._pending.values(),))
        except apsw.Error as error:
            log.debug("%s: not remembered: %s", self.names[0], error)
            return False
        finally:
            self._pending.clear()
        return True
