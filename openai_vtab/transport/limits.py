"""How many requests may be under way and how soon: what a server's limits, told or known, mean for the next one.

All threads of a connection share one `Flow` and one `Attaching`, so that they slow down together; the requests of one
statement share one `Patience`. It must not know HTTP.

>>> began = limiter.acquire(cancelled); ...; limiter.release(cancelled); limiter.record(began, wait=2.0)     # 429, Retry-After: 2
"""

from __future__ import annotations

import threading
from collections import deque

from ..clock import REAL, Clock

SLICE = 0.05  # seconds between two looks whether the statement is gone
MINUTE = 61.0  # seconds; one more, because the server's minute begins when a request arrives, not when it is sent


class Flag:
    """A flag that another thread waits for. Unlike threading.Event, no signal can leave it locked when it is set."""

    def __init__(self, clock: Clock = REAL) -> None:
        self._clock = clock
        self._is_set = False

    def set(self) -> None:
        """Set it, for good."""
        self._is_set = True

    def is_set(self) -> bool:
        """Whether it is set."""
        return self._is_set

    def wait(self, seconds: float) -> bool:
        """Wait until it is set, at most so many seconds. Returns whether it is; looks every SLICE seconds."""
        end = self._clock.monotonic() + seconds
        while not self._is_set and (remaining := end - self._clock.monotonic()) > 0:
            self._clock.sleep(min(SLICE, remaining))
        return self._is_set


class ConcurrencyLimiter:
    """At most `most` at once, halved at a limit, and one more for each round without one."""

    def __init__(self, most: int, clock: Clock = REAL) -> None:
        self._clock = clock
        self.most = most
        self.allowed = float(most)
        self._under_way: list[Flag] = []  # of the statements whose requests they are
        self._not_before = 0.0
        self._halved = 0.0
        self._changed = threading.Condition()

    def acquire(self, cancelled: Flag) -> float | None:
        """Wait for a place. When the request began, for `record`; None once `cancelled` is set: it must not begin."""
        while not cancelled.is_set():
            with self._changed:
                now = self._clock.monotonic()
                pause = self._not_before - now
                if pause <= 0:
                    if self._has_room():
                        self._under_way.append(cancelled)
                        return now
                    self._changed.wait(SLICE)
            if pause > 0:
                self._clock.sleep(min(pause, SLICE))
        return None

    def _has_room(self) -> bool:
        """Whether one more may begin. What an interrupted statement has left under way takes no place."""
        allowed = max(1, int(self.allowed))
        if len(self._under_way) < allowed:
            return True
        return sum(not cancelled.is_set() for cancelled in self._under_way) < allowed

    def release(self, cancelled: Flag) -> None:
        """The request of `acquire` with the same flag is over."""
        with self._changed:
            self._under_way.remove(cancelled)
            self._changed.notify()

    def record(self, began: float, wait: float | None) -> None:
        """The answer to the request that began then: a limit, with so many seconds to wait, or (None) none."""
        with self._changed:
            if wait is not None:
                self._not_before = max(self._not_before, self._clock.monotonic() + wait)
            if began < self._halved:
                return  # it says nothing about what is allowed since
            if wait is None:
                self.allowed = min(float(self.most), self.allowed + 1 / self.allowed)
            else:
                self.allowed = max(1.0, self.allowed / 2)
                self._halved = self._clock.monotonic()


class WaitBudget:
    """What the requests of one statement share: whether it has been given up, and how long it may wait for limits."""

    def __init__(self, seconds: float, clock: Clock = REAL) -> None:
        self._clock = clock
        self.cancelled = Flag(clock)
        self.waited = 0.0  # seconds: those in which several requests wait count once
        self._seconds = seconds
        self._until = 0.0
        self._lock = threading.Lock()

    def allows(self, wait: float) -> bool:
        """Whether a request may wait so long from now on; counts it."""
        with self._lock:
            now = self._clock.monotonic()
            longer = max(0.0, now + wait - max(now, self._until))
            if self.waited + longer > self._seconds:
                return False
            self.waited += longer
            self._until = max(self._until, now + wait)
            return True


class AttachQuota:
    """OpenAI's limits for attaching files, kept here so that a large INSERT goes on steadily instead of being refused.

    At most `requests` to one vector store and `files` in all, in any minute; 0 is no limit.
    """

    def __init__(self, requests: int, files: int, clock: Clock = REAL) -> None:
        self._clock = clock
        self._most_requests = requests
        self._requests: dict[str, SlidingWindow] = {}
        self._files = SlidingWindow(files)
        self._tidied = 0.0  # when stores were last forgotten: at each request, it would be the square of their number
        self._lock = threading.Lock()

    def begin(self, store: str, files: int) -> float:
        """0 when a request that attaches so many files may begin now, and counts; else seconds to wait for it."""
        with self._lock:
            now = self._clock.monotonic()
            requests = self._requests.setdefault(store, SlidingWindow(self._most_requests))
            wait = max(requests.wait(1, now), self._files.wait(files, now))
            if not wait:
                requests.add(1, now)
                self._files.add(files, now)
                if now - self._tidied > MINUTE:
                    self._requests = {s: minute for s, minute in self._requests.items() if not minute.is_over(now)}
                    self._tidied = now
            return wait


class SlidingWindow:
    """What has begun within the last minute. Not a bucket that refills: in its first minute it would give out twice."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._begun: deque[tuple[float, int]] = deque()
        self._total = 0

    def wait(self, amount: int, now: float) -> float:
        """Seconds until so many more may begin; more than are allowed at once may when nothing else has."""
        self._forget(now)
        excess = self._total + amount - self._most
        if not self._most or excess <= 0 or not self._total:
            return 0.0
        end = now
        for began, size in self._begun:
            end, excess = began + MINUTE, excess - size
            if excess <= 0:
                break
        return end - now

    def add(self, amount: int, now: float) -> None:
        """So many begin."""
        self._begun.append((now, amount))
        self._total += amount

    def is_over(self, now: float) -> bool:
        """Whether nothing has begun within the last minute."""
        self._forget(now)
        return not self._total

    def _forget(self, now: float) -> None:
        while self._begun and self._begun[0][0] + MINUTE <= now:
            self._total -= self._begun.popleft()[1]
