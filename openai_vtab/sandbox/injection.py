"""Fault injection: which request suffers which fault, and the rate limit.

>>> injector.add(Injection(Status(503), times=2, method="GET", path=None, after=0))
>>> injector.fault_for(request)
Status(status=503, …)
"""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from .faults import Fault, Status
from .messages import Received


@dataclass
class Injection:
    """A fault for the next `times` requests (None: all) that match, after the first `after` of them."""

    fault: Fault
    times: int | None
    method: str | None
    path: str | None
    after: int

    def takes(self, method: str, path: str) -> bool:
        """Whether this request gets the fault. Counts it if it matches."""
        if self.times == 0 or self.method not in (None, method):
            return False
        if self.path is not None and self.path not in path and not re.search(self.path, path):
            return False
        if self.after > 0:
            self.after -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


@dataclass
class RateLimit:
    """Up to `requests` in any `seconds`; more get a 429.

    Its Retry-After is `retry_after`, or the time until another request is allowed if that is None.
    """

    requests: int
    seconds: float
    retry_after: float | None
    recent: deque[float] = field(default_factory=deque)

    def check(self, now: float) -> Status | None:
        """Count a request at this time. Returns the 429 if there were too many before it."""
        while self.recent and self.recent[0] <= now - self.seconds:
            self.recent.popleft()
        if len(self.recent) < self.requests:
            self.recent.append(now)
            return None
        wait = self.retry_after
        if wait is None:
            wait = max(1, round(self.recent[0] + self.seconds - now))
        return Status(
            429, code="rate_limit_exceeded", message="Rate limit reached.", headers={"retry-after": f"{wait:g}"}
        )


class FaultInjector:
    """The injections in their order, and the rate limit. Safe for use by several threads."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._injections: list[Injection] = []
        self._rate_limit: RateLimit | None = None

    def add(self, injection: Injection) -> None:
        """Add an injection after the others."""
        with self._lock:
            self._injections.append(injection)

    def limit_rate(self, limit: RateLimit) -> None:
        """Replace the rate limit."""
        with self._lock:
            self._rate_limit = limit

    def clear(self) -> None:
        """Remove all injections and the rate limit."""
        with self._lock:
            self._injections.clear()
            self._rate_limit = None

    def fault_for(self, request: Received) -> Fault | None:
        """The fault of the first injection that takes the request, else a 429 of the rate limit, else None."""
        with self._lock:
            for injection in self._injections:
                if injection.takes(request.method, request.path):
                    return injection.fault
            return None if self._rate_limit is None else self._rate_limit.check(self._clock())
