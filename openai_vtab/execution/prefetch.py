"""The window of an IN list: its requests are sent ahead of the rows that are read.

>>> list(prefetched(keys, request_of, session.start, window=32, meter=None))
[(key, Request('GET', …)), …]
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from ..progress import ProgressReporter
from ..protocol import Request

MAX_PENDING_ITEMS = 1000  # of an IN list, with those that need no request

T = TypeVar("T")


def prefetched(
    items: Iterable[T],
    request: Callable[[T], Request | None],
    start: Callable[[Request], Any],
    window: int,
    meter: ProgressReporter | None,
) -> Iterator[tuple[T, Request | None]]:
    """The items with their requests, in order; up to `window` requests are sent ahead.

    An item without a request only keeps its place.
    """
    waiting: deque[tuple[T, Request | None]] = deque()
    started = 0
    for item in items:
        needed = request(item)
        if needed is None and meter is not None:
            meter.expect(-1)
        if needed is None and not waiting:
            yield item, None
            continue
        waiting.append((item, needed))
        if needed is not None:
            start(needed)
            started += 1
        while waiting and (started >= window or len(waiting) >= MAX_PENDING_ITEMS or waiting[0][1] is None):
            started -= waiting[0][1] is not None
            yield waiting.popleft()
    yield from waiting
