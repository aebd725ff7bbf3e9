"""How many requests may be in flight, and how soon the next one may begin, under a server's limits.

All threads of a connection share one ConcurrencyLimiter and one MinuteQuota, so that they slow down together; the
requests of one statement share one WaitBudget.

>>> began = limiter.acquire(budget.cancelled); ...; limiter.release(budget.cancelled)
>>> limiter.record(began, wait=2.0)    # the response was a 429 with Retry-After: 2
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import NamedTuple

from ..clock import REAL, Clock

INTERRUPT_POLL_SECONDS = 0.05  # between two checks for a cancelled statement
MINUTE = 61.0  # seconds; one more than 60, because the server counts from the arrival of a request

Limit = tuple[str, str]  # a limit's setting, and what shares the limit: a vector store, or "" for the whole account


class CancelFlag:
    """A flag that other threads wait for. set() takes no lock: a signal could leave that of threading.Event locked.

    `reads_were_ended` tells that end_reads() has set it. If a signal interrupts end_reads(), the flag is set, but some
    of the reads may go on to their end.
    """

    def __init__(self, clock: Clock = REAL) -> None:
        self._clock = clock
        self.is_set = False
        self.reads_were_ended = False
        self.ends: list[Callable[[], None]] = []  # of the reads under way
        self.lock = threading.Lock()  # of the list

    def set(self) -> None:
        """Set the flag, for good."""
        self.is_set = True

    def end_reads(self) -> None:
        """Set the flag, and end the reads that are under way, instead of leaving them to their end."""
        self.is_set = self.reads_were_ended = True
        with self.lock:
            for end in self.ends:
                end()

    def wait(self, seconds: float) -> bool:
        """Wait up to `seconds` for the flag. Returns True if it is set; checks every INTERRUPT_POLL_SECONDS."""
        end = self._clock.monotonic() + seconds
        while not self.is_set and (remaining := end - self._clock.monotonic()) > 0:
            self._clock.sleep(min(INTERRUPT_POLL_SECONDS, remaining))
        return self.is_set


class EndedBy(NamedTuple):
    """A block in which end_reads() calls `end`. If it has run before the block, `end` is called at once.

    Each read has one, and a generator of contextlib would take three times as long.
    """

    flag: CancelFlag
    end: Callable[[], None]

    def __enter__(self) -> None:
        with self.flag.lock:
            self.flag.ends.append(self.end)
            if self.flag.reads_were_ended:
                self.end()

    def __exit__(self, *exception: object) -> None:
        with self.flag.lock:
            self.flag.ends.remove(self.end)


class ConcurrencyLimiter:
    """Lets up to `most` requests run at once; half as many after a rate limit, then one more for each round."""

    def __init__(self, most: int, clock: Clock = REAL) -> None:
        self._clock = clock
        self.most = most
        self.allowed = float(most)
        self._under_way: list[CancelFlag] = []  # of the statements whose requests they are
        self._not_before = 0.0
        self._halved = 0.0
        self._mutex = threading.Lock()
        self._changed = threading.Condition(self._mutex)

    def acquire(self, cancelled: CancelFlag, on_wait: Callable[[], None] | None = None) -> float | None:
        """Wait for a place. Returns when the request began, for `record`; None if `cancelled` is set.

        `on_wait` is called again and again during the wait.
        """
        while not cancelled.is_set:
            with self._mutex:
                now = self._clock.monotonic()
                pause = self._not_before - now
                if pause <= 0:
                    if len(self._under_way) < int(self.allowed) or self._has_room():
                        self._under_way.append(cancelled)
                        return now
                    self._changed.wait(INTERRUPT_POLL_SECONDS)
            if pause > 0:
                self._clock.sleep(min(pause, INTERRUPT_POLL_SECONDS))
            if on_wait is not None:
                on_wait()
        return None

    def _has_room(self) -> bool:
        """Return True if one more may begin. Requests of a cancelled statement take no place."""
        return sum(not cancelled.is_set for cancelled in self._under_way) < max(1, int(self.allowed))

    def release(self, cancelled: CancelFlag) -> None:
        """Give back the place of `acquire` with the same flag."""
        with self._mutex:
            self._under_way.remove(cancelled)
            self._changed.notify()

    def record(self, began: float, wait: float | None) -> None:
        """Learn from the response to a request that began at `began`.

        `wait` is the seconds until the next request may begin, after a rate limit; None if the response was no limit.
        """
        with self._mutex:
            if wait is not None:
                self._not_before = max(self._not_before, self._clock.monotonic() + wait)
            if began < self._halved:
                return  # it was sent before the limit was halved
            if wait is None:
                self.allowed = min(float(self.most), self.allowed + 1 / self.allowed)
            else:
                self.allowed = max(1.0, self.allowed / 2)
                self._halved = self._clock.monotonic()


class WaitBudget:
    """Shared by the requests of one statement: the flag that cancels them, and the time they may wait for limits."""

    def __init__(self, seconds: float, clock: Clock = REAL) -> None:
        self._clock = clock
        self.cancelled = CancelFlag(clock)
        self.waited = 0.0  # seconds; waits of several requests at the same time count once
        self._seconds = seconds
        self._until = 0.0
        self._lock = threading.Lock()

    def allows(self, wait: float) -> bool:
        """Return True if a request may wait `wait` seconds from now on, and count them."""
        with self._lock:
            now = self._clock.monotonic()
            longer = max(0.0, now + wait - max(now, self._until))
            if self.waited + longer > self._seconds:
                return False
            self.waited += longer
            self._until = max(self._until, now + wait)
            return True


class MinuteQuota:
    """OpenAI's limits per minute, kept here so that a large INSERT continues steadily instead of being refused.

    `limits` maps settings to how much may begin in any minute; 0 means no limit.
    """

    def __init__(self, limits: Mapping[str, int], clock: Clock = REAL) -> None:
        self._clock = clock
        self._limits = limits
        self._windows: dict[Limit, SlidingWindow] = {}
        self._tidied = 0.0  # when idle windows were last dropped: to do so at each request would take quadratic time
        self._lock = threading.Lock()

    def acquire(
        self, amounts: Mapping[Limit, int], cancelled: CancelFlag, on_wait: Callable[[float], None]
    ) -> float | None:
        """Wait until a request with these amounts may begin, and count them.

        Returns when they were counted, for `release`; None if `cancelled` is set. `on_wait` is called once, with the
        seconds, before a wait.
        """
        is_told = False
        while True:
            with self._lock:
                now = self._clock.monotonic()
                windows = self._limited(amounts)
                wait = max((window.wait(amount, now) for window, amount in windows), default=0.0)
                if not wait:
                    for window, amount in windows:
                        window.add(amount, now)
                    self._tidy(now)
                    return now
            if not is_told:
                on_wait(wait)
                is_told = True
            if cancelled.wait(wait):
                return None

    def recount(self, amounts: Mapping[Limit, int], counted: float) -> float:
        """Count again what `acquire` has counted at this time: the request has waited. Returns when it is counted."""
        with self._lock:
            now = self._clock.monotonic()
            for window, amount in self._limited(amounts):
                window.remove(amount, counted)
                window.add(amount, now)
            return now

    def release(self, amounts: Mapping[Limit, int], counted: float) -> None:
        """Take back what `acquire` has counted at this time: the request never left."""
        with self._lock:
            for window, amount in self._limited(amounts):
                window.remove(amount, counted)

    def _limited(self, amounts: Mapping[Limit, int]) -> list[tuple[SlidingWindow, int]]:
        """The windows of these amounts, without those that have no limit."""
        return [
            (self._windows.get(limit) or self._windows.setdefault(limit, SlidingWindow(most)), amount)
            for limit, amount in amounts.items()
            if (most := self._limits[limit[0]])
        ]

    def _tidy(self, now: float) -> None:
        if now - self._tidied > MINUTE:
            self._windows = {limit: window for limit, window in self._windows.items() if not window.is_over(now)}
            self._tidied = now


class SlidingWindow:
    """The requests of the last minute. A token bucket would let twice as many begin in its first minute."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._begun: deque[tuple[float, int]] = deque()
        self._total = 0

    def wait(self, amount: int, now: float) -> float:
        """Seconds until `amount` more may begin. More than `most` may begin alone, when nothing else has."""
        self._forget(now)
        excess = self._total + amount - self._most
        if excess <= 0 or not self._total:
            return 0.0
        end = now
        for began, size in self._begun:
            end, excess = began + MINUTE, excess - size
            if excess <= 0:
                break
        return end - now

    def add(self, amount: int, now: float) -> None:
        """Count what begins now."""
        self._begun.append((now, amount))
        self._total += amount

    def remove(self, amount: int, began: float) -> None:
        """Take back what was counted at this time, unless the minute is over."""
        if (began, amount) in self._begun:
            self._begun.remove((began, amount))
            self._total -= amount

    def is_over(self, now: float) -> bool:
        """Return True if nothing has begun within the last minute."""
        self._forget(now)
        return not self._total

    def _forget(self, now: float) -> None:
        while self._begun and self._begun[0][0] + MINUTE <= now:
            self._total -= self._begun.popleft()[1]
