"""Settlement: the ledgers learn what transactions that are gone have created.

    a transaction that SQLite rolled back      its intents are in memory, and in its file
    a request that outlived an interrupt       its outcome comes later: the row is completed then
    a process that was killed                  its file lies beside the database, until the ledger is opened again

Each row has its intent's id, so that settling twice adds nothing. What cannot be written now, because another
connection reads or writes, is tried again at each later statement; the ledger lists it meanwhile.

>>> settlement = Settlement(internal_sql, writes)
>>> ledger = settlement.new_ledger(vector_store_file_batches, "main", "my_batches", "/data/my.db")
>>> settlement.settle(connection, can_wait=False)
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import apsw

from ..ledger.intent_file import left_behind
from ..ledger.intent_reader import read_intents
from ..ledger.intents import Intent, IntentLog
from ..ledger.store import Ledger
from ..schema.table import Table
from ..sqlite.internal_sql import InternalSQL
from .queue import WriteQueue

log = logging.getLogger("openai_vtab")


class Settlement:
    """The ledgers of one connection, and what they do not know yet."""

    def __init__(self, internal_sql: InternalSQL, writes: WriteQueue) -> None:
        self.ledgers: list[Ledger] = []
        self._internal_sql = internal_sql
        self._writes = writes
        self._to_recover: list[Ledger] = []  # opened, and not yet looked at for what a dead process has left behind

    def new_ledger(self, table: Table, schema: str, name: str, file: str) -> Ledger:
        """The ledger of a table in a database file, "" when it is in none."""
        ledger = Ledger(self._internal_sql, table, schema, name, file, self._waiting)
        self.ledgers.append(ledger)
        self._to_recover.append(ledger)
        return ledger

    def _waiting(self, ledger: Ledger) -> list[Intent]:
        """What was created for a ledger, and is not written into it yet."""
        found = (i for log in self._writes.unsettled if log.file == ledger.file for i in log.unsettled())
        return [intent for intent in found if ledger.is_of(intent)]

    def settle(self, connection: apsw.Connection, can_wait: bool) -> None:
        """Write what can be written, outside of a transaction; what was only looked up, unless it can wait."""
        for ledger in list(self._to_recover):
            self._recover(connection, ledger)
        for found in list(self._writes.unsettled):
            if not found.file or (schema := _schema_of(connection, found.file)):
                self._settle(found, schema if found.file else "")
        for ledger in self.ledgers:
            ledger.save(can_wait)

    def _settle(self, found: IntentLog, schema: str) -> None:
        due = found.unsettled()
        if due:
            try:
                with self._internal_sql.alone():  # each is whole, and repeating them adds nothing
                    self._write_creates(found.file, schema, due)
            except Exception as error:  # also what a commit hook of the user's raises: nothing is lost, only late
                log.debug("not remembered yet: %s", error)
                return
            found.settle(due)
        if found.finish():  # or a response came meanwhile, or is still to come
            found.remove()
            self._writes.unsettled.remove(found)

    def _write_creates(self, file: str, schema: str, due: Sequence[Intent]) -> int:
        """Write the rows into the database that is attached as `schema` now; "" is any, for ledgers in no file.

        Returns how many are new or know more than before.
        """
        written = 0
        for intent in due:
            ledger = self._ledger_of(file, schema, intent)
            if ledger is None:
                log.warning("%s; its ledger is gone, so that no row says so", intent.description)
            else:
                written += ledger.write_creates([intent])
        return written

    def _ledger_of(self, file: str, schema: str, intent: Intent) -> Ledger | None:
        """The ledger of an intent; None when it is not there any more."""
        beside = [ledger for ledger in self.ledgers if ledger.file == file]
        opened = (ledger for ledger in beside if ledger.is_of(intent) and schema in ("", ledger.schema))
        others = (
            Ledger(self._internal_sql, ledger.table, schema or ledger.schema, name, file)
            for ledger in beside
            for name in intent.ledgers
        )
        return next((ledger for ledger in (*opened, *others) if ledger.is_there()), None)

    def _recover(self, connection: apsw.Connection, ledger: Ledger) -> None:
        """Settle the intents that processes which are no more have left beside a ledger's file.

        Only with the write lock: a transaction that still sends holds it. Where it is taken, this is tried again later.
        """
        ours = {found.path for found in self._writes.unsettled}
        left = [path for path in left_behind(ledger.file) if path not in ours]
        if left and connection.readonly(ledger.schema):
            log.warning(
                "%s: a process was interrupted while it created objects, and this connection cannot write them into "
                "the ledger; open it for writing once (%s)",
                ledger.name,
                ", ".join(path.name for path in left),
            )
        elif left:
            try:
                with self._internal_sql.transaction():
                    ledger.shadow.lock()
                    recovered = list(_read(ledger.file, ours))
                    written = sum(
                        self._write_creates(found.file, ledger.schema, found.unsettled()) for found in recovered
                    )
            except (OSError, ValueError) as error:  # it will not be otherwise at the next statement
                log.warning("%s: what an interrupted process has created cannot be read: %s", ledger.name, error)
            except Exception as error:
                log.debug("%s: not recovered yet: %s", ledger.name, error)
                return
            else:
                self._recovered(ledger, recovered, written)
        self._to_recover.remove(ledger)

    def _recovered(self, ledger: Ledger, recovered: Sequence[IntentLog], written: int) -> None:
        unknown = sum(intent.answer is None for found in recovered for intent in found.unsettled())
        for found in recovered:
            found.remove()
        if written:
            log.warning(
                "%s: %d row%s added for creates of a transaction that was interrupted; %d with the status unknown%s",
                ledger.name,
                written,
                "" if written == 1 else "s",
                unknown,
                ": look whether they exist, adopt them, and DELETE these rows" if unknown else "",
            )

    def close(self) -> None:
        """The user's connection is closing: write on connections of our own, or leave the intents to the next one."""
        for found in self._writes.unsettled:
            self._save_elsewhere(found)
        self._writes.unsettled.clear()
        for ledger in self.ledgers:
            ledger.save_elsewhere()

    def _save_elsewhere(self, found: IntentLog) -> None:
        due = found.unsettled()
        for ledger in self.ledgers:
            belongs = [intent for intent in due if ledger.file == found.file and ledger.is_of(intent)]
            if belongs and ledger.save_elsewhere(belongs):
                found.settle(belongs)
        if found.finish():
            found.remove()
            return
        found.leave()
        for intent in found.unsettled():
            when = "the ledger lists it when it is opened again" if found.path else "no ledger can list it"
            log.warning("%s; %s", intent.description, when)


def _read(file: str, ours: Collection[Path | None]) -> Iterator[IntentLog]:
    """Yield the intents that others have left beside a database file. Raises OSError, ValueError."""
    for path in left_behind(file):
        if path not in ours:
            # Another connection removes its file after its commit, without the write lock: every row is there then.
            with contextlib.suppress(FileNotFoundError):
                yield read_intents(path, file)


def _schema_of(connection: apsw.Connection, file: str) -> str:
    """The name under which a database file is attached now, "" when it is not: DETACH, or deserialize()."""
    return next((name for name in connection.db_names() if connection.db_filename(name) == file), "")
