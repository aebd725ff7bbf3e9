"""One flush of the queue: its requests are sent concurrently, and every outcome is recorded whatever interrupts it.

Theory of operation
-------------------
The worker threads send and record; the thread that runs the statement (the main thread, as a rule) only waits. It
may leave at any moment: by connection.interrupt(), by KeyboardInterrupt, by whatever a signal handler or the progress
function raises. No Python code is sure to run then, neither `except` nor `finally`, because a second signal can end
that as well. What is sure is that a `with` statement releases a lock: threading.Lock is written in C, and no signal
handler runs between the exception and the lock's __exit__. So the main thread holds the lock `_main_is_waiting`
while it waits, and a worker that checks after the main thread has left begins nothing; `stop` waits for one that is
between its check and its first byte. For the same reason the main thread uses bare locks and plain flags alone:
threading.Condition and Event are written in Python, and a signal between two of their lines would leave them locked.
(Starting a thread is the exception: Thread.start waits for an Event of its own, which nothing else uses.)

After that, the main thread stops the retries, waits a moment for what is in flight, and reports. These steps can be
cut short as well. The connection's next statement finds the state of each write all the same.

>>> delivery = Delivery(writes, client_send, workers.parse, workers.submit, wait_budget.cancelled)
>>> delivery.run(16, lambda: client.ahead_limit, tick=raise_if_interrupted)
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from ..protocol import Object, Request, Response, counted_files, incomplete
from ..transport.limits import CancelFlag
from .order import counts_and_followers, waits_for
from .outcome import outcome_unknown
from .write import State, Write

SLICE_SECONDS = 0.05  # between two looks for an interrupt
SHORT_SLICE_SECONDS = 0.01  # until it is known how many threads there will be
SETTLING_SECONDS = SLICE_SECONDS + 0.01  # for what is in flight, or waits for its turn, when a statement is interrupted
POLL_SECONDS = 0.005

# sends a request; calls its second argument before each attempt, and sends nothing more if that returns False
Send = Callable[[Request, Callable[[], bool]], Response]
Parse = Callable[[Response, Callable[[Response], Object]], Object]
Submit = Callable[[Callable[[], None], int], Any]  # has a worker thread call it, one of so many more than usual


class Delivery:
    """Sends each write once its predecessors have been confirmed; the first failure keeps all others from beginning."""

    def __init__(
        self, writes: Sequence[Write], send: Send, parse: Parse, submit: Submit, cancelled: CancelFlag
    ) -> None:
        self.writes = writes
        self.finished = 0
        self._send = send
        self._parse = parse
        self._submit = submit
        self._cancelled = cancelled  # ends the retries and waits of the requests
        self._missing, self._followers = counts_and_followers(waits_for([write.affected for write in writes]))
        self._ready = deque(place for place, missing in enumerate(self._missing) if not missing)
        self._main_is_waiting = threading.Lock()
        self._mutex = threading.Lock()
        self._changed = threading.Condition(self._mutex)  # for the workers
        self._under_way = 0  # taken by a worker, and not yet recorded
        self._stopped = False
        self._working = threading.Lock()  # held until the last worker has ended
        self._working.acquire()

    def run(self, threads: int, more_threads: Callable[[], int | None], tick: Callable[[], None]) -> None:
        """Send all and wait. Raises what `tick` raises, which is called every SLICE_SECONDS; nothing begins then.

        `more_threads` returns how many threads more than `threads` are of use to creates, None while that is not known.
        The number grows if the server turns out to close its connections.
        """
        waiting_creates = sum(not write.request.idempotent for write in self.writes) - threads
        wanted = None if waiting_creates > 0 else 0
        started = 0  # of `wanted`
        with self._main_is_waiting:
            tick()
            for _ in range(min(threads, len(self.writes))):
                self._submit(self._work, 0)
            while not self._working.acquire(timeout=SLICE_SECONDS if wanted is not None else SHORT_SLICE_SECONDS):
                tick()
                if started < waiting_creates and (wanted := more_threads()) is not None:
                    for _ in range(min(wanted, waiting_creates) - started):
                        self._submit(self._work, wanted)
                        started += 1

    def stop(self) -> None:
        """Begin nothing more; wait a moment for what is in flight."""
        with self._mutex:
            self._stopped = True
        self._cancelled.set()
        end = time.monotonic() + SETTLING_SECONDS
        while self._under_way and time.monotonic() < end:
            time.sleep(POLL_SECONDS)

    def _work(self) -> None:
        while (place := self._take()) is not None:
            write = self.writes[place]
            try:
                self._deliver(write)
            finally:
                self._record(place, write)

    def _take(self) -> int | None:
        """The next write that may be sent, waited for if need be; None when there is none any more."""
        with self._mutex:
            while True:
                if self._stopped or not self._main_is_waiting.locked():
                    break
                if self._ready:
                    self._under_way += 1
                    return self._ready.popleft()
                if not self._under_way:
                    break
                self._changed.wait(SLICE_SECONDS)
            self._end_if_over()
            return None

    def _deliver(self, write: Write) -> None:
        """Send one write, and move it to its final state."""
        try:
            response = self._send(write.request, lambda: self._begin(write))
            result = self._parse(response, write.parse)
            may_follow = write.may_be_empty and counted_files(result) == 0
            if response.unconfirmed.missing and not may_follow:
                error = incomplete(write.request, response, result.get("id"))
                write.move_to(State.PARTIAL, result=result, error=error)
            else:
                write.move_to(State.DONE, result=result)
        except BaseException as error:
            unknown = write.state is State.BEGUN and outcome_unknown(write.request, error)
            write.move_to(State.UNKNOWN if unknown else State.NOT_DONE, error=error)

    def _begin(self, write: Write) -> bool:
        """The first byte is about to leave; False when it must not."""
        with self._mutex:
            if self._stopped or not self._main_is_waiting.locked():
                return False
            if write.state is State.QUEUED:  # or it is sent again, because it certainly had no effect
                write.move_to(State.BEGUN)
            return True

    def _record(self, place: int, write: Write) -> None:
        with self._mutex:
            self._under_way -= 1
            self.finished += 1
            ready = len(self._ready)
            if write.state is State.DONE:
                for follower in self._followers.get(place, ()):
                    self._missing[follower] -= 1
                    if not self._missing[follower]:
                        self._ready.append(follower)
            else:
                self._stopped = True
                self._cancelled.set()
            if self._end_if_over() or self._stopped or len(self._ready) > ready:
                self._changed.notify_all()

    def _end_if_over(self) -> bool:
        over = not self._under_way and (self._stopped or not self._ready)
        # a worker that comes late finds it released already
        if over and self._working.locked():
            self._working.release()
        return over
