"""How many requests may be under way: fewer when the server says 429, more again when it no longer does.

All threads of a connection share one `Flow`, so that they slow down together. It must not know HTTP.

>>> began = flow.begin(abandoned); ...; flow.end(); flow.learn(began, wait=2.0)     # 429, Retry-After: 2
"""

from __future__ import annotations

import threading
import time

SLICE = 0.05  # seconds between two looks whether the statement is gone


class Flow:
    """At most `most` at once, halved at a limit, and one more for each round without one."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.allowed = float(most)
        self._under_way = 0
        self._not_before = 0.0  # on the clock of time.monotonic()
        self._halved = 0.0
        self._changed = threading.Condition()

    def begin(self, abandoned: threading.Event) -> float | None:
        """Wait for a place. When the request began, for `learn`; None once `abandoned` is set: it must not begin."""
        with self._changed:
            while True:
                if abandoned.is_set():
                    return None
                pause = self._not_before - time.monotonic()
                if pause <= 0 and self._under_way < max(1, int(self.allowed)):
                    break
                self._changed.wait(min(pause, SLICE) if pause > 0 else SLICE)
            self._under_way += 1
            return time.monotonic()

    def end(self) -> None:
        """The place is free."""
        with self._changed:
            self._under_way -= 1
            self._changed.notify()

    def learn(self, began: float, wait: float | None) -> None:
        """The answer to the request that began then: a limit, with so many seconds to wait, or (None) none."""
        with self._changed:
            if wait is not None:
                self._not_before = max(self._not_before, time.monotonic() + wait)
            if began < self._halved:
                return  # it says nothing about what is allowed since
            if wait is None:
                self.allowed = min(float(self.most), self.allowed + 1 / self.allowed)
            else:
                self.allowed = max(1.0, self.allowed / 2)
                self._halved = time.monotonic()
