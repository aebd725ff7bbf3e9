"""Concurrency: the only threads. Requests in, answers out in the order asked for, interrupts heard.

It must not know SQLite's callbacks, tables or what an answer means.

>>> fetch = Fetch(client, interrupted=lambda: connection.is_interrupted)
>>> with Asking(fetch) as asking: [asking.answer(request) for request in asking.ahead(requests)]
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from queue import SimpleQueue
from typing import Any, TypeVar, cast

import apsw

from ..clock import REAL, Clock
from ..errors import APIConnectionError, APIError, ProgrammingError
from ..progress import ProgressReporter
from ..protocol import NO_HEADERS, Request, Response
from ..transport.client import Client, duration
from ..transport.limits import Flag, WaitBudget
from .read_ahead import ReadAhead

log = logging.getLogger("openai_vtab")

NOT_READ = (APIError, APIConnectionError)  # what keeps one key or list from being read, rather than all
SLICE = 0.05  # seconds between two looks for an interrupt
WINDOW_FACTOR = 2  # times max_concurrency: how far an IN list is asked for before its rows are read
OK = 200
DOWNLOADED = 16 * 1024 * 1024  # bytes of contents kept
PARSED_CACHE_OBJECTS = 2_000  # objects kept parsed, some 2 MB
MAX_PENDING_ITEMS = 1000  # items, with those that need no request
KEPT = ("x-request-id", "openai-poll-after-ms", "location")
# seconds between two looks at what is waited for, unless the API says openai-poll-after-ms
FIRST_PAUSE, PAUSE_GROWTH, LONGEST_PAUSE = 0.5, 1.5, 5.0

T = TypeVar("T")
_Task = tuple["Future[Any]", Callable[[], Any], Flag]


class WorkerPool:
    """A pool of at most `max_concurrency` threads over one client, started when first needed.

    Not concurrent.futures.ThreadPoolExecutor: the interpreter would wait at its exit for every request that it
    still runs, here up to minutes. These threads are daemons, and end when the pool is closed.
    """

    def __init__(self, client: Client, interrupted: Callable[[], bool], *, clock: Clock = REAL) -> None:
        self.clock = clock
        self.client = client
        self.interrupted = interrupted
        self.size = client.settings.max_concurrency
        self.reached: set[str] = set()  # the routes at which the API has shown itself, as templates: reach.py
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._unfinished = 0
        self._under_way: list[Flag] = []  # of the statements that the threads work for
        self._process = os.getpid()

    @property
    def is_inherited(self) -> bool:
        """Whether this is the child of a fork, where there are no threads, and nobody who would release the locks."""
        return os.getpid() != self._process

    def refuse_if_inherited(self) -> None:
        """Raise ProgrammingError in the child of a fork."""
        if self.is_inherited:
            raise ProgrammingError(
                "the connection was opened before this process was forked, and is its parent's: open one here"
            )

    def wait_budget(self) -> WaitBudget:
        """What the requests of one statement share."""
        return WaitBudget(self.client.settings.rate_limit_wait, self.clock)

    def meter(self) -> ProgressReporter | None:
        """What tells how far a statement is, if somebody wants to know."""
        tell = self.client.settings.progress
        return None if tell is None else ProgressReporter(tell, self.clock)

    def submit(self, call: Callable[[], T], wait_budget: WaitBudget) -> Future[T]:
        """Have `call` run by a thread of the pool, unless it is cancelled before it begins."""
        self.refuse_if_inherited()
        future: Future[T] = Future()
        if self.client.settings.dry_run:  # nothing to wait for: what is shown comes in the order asked for
            try:
                future.set_result(call())
            except Exception as error:
                future.set_exception(error)
            return future
        with self._lock:
            self._unfinished += 1
            if self._unfinished > self._threads < self.size + self._stuck():
                name = f"openai_vtab-{self._threads + 1}"
                threading.Thread(target=_work, args=(self, self._tasks), name=name, daemon=True).start()
                self._threads += 1  # afterwards: a signal in between must not count a thread that never began
        self._tasks.put((future, call, wait_budget.cancelled))
        return future

    def _stuck(self) -> int:
        """How many threads wait for what an interrupted statement has left under way."""
        return sum(cancelled.is_set() for cancelled in self._under_way)

    def begin(self, cancelled: Flag) -> None:
        """A thread begins to work for a statement."""
        with self._lock:
            self._under_way.append(cancelled)

    def end(self, cancelled: Flag, tasks: SimpleQueue[_Task | None]) -> bool:
        """A thread has done a task of that queue. Returns whether the thread must end, because it was replaced."""
        with self._lock:
            self._under_way.remove(cancelled)
            self._unfinished -= 1
            surplus = tasks is self._tasks and self._threads > self.size + self._stuck()
            self._threads -= surplus
            return surplus

    def send(self, request: Request, wait_budget: WaitBudget, predicted: bool = False) -> Future[Response]:
        """Start a request. Once it is cancelled it is not begun, and not repeated."""
        return self.submit(lambda: self.client.send(request, wait_budget, predicted), wait_budget)

    def parse_once(self, response: Response, understand: Callable[[Response], T]) -> T:
        """What an answer means. One that means nothing may be another request's: no connection is used again."""
        try:
            return understand(response)
        except APIError:
            if response.status == OK:
                self.client.renew()
            raise

    def wait(self, future: Future[T], meter: ProgressReporter | None = None) -> T:
        """The result, waited for in slices so that `connection.interrupt()` is heard. Raises its error."""
        self.refuse_if_inherited()  # nobody is there who would answer what was asked before the fork
        while not future.done():
            try:
                future.exception(SLICE)
            except FutureTimeoutError:
                if self.interrupted():
                    raise apsw.InterruptError("interrupted") from None
                if meter is not None:
                    meter.look()
        return future.result()

    def pause(self, seconds: float, meter: ProgressReporter | None = None) -> None:
        """Wait in slices, so that `connection.interrupt()` is heard."""
        end = self.clock.monotonic() + seconds
        while (remaining := end - self.clock.monotonic()) > 0:
            self.clock.sleep(min(SLICE, remaining))
            if self.interrupted():
                raise apsw.InterruptError("interrupted")
            if meter is not None:
                meter.look()

    def close(self) -> None:
        """End the threads, each after the request it is in, and close the connections; a later request begins anew."""
        if self.is_inherited:
            return
        with self._lock:
            tasks, self._tasks = self._tasks, SimpleQueue()
            self._threads = 0
        tasks.put(None)
        self.client.close()


def _work(workers: WorkerPool, tasks: SimpleQueue[_Task | None]) -> None:
    while (task := tasks.get()) is not None:
        future, call, cancelled = task
        workers.begin(cancelled)
        try:
            if not cancelled.is_set() and future.set_running_or_notify_cancel():
                try:
                    future.set_result(call())
                except BaseException as error:  # raised again where the answer is waited for
                    future.set_exception(error)
                    del error
            else:
                future.cancel()
        finally:
            surplus = workers.end(cancelled, tasks)
            del task, future, call  # an idle thread must not keep an answer alive
        if surplus:
            return
    tasks.put(None)  # for the next one: a signal can keep a thread from being counted


class StatementSession:
    """The requests and responses of one statement: each is sent once, so that the statement sees one snapshot.

    The exception are downloads that no longer fit into memory, which are sent again.
    """

    def __init__(
        self,
        workers: WorkerPool,
        *,
        skip_unreadable: bool = False,
        assume_exists: bool = False,
        read_ahead: Callable[[StatementSession], ReadAhead] | None = None,
    ) -> None:
        self.workers = workers
        self.wait_budget = workers.wait_budget()
        self.meter = workers.meter()
        self.skip_unreadable = skip_unreadable  # that a key or a list cannot be read: it becomes a row that says so
        self.not_read: set[str] = set()  # those
        self.not_reached: dict[str, str] = {}  # routes at which it has not, and why: reach.py
        self.assume_exists = assume_exists  # a dry run of an UPDATE or DELETE: that what is named by its keys is there
        self._answers: dict[str, Future[Response] | Response | bytes] = {}  # what is understood is a body alone
        self._understood: dict[str, tuple[Any, int]] = {}  # the latest answers, parsed, and how many objects they are
        self._weight = 0
        self._downloads: dict[str, bytes | None] = {}
        self._downloaded = 0  # bytes
        self._deadlines: dict[float, float] = {}
        self.read_ahead = None if read_ahead is None else read_ahead(self)

    def start(self, request: Request, predicted: bool = False) -> bool:
        """Ask now, to be told later. False when it has been asked already."""
        identity = request.identity
        if identity in self._answers or identity in self._downloads:
            return False
        self._answers[identity] = self.workers.send(request, self.wait_budget, predicted)
        return True

    def predict(self, request: Request) -> bool:
        """The same for what read-ahead expects that the statement will ask for."""
        return self.start(request, predicted=True)

    def add_expected_keys(self, keys: int) -> None:
        """So many keys of an IN list are about to be looked up."""
        if self.meter is not None:
            self.meter.expected += keys

    def look_up(self, request: Request, *, alone: bool) -> bool:
        """Send the request; if it is `alone`, also those that the statement will probably send next. Returns True."""
        self.start(request)
        if alone and self.read_ahead is not None:
            self.read_ahead.looked_up(request)
        return True

    def is_answered(self, request: Request) -> bool:
        """Whether the answer can be had without waiting."""
        answer = self._answers.get(request.identity)
        return isinstance(answer, (Response, bytes)) or (answer is not None and answer.done())

    def response(self, request: Request) -> Response:
        """The answer, asked for now unless it has been before."""
        self.start(request)
        identity = request.identity
        answer = self._answers[identity]
        if isinstance(answer, Response):
            return answer
        if isinstance(answer, bytes):
            return Response(OK, NO_HEADERS, answer, self.workers.client.base_url)
        try:
            response = self.workers.wait(answer, self.meter)
        except (apsw.InterruptError, KeyboardInterrupt):  # whatever keeps the cursor alive, the statement is over
            self.wait_budget.cancelled.set()
            raise
        if self.meter is not None:
            known = self.read_ahead.known if self.read_ahead is not None else None
            self.meter.came("keys" if request.absent_is_none else "pages", known)
        # without most of the headers, which are the larger part
        headers = {name: response.headers[name] for name in KEPT if name in response.headers} or NO_HEADERS
        note = f"{response.note}; before it, {self._answered()} were answered" if response.note else ""
        self._answers[identity] = kept = Response(response.status, headers, response.body, response.base_url, note=note)
        return kept

    def _answered(self) -> int:
        """How many of the statement's requests have an answer, and were not given up for a limit."""
        return sum(
            isinstance(answer, bytes) or not (answer if isinstance(answer, Response) else answer.result()).note
            for answer in self._answers.values()
            if not isinstance(answer, Future) or (answer.done() and not answer.cancelled() and not answer.exception())
        )

    def parse_once(self, request: Request, understand: Callable[[Response], T], weight: Callable[[T], int]) -> T:
        """The answer, parsed once for all rows of a join that ask for it, as long as there is room.

        A statement may read tens of thousands, and keeps them all: of what is right, the body alone.
        """
        found = self._understood.get(request.identity)
        if found is not None:
            return cast(T, found[0])
        response = self.response(request)
        meaning = self.workers.parse_once(response, understand)
        if response.status == OK:
            self._answers[request.identity] = response.body
        heavy = weight(meaning)
        while self._understood and self._weight + heavy > PARSED_CACHE_OBJECTS:
            _, lighter = self._understood.pop(next(iter(self._understood)))
            self._weight -= lighter
        self._understood[request.identity] = meaning, heavy
        self._weight += heavy
        return meaning

    def download(self, request: Request, understand: Callable[[Response], bytes | None]) -> bytes | None:
        """The bytes in the answer. The latest are kept for rows of a join that ask again; others are sent for again."""
        identity = request.identity
        if identity not in self._downloads:
            content = understand(self.response(request))
            del self._answers[identity]
            self._downloads[identity] = content
            self._downloaded += len(content or b"")
            while self._downloaded > DOWNLOADED and len(self._downloads) > 1:
                self._downloaded -= len(self._downloads.pop(next(iter(self._downloads))) or b"")
        return self._downloads[identity]

    def forget(self, request: Request) -> None:
        """What was predicted will not be asked for: an answer that has come, or comes, is not kept."""
        answer = self._answers.pop(request.identity, None)
        if isinstance(answer, Future):
            answer.cancel()

    def poll_until(
        self, settled: Callable[[Request, Response], bool], requests: Iterable[Request], deadline: float
    ) -> None:
        """Ask all of them again and again, together, until each is settled or the deadline has come.

        `deadline` is on the pool's clock. The answers are then those of the last time. The pause is
        what the API asks for each time, otherwise it grows.
        """
        pending = {request.identity: request for request in requests}
        pause, total = FIRST_PAUSE, len(pending)
        while True:
            for request in pending.values():
                self.start(request)
            hints = []
            for identity, request in list(pending.items()):
                if self._is_settled(request, settled):
                    del pending[identity]
                else:
                    hints.append(_poll_after(self.response(request)))
            remaining = deadline - self.workers.clock.monotonic()
            if not pending or remaining <= 0:
                if self.meter is not None:
                    self.meter.waited()
                return
            if self.meter is not None:
                self.meter.waits(total - len(pending), total)
            asked = max((hint for hint in hints if hint is not None), default=None)
            self.workers.pause(min(pause if asked is None else asked, remaining), self.meter)
            pause = min(pause * PAUSE_GROWTH, LONGEST_PAUSE)
            for identity in pending:
                del self._answers[identity]
                self._weight -= self._understood.pop(identity, (None, 0))[1]

    def _is_settled(self, request: Request, settled: Callable[[Request, Response], bool]) -> bool:
        try:
            return settled(request, self.response(request))
        except NOT_READ:
            if not self.skip_unreadable:
                raise
            return True

    def record_unreadable(self, request: Request, error: Exception) -> None:
        """The request's key or list cannot be read. Raises the error again, unless the statement goes on without."""
        if not self.skip_unreadable:
            raise error
        self.not_read.add(request.identity)

    def deadline(self, seconds: float) -> float:
        """When a wait of so many seconds ends: one deadline for the whole statement, from its first wait on."""
        return self._deadlines.setdefault(seconds, self.workers.clock.monotonic() + seconds)

    def prefetch(
        self, items: Iterable[T], request: Callable[[T], Request | None]
    ) -> Iterator[tuple[T, Request | None]]:
        """The items with their requests, in order, as many of them asked for already as can be under way.

        An item without a request only keeps its place.
        """
        window = WINDOW_FACTOR * self.workers.size
        waiting: deque[tuple[T, Request | None]] = deque()
        started = 0
        for item in items:
            needed = request(item)
            if needed is None and self.meter is not None:
                self.meter.expected -= 1
            if needed is None and not waiting:
                yield item, None
                continue
            waiting.append((item, needed))
            if needed is not None:
                self.start(needed)
                started += 1
            while waiting and (started >= window or len(waiting) >= MAX_PENDING_ITEMS or waiting[0][1] is None):
                started -= waiting[0][1] is not None
                yield waiting.popleft()
        yield from waiting

    def close(self) -> None:
        """The statement is over: what has not begun is not begun, and nothing is remembered.

        A cursor that SQLite has opened late may ask on by it: another statement had begun after the cursor's own.
        """
        self.wait_budget.cancelled.set()
        if self.meter is not None:
            self.meter.close()
        self.wait_budget = self.workers.wait_budget()
        if self.not_read:
            log.warning(
                "%d could not be read, keys or lists: the column error of their rows says why", len(self.not_read)
            )
        self.not_read.clear()
        self.not_reached.clear()
        self._answers.clear()
        self._understood.clear()
        self._weight = 0
        self._downloads.clear()
        self._downloaded = 0
        if self.read_ahead is not None:
            self.read_ahead.close()
            self.read_ahead = None


def _poll_after(response: Response) -> float | None:
    """Seconds that the API asks to wait before the next look, bounded; None when it gives no usable number."""
    seconds = duration(response.headers.get("openai-poll-after-ms", ""), unit=0.001)
    return None if seconds is None else min(max(seconds, SLICE), 60.0)
