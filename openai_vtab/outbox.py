"""The writes of the open transaction: queued when a row is checked, sent when SQLite commits.

It must not know SQLite's callbacks or any table's columns. What was sent cannot be called back: a rollback after
a read that sent the queue only warns.

>>> outbox.add(Write(request, rowid=1, settle=lambda response: {"id": "vsfb_1", "status": "in_progress"}))
>>> outbox.flush()

https://www.sqlite.org/vtab.html#xsync: a failing xSync fails the COMMIT, and the local changes roll back.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass

import apsw

from .api import NOT_SENT, Object, Request, Response
from .errors import APIConnectionError, APIError, Error, WriteError
from .fetch import Fetch
from .flow import Patience
from .http import NOT_CARRIED_OUT

log = logging.getLogger("openai_vtab")

GIVING_UP = 0.1  # seconds: twice what a request that waits for its turn takes to see that it is given up


@dataclass
class Write:
    """One checked row.

    `settle`, run by a thread of the pool, takes the answer, returns the object with its keys, and raises when the
    answer is none.
    `reader` is the statement that wrote the row: its own reads do not send it; `table` the table it wrote to.
    The others are told of it on the user's thread: `landed` that the API has carried it out, within the transaction;
    `lost` that it has, and the transaction is gone; `unknown` that nobody knows.
    """

    request: Request
    rowid: int
    settle: Callable[[Response], Object]
    reader: object = None
    table: object = None
    landed: Callable[[Object], None] = lambda _: None
    lost: Callable[[Object], None] = lambda _: None
    unknown: Callable[[], None] = lambda: None
    number: int = 0
    told: tuple[int, object] | None = None  # the number of the next write when `landed` was called, and by which reader

    @property
    def changes_something(self) -> bool:
        """Whether the API has something to carry out, rather than to be asked before a row is written here."""
        return self.request.method != "GET"


class Outbox:
    """The queue of one connection, shared by its tables, so that one commit sends all of it at once."""

    def __init__(self, fetch: Fetch) -> None:
        self.fetch = fetch
        self._queue: list[Write] = []
        self._sent: list[tuple[Write, Object]] = []
        self._landing: list[tuple[Write, Object]] = []  # of those, what has not been told yet
        self._failed: list[Write] = []  # sent by a read of the open transaction, and not carried out
        self._savepoints: dict[int, tuple[int, object]] = {}  # level: number of the first write after it, who began it
        self._number = 0

    def add(self, write: Write) -> None:
        """Queue a write. Nothing is sent."""
        write.number = self._number
        self._number += 1
        self._queue.append(write)

    @property
    def is_empty(self) -> bool:
        """Whether nothing of a transaction is kept."""
        return not (self._queue or self._sent or self._failed or self._savepoints or self._landing)

    def holds(self, table: object) -> bool:
        """Whether something that was written to the table has not been sent."""
        return any(write.table is table for write in self._queue)

    def flush(self, reader: object = None) -> None:
        """Send the queue concurrently; given a reader, only what other statements have queued.

        Raises the only write's own error, or WriteError for several. What was not begun is dropped then. Without a
        reader, the transaction is about to fail; with one, it stays open, and its COMMIT will fail: a transaction is
        carried out whole.
        """
        if reader is None and self._failed:
            failed = [(write.rowid, "not written when the table was read") for write in self._failed]
            problem = "the transaction cannot be committed: rows of it were not written"
            report = WriteError(problem, done=self._done(), not_done=failed, unknown=[])
            self._give_up()
            raise report
        self._land(reader)
        due = [write for write in self._queue if reader is None or write.reader is not reader]
        if not due:
            return
        self._queue = [write for write in self._queue if write not in due]
        errors, stop = self._send(due)
        for write, error in errors:
            if outcome_unknown(write.request, error):
                write.unknown()
        if stop is None:  # while an interrupt is heard SQLite does nothing more
            try:
                self._land(reader)
            except apsw.InterruptError as error:
                stop = error
            except apsw.Error:
                if not errors:
                    raise
        if errors or stop is not None:  # also when all was carried out meanwhile: it has not been told here
            failure = _failure(self._done(), errors, stop)
            if reader is None:
                self._give_up()
            else:
                self._failed += [write for write, _ in errors]
            raise failure

    def _send(self, due: list[Write]) -> tuple[list[tuple[Write, BaseException]], BaseException | None]:
        """Send them, and note each that is carried out; those that are not, and what has interrupted it."""
        patience, meter = self.fetch.patience(), self.fetch.meter()
        futures = [self.fetch.submit(self._sending(write, patience), patience) for write in due]
        landed: list[tuple[Write, Object]] = []
        errors: list[tuple[Write, BaseException]] = []
        stop: BaseException | None = None
        end = 0.0
        for number, (write, future) in enumerate(zip(due, futures, strict=True)):
            try:
                if meter is not None:
                    meter.writes(number, len(due))
                # after an interrupt: look at what is there, wait for nothing
                written = self.fetch.wait(future, meter) if stop is None else _now(write, future, end)
            except (Error, CancelledError) as error:
                errors.append((write, error))
            except BaseException as error:
                if future.done() and not future.cancelled() and future.exception() is error:  # the key's function
                    errors.append((write, error))
                    continue
                # an interrupt, or sys.exit of a signal's handler or of the progress's function
                patience.abandoned.set()
                stop = error
                end = time.monotonic() + GIVING_UP
                try:
                    written = _now(write, future, end)
                except Exception as its_error:
                    errors.append((write, its_error))
                else:
                    landed += [(write, written)] if written is not None else []
            else:
                landed += [(write, written)] if written is not None else []
        if meter is not None:
            meter.close()
        self._sent += landed
        self._landing += landed
        return errors, stop

    def _land(self, reader: object) -> None:
        """Tell those that were carried out; when one cannot be written here, none is forgotten."""
        while self._landing:
            write, written = self._landing[0]
            write.landed(written)
            write.told = self._number, reader
            del self._landing[0]

    def _untold(self, undone: Callable[[int, object], bool]) -> None:
        """Tell again those that were told in what SQLite has undone, although their rows were written before it."""
        again = [(write, written) for write, written in self._sent if write.told is not None and undone(*write.told)]
        for write, _ in again:
            write.told = None
        self._landing += again

    def _done(self) -> list[tuple[int, str]]:
        """What of the transaction the API has carried out: (rowid, id)."""
        return [(write.rowid, written["id"]) for write, written in self._sent if write.changes_something]

    def _give_up(self) -> None:
        """The transaction fails, and says itself what was carried out."""
        for write, written in self._sent:
            write.lost(written)
        self.commit()

    def _sending(self, write: Write, patience: Patience) -> Callable[[], Object | None]:
        """What a thread does for a write; of a dry run nothing comes. A failure keeps it from beginning another."""

        def send() -> Object | None:
            try:
                response = self.fetch.client.send(write.request, patience)
                return None if response.status == NOT_SENT else self.fetch.understood(response, write.settle)
            except BaseException:
                patience.abandoned.set()
                raise

        return send

    def savepoint(self, level: int, statement: object = None) -> None:
        """Remember where `level` begins. Every table of the transaction calls it: the first call counts."""
        self._savepoints.setdefault(level, (self._number, statement))

    def release(self, level: int) -> None:
        """Forget the savepoints from `level` on; their writes belong to what encloses them."""
        self._savepoints = {known: begun for known, begun in self._savepoints.items() if known < level}

    def rollback_to(self, level: int) -> None:
        """Drop what was queued since `level` began."""
        first, _ = self._savepoints.get(level, (0, None))
        self._drop(first)
        self._untold(lambda number, _: number >= first)
        self._savepoints = {known: begun for known, begun in self._savepoints.items() if known <= level}

    def statement_over(self, statement: object, changed: bool) -> None:
        """Drop what a writing statement has queued if it failed; `changed` tells whether SQLite has counted its rows.

        APSW calls neither RollbackTo nor Rollback while a Python exception is on its way, which is how most
        statements fail here. SQLite counts no rows of a statement that it undoes, except those of its triggers: so a
        statement of several rows whose own savepoint is neither released nor rolled back has failed, too. (Of one
        row it can be the user's savepoint, which SQLite tells a table of when the table joins the transaction.)
        """
        wrote = [write for write in self._queue if write.reader is statement]
        levels = [level for level, (_, begun_by) in self._savepoints.items() if begun_by is statement]
        if wrote and (not changed or (levels and len(wrote) > 1)):
            self._drop(wrote[0].number)
        if not changed or levels:
            self._untold(lambda _, reader: reader is statement)
        # Of the user's savepoint nothing need be known: all that is queued came after it.
        for level in levels:
            del self._savepoints[level]

    def rollback(self) -> None:
        """Drop what was queued in the whole transaction."""
        self._drop(0)
        self.commit()

    def commit(self) -> None:
        """The transaction is over: nothing of it is kept."""
        self._queue.clear()
        self._sent.clear()
        self._landing.clear()
        self._failed.clear()
        self._savepoints.clear()

    def _drop(self, first: int) -> None:
        self._queue = [write for write in self._queue if write.number < first]
        self._failed = [write for write in self._failed if write.number < first]
        self._landing = [(write, written) for write, written in self._landing if write.number < first]
        lost = [(write, written) for write, written in self._sent if write.number >= first]
        self._sent = [(write, written) for write, written in self._sent if write.number < first]
        for write, written in lost:
            if write.changes_something:
                log.warning(
                    "rolled back here, but already carried out by the API: %s %s (%s)",
                    write.request.method,
                    write.request.target,
                    written["id"],
                )
            write.lost(written)


def _now(write: Write, future: Future[Object | None], end: float) -> Object | None:
    """What has become of a write that was given up: its answer, or an error: not begun, or its answer still to come."""
    if future.cancel():
        raise CancelledError
    try:
        return future.result(max(0.0, end - time.monotonic()))
    except FutureTimeoutError:
        if future.done():  # it is the write's own
            raise
    raise APIConnectionError("interrupted before the answer came", request=write.request.method, sent=True)


def outcome_unknown(request: Request, error: BaseException) -> bool:
    """Whether a failed write may have been carried out, and doing it again could do it twice."""
    if request.repeatable or isinstance(error, CancelledError):
        return False
    if isinstance(error, APIConnectionError):
        return error.sent
    if isinstance(error, APIError):
        status = error.status or 0
        # an answer that is none, a redirect from what is done, or one that gave up waiting for another
        unknown = status < 400 or status == 408 or status >= 500
        return unknown and (error.code or error.type) not in NOT_CARRIED_OUT
    return False


def _failure(
    done: list[tuple[int, str]], errors: list[tuple[Write, BaseException]], stop: BaseException | None
) -> BaseException:
    not_done: list[tuple[int, str]] = []
    unknown: list[tuple[int, str]] = []
    for write, error in errors:
        if isinstance(error, CancelledError):
            not_done.append((write.rowid, "not sent"))
        elif outcome_unknown(write.request, error):
            unknown.append((write.rowid, f"{error}; {_look(write.request)}"))
        else:
            not_done.append((write.rowid, str(error)))
    if stop is not None and not isinstance(stop, apsw.InterruptError):
        report = WriteError("interrupted while writing", done=done, not_done=not_done, unknown=unknown)
        log.warning("%s", report)
        return stop
    if len(errors) == 1 and not done and stop is None:
        write, error = errors[0]
        if unknown and isinstance(error, APIError | APIConnectionError):
            error.args = (f"{error}; {_look(write.request)}", *error.args[1:])
        return error
    problem = "interrupted while writing" if stop is not None else _summary(done, errors)
    return WriteError(problem, done=done, not_done=not_done, unknown=unknown)


def _look(request: Request) -> str:
    """What to do when nobody knows whether a create was carried out: the list of what is there tells."""
    where = f" (GET {request.look})" if request.look else ""
    return f"it may have been carried out all the same: before you write it again, look at what is there{where}"


def _summary(done: list[tuple[int, str]], errors: list[tuple[Write, BaseException]]) -> str:
    first = next(error for _, error in errors if not isinstance(error, CancelledError))
    return f"{len(errors)} of {len(errors) + len(done)} rows were not written: {first}"
