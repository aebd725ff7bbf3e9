"""The worker threads of a connection, which send the requests of its statements concurrently.

>>> workers = WorkerPool(client, interrupted=lambda: connection.is_interrupted)
>>> workers.wait(workers.send(request, workers.wait_budget()))
Response(status=200, …)
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from concurrent.futures import wait as wait_for
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

import apsw

from ..clock import REAL, Clock
from ..errors import APIError, ProgrammingError
from ..progress import ProgressReporter
from ..protocol import Request, Response
from ..transport.client import Client
from ..transport.limits import INTERRUPT_POLL_SECONDS, CancelFlag, WaitBudget
from ..transport.turns import NEAR_SECONDS
from .observed import ObservedSeconds
from .page_sizes import PageSizes

OK = 200
LONG_SECONDS = 2 * NEAR_SECONDS  # a connection that is far away has not been opened in this time

T = TypeVar("T")
_Task = tuple["Future[Any]", Callable[[], Any], CancelFlag]


class WorkerPool:
    """A pool of up to `max_concurrency` threads over one client, started when first needed.

    The threads are daemons, and end when the pool is closed. With concurrent.futures.ThreadPoolExecutor, the
    interpreter would wait at its exit for every running request, up to minutes. `interrupted` returns True if the user
    has interrupted the connection.
    """

    def __init__(self, client: Client, interrupted: Callable[[], bool], *, clock: Clock = REAL) -> None:
        self.client = client
        self.interrupted = interrupted
        self.clock = clock
        self.size = client.settings.max_concurrency
        self.observed = ObservedSeconds(clock)
        self._page_sizes = PageSizes(client.settings.page_size)
        self.reached: set[str] = set()  # routes at which the API has responded (undecided_404.py)
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._lock = threading.RLock()  # the garbage collector may close the pool within
        self._threads = 0
        self._unfinished = 0
        self._opening: set[Future[None]] = set()  # connections that are opened before they are needed
        self._under_way: list[CancelFlag] = []  # of the statements that the threads work for
        self._process = os.getpid()

    @property
    def is_inherited(self) -> bool:
        """True in a forked child, which has no worker threads."""
        return os.getpid() != self._process

    def refuse_if_inherited(self) -> None:
        """Raise ProgrammingError in a forked child."""
        if os.getpid() != self._process:
            raise ProgrammingError(
                "the connection belongs to the parent process, because it was opened before the fork; "
                "open a new connection in this process"
            )

    def wait_budget(self) -> WaitBudget:
        """A new WaitBudget for the requests of one statement."""
        return WaitBudget(self.client.settings.rate_limit_wait, self.clock)

    def meter(self) -> ProgressReporter | None:
        """A new ProgressReporter for a statement; None if the user has given no callback."""
        tell = self.client.settings.progress
        return None if tell is None else ProgressReporter(tell, self.clock)

    def send(self, request: Request, wait_budget: WaitBudget, predicted: bool = False) -> Future[Response]:
        """Send a request, unless `wait_budget` is cancelled; then it is neither sent nor retried."""
        return self.submit(partial(self._send, request, wait_budget, predicted), wait_budget=wait_budget)

    def _send(self, request: Request, wait_budget: WaitBudget, predicted: bool) -> Response:
        began = self.clock.monotonic()
        if request.page is None:
            response = self.client.send(request, wait_budget, predicted)
        else:
            client = self.client
            response = self._page_sizes.send(
                request, request.page, lambda sent: client.send(sent, wait_budget, predicted)
            )
        self.observed.add(request.route, self.clock.monotonic() - began)
        return response

    def submit(self, call: Callable[[], T], more_threads: int = 0, *, wait_budget: WaitBudget) -> Future[T]:
        """Have a thread of the pool run `call`, unless it is cancelled before it begins.

        `more_threads` may be started for it than the pool has otherwise; each ends after its first call.
        """
        if os.getpid() != self._process:
            self.refuse_if_inherited()
        future: Future[T] = Future()
        if self.client.settings.dry_run:  # shows the requests in the order in which they are asked for
            try:
                future.set_result(call())
            except Exception as error:
                future.set_exception(error)
            return future
        with self._lock:
            most = self.size + more_threads
            if self._unfinished >= self._threads and (self._threads < most or self._threads < self._most()):
                name = f"openai_vtab-{self._threads + 1}"
                threading.Thread(target=self._work, args=(self._tasks,), name=name, daemon=True).start()
                self._threads += 1  # after start(): a signal in between must not count a thread that never began
            self._unfinished += 1
        self._tasks.put((future, call, wait_budget.cancelled))
        return future

    def missing(self, connections: int) -> int:
        """How many connections `prepare` would open: 0 where that would save no time."""
        self._opening = {opening for opening in self._opening if not opening.done()}
        opening = len(self._opening)
        return self.client.missing(min(connections, self.size) - opening, self._unfinished - opening)

    def prepare(self, connections: int, wait_budget: WaitBudget) -> None:
        """Have worker threads open connections until there are `connections`; each opens at most one."""
        for _ in range(self.missing(connections)):
            self._opening.add(self.submit(self.client.open_idle, wait_budget=wait_budget))

    def _most(self) -> int:
        """How many threads there may be: those that still work for a cancelled statement are replaced."""
        return self.size + sum(cancelled.is_set for cancelled in self._under_way)

    def _work(self, tasks: SimpleQueue[_Task | None]) -> None:
        """Run the tasks of a queue in a thread, until the queue has a None or this thread has been replaced."""
        is_surplus = False
        while not is_surplus and (task := tasks.get()) is not None:
            future, call, cancelled = task
            with self._lock:
                self._under_way.append(cancelled)
            settle: Callable[[], object] = future.cancel
            try:
                if not cancelled.is_set and future.set_running_or_notify_cancel():
                    try:
                        settle = partial(future.set_result, call())
                    except BaseException as error:  # wait() raises it again
                        settle = partial(future.set_exception, error)
            finally:
                with self._lock:
                    self._under_way.remove(cancelled)
                    self._unfinished -= 1
                    is_surplus = tasks is self._tasks and self._threads > self.size and self._threads > self._most()
                    self._threads -= is_surplus
            settle()  # only now: the statement goes on at once, and counts the requests that are unfinished
            del task, future, call, settle  # an idle thread must not keep a response alive
        if not is_surplus:
            tasks.put(None)  # for the next thread: a signal can keep a thread from being counted

    def cancel(self, future: Future[Response]) -> None:
        """Cancel a request that has not begun. The response to any other is forgotten once it has come."""
        if not future.cancel():
            future.add_done_callback(_forget)

    def parse(self, response: Response, parse: Callable[[Response], T]) -> T:
        """Parse a response. If it cannot be parsed, close the idle connections: it may belong to another request."""
        try:
            return parse(response)
        except APIError:
            if response.status == OK:
                self.client.close_kept_alive()
            raise

    def wait(
        self, future: Future[T], meter: ProgressReporter | None = None, on_wait: Callable[[], None] | None = None
    ) -> T:
        """Return the result of a future, or raise its exception. `on_wait` is called once if that takes long.

        Raises apsw.InterruptError after `connection.interrupt()`.
        """
        if os.getpid() != self._process:  # the threads that would set the result are the parent's
            self.refuse_if_inherited()
        poll = INTERRUPT_POLL_SECONDS if on_wait is None else LONG_SECONDS
        while True:
            try:
                return future.result(poll)
            except FutureTimeoutError:
                if future.done():  # just now, or long ago with a TimeoutError of its own
                    return future.result()
                if on_wait is not None:
                    on_wait()
                    poll, on_wait = INTERRUPT_POLL_SECONDS, None
                self._look(meter)
            except RuntimeError as error:
                _raise_interrupt(error)
                raise

    def is_done_by(self, deadline: float, future: Future[T], meter: ProgressReporter | None = None) -> bool:
        """Wait until a future is done, or the clock reaches `deadline`. Return whether it is done.

        Raises apsw.InterruptError after `connection.interrupt()`.
        """
        while not future.done() and self.clock.monotonic() < deadline:
            try:
                is_done = bool(wait_for([future], INTERRUPT_POLL_SECONDS).done)
            except RuntimeError as error:
                _raise_interrupt(error)
                raise
            if not is_done:
                self._look(meter)
        return future.done()

    def _look(self, meter: ProgressReporter | None) -> None:
        """Raise apsw.InterruptError if the user has interrupted the connection; else show the progress."""
        if self.interrupted():
            raise apsw.InterruptError("interrupted") from None
        if meter is not None:
            meter.look()

    def pause(self, seconds: float, meter: ProgressReporter | None = None) -> None:
        """Wait. Raises apsw.InterruptError after `connection.interrupt()`."""
        end = self.clock.monotonic() + seconds
        while (remaining := end - self.clock.monotonic()) > 0:
            self.clock.sleep(min(INTERRUPT_POLL_SECONDS, remaining))
            self._look(meter)

    def close(self) -> None:
        """End each thread after its request. A later request starts new threads.

        Reads that are under way for a statement that is over are ended at once.
        """
        if os.getpid() != self._process:
            return
        with self._lock:
            tasks, self._tasks = self._tasks, SimpleQueue()
            self._threads = 0
            under_way = list(self._under_way)
        tasks.put(None)
        for cancelled in under_way:
            if cancelled.is_set:  # at the interpreter's exit, a daemon thread may still wait for its statement
                cancelled.end_reads()
        self.client.close()


def _raise_interrupt(error: RuntimeError) -> None:
    """Raise the KeyboardInterrupt that has made a wait end with this error.

    One that comes while threading.Condition takes its lock again is lost: to release the lock then raises the error.
    """
    if isinstance(interrupt := error.__context__, KeyboardInterrupt):
        raise interrupt from None


def _forget(done: Future[Response]) -> None:
    if not done.cancelled() and not done.exception() and not isinstance(content := done.result().content, bytes):
        content.close()
