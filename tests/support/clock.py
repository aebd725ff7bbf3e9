"""A clock that the test holds: its sleep() moves it on and returns at once.

>>> db = connect(clock=clock); db.execute("SELECT … AND wait_seconds = 60"); clock.slept
"""

from __future__ import annotations

import threading
import time


class FakeClock:
    """Stands for openai_vtab.clock.Clock, from whatever thread; `slept` is the sum of all pauses."""

    def __init__(self, now: float = 1000.0) -> None:
        self._lock = threading.Lock()
        self._began = now
        self._now = now
        self._epoch = time.time()

    @property
    def slept(self) -> float:
        """Seconds that have been slept, or passed by advance()."""
        with self._lock:
            return self._now - self._began

    def monotonic(self) -> float:
        with self._lock:
            return self._now

    def sleep(self, seconds: float, /) -> None:
        self.advance(seconds)

    def time(self) -> float:
        return self._epoch + self.slept

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        with self._lock:
            self._now += seconds
