"""Read-ahead: the single keys that a statement will ask for, so that a join is not one round trip after another.

SQLite gives a join's keys one at a time, and only when it wants the row. So the running statement is run once more,
beside itself, with every table of ours noting its key and answering "no rows": that sends nothing, and takes
microseconds a key. What is noted is asked for ahead of the real scan, which still asks for its own key every time:
a wrong prediction costs a request, never a row.

How far ahead: never more requests unused than the statement has used, so that LIMIT 3 does not fetch a thousand
rows and a query never sends more than twice what it needs; and never more than keep all connections busy.
This file must not know SQL, SQLite or HTTP.

>>> ReadAhead(start, most=64, replay=lambda note: note(request)).looked_up(request)
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from ..clock import REAL, Clock
from ..errors import Error
from ..protocol import Request

log = logging.getLogger("openai_vtab")

# A statement is run again at its second look-up: one look-up alone has nothing to predict.
FIRST_USEFUL = 2
KEYS = 10_000  # how many keys are noted at once: a few MB
PATIENCE = 0.25  # seconds that noting may take, or as long as half of what the statement has taken so far

# runs the statement again for some seconds; hands over its requests; returns whether these are all
Replay = Callable[[Callable[[Request], None], float], bool]


class StopReplay(BaseException):
    """Raised through a replay to end it; errors on its way are taken for the statement's own."""


class ReadAhead:
    """What one statement will ask for. `start` asks for it unless it has been, and tells whether it had to."""

    def __init__(self, start: Callable[[Request], bool], most: int, replay: Replay, *, clock: Clock = REAL) -> None:
        self._clock = clock
        self._start = start
        self._most = most
        self._replay = replay
        self._began = self._clock.monotonic()
        self._spent = self._last = 0.0  # seconds of noting: all of it, and the last time
        self._used: dict[str, bool] = {}  # every identity noted or looked up: whether the statement has asked for it
        self._used_count = 0
        self._coming: deque[Request] = deque()
        self._ahead: dict[str, None] = {}  # asked for and not yet used, in the order of asking
        self._passed: set[str] = set()  # of those, what others that were asked for later have been used before
        self._complete = False
        self.predicted = 0

    @property
    def wasted(self) -> int:
        """How many that were asked for ahead have not been used."""
        return len(self._passed) + len(self._ahead)

    def looked_up(self, request: Request) -> None:
        """The statement asks for this one now; ask for as many of the following as are due."""
        identity = request.identity
        if self._used.get(identity):
            return
        self._used[identity] = True
        self._used_count += 1
        self._passed.discard(identity)
        if identity in self._ahead:
            self._pass(identity)
        if self._used_count < FIRST_USEFUL:
            return
        if len(self._coming) < self._most and not self._complete:
            self._note()
        due = min(self._used_count - len(self._passed), self._most)
        while self._coming and len(self._ahead) < due:
            following = self._coming.popleft()
            if not self._used[following.identity] and self._start(following):
                self._ahead[following.identity] = None
                self.predicted += 1

    @property
    def known(self) -> int | None:
        """How many the statement will ask for in all; None when that is not known."""
        return len(self._used) if self._complete else None

    def close(self) -> None:
        """The statement is over: say how well it went."""
        if self.predicted:
            wasted = self.wasted
            used = self.predicted - wasted
            log.debug("read-ahead: %d keys predicted, %d used, %d wasted", self.predicted, used, wasted)

    def _pass(self, identity: str) -> None:
        """It was asked for ahead. What was asked for before it, and not used, probably never will be."""
        while self._ahead:
            first = next(iter(self._ahead))
            del self._ahead[first]
            if first == identity:
                break
            self._passed.add(first)

    def _note(self) -> None:
        """Run the statement again from its beginning, and note what it has not asked for and nobody has noted."""

        def note(request: Request) -> None:
            if request.identity not in self._used:
                self._used[request.identity] = False
                self._coming.append(request)
                if len(self._coming) >= KEYS:
                    raise StopReplay

        began = self._clock.monotonic()
        patience = max(PATIENCE, (began - self._began) / 2) - self._spent
        # it begins anew each time, and in the time of the last would come no farther
        if patience <= 2 * self._last:
            return
        with suppress(StopReplay, Error):  # an error is the statement's own, if it goes so far
            self._complete = self._replay(note, patience)
        self._last = self._clock.monotonic() - began
        self._spent += self._last
