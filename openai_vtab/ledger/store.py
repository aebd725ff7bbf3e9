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
    intent            the id of the intent that it was created by (see intents.py); NULL when it was made elsewhere

It never holds an API key. Rows of the open transaction are written in it, so that SQLite undoes them. What a failed
transaction has created all the same is written afterwards, from its intents; what reads learn is kept until it can
be written by itself.
This file must not know HTTP or SQLite's callbacks.

>>> ledger.remember({"vector_store_id": "vs_1", "id": "vsfb_1"}, {"status": "completed"}); ledger.save()
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

import apsw

from ..errors import OperationalError, ProgrammingError, RowError
from ..schema.decode import json_text, whole
from ..schema.table import WHOLE, Table
from ..schema.validators import SQLiteValue, key_text
from ..sqlite.internal_sql import InternalSQL
from ..sqlite.rowids import Rowids
from .intents import Intent, Outcome

log = logging.getLogger("openai_vtab")

# openai.json_each: with the name of no schema, SQLite takes its own function, whatever tables the user has

QUEUED, UNKNOWN = "queued", "unknown"
SUFFIX = "ledger"
FIRST_WAITING = 1 << 59  # above every rowid of the shadow table, for rows that are not in it yet
PATIENCE = 2000  # milliseconds to wait for other writers when the connection is closing

Keys = Mapping[str, str]
Object = dict[str, Any]


class LedgerRow:
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

    def answered(self, answer: Object) -> LedgerRow:
        """The same with a newer answer."""
        return LedgerRow(self._ledger, self.seq, self._values, _status(answer), answer=answer)

    def lost(self) -> LedgerRow:
        """The same when the API does not know it any more."""
        return LedgerRow(self._ledger, self.seq, self._values, UNKNOWN, self._text, self._answer)


class Ledger:
    """The memory of one table, in the database file `file` ("" when it is not in one)."""

    def __init__(
        self,
        internal_sql: InternalSQL,
        table: Table,
        schema: str,
        name: str,
        file: str,
        waiting: Callable[[Ledger], Sequence[Intent]] = lambda _: (),
    ) -> None:
        self._internal_sql = internal_sql
        self._waiting = waiting  # gives what was created, and could not be written into the shadow table yet
        self.table = table
        self.key = table.key
        self.names = [name]  # and what it was renamed to by a transaction that may not be over
        self.schema = schema
        self.file = file
        self.rowids = Rowids()  # of what is looked up and not yet written
        self.sent_names = frozenset(
            table.source(column) for method in table.of("INSERT") for column in method.accepts
        ) - set(table.key)
        self._pending: dict[tuple[str, ...], list[SQLiteValue]] = {}  # by their keys: to be written by itself

    def open(self) -> None:
        """Make the shadow table unless it is there. Raises ProgrammingError when it cannot be had."""
        # first looked for, then made: CREATE TABLE IF NOT EXISTS waits for other writers although it is there
        if self.is_there():
            return
        keys = ", ".join(f"{key} TEXT" for key in self.table.key)
        try:
            self._internal_sql.write(
                f"CREATE TABLE {self._shadow}(seq INTEGER PRIMARY KEY, {keys}, status TEXT NOT NULL, "
                f"answer TEXT, sent TEXT, intent TEXT UNIQUE, UNIQUE ({', '.join(self.table.key)}))"
            )
        except (apsw.SQLError, apsw.ReadOnlyError) as error:
            problem = f"{self.name}: it needs a table {self.name}_{SUFFIX} for itself, and cannot make it ({error})"
        else:
            return
        raise ProgrammingError(f"{problem}; if another has that name, write a different one or rename the other")

    def is_there(self) -> bool:
        """Whether the shadow table exists, with the columns that it needs."""
        return self._is_there(self.name, f"{self._columns}, sent, intent")

    @property
    def name(self) -> str:
        """What the table is called now: a rollback may have undone a rename, and says so to nobody."""
        if len(self.names) == 1:
            return self.names[0]
        return next((name for name in reversed(self.names) if self._is_there(name)), self.names[0])

    def _is_there(self, name: str, columns: str = "1") -> bool:
        try:
            self._internal_sql.read(f"SELECT {columns} FROM {self._shadow_of(name)} LIMIT 0")
        except apsw.SQLError:
            return False
        return True

    def rename(self, name: str) -> None:
        """ALTER TABLE … RENAME TO: the shadow table goes with it."""
        self._internal_sql.write(f"ALTER TABLE {self._shadow} RENAME TO {_quoted(f'{name}_{SUFFIX}')}")
        self.names.append(name)

    def drop(self) -> None:
        """DROP TABLE: the shadow table goes, too."""
        self._internal_sql.write(f"DROP TABLE IF EXISTS {self._shadow}")
        self._pending.clear()

    # reading

    def _rows_and_those_waiting(self) -> tuple[str, list[SQLiteValue]]:
        """What to select from, and its bindings: the shadow table, with what could not be written into it yet."""
        waiting = self._waiting(self)
        if not waiting:
            return self._shadow, []
        names = [*self.key, "status", "answer", "sent", "intent"]
        values = ", ".join(f"value ->> {n}" for n in range(len(names)))
        source = (
            f"(SELECT seq, {', '.join(names)} FROM {self._shadow} UNION ALL "
            f"SELECT {FIRST_WAITING} + key, {values} FROM openai.json_each(?) "
            f"WHERE value ->> {len(names) - 1} NOT IN (SELECT intent FROM {self._shadow} WHERE intent IS NOT NULL))"
        )
        return source, [self._creates(waiting)]

    def entries(self, wanted: Mapping[str, Sequence[str]]) -> Generator[LedgerRow]:
        """What is remembered, oldest first; of the keys in `wanted` only these values."""
        terms = [f"status <> '{QUEUED}'"]
        terms += [f"{source} IN (SELECT value FROM openai.json_each(?))" for source in wanted]
        rows, bindings = self._rows_and_those_waiting()
        sql = f"SELECT {self._columns} FROM {rows} WHERE {' AND '.join(terms)} ORDER BY seq"
        return self._entries(sql, [*bindings, *(json.dumps(list(values)) for values in wanted.values())])

    def find(self, keys: Keys) -> LedgerRow | None:
        """The object with these keys, None when it is not remembered."""
        terms = " AND ".join(f"{source} = ?" for source in keys)
        rows, bindings = self._rows_and_those_waiting()
        sql = f"SELECT {self._columns} FROM {rows} WHERE {terms} AND status <> '{QUEUED}'"
        return next(self._entries(sql, [*bindings, *keys.values()]), None)

    def at(self, seq: SQLiteValue) -> LedgerRow | None:
        """The object with this rowid, None when there is none."""
        rows, bindings = self._rows_and_those_waiting()
        sql = f"SELECT {self._columns} FROM {rows} WHERE seq = ? AND status <> '{QUEUED}'"
        return next(self._entries(sql, [*bindings, seq]), None)

    def sent(self, seq: int | None) -> Object:
        """What was given to create an object: the columns' sources and their JSON."""
        rows, bindings = self._rows_and_those_waiting()
        found = self._internal_sql.read(f"SELECT CAST(sent AS BLOB) FROM {rows} WHERE seq = ?", [*bindings, seq])
        return _object(next(found, (None,))[0])

    def is_final(self, entry: LedgerRow) -> bool:
        """Whether the API need not, or cannot, be asked for it any more."""
        return entry.status in self.table.finished or not entry.askable

    # writing, within the user's transaction

    def add(self, keys: Mapping[str, str], sent: Object | None, intent: str | None = None) -> int:
        """Insert a row for what is queued, and return its rowid.

        Raises RowError when the object is remembered already, OperationalError when the row does not stay.
        """
        values = [keys.get(source) for source in self.table.key]
        marks = ", ".join("?" * (len(values) + 3))
        names = f"{', '.join(self.table.key)}, status, sent, intent"
        sql = f"INSERT INTO {self._shadow}({names}) VALUES ({marks})"
        text = None if sent is None else _dumped(sent)
        try:
            new = self._internal_sql.write(sql, [*values, QUEUED, text, intent])
        except apsw.ConstraintError:
            last = self.table.key[-1]
            problem = f"{self.name}.{last}: {keys[last]!r} is there already; leave it out, or DELETE it first"
        else:
            self._require(new != 0 and self._status_at(new) == QUEUED, "inserted")
            return new
        raise RowError(problem)

    def landed(self, seq: int, keys: Keys, answer: Object) -> None:
        """The API has carried out what row `seq` was queued for. Raises OperationalError when the row stays."""
        settings = ", ".join(f"{source} = ?" for source in self.table.key)
        status = _status(answer)
        # OR REPLACE: a server that answers two creates with one id has one object
        self._internal_sql.write(
            f"UPDATE OR REPLACE {self._shadow} SET {settings}, status = ?, answer = ? WHERE seq = ?",
            [*(whole(keys[source]) for source in self.table.key), status, _dumped(answer), seq],
        )
        self._require(self._status_at(seq) == status, "updated")

    def _status_at(self, seq: int) -> SQLiteValue:
        """The status of a row, None when there is no such row."""
        rows = self._internal_sql.read(f"SELECT status FROM {self._shadow} WHERE seq = ?", [seq])
        return next(rows, (None,))[0]

    def _require(self, happened: bool, verb: str) -> None:
        """An authorizer that ignores columns, and a trigger that ignores rows, raise nothing."""
        if not happened:
            raise OperationalError(
                f"{self.name}: its row in {self.name}_{SUFFIX} was not {verb}: an authorizer or a trigger has kept "
                "SQLite from it; allow it"
            )

    def forget(self, seq: int | None, keys: Mapping[str, str | None]) -> None:
        """DELETE: the object is not remembered any more, by its rowid or, looked up a moment ago, by its keys."""
        known = tuple(str(keys[source]) for source in self.table.key)
        self._pending.pop(known, None)
        if seq is not None and 0 <= seq - FIRST_WAITING < len(self._waiting(self)):
            raise OperationalError(
                f"{self.name}: the row is not in the ledger's table yet, because another connection was reading when "
                "it was to be written; SELECT it outside of a transaction, then DELETE it"
            )
        if seq is not None:
            self._internal_sql.write(f"DELETE FROM {self._shadow} WHERE seq = ?", [seq])
        else:
            terms = " AND ".join(f"{source} = ?" for source in self.table.key)
            self._internal_sql.write(f"DELETE FROM {self._shadow} WHERE {terms}", known)

    # remembering, by itself

    def remember(self, keys: Keys, answer: Object) -> None:
        """Keep an object that was looked up until it can be written."""
        known = tuple(whole(keys[source]) for source in self.table.key)
        self._pending[known] = [*known, _status(answer), _dumped(answer)]

    def save(self, can_wait: bool = False) -> None:
        """Write what was looked up, in one statement of its own, outside of a transaction, unless it can wait.

        What cannot be written now (a busy writer) stays kept.
        """
        self.names[:] = [self.name]
        if self._pending and not can_wait:
            try:
                self._internal_sql.write_unless_busy(self._upsert(self._shadow), [self._rows()])
            except apsw.ReadOnlyError:  # what is only learned, nobody wants to have written
                self._pending.clear()
            except Exception as error:  # also what a commit hook of the user's raises
                log.debug("%s: not remembered yet: %s", self.name, error)
            else:
                self._pending.clear()

    def lock(self) -> None:
        """Take the write lock of the ledger's database, or raise apsw.BusyError at once."""
        self._internal_sql.write(f"UPDATE {self._shadow} SET seq = seq WHERE false")

    def is_of(self, intent: Intent) -> bool:
        """Whether an intent of this database file is one of this ledger."""
        return not set(intent.ledgers).isdisjoint(self.names)

    def write_creates(self, intents: Sequence[Intent]) -> int:
        """Write rows for what was created, or may have been, by transactions that are gone.

        Returns how many rows were inserted or completed.
        """
        forget, insert = self._insert_creates(self._shadow)
        creates = self._creates(intents)
        self._internal_sql.write(forget, [creates])
        before = self._internal_sql.changes
        self._internal_sql.write(insert, [creates])
        written = self._internal_sql.changes - before
        for intent in intents:
            self._require(self._knows(intent), "inserted")
        return written

    def _knows(self, intent: Intent) -> bool:
        """Whether there is a row of the intent, or of the object that it has created."""
        keys = self._keys_of(intent)
        terms = " AND ".join(f"{source} = ?" for source in self.key)
        sql = f"SELECT 1 FROM {self._shadow} WHERE intent = ? OR ({terms})"
        return next(self._internal_sql.read(sql, [intent.id, *keys]), None) is not None

    def _keys_of(self, intent: Intent) -> list[SQLiteValue]:
        """The values of the keys as far as they are known, in the order of `key`."""
        answer = intent.answer if intent.outcome is Outcome.CREATED and intent.answer is not None else {}
        keys = {**intent.keys, **{source: answer[source] for source in self.key if source in answer}}
        return [None if keys.get(source) is None else whole(str(keys[source])) for source in self.key]

    def save_elsewhere(self, intents: Sequence[Intent] = ()) -> bool:
        """Write all of that on a connection of its own, when the user's is closing. Returns whether it could."""
        if not self._pending and not intents:
            return True
        if not self.file:
            return False
        try:
            with closing(apsw.Connection(self.file, flags=apsw.SQLITE_OPEN_READWRITE)) as connection:
                connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 0)
                connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)  # as on the user's: triggers reach nothing
                connection.set_busy_timeout(PATIENCE)
                # the file knows this database as main, whatever name it was attached under
                shadow = _quoted(f"{self.names[0]}_{SUFFIX}")
                with connection:
                    for sql in self._insert_creates(shadow):
                        connection.execute(sql, (self._creates(intents),))
                    connection.execute(self._upsert(shadow), (self._rows(),))
        except apsw.Error as error:
            log.debug("%s: not remembered: %s", self.names[0], error)
            return False
        finally:
            self._pending.clear()
        return True

    def _rows(self) -> str:
        return json.dumps(list(self._pending.values()))

    def _upsert(self, shadow: str) -> str:
        keys = ", ".join(self.table.key)
        values = ", ".join(f"value ->> {n}" for n in range(len(self.table.key) + 2))
        finished = ", ".join(f"'{status}'" for status in sorted(self.table.finished))
        # an older answer must not undo a finished one that another connection has written
        return (
            f"INSERT INTO {shadow} AS old ({keys}, status, answer) SELECT {values} FROM openai.json_each(?) WHERE true "
            f"ON CONFLICT ({keys}) DO UPDATE SET status = excluded.status, answer = excluded.answer "
            f"WHERE excluded.status IN ({finished}) OR old.status NOT IN ({finished})"
        )

    def _creates(self, intents: Sequence[Intent]) -> str:
        rows = []
        for intent in intents:
            created = intent.outcome is Outcome.CREATED and intent.answer is not None
            answer = intent.answer if created and intent.answer is not None else {"created_at": intent.at}
            status = _status(answer) if created else UNKNOWN
            rows.append([*self._keys_of(intent), status, _dumped(answer), _dumped(intent.sent), intent.id])
        return json.dumps(rows)

    def _insert_creates(self, shadow: str) -> tuple[str, str]:
        """Two statements that add a row for each intent, or complete the row that does not know its id yet.

        A row with the same keys that was looked up meanwhile stays, with its place and its newer answer, and learns
        what was sent; the row that did not know its id goes then.
        """
        *_, last = self.key
        keys = ", ".join(self.key)
        names = [*self.key, "status", "answer", "sent", "intent"]
        place = {name: f"value ->> {n}" for n, name in enumerate(names)}
        same = " AND ".join(f"known.{key} = new.{place[key]}" for key in self.key)
        forget = (
            f"DELETE FROM {shadow} AS old WHERE old.{last} IS NULL AND EXISTS ("
            f"SELECT 1 FROM openai.json_each(?) AS new JOIN {shadow} AS known ON {same} "
            f"WHERE new.{place['intent']} = old.intent)"
        )
        insert = (
            f"INSERT INTO {shadow} AS old ({', '.join(names)}) "
            f"SELECT {', '.join(place.values())} FROM openai.json_each(?) WHERE true "
            f"ON CONFLICT (intent) DO UPDATE SET {last} = excluded.{last}, status = excluded.status, "
            f"answer = excluded.answer WHERE old.{last} IS NULL AND excluded.{last} IS NOT NULL "
            f"ON CONFLICT ({keys}) DO UPDATE SET sent = coalesce(sent, excluded.sent), "
            "intent = coalesce(intent, excluded.intent)"
        )
        return forget, insert

    @property
    def _shadow(self) -> str:
        return self._shadow_of(self.name)

    def _shadow_of(self, name: str) -> str:
        return f"{_quoted(self.schema)}.{_quoted(f'{name}_{SUFFIX}')}"

    @property
    def _columns(self) -> str:
        # JSON as a BLOB: of text that is not UTF-8, SQLite's or the server's mistake, the rest of the row stays
        return f"seq, {', '.join(self.table.key)}, status, CAST(answer AS BLOB)"

    def _entries(self, sql: str, bindings: Sequence[SQLiteValue]) -> Generator[LedgerRow]:
        rows: Iterator[tuple[Any, ...]] = self._internal_sql.read(sql, bindings)
        while True:
            try:
                for row in rows:
                    status = row[-2]
                    yield LedgerRow(self, row[0], row[1:-2], status if type(status) is str else str(status), row[-1])
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
