"""Sending one flush of the queue over the connection's workers, with its intents written down before.

>>> sender.prepare(due, intent_logs)
>>> stop = sender.run(sender.delivery(due), more=False)
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import apsw

from ..clock import Clock
from ..errors import ProgrammingError, UnsupportedWriteError
from ..execution.workers import WorkerPool
from ..ledger.intents import IntentLog
from ..progress import ProgressReporter
from ..protocol import Request
from .delivery import Delivery
from .write import State, Write


class WriteSender:
    """The way from the queue of one connection to its workers.

    `may_delete` is asked before objects are deleted, with their number. `on_done` is called with each request that the
    API has carried out, except for those of documents tables, which tell of documents themselves.
    """

    def __init__(
        self,
        workers: WorkerPool,
        may_delete: Callable[[int], bool] = lambda _: True,
        on_done: Callable[[Request], None] = lambda _: None,
    ) -> None:
        self._workers = workers
        self._may_delete = may_delete
        self._on_done = on_done
        self._meter: ProgressReporter | None = None  # of the COMMIT, which may take several flushes
        self._finished = 0  # writes of its earlier flushes

    @property
    def clock(self) -> Clock:
        """The clock of the requests, which tells the times of intents as well."""
        return self._workers.clock

    @property
    def is_dry_run(self) -> bool:
        """Whether requests are shown instead of sent."""
        return self._workers.client.settings.dry_run

    def prepare(self, due: Sequence[Write], intent_logs: Iterable[IntentLog]) -> None:
        """Write down what is about to be created.

        Raises ProgrammingError in the child of a fork and for a ledger that was dropped, OperationalError when the
        intents cannot be written, apsw.InterruptError, UnsupportedWriteError for deletions that the user does not want.
        Nothing has been sent then.
        """
        self._workers.refuse_if_inherited()
        _refuse_dropped_ledgers(due)
        # a documents table has asked before its first step, and labels its writes
        self.confirm(sum(write.request.method == "DELETE" and not write.label for write in due))
        for intent_log in intent_logs:
            mine = [w.intent for w in due if w.intent is not None and w.intent.intent_log is intent_log]
            intent_log.write(mine, self._raise_if_interrupted)

    def confirm(self, deleted: int) -> None:
        """Raise UnsupportedWriteError if the user does not want so many objects to be deleted."""
        if deleted and not self.is_dry_run and not self._may_delete(deleted):
            raise UnsupportedWriteError(f"{deleted:,} objects were not deleted, because that was not confirmed")

    def show(self, due: Sequence[Write]) -> None:
        """Show the requests of a dry run, one after the other: nothing is sent, and nothing can fail."""
        wait_budget = self._workers.wait_budget()
        for write in due:
            self._workers.client.send(write.request, wait_budget)
            write.move_to(State.SHOWN)

    def delivery(self, due: Sequence[Write]) -> Delivery:
        """Return the delivery of these writes; nothing is sent yet."""
        wait_budget = self._workers.wait_budget()
        client = self._workers.client
        return Delivery(
            due,
            lambda request, begin: client.send(request, wait_budget, on_send=begin),
            self._workers.parse,
            partial(self._workers.submit, wait_budget=wait_budget),
            wait_budget.cancelled,
        )

    def run(self, delivery: Delivery, more: bool) -> BaseException | None:
        """Send, and wait for the outcomes. Returns what has interrupted the statement, None when nothing has.

        Every outcome is in the state of its write, whatever interrupts this method. With `more`, other flushes of the
        same COMMIT follow: the progress continues.
        """
        if self._meter is None:
            self._meter, self._finished = self._workers.meter(), 0
        meter, before = self._meter, self._finished

        def tick() -> None:
            self._raise_if_interrupted()
            self._workers.client.close_idle_resting()  # all threads that send may be waiting for the server
            if meter is not None:
                meter.writes(before + delivery.finished, before + len(delivery.writes))

        try:
            delivery.run(self._workers.size, lambda: self._workers.client.ahead_limit, tick)
            self._finished = before + len(delivery.writes)
            if not more:
                self.finish()
        except BaseException as error:
            delivery.stop()
            self.fail()
            return error
        finally:
            for write in delivery.writes:
                if write.state is State.DONE and not write.label:  # a documents table labels its writes
                    self._on_done(write.request)
        return None

    def finish(self) -> None:
        """Report the end of the progress."""
        meter, self._meter = self._meter, None
        if meter is not None:
            meter.close()

    def fail(self) -> None:
        """Report the end of the progress after a failure, whose reason no exception of the user's callback replaces."""
        with contextlib.suppress(BaseException):
            self.finish()

    def _raise_if_interrupted(self) -> None:
        if self._workers.interrupted():
            raise apsw.InterruptError("interrupted")


def _refuse_dropped_ledgers(due: Sequence[Write]) -> None:
    """Send nothing for a ledger that the transaction has dropped: its batches could not be found again."""
    dropped = [ledger.name for ledger in {write.ledger for write in due} if ledger and not ledger.is_there()]
    if dropped:
        raise ProgrammingError(
            f"{dropped[0]}: the transaction has written to it, and dropped it before the rows were sent; "
            "COMMIT before DROP TABLE"
        )
