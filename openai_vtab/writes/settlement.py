"""Settlement: the outcomes of transactions that SQLite has rolled back, or a kill has ended, become rows.

    a transaction that SQLite rolled back      its intents are in memory, and in its file
    a request that outlived an interrupt       its outcome comes later: the row is completed then, or deleted
    a process that was killed                  its file lies beside the database, until the table is opened again

Each row has its intent's id, so that settling twice adds nothing. What cannot be written now, because another
connection reads or writes, is tried again at each later statement; a ledger lists it meanwhile.

>>> settlement = Settlement(internal_sql, intents, openers)
>>> settlement.add(ledger)
>>> settlement.settle(connection, can_wait=False)
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import apsw

from ..ledger.intent_file import left_behind
from ..ledger.intent_reader import read_intents
from ..ledger.intents import Intent, IntentLog
from ..sqlite.database_files import schema_of
from ..sqlite.internal_sql import InternalSQL
from .intent_logs import IntentLogs

log = logging.getLogger("openai_vtab")


class OutcomeStore(Protocol):
    """The shadow tables of one virtual table, in the database file `file` ("" when it is in none)."""

    @property
    def file(self) -> str:
        """The database file."""

    @property
    def name(self) -> str:
        """The name of the virtual table now."""

    @property
    def schema(self) -> str:
        """The name under which the database file was attached."""

    def is_there(self) -> bool:
        """Return whether the shadow tables exist."""

    def is_of(self, intent: Intent) -> bool:
        """Return whether an intent of this database file is one of this table."""

    def lock(self) -> None:
        """Take the write lock of the database, or raise apsw.BusyError at once."""

    def write_outcomes(self, intents: Sequence[Intent]) -> int:
        """Write what transactions that are over have carried out, or may have. Writing it twice changes nothing.

        A row that says that the API may have carried out something is deleted if the API has refused it.

        Returns the number of rows that are new or know more than before. Raises SQLite's errors.
        """

    def save(self, can_wait: bool) -> None:
        """Write what was learned while reading, outside of a transaction; not when it can wait."""

    def save_elsewhere(self, intents: Sequence[Intent] = ()) -> bool:
        """Write everything on a connection of its own, while the user's is closing. Returns whether that worked."""


Opener = Callable[[str, str, str], OutcomeStore]  # takes a schema, a name and a file


class Settlement:
    """The shadow tables of one connection, and the outcomes that they lack.

    stores: the tables that the connection has used.
    openers: make, for each kind of table, the OutcomeStore of a table that the connection has not used yet.
    """

    def __init__(self, internal_sql: InternalSQL, intents: IntentLogs, openers: Sequence[Opener]) -> None:
        self.stores: list[OutcomeStore] = []
        self._internal_sql = internal_sql
        self._intents = intents
        self._openers = openers
        self._to_recover: list[OutcomeStore] = []  # not yet looked at for what a dead process has left behind
        self._within: dict[str, tuple[IntentLog, Intent]] = {}  # by id: written within the open transaction

    def add(self, store: OutcomeStore) -> None:
        """A table was connected."""
        self.stores.append(store)
        self._to_recover.append(store)

    def waiting(self, store: OutcomeStore) -> list[Intent]:
        """Return what was carried out for a table, and is not written into it yet."""
        found = (
            i for intent_log in self._intents.unsettled if _is_in(store, intent_log) for i in intent_log.unsettled()
        )
        return [intent for intent in found if store.is_of(intent) and intent.may_exist]

    def write_within(self, store: OutcomeStore) -> None:
        """Write the outcomes that a table lacks within the user's transaction, which holds the write lock.

        The intents are settled only when `committed` is called. Raises SQLite's errors.
        """
        if store in self._to_recover:
            self._intents.take_over(_read(store, self._intents.paths))
        for found in self._intents.unsettled:
            if _is_in(store, found):
                due = [i for i in found.unsettled() if store.is_of(i) and not self._is_within(i)]
                store.write_outcomes(due)
                self._within.update((intent.id, (found, intent)) for intent in due)

    def _is_within(self, intent: Intent) -> bool:
        return intent.id in self._within and self._within[intent.id][1].outcome is intent.outcome

    def committed(self) -> None:
        """SQLite has committed the transaction: what was written within it is settled."""
        for found, intent in self._within.values():
            found.settle([intent])
        self._within.clear()

    def undone(self) -> None:
        """SQLite has undone the transaction, or a part of it: what was written within it is written again."""
        self._within.clear()

    def settle(self, connection: apsw.Connection, can_wait: bool) -> None:
        """Write what can be written, outside of a transaction; what was only looked up, unless it can wait."""
        for store in list(self._to_recover):
            self._recover(connection, store)
        for found in list(self._intents.unsettled):
            if schema := found.schema or schema_of(connection, found.file):
                self._settle(found, schema)
        for store in self.stores:
            store.save(can_wait)

    def _settle(self, found: IntentLog, schema: str) -> None:
        due = found.unsettled()
        if due:
            try:
                # one row commits by itself; several share a transaction, because each commit waits for the disk
                with self._internal_sql.alone() if len(due) == 1 else self._internal_sql.transaction():
                    self._write(found.file, schema, due)
            except Exception as error:  # also what a commit hook of the user's raises: nothing is lost, only late
                log.debug("not remembered yet: %s", error)
                return
            found.settle(due)
        if found.finish():  # or a response came meanwhile, or is still to come
            found.remove()
            self._intents.unsettled.remove(found)

    def _write(self, file: str, schema: str, due: Sequence[Intent]) -> int:
        """Write the rows into the database that is attached as `schema` now.

        Returns how many are new or know more than before.
        """
        written = 0
        for intent in due:
            store = self._store_of(file, schema, intent)
            if store is not None:
                written += store.write_outcomes([intent])
            elif intent.may_exist:
                log.warning("%s; its ledger is gone, so that no row says so", intent.description)
        return written

    def _store_of(self, file: str, schema: str, intent: Intent) -> OutcomeStore | None:
        """The shadow tables of an intent; None when they are not there any more."""
        beside = (store for store in self.stores if (store.file, store.schema) == (file, schema))
        opened = (store for store in beside if store.is_of(intent))
        others = (opener(schema, name, file) for name in intent.ledgers for opener in self._openers)
        return next((store for store in (*opened, *others) if store.is_there()), None)

    def _recover(self, connection: apsw.Connection, store: OutcomeStore) -> None:
        """Settle the intents that ended processes have left beside a table's file.

        Only with the write lock: a transaction that still sends holds it. Where it is taken, this is tried again later.
        """
        ours = self._intents.paths
        left = [path for path in left_behind(store.file) if path not in ours]
        if left and connection.readonly(store.schema):
            log.warning(
                "%s: a process was interrupted while it created objects, and this connection cannot write them into "
                "the database; open it for writing once (%s)",
                store.name,
                ", ".join(path.name for path in left),
            )
        elif left:
            try:
                with self._internal_sql.transaction():
                    store.lock()
                    recovered = list(_read(store, ours))
                    written = sum(self._write(found.file, store.schema, found.unsettled()) for found in recovered)
            except Exception as error:
                log.debug("%s: not recovered yet: %s", store.name, error)
                return
            else:
                _report(store, recovered, written)
        self._to_recover.remove(store)

    def close(self) -> None:
        """The user's connection is closing: write on connections of our own, or leave the intents to the next one."""
        for found in self._intents.unsettled:
            self._save_elsewhere(found)
        self._intents.unsettled.clear()
        for store in self.stores:
            store.save_elsewhere()

    def _save_elsewhere(self, found: IntentLog) -> None:
        due = found.unsettled()
        for store in self.stores:
            belongs = [intent for intent in due if _is_in(store, found) and store.is_of(intent)]
            if belongs and store.save_elsewhere(belongs):
                found.settle(belongs)
        if found.finish():
            found.remove()
            return
        found.leave()
        for intent in [intent for intent in found.unsettled() if intent.may_exist]:
            when = "the ledger lists it when it is opened again" if found.path else "no ledger can list it"
            log.warning("%s; %s", intent.description, when)


def _report(store: OutcomeStore, recovered: Sequence[IntentLog], written: int) -> None:
    """Remove the files of recovered intents, and log what the rows are."""
    unknown = sum(intent.answer is None for found in recovered for intent in found.unsettled())
    for found in recovered:
        found.remove()
    if written:
        log.warning(
            "%s: %d row%s added for a transaction that was interrupted; %d request%s with an unknown outcome%s",
            store.name,
            written,
            "" if written == 1 else "s",
            unknown,
            "" if unknown == 1 else "s",
            ": SELECT … WHERE status = 'unknown' shows the rows" if unknown else "",
        )


def _is_in(store: OutcomeStore, intent_log: IntentLog) -> bool:
    """Whether a table is in the database of these intents."""
    return store.file == intent_log.file and intent_log.schema in ("", store.schema)


def _read(store: OutcomeStore, ours: Collection[Path]) -> Iterator[IntentLog]:
    """Yield the intents that others have left beside a table's database file, without files that cannot be read."""
    for path in left_behind(store.file):
        if path not in ours:
            try:
                yield read_intents(path, store.file)
            except FileNotFoundError:
                pass  # another connection removes its file after its commit, without the write lock: each row is there
            except (OSError, ValueError) as error:  # it stays where it is
                log.warning("%s: what an interrupted process has created cannot be read: %s", store.name, error)
