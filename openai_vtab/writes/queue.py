"""The queue of one connection: what belongs to the open transaction, shared by all its tables.

Theory of operation
-------------------
SQLite decides what a transaction keeps. It tells the tables by Begin, Savepoint, Release, RollbackTo, Sync, Commit
and Rollback, with these exceptions (APSW 3.53, SQLite 3.53):

- RollbackTo is not called for a statement that fails with a Python exception. `statement_over` stands in for it:
  SQLite counts no rows of a statement that it undoes.
- After Sync, SQLite may still fail to commit: another connection reads, the disk is full, a commit hook says no. Of a
  statement outside of a transaction, or where the COMMIT fails for good, Rollback is called, and the exception raised
  there is the one that the caller sees. Where an explicit COMMIT is only busy, the transaction stays open: repeating
  COMMIT calls Sync again, which finds nothing left to send, and ROLLBACK calls Rollback.
- An interrupt may end any of our own methods between two of its lines. So each can be repeated, and `flush` and
  `end` first finish what an earlier call has left.

    callback           with nothing sent     with something carried out
    -----------------  --------------------  ------------------------------------------------------------------------
    Sync, all done     sends the queue       lands the results in the ledgers; the rows stay until Commit or Rollback
    Sync, one failed   nothing more begins   raises; the transaction is over, the intents are settled afterwards
    Commit             forgets all           removes the intents
    Rollback           drops the queue       by the user's ROLLBACK: logs a warning; otherwise raises WriteError
    RollbackTo         drops what came since the savepoint; what was carried out is logged, and settled afterwards

>>> queue = WriteQueue(pool)
>>> queue.add(Write(request, rowid=1, parse=parse_object))
>>> queue.flush()

https://www.sqlite.org/vtab.html#xsync
"""

from __future__ import annotations

import contextlib
import logging
from bisect import bisect_left
from collections.abc import Sequence
from functools import partial

import apsw

from ..errors import Error, ProgrammingError, WriteError
from ..fetch import Fetch
from ..intents import IntentLog
from .delivery import Delivery
from .outcome import failure, lost_commit, refused_landing, report
from .write import State, Write

log = logging.getLogger("openai_vtab")

UNFINISHED = "the transaction cannot be committed: rows of it were not written when a SELECT had to see them"
DOUBTFUL = (
    "the transaction cannot be committed: a SQL function has written rows within another statement, and SQLite does "
    "not tell whether that statement has failed; ROLLBACK, and call the function in a SELECT"
)


class WriteQueue:
    """The writes of the open transaction, in the order of their numbers, which grow for the life of the connection."""

    def __init__(self, fetch: Fetch) -> None:
        self.fetch = fetch
        self.unsettled: list[IntentLog] = []  # of transactions that are over, for which ledgers may lack rows
        self.next_number = 0
        self._queued: list[Write] = []
        self._sent: dict[int, Write] = {}
        self._to_land: dict[int, Write] = {}  # of those: done, and not yet in the ledger
        self._failed: dict[int, Write] = {}  # of those: failed when a read had them sent
        self._delivery: Delivery | None = None  # until its outcomes are here
        self._savepoints: dict[int, tuple[int, object]] = {}  # level: number of the first write after it, who began it
        self._first: dict[object, int] = {}  # running statement: the number of its first write
        self._logs: dict[str, IntentLog] = {}  # by database file
        self._committing = False  # COMMIT is sending, or was interrupted while it was
        self._synced = False  # COMMIT has sent everything

    # queuing

    def intent_log(self, file: str) -> IntentLog:
        """Where the open transaction writes down what it creates for ledgers in this database file ("" in none)."""
        return self._logs.setdefault(file, IntentLog(file))

    def add(self, write: Write) -> None:
        """Queue a write. Nothing is sent."""
        write.number = self.next_number
        self.next_number += 1
        self._first.setdefault(write.reader, write.number)
        self._queued.append(write)

    @property
    def is_empty(self) -> bool:
        """Whether nothing of a transaction is kept."""
        kept = (self._queued, self._sent, self._savepoints, self._logs, self._first, self.unsettled)
        return not any(kept) and self._delivery is None

    def holds(self, table: object) -> bool:
        """Whether something of the open transaction was written to the table."""
        return any(write.table is table for write in [*self._queued, *self._sent.values()])

    # sending

    def flush(self, reader: object = None) -> None:
        """Send the queue concurrently; given a reader, only what other statements have queued.

        Raises the only write's own error, or WriteError for several. Without a reader the transaction is then over.
        With one it stays open, and its COMMIT will fail: a transaction is carried out whole, or it fails.
        """
        try:
            self._flush(reader)
        except Exception:
            raise
        except BaseException as stop:  # KeyboardInterrupt, SystemExit: wherever it has come, it names what was created
            if self._sent and not isinstance(stop.__cause__, WriteError):
                self._fail(failure(list(self._sent.values()), stop), reader)
            raise

    def _flush(self, reader: object) -> None:
        self._collect()
        self._committing = reader is None
        if reader is None and (self._failed or any(write.doubtful for write in self._queued)):
            problem = report(UNFINISHED if self._failed else DOUBTFUL, self._all())
            self.end()
            raise problem
        due = [write for write in self._queued if reader is None or write.reader is not reader]
        if not due:
            self._land(reader)
        else:
            self._send(due, reader)
        if reader is None:
            self._synced, self._committing = True, False

    def _send(self, due: list[Write], reader: object) -> None:
        self.fetch.refuse_if_inherited()
        self._refuse_dropped(due, reader)
        self._write_intents(due)
        self._sent.update((write.number, write) for write in due)
        patience = self.fetch.patience()
        client = self.fetch.client
        self._delivery = delivery = Delivery(
            due,
            lambda request, begin: client.send(request, patience, on_send=begin),
            self.fetch.understood,
            patience.abandoned,
        )
        self._queued = [write for write in self._queued if write.number not in self._sent]
        stop: BaseException | None = None
        meter = self.fetch.meter()

        def tick() -> None:
            if self.fetch.interrupted():
                raise apsw.InterruptError("interrupted")
            if meter is not None:
                meter.writes(delivery.answered, len(due))

        try:
            delivery.run(partial(self.fetch.submit, patience=patience), self.fetch.size, tick)
            if meter is not None:
                meter.close()
        except BaseException as error:
            stop = error
            delivery.stop()
            if meter is not None:
                with contextlib.suppress(BaseException):  # what it raises must not replace the interrupt
                    meter.close()
        self._collect()
        if stop is None and all(write.state in (State.DONE, State.SHOWN) for write in due):
            self._land(reader)
            return
        if stop is None and reader is not None:
            self._land_in_spite_of_errors(reader)
        self._fail(failure(list(self._sent.values()), stop), reader)

    def _fail(self, problem: BaseException, reader: object) -> None:
        """Raise it; without a reader the transaction is over."""
        if reader is None:
            self.end()
        if not isinstance(problem, Exception):  # KeyboardInterrupt, SystemExit: a program may never look at its cause
            log.warning("%s", problem.__cause__)
        raise problem

    def _refuse_dropped(self, due: Sequence[Write], reader: object) -> None:
        """Send nothing for a ledger that the transaction has dropped: nobody would know what was created."""
        dropped = [ledger.name for ledger in {write.ledger for write in due} if ledger and not ledger.is_there()]
        if dropped:
            self._fail(
                ProgrammingError(
                    f"{dropped[0]}: the transaction has written to it, and dropped it before the rows were sent; "
                    "COMMIT before DROP TABLE"
                ),
                reader,
            )

    def _write_intents(self, due: Sequence[Write]) -> None:
        """Write down what is about to be created. Raises OperationalError, and nothing was sent."""
        for intents in self._logs.values():
            intents.write([w.intent for w in due if w.intent is not None and w.intent.log is intents])

    def _collect(self) -> None:
        """Take over the outcomes of a delivery, as often as it takes: an interrupt may have cut it short."""
        if self._delivery is None:
            return
        for write in self._delivery.writes:
            if write.state is State.DONE:
                if write.landed is None:
                    self._to_land[write.number] = write
            elif write.state is not State.SHOWN:
                self._failed[write.number] = write
        self._delivery = None

    def _land(self, reader: object) -> None:
        """Write the results into the ledgers. Raises WriteError when SQLite refuses: nothing of it is forgotten."""
        ledgers = {write.ledger for write in self._to_land.values()}
        dropped = {ledger for ledger in ledgers if ledger is not None and not ledger.is_there()}
        while self._to_land:
            number, write = next(iter(self._to_land.items()))
            if write.on_landed is not None and write.result is not None and write.ledger not in dropped:
                try:
                    write.on_landed(write.result)
                except apsw.InterruptError as error:
                    self._fail(failure(list(self._sent.values()), error), reader)
                except (apsw.Error, Error) as error:
                    told = refused_landing(error, self._all())
                    self._fail(told, reader)
            write.landed = self.next_number, reader
            self._to_land.pop(number, None)

    def _land_in_spite_of_errors(self, reader: object) -> None:
        """Write what was carried out into the ledgers of a transaction that goes on, although others have failed."""
        try:
            self._land(reader)
        except WriteError as error:
            log.debug("not written yet: %s", error)

    def _all(self) -> list[Write]:
        return [*self._sent.values(), *self._queued]

    # what SQLite undoes

    def savepoint(self, level: int, statement: object = None) -> None:
        """Remember where `level` begins. Every table of the transaction calls it: the first call counts."""
        self._savepoints.setdefault(level, (self.next_number, statement))

    def has_begun(self, level: int, statement: object) -> bool:
        """Whether `level` is the statement's own savepoint."""
        return level in self._savepoints and self._savepoints[level][1] is statement

    def release(self, level: int) -> None:
        """Forget the savepoints from `level` on; their writes belong to what encloses them."""
        self._savepoints = {known: begun for known, begun in self._savepoints.items() if known < level}

    def rollback_to(self, level: int) -> None:
        """Drop what was written since `level` began."""
        first, _ = self._savepoints.get(level, (0, None))
        self._drop(first)
        self._land_again(first)
        self._savepoints = {known: begun for known, begun in self._savepoints.items() if known <= level}

    def statement_over(self, statement: object, changed: bool) -> None:
        """Drop what a writing statement has queued if it has failed; `changed` tells whether SQLite counted its rows.

        SQLite counts no rows of a statement that it undoes, except those of its triggers: so a statement of several
        rows whose own savepoint is neither released nor rolled back has failed, too. (With one row it can be the
        user's savepoint, which SQLite tells a table of when the table joins the transaction.)
        """
        first = self._first.pop(statement, None)
        levels = [level for level, (_, begun_by) in self._savepoints.items() if begun_by is statement]
        if first is not None:
            wrote = sum(1 for write in self._since(first) if write.reader is statement)
            if wrote and (not changed or (levels and wrote > 1)):
                self._drop(first)
        if not changed or levels:
            for write in self._sent.values():
                if write.landed is not None and write.landed[1] is statement:
                    write.landed = None
                    self._to_land[write.number] = write
        # Nothing need be known of the user's savepoint: everything that is queued came after it.
        for level in levels:
            del self._savepoints[level]

    def doubt(self, first: int) -> None:
        """Nobody can say whether SQLite has undone what was written from `first` on: it must not be sent."""
        for write in self._since(first):
            write.doubtful = True

    def _since(self, first: int) -> list[Write]:
        """The queued writes from a number on."""
        return self._queued[bisect_left(self._queued, first, key=lambda write: write.number) :]

    def _land_again(self, first: int) -> None:
        """SQLite has undone what was written into the ledgers since a savepoint, of rows that are older than that."""
        for write in self._sent.values():
            if write.landed is not None and write.landed[0] >= first:
                write.landed = None
                self._to_land[write.number] = write

    def _drop(self, first: int) -> None:
        """Forget the writes from a number on; say what the API has carried out of them."""
        del self._queued[len(self._queued) - len(self._since(first)) :]
        for number in [number for number in self._sent if number >= first]:
            write = self._sent.pop(number)
            self._to_land.pop(number, None)
            self._failed.pop(number, None)
            if write.intent is not None:
                write.intent.undone = True
            if write.state is State.DONE and write.changes_something:
                log.warning(
                    "rolled back here, but already carried out by the API: %s %s (%s)",
                    write.request.method,
                    write.request.target,
                    (write.result or {}).get("id"),
                )

    # the end of the transaction

    def commit(self) -> None:
        """SQLite has committed: only what a savepoint has undone may lack a row in its ledger."""
        for file, intents in list(self._logs.items()):
            intents.intents = [intent for intent in intents.intents if intent.undone]
            if not intents.intents:
                intents.remove()
                del self._logs[file]
        self.end()

    def rollback(self, asked_for: bool) -> None:
        """SQLite has rolled the transaction back.

        Raises WriteError when the API has carried out some of it. A warning is enough for the user's own ROLLBACK
        before COMMIT, and where the exception that has ended the COMMIT must not be replaced.
        """
        self._collect()
        told = lost_commit(list(self._sent.values()))
        carried_out = bool(told.done or told.unknown)
        if carried_out and (self._synced or not asked_for) and not self._committing:
            self._fail(told, None)
        self._drop(0)
        self.end()

    def abandon(self) -> None:
        """The transaction is over, and nothing has said so: an interrupt came between."""
        if not self.is_empty:
            self._collect()
            self._drop(0)
            self.end()

    def end(self) -> None:
        """The transaction is over: keep only the intents that are not settled."""
        self._collect()
        self.unsettled += [intents for intents in self._logs.values() if intents not in self.unsettled]
        self._logs.clear()
        self._queued.clear()
        self._sent.clear()
        self._to_land.clear()
        self._failed.clear()
        self._savepoints.clear()
        self._first.clear()
        self._synced = self._committing = False
