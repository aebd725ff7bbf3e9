"""The ledger: what a table created in a database file remembers, because the API cannot list it.

    CREATE VIRTUAL TABLE my_batches USING vector_store_file_batches;

keeps one row for each object in the shadow table my_batches_ledger:

    seq               its place, newest last; the rowid of my_batches
    vector_store_id   the keys, named as in the table's description;
    id                NULL while the API has not said it
    status            as the API said last; 'unknown' when nobody knows whether it was created; 'queued' only within
                      the transaction that writes it
    answer            the API's last answer, JSON; NULL when there was none
    sent              what was given to create it, JSON; NULL when it was made elsewhere

It never holds an API key. Rows of the open transaction are written in it, so that SQLite undoes them; what a failed
transaction has created all the same, and what reads learn, is kept until it can be written by itself.
This file must not know HTTP or SQLite's callbacks.

>>> ledger.remember({"vector_store_id": "vs_1", "id": "vsfb_1"}, {"status": "completed"}); ledger.save()
"""

from __future__ import annotations

import json
import logging
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, Protocol

import apsw

from .columns import json_text, whole
from .errors import ProgrammingError, RowError
from .rowids import Rowids
from .spec import WHOLE, Table
from .values import SQLiteValue, key_text

log = logging.getLogger("openai_vtab")

QUEUED, UNKNOWN = "queued", "unknown"
SUFFIX = "ledger"
PATIENCE = 2000  # milliseconds to wait for other writers when the connection is closing

Keys = Mapping[str, str]
Object = dict[str, Any]


class Nested(Protocol):
    """SQL on the user's own connection, within one of its statements or between two."""

    def read(self, sql: str, bindings: Sequence[SQLiteValue] = ()) -> Iterator[tuple[SQLiteValue, ...]]:
        """The rows, as they are read."""

    def write(self, sql: str, bindings: Sequence[SQLiteValue] = ()) -> list[tuple[SQLiteValue, ...]]:
        """Carry it out; the rows of RETURNING."""

    def write_unless_busy(self, sql: str, bindings: Sequence[SQLiteValue]) -> None:
        """Carry it out, or raise apsw.BusyError at once."""


class Entry:
    """One remembered object. Its JSON is parsed when a column of it is read, and what was sent fetched then."""

    __slots__ = ("_answer", "_keys", "_ledger", "_sent", "_text", "_values", "seq", "status")

    def __init__(
        self,
        ledger: Ledger,
        seq: int | None,
        values: tuple[Any, ...],
        status: str,
        text: SQLiteValue = None,
        answer: Object | None = None,
    ) -> None:
        self._ledger = ledger
        self._values = values  # of the keys
        self._text = text
        self._answer = answer
        self._keys: Mapping[str, str | None] | None = None
        self._sent: Object | None = None
        self.seq = seq
        self.status = status

    @property
    def keys(self) -> Mapping[str, str | None]:
        """The keys by their sources. A ledger may have been edited by hand: what is no text is no key."""
        if self._keys is None:
            texts = [value if isinstance(value, str) else None for value in self._values]
            self._keys = dict(zip(self._ledger.key, texts, strict=True))
        return self._keys

    def get(self, name: str, /) -> Any:
        """A member of the answer, else of what was sent."""
        if name == "status":
            return self.status
        if name in self._ledger.key:
            return self.keys[name]
        if name in self._ledger.sent_names:
            if self._sent is None:
                self._sent = self._ledger.sent(self.seq)
            return self._sent.get(name)
        if self._answer is None:
            self._answer = _object(self._text)
        return {**self._answer, **self.keys} if name == WHOLE else self._answer.get(name)

    @property
    def askable(self) -> bool:
        """Whether the keys are such that the API can be asked: known, and each a segment of a path."""
        return all(map(key_text, self.keys.values()))

    def answered(self, answer: Object) -> Entry:
        """The same with a newer answer."""
        return Entry(self._ledger, self.seq, self._values, _status(answer), answer=answer)

    def lost(self) -> Entry:
        """The same when the API does not know it any more."""
        return Entry(self._ledger, self.seq, self._values, UNKNOWN, self._text, self._answer)


class Ledger:
    """The memory of one table, in the database file `file` ("" when it is not in one)."""

    def __init__(self, nested: Nested, table: Table, schema: str, name: str, file: str) -> None:
        self._nested = nested
        self._table = table
        self.key = table.key
        self._names = [name]  # and what it was renamed to by a transaction that may not be over
        self.schema = schema
        self.file = file
        self.rowids = Rowids()  # of what is looked up and not yet written
        self.sent_names = frozenset(
            table.source(column) for method in table.of("INSERT") for column in method.accepts
        ) - set(table.key)
        # what is to be written by itself: known objects by their keys, and those whose id nobody knows
        self._pending: dict[tuple[str, ...], list[SQLiteValue]] = {}
        self._pending_unknown: list[list[SQLiteValue]] = []

    def open(self) -> None:
        """Make the shadow table unless it is there. Raises ProgrammingError when it cannot be had."""
        # first looked for, then made: CREATE TABLE IF NOT EXISTS waits for other writers although it is there
        if self._is_there(self.name, f"{self._columns}, sent"):
            return
        keys = ", ".join(f"{key} TEXT" for key in self._table.key)
        try:
            self._nested.write(
                f"CREATE TABLE {self._shadow}(seq INTEGER PRIMARY KEY, {keys}, status TEXT NOT NULL, "
                f"answer TEXT, sent TEXT, UNIQUE ({', '.join(self._table.key)}))"
            )
        except (apsw.SQLError, apsw.ReadOnlyError) as error:
            problem = f"{self.name}: it needs a table {self.name}_{SUFFIX} for itself, and cannot make it ({error})"
        else:
            return
        raise ProgrammingError(f"{problem}; if another has that name, write a different one or rename the other")

    @property
    def name(self) -> str:
        """What the table is called now: a rollback may have undone a rename, and says so to nobody."""
        if len(self._names) == 1:
            return self._names[0]
        return next((name for name in reversed(self._names) if self._is_there(name)), self._names[0])

    def _is_there(self, name: str, columns: str = "1") -> bool:
        try:
            self._nested.read(f"SELECT {columns} FROM {self._shadow_of(name)} LIMIT 0")
        except apsw.SQLError:
            return False
        return True

    def rename(self, name: str) -> None:
        """ALTER TABLE … RENAME TO: the shadow table goes with it."""
        self._nested.write(f"ALTER TABLE {self._shadow} RENAME TO {_quoted(f'{name}_{SUFFIX}')}")
        self._names.append(name)

    def drop(self) -> None:
        """DROP TABLE: the shadow table goes, too."""
        self._nested.write(f"DROP TABLE IF EXISTS {self._shadow}")
        self._pending.clear()
        self._pending_unknown.clear()

    # reading

    def entries(self, wanted: Mapping[str, Sequence[str]]) -> Generator[Entry]:
        """What is remembered, oldest first; of the keys in `wanted` only these values."""
        terms = [f"status <> '{QUEUED}'"]
        terms += [f"{source} IN (SELECT value FROM json_each(?))" for source in wanted]
        sql = f"SELECT {self._columns} FROM {self._shadow} WHERE {' AND '.join(terms)} ORDER BY seq"
        return self._entries(sql, [json.dumps(list(values)) for values in wanted.values()])

    def find(self, keys: Keys) -> Entry | None:
        """The object with these keys, None when it is not remembered."""
        terms = " AND ".join(f"{source} = ?" for source in keys)
        sql = f"SELECT {self._columns} FROM {self._shadow} WHERE {terms} AND status <> '{QUEUED}'"
        return next(self._entries(sql, list(keys.values())), None)

    def at(self, seq: SQLiteValue) -> Entry | None:
        """The object with this rowid, None when there is none."""
        sql = f"SELECT {self._columns} FROM {self._shadow} WHERE seq = ? AND status <> '{QUEUED}'"
        return next(self._entries(sql, [seq]), None)

    def sent(self, seq: int | None) -> Object:
        """What was given to create an object: the columns' sources and their JSON."""
        rows = self._nested.read(f"SELECT CAST(sent AS BLOB) FROM {self._shadow} WHERE seq = ?", [seq])
        return _object(next(rows, (None,))[0])

    def is_final(self, entry: Entry) -> bool:
        """Whether the API need not, or cannot, be asked for it any more."""
        return entry.status in self._table.finished or not entry.askable

    # writing, within the user's transaction

    def add(self, keys: Mapping[str, str], sent: Object | None) -> int:
        """A row for what is queued; its rowid. Raises RowError when the object is remembered already."""
        values = [keys.get(source) for source in self._table.key]
        marks = ", ".join("?" * (len(values) + 2))
        sql = f"INSERT INTO {self._shadow}({', '.join(self._table.key)}, status, sent) VALUES ({marks}) RETURNING seq"
        text = None if sent is None else _dumped(sent)
        try:
            return int(self._nested.write(sql, [*values, QUEUED, text])[0][0] or 0)
        except apsw.ConstraintError:
            last = self._table.key[-1]
            problem = f"{self.name}.{last}: {keys[last]!r} is there already; leave it out, or DELETE it first"
        raise RowError(problem)

    def landed(self, seq: int, keys: Keys, answer: Object) -> None:
        """The API has carried out what row `seq` was queued for."""
        settings = ", ".join(f"{source} = ?" for source in self._table.key)
        # OR REPLACE: a server that answers two creates with one id has one object
        self._nested.write(
            f"UPDATE OR REPLACE {self._shadow} SET {settings}, status = ?, answer = ? WHERE seq = ?",
            [*(whole(keys[source]) for source in self._table.key), _status(answer), _dumped(answer), seq],
        )

    def forget(self, seq: int | None, keys: Mapping[str, str | None]) -> None:
        """DELETE: the object is not remembered any more, by its rowid or, looked up a moment ago, by its keys."""
        known = tuple(str(keys[source]) for source in self._table.key)
        self._pending.pop(known, None)
        if seq is not None:
            self._nested.write(f"DELETE FROM {self._shadow} WHERE seq = ?", [seq])
        else:
            terms = " AND ".join(f"{source} = ?" for source in self._table.key)
            self._nested.write(f"DELETE FROM {self._shadow} WHERE {terms}", known)

    # remembering, by itself

    def remember(self, keys: Keys, answer: Object, sent: Object | None = None) -> None:
        """Keep an object until it can be written."""
        known = tuple(whole(keys[source]) for source in self._table.key)
        text = None if sent is None else _dumped(sent)
        before = self._pending.get(known)
        if text is None and before is not None:
            text = str(before[-1]) if before[-1] is not None else None
        self._pending[known] = [*known, _status(answer), _dumped(answer), text]

    def remember_unknown(self, keys: Mapping[str, Any], sent: Object, at: int) -> None:
        """Keep what may have been created: sent at `at`, Unix seconds, and never answered."""
        values: list[SQLiteValue] = [keys.get(source) for source in self._table.key]
        self._pending_unknown.append([*values, UNKNOWN, _dumped({"created_at": at}), _dumped(sent)])

    def is_pending(self) -> bool:
        """Whether something waits to be written."""
        return bool(self._pending or self._pending_unknown)

    def save(self, can_wait: bool = False) -> None:
        """Write what is kept, in one statement of its own, outside of a transaction.

        What cannot be written now (a busy writer) stays kept; and so does all, if it can wait and nothing of it was
        created.
        """
        self._names = [self.name]
        if self.is_pending() and not (can_wait and all(row[-1] is None for row in self._kept())):
            try:
                self._nested.write_unless_busy(self._upsert(self._shadow), [self._rows()])
            except apsw.ReadOnlyError:  # what is only learned, nobody wants to have written
                self._pending = {known: row for known, row in self._pending.items() if row[-1] is not None}
            except apsw.Error as error:
                log.debug("%s: not remembered yet: %s", self.name, error)
            else:
                self._saved()

    def save_elsewhere(self) -> None:
        """The same on a connection of its own, when the user's is closing. What cannot be written is logged."""
        if not self.is_pending():
            return
        try:
            if not self.file:
                return
            with closing(apsw.Connection(self.file, flags=apsw.SQLITE_OPEN_READWRITE)) as connection:
                connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 0)
                connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)  # as on the user's: triggers reach nothing
                connection.set_busy_timeout(PATIENCE)
                # the file knows this database as main, whatever name it was attached under
                connection.execute(self._upsert(_quoted(f"{self._names[0]}_{SUFFIX}")), (self._rows(),))
        except apsw.Error as error:
            rows = [row for row in self._kept() if row[-1] is not None]
            log.warning("%s: created, but not remembered (%s): %s", self._names[0], error, [row[:-2] for row in rows])
        self._saved()

    def _saved(self) -> None:
        self._pending.clear()
        self._pending_unknown.clear()

    def _kept(self) -> list[list[SQLiteValue]]:
        return [*self._pending.values(), *self._pending_unknown]

    def _rows(self) -> str:
        return json.dumps(self._kept())

    def _upsert(self, shadow: str) -> str:
        keys = ", ".join(self._table.key)
        values = ", ".join(f"value ->> {n}" for n in range(len(self._table.key) + 3))
        finished = ", ".join(f"'{status}'" for status in sorted(self._table.finished))
        # an older answer must not undo a finished one that another connection has written
        return (
            f"INSERT INTO {shadow} AS old ({keys}, status, answer, sent) SELECT {values} FROM json_each(?) WHERE true "
            f"ON CONFLICT ({keys}) DO UPDATE SET status = excluded.status, answer = excluded.answer, "
            "sent = coalesce(sent, excluded.sent) "
            f"WHERE excluded.status IN ({finished}) OR old.status NOT IN ({finished})"
        )

    @property
    def _shadow(self) -> str:
        return self._shadow_of(self.name)

    def _shadow_of(self, name: str) -> str:
        return f"{_quoted(self.schema)}.{_quoted(f'{name}_{SUFFIX}')}"

    @property
    def _columns(self) -> str:
        # JSON as a BLOB: of text that is not UTF-8, SQLite's or the server's mistake, the rest of the row stays
        return f"seq, {', '.join(self._table.key)}, status, CAST(answer AS BLOB)"

    def _entries(self, sql: str, bindings: Sequence[SQLiteValue]) -> Generator[Entry]:
        rows: Iterator[tuple[Any, ...]] = self._nested.read(sql, bindings)
        while True:
            try:
                for row in rows:
                    status = row[-2]
                    yield Entry(self, row[0], row[1:-2], status if type(status) is str else str(status), row[-1])
            except UnicodeDecodeError as error:  # edited by hand: no key, no object
                log.debug("%s: a row is left out: %s", self.name, error)
            else:
                return


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _dumped(value: Object) -> str:
    try:
        return json_text(value)
    except RecursionError:  # as deep as can be read is too deep to be written; what matters is flat
        return _dumped({name: member for name, member in value.items() if not isinstance(member, (dict, list))})


def _object(text: SQLiteValue) -> Object:
    try:
        found = json.loads(text) if isinstance(text, (str, bytes)) else None
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {}


def _status(answer: Object) -> str:
    status = answer.get("status")
    return whole(status) if isinstance(status, str) and status != QUEUED else UNKNOWN
