"""Read-ahead: predicts the single keys that a statement will look up, so that a join is not one round trip per row.

SQLite gives a join's keys one at a time, and only when it wants the row. So the running statement is replayed beside
itself: every table of ours records its key and returns no rows, which sends nothing and takes microseconds for each
key. What was recorded is requested ahead of the real scan, which still asks for its own key every time: a wrong
prediction costs a request, never a row.

Read-ahead never has more unused requests outstanding than the statement has already used, so that LIMIT 3 does not
fetch a thousand rows, and a query never sends more than twice what it needs; and never more than keep all connections
busy. While these requests are in flight, connections are opened for the next ones, because at a distance this takes
longer than a request. For the same reason, a first look-up that waits for long is the time to find out whether others
follow, and to open their connections.

A replay cannot go beyond the page of a list that has not come yet. This page is requested before the keys that were
recorded before it, and once it has come, the statement is replayed again. So pages are prefetched while their keys are
looked up.

>>> read_ahead = ReadAhead(start, is_answered, most=64, replay=lambda record, seconds: run_again(record, seconds))
>>> read_ahead.looked_up(request)
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress

from ..clock import REAL, Clock
from ..errors import Error
from ..protocol import Request
from .bulk_reads import BulkReads

log = logging.getLogger("openai_vtab")

FIRST_USEFUL = 2  # look-ups before something is sent ahead: one look-up alone predicts nothing
CONNECTIONS = 6  # for each look-up used: opening one takes two round trips, after which six times as many are in flight
MOST_BESIDE_A_PAGE = 1  # look-ups that are sent ahead while a page of their list is in flight
MOST_RECORDED = 10_000  # keys of one replay: a few MB; later half as many as the statement has used
ENOUGH = 1_000  # keys that are recorded and not yet sent: no page is replayed before some of them are
SHORT_REPLAY_SECONDS = 0.25  # that replays may take in all; or half as long as the statement has taken so far
FIRST_REPLAY_SECONDS = 0.05  # that a replay may take during the first look-up, which may be the only one

# Called with each request that a replay would send, and whether it is for a page of a list
Record = Callable[[Request, bool], None]
# Runs the statement again for up to so many seconds, and records. Returns whether these are all requests.
Replay = Callable[[Record, float], bool]


class StopReplay(BaseException):
    """Raised through a replay to end it: an Exception could be taken for the statement's own."""


class ReadAhead:
    """Predicts what one statement will look up.

    `start` sends a request, and returns False if it was sent before. `is_answered` returns whether a request has its
    response. Up to `most` requests are outstanding. `prepare` opens connections until there are as many as it is given;
    `can_prepare` returns whether that would open any. `bulk` reads lists instead, where that pays.
    """

    def __init__(
        self,
        start: Callable[[Request], bool],
        is_answered: Callable[[Request], bool],
        most: int,
        replay: Replay,
        *,
        prepare: Callable[[int], None] = lambda _: None,
        can_prepare: Callable[[int], bool] = lambda _: False,
        bulk: BulkReads | None = None,
        clock: Clock = REAL,
    ) -> None:
        self._start = start
        self._is_answered = is_answered
        self._most = most
        self._replay = replay
        self._prepare = prepare
        self._can_prepare = can_prepare
        self._prepared = 0  # the most connections that were asked for
        self._bulk = bulk
        self._clock = clock
        self._began = clock.monotonic()
        self._replayed = self._last = 0.0  # seconds that replays have taken: all of them, and the last one
        self._used: dict[str, bool] = {}  # every identity recorded or looked up: whether the statement has used it
        self._used_count = 0
        self._coming: deque[Request] = deque()
        self._ahead: dict[str, None] = {}  # sent and not yet used, in the order of sending
        self._passed: set[str] = set()  # those of them that a later one has overtaken
        self._page: Request | None = None  # where the last replay could not continue
        self._complete = False
        self._has_recorded = False  # a replay, since the last look-up
        self.predicted = 0

    @property
    def wasted(self) -> int:
        """How many requests were sent ahead and not used."""
        return len(self._passed) + len(self._ahead)

    @property
    def known(self) -> int | None:
        """How many keys the statement will look up in all; None while that is not known."""
        return len(self._used) if self._complete else None

    def looked_up(self, request: Request, *, is_served: bool = False) -> None:
        """Send as many of the following requests as are due, because the statement needs this one now.

        `is_served`: a page of a list had its object, and probably has those that follow: there is nothing to predict.
        """
        identity = request.identity
        if self._used.get(identity):
            return
        if identity in self._ahead:
            self._overtake(identity)
        self.used(request)
        if self._used_count < FIRST_USEFUL or is_served:
            return
        if self._can_record_more() or (self._has_recorded and not self._complete):
            self._run_replay(max(SHORT_REPLAY_SECONDS, (self._clock.monotonic() - self._began) / 2))
        if self._has_recorded and self._bulk is not None:
            self._bulk.consider(self._coming)
        self._has_recorded = False
        due = min(self._used_count - len(self._passed), self._most)
        if self._bulk is not None and self._bulk.is_under_way():
            # the page is outstanding, too, and will probably have the keys that follow
            due = min(due - 1, MOST_BESIDE_A_PAGE)
        while self._coming and len(self._ahead) < due:
            following = self._coming.popleft()
            if not self._used[following.identity] and self._start(following):
                self._ahead[following.identity] = None
                self.predicted += 1
        self._prepare_for(due)

    def waits(self) -> None:
        """Open connections for what follows: the first look-up takes long, and so does opening a connection.

        What its replay has no time for is recorded at the second look-up.
        """
        if self._used_count == 1 and not self._has_recorded and self._can_prepare(CONNECTIONS):
            self._run_replay(FIRST_REPLAY_SECONDS)
            self._prepare_for(1)

    def _prepare_for(self, due: int) -> None:
        """Open connections for the requests that will follow the next `due` ones."""
        connections = min(CONNECTIONS * due, len(self._ahead) + len(self._coming), self._most)
        if connections > self._prepared:
            self._prepared = connections
            self._prepare(connections)

    def used(self, request: Request) -> None:
        """Count a request that the statement uses, such as the next page of a list."""
        identity = request.identity
        self._used_count += not self._used.get(identity)
        self._used[identity] = True
        self._passed.discard(identity)
        self._ahead.pop(identity, None)

    def put_back(self, requests: Iterable[Request]) -> None:
        """Requests that were served, and must be sent after all. Those that the statement has not used come next."""
        following = [request for request in requests if not self._used.setdefault(request.identity, False)]
        self._coming.extendleft(reversed(following))

    def _can_record_more(self) -> bool:
        """Return whether a replay would record more requests, and they are needed soon."""
        if self._complete:
            return False
        if self._page is None:
            return len(self._coming) < self._most
        return len(self._coming) < ENOUGH and self._is_answered(self._page)

    def _overtake(self, identity: str) -> None:
        """Take a request that is used from `_ahead`, and those sent before it: they will probably never be used."""
        while self._ahead:
            first = next(iter(self._ahead))
            del self._ahead[first]
            if first == identity:
                break
            self._passed.add(first)

    def _record(self, request: Request, is_page: bool) -> None:
        """Keep a request of a replay, if it is new. Raises StopReplay when enough are kept."""
        identity = request.identity
        is_new = identity not in self._used
        if is_page and self._page is None:
            self._page = request
            if is_new:
                self._used[identity] = False
                self._coming.appendleft(request)
        elif is_new:
            self._used[identity] = False
            self._coming.append(request)
            # a replay passes all earlier keys again: the same number of new ones in each would take quadratic time
            if len(self._coming) >= max(MOST_RECORDED, self._used_count // 2):
                raise StopReplay

    def _run_replay(self, seconds: float) -> None:
        """Replay the statement from its beginning, and record what it has not looked up so far, if there is time.

        Its replays may take `seconds` in all.
        """
        began = self._clock.monotonic()
        seconds -= self._replayed
        # each replay starts again, and in the time of the last one would come no farther
        if seconds <= 2 * self._last:
            return
        self._page = None
        with suppress(StopReplay, Error):  # the statement itself will raise the error, if it goes so far
            self._complete = self._replay(self._record, seconds)
        self._last = self._clock.monotonic() - began
        self._replayed += self._last
        self._has_recorded = True

    def close(self) -> None:
        """Log how good the predictions were: the statement is over."""
        if self.predicted:
            wasted = self.wasted
            used = self.predicted - wasted
            log.debug("read-ahead: %d keys predicted, %d used, %d wasted", self.predicted, used, wasted)
