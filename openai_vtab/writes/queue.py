"""The queue of one connection: what belongs to the open transaction, shared by all its tables.

Theory of operation
-------------------
SQLite decides what a transaction keeps. It tells the tables by Begin, Savepoint, Release, RollbackTo, Sync, Commit
and Rollback, with these exceptions (APSW 3.53, SQLite 3.53):

- RollbackTo is not called for a statement that fails with a Python exception. `statement_over` stands in for it:
  SQLite counts no rows of a statement that it undoes.
- After Sync, SQLite may still fail to commit: another connection reads, the disk is full, a commit hook says no. If
  the statement was outside of a transaction, or the COMMIT fails for good, SQLite calls Rollback, and the caller sees
  the exception raised there. If an explicit COMMIT is only busy, the transaction stays open: a second COMMIT calls Sync
  again, which finds nothing left to send, and ROLLBACK calls Rollback.
- An interrupt may end any of our own methods between two of its lines. So each can be repeated, and `flush` and
  `end` first finish what an earlier call has left.

    callback           with nothing sent     with something carried out
    -----------------  --------------------  ------------------------------------------------------------------------
    Sync, all done     sends the queue       records the results in the ledgers; the rows stay until Commit or Rollback
    Sync, one failed   nothing more begins   raises: SQLite calls Rollback; the intents are settled afterwards
    Commit             forgets all           removes the intents
    Rollback           drops the queue       by the user's ROLLBACK: logs a warning; otherwise raises WriteError
    RollbackTo         drops what came since the savepoint; what was carried out is logged, and settled afterwards

A table whose COMMIT takes several steps queues and flushes each of them within `one_commit`, in one Sync. A failure in
a later step, or between two, ends the transaction; the exception lists what the earlier steps have carried out.

>>> queue = WriteQueue(WriteSender(workers))
>>> queue.add(Write(request, rowid=1, parse=parse_object))
>>> queue.flush()

https://www.sqlite.org/vtab.html#xsync
"""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from ..errors import Error, WriteError
from .delivery import Delivery
from .doubts import Doubts
from .intent_logs import IntentLogs
from .outcome import UNFINISHED, between_steps, failure, lost_commit, not_begun, recording_failed, report
from .pending_results import PendingResults
from .savepoints import Savepoints
from .write import State, Write
from .write_sender import WriteSender

log = logging.getLogger("openai_vtab")

CARRIED_OUT = (State.DONE, State.SHOWN)


class WriteQueue:
    """The writes of the open transaction, in the order of their numbers, which grow for the life of the connection."""

    def __init__(self, sender: WriteSender) -> None:
        self._sender = sender
        self.intents = IntentLogs(sender.clock)
        self.next_number = 0
        self._queued: list[Write] = []
        self._doubts = Doubts()
        self._sent: dict[int, Write] = {}
        self._results = PendingResults()  # of those: done, and not yet in the ledger
        self._failed: dict[int, Write] = {}  # of those: failed when a read had them sent
        self._delivery: Delivery | None = None  # until its outcomes are here
        self.savepoints = Savepoints()
        self._first: dict[object, int] = {}  # running statement: the number of its first write
        self._committing = False  # COMMIT is sending, or was interrupted while it was
        self._synced = False  # COMMIT has sent everything

    # queuing

    def add(self, write: Write) -> None:
        """Queue a write. Nothing is sent."""
        write.queue_as(self.next_number)
        self.next_number += 1
        self._first.setdefault(write.session, write.number)
        self._queued.append(write)

    @property
    def is_empty(self) -> bool:
        """Whether nothing of a transaction is kept."""
        kept = self._queued or self._sent or self.savepoints.open or self.intents.open or self._first
        return not (kept or self._doubts.problem or self.intents.unsettled) and self._delivery is None

    def holds(self, table: object) -> bool:
        """Whether something of the open transaction was written to the table."""
        return any(write.table is table for write in [*self._queued, *self._sent.values()])

    # sending

    def flush(self, reader: object = None, *, more: bool = False) -> None:
        """Send the queue concurrently; given a reader, only what other statements have queued.
        With `more`, other flushes of the same COMMIT follow.

        Raises the only failed row's own error, WriteError for several, or what has interrupted it, with the WriteError
        as its cause. Without a reader, SQLite then rolls the transaction back. With one it stays open, and its COMMIT
        will fail: a transaction is carried out whole, or it fails.
        """
        try:
            self._flush(reader, more)
        except Exception:
            raise
        except BaseException as stop:  # KeyboardInterrupt, SystemExit: wherever it has come, it names what was created
            if self._sent and not isinstance(stop.__cause__, WriteError):
                self._fail(failure(list(self._sent.values()), stop), reader)
            raise

    @contextmanager
    def one_commit(self) -> Iterator[None]:
        """Make several flushes one COMMIT. When the block raises, the exception lists what was carried out before."""
        try:
            yield
        except BaseException as error:
            self._sender.fail()
            if not self._sent:  # nothing was carried out, or a flush has failed and said what was
                raise
            self._collect()
            problem = between_steps(error, list(self._sent.values()), self._all())
        else:
            self._sender.finish()
            self._synced, self._committing = True, False
            return
        self._fail(problem, None)

    def _flush(self, reader: object, more: bool) -> None:
        self._collect()
        self._refuse_unfinished(reader)
        due = [write for write in self._queued if reader is None or write.session is not reader]
        if due:
            self._send(due, reader, more)
        self._record(reader)
        if reader is None:
            self._synced, self._committing = not more, more

    def _refuse_unfinished(self, reader: object) -> None:
        """Raise WriteError if COMMIT cannot carry the transaction out whole, or a read would send what is in doubt."""
        problem = self._doubts.problem
        # an interrupt may have come after the writes were taken from the queue
        if reader is None and (self._failed or any(write.state not in CARRIED_OUT for write in self._sent.values())):
            problem = UNFINISHED
        if problem:
            self._fail(report(problem, self._all()), reader)

    def _send(self, due: list[Write], reader: object, more: bool) -> None:
        try:
            self._sender.prepare(due, self.intents.open.values())
        except Error as error:
            self._fail(not_begun(error, self._all()), reader)
        sent = {write.number: write for write in due}
        self._sent.update(sent)  # in one step, so that an interrupt leaves all in the report, or none
        self._queued = [write for write in self._queued if write.number not in self._sent]
        if self._sender.is_dry_run:
            self._sender.show(due)
            return
        self._committing = reader is None
        self._delivery = delivery = self._sender.delivery(due)
        stop = self._sender.run(delivery, more)
        self._collect()
        if stop is not None or any(write.state is not State.DONE for write in due):
            if stop is None and reader is not None:
                with suppress(WriteError):  # what was carried out, although others have failed; or it is written later
                    self._record(reader)
            self._fail(failure(list(self._sent.values()), stop), reader)

    def _fail(self, problem: BaseException, reader: object) -> NoReturn:
        """Raise it; without a reader the transaction is over."""
        if reader is None:
            self.end()
        if not isinstance(problem, Exception):  # KeyboardInterrupt, SystemExit: a program may never look at its cause
            log.warning("%s", problem.__cause__)
        raise problem

    def _collect(self) -> None:
        """Take over the outcomes of a delivery, as often as it takes: an interrupt may have cut it short."""
        if self._delivery is None:
            return
        for write in self._delivery.writes:
            if write.state is State.DONE:
                if write.recorded is None:
                    self._results.add(write)
            else:
                self._failed[write.number] = write
        self._delivery = None

    def _record(self, reader: object) -> None:
        """Write the results into the ledgers. Without a reader, a failure ends the transaction; the intents keep them.

        Raises WriteError when SQLite refuses, and what interrupts it, with the WriteError as its cause.
        """
        try:
            self._results.record(self.next_number)
        except BaseException as error:
            problem = recording_failed(error, list(self._sent.values()), self._all())
        else:
            return
        self._fail(problem, reader)

    def _all(self) -> list[Write]:
        return [*self._sent.values(), *self._queued]

    # what SQLite undoes

    def rollback_to(self, level: int) -> None:
        """Drop what was written since `level` began."""
        with self._doubts.undoing():
            first = self.savepoints.first_write(level)
            self._drop(first)
            self._undo_results(first)
            self.savepoints.roll_back_to(level)

    def statement_over(self, session: object, position: int, changed: bool, *, fires_triggers: bool = False) -> None:
        """Drop what a writing statement has queued if it has failed; `changed` tells whether SQLite counted its rows.

        `position` is `next_number` when it began. A statement that has failed counts no changed rows (those of its
        triggers excepted). If its own savepoint is still open, it has failed, too. SQLite opens one for a statement
        that writes several rows or fires triggers. For any other, the savepoint may be the user's: SQLite tells a table
        of it when the table joins the transaction.
        """
        with self._doubts.undoing():
            first = self._first.pop(session, None)
            levels = self.savepoints.levels_of(session)
            if first is not None:
                wrote = sum(1 for write in self._since(first) if write.session is session)
                if wrote and (not changed or (levels and (wrote > 1 or fires_triggers))):
                    self._drop(first)
            if changed and levels:  # otherwise it has succeeded, or doubt() follows
                self._undo_results(position)
            self.savepoints.forget(levels)

    def doubt(self, first: int) -> None:
        """Mark the writes from a number on: SQLite does not tell whether it has undone them."""
        self._doubts.add(write.number for write in self._all() if write.number >= first)
        self._undo_results(first)

    def _undo_results(self, first: int) -> None:
        """SQLite has undone, or may have undone, the results that were recorded since the write of that number."""
        sent = self._sent.values()
        self._results.undo([write for write in sent if write.recorded is not None and write.recorded >= first])

    def _since(self, first: int) -> list[Write]:
        """The queued writes from a number on."""
        return self._queued[bisect_left(self._queued, first, key=lambda write: write.number) :]

    def _drop(self, first: int) -> None:
        """Forget the writes from a number on; say what the API has carried out of them."""
        del self._queued[len(self._queued) - len(self._since(first)) :]
        self._doubts.drop(first)
        for number in [number for number in self._sent if number >= first]:
            write = self._sent.pop(number)
            self._results.drop(number)
            self._failed.pop(number, None)
            write.roll_back()

    # the end of the transaction

    def commit(self) -> None:
        """SQLite has committed."""
        self.intents.commit()
        self.end()

    def rollback(self, asked_for: bool) -> None:
        """SQLite has rolled the transaction back.

        Raises WriteError when the API has carried out some of it. A warning is enough for the user's own ROLLBACK
        before COMMIT, and where the exception that has ended the COMMIT must not be replaced.
        """
        self._collect()
        told = lost_commit(list(self._sent.values()), asked_for)
        if (told.done or told.partial or told.unknown) and (self._synced or not asked_for) and not self._committing:
            self._fail(told, None)
        self._drop(0)
        self.end()

    def abandon(self) -> None:
        """The transaction is over, and an interrupt has kept SQLite's callback from saying so."""
        if not self.is_empty:
            self._collect()
            self._drop(0)
            self.end()

    def end(self) -> None:
        """The transaction is over: keep only the intents that are not settled."""
        self._collect()
        self.intents.end()
        self._queued.clear()
        self._doubts.clear()
        self._sent.clear()
        self._results.clear()
        self._failed.clear()
        self.savepoints.clear()
        self._first.clear()
        self._synced = self._committing = False
