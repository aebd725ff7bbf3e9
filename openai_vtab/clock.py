"""The clock that measures and spends every pause, and tells the time: the real one, unless a test gives its own.

>>> Client(settings, clock=FakeClock())    # its sleep() moves its monotonic() on, and returns at once
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Measures seconds and waits for them; used from many threads at once."""

    def monotonic(self) -> float:
        """Return the seconds since an arbitrary moment; they never go back."""

    def sleep(self, seconds: float, /) -> None:
        """Return after `seconds`."""

    def time(self) -> float:
        """Return the Unix time in seconds, which is compared with the times that are stored in a database."""


REAL: Clock = time
