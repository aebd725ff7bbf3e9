"""Waiting for another thread or process.

>>> until(lambda: len(sandbox.requests) == 2)
>>> with when(lambda: sandbox.in_flight, db.interrupt):
...     db.execute("SELECT …")
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Return as soon as the condition holds; fail when it does not within `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds:g} s"
        time.sleep(0.005)


@contextmanager
def when(condition: Callable[[], object], action: Callable[[], object]) -> Iterator[None]:
    """Call `action` in another thread, as soon as the condition holds while the block runs."""
    with ThreadPoolExecutor(1) as other:
        done = other.submit(lambda: (until(condition), action()))
        yield
        done.result()
