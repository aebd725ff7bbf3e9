"""Requests that a sandbox holds until something has happened, however fast the machine is.

>>> with meeting(sandbox, 6, method="POST"):
...     db.execute("INSERT INTO vector_store_files …")
>>> with holding(sandbox, path="/files$"):
...     interrupt_the_upload()
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from openai_vtab.sandbox.faults import Fault, Slow
from openai_vtab.sandbox.injection import Injection
from openai_vtab.sandbox.messages import Received

SECONDS = 10.0  # how long the first requests wait for the last one
LONGEST = 60.0  # how long a request is held


class Meeting:
    """Holds requests until `count` of them are there at once, or until end(). All others then pass.

    most: how many have been there at once.
    """

    def __init__(self, count: float, seconds: float = SECONDS) -> None:
        self._count = count
        self._seconds = seconds
        self._changed = threading.Condition()
        self._is_over = False
        self._here = 0
        self.most = 0

    def hold(self) -> None:
        """Return as soon as all have met, or after `seconds`."""
        with self._changed:
            self._here += 1
            self.most = max(self.most, self._here)
            if self._here < self._count:
                self._changed.wait_for(lambda: self._is_over, self._seconds)
            self._here -= 1
            self.end()

    def end(self) -> None:
        """Hold no request from now on."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()


@contextmanager
def meeting(sandbox: Any, count: int, **which: Any) -> Iterator[None]:
    """Hold the requests that match until `count` of them are in flight at once; fail if this never happens.

    `which`: method, path and after, as for inject(). The requests of read-ahead come one by one at first: let the first
    keys pass, by `path`. Read-ahead sends up to as many requests as the statement has used.
    """
    requests = Meeting(count)
    with _passing_through(sandbox, requests, **which):
        yield
    assert requests.most >= count, f"{requests.most} requests were in flight at once, not {count}"


@contextmanager
def holding(sandbox: Any, **which: Any) -> Iterator[Meeting]:
    """Hold the requests that match until the block ends. They are carried out then.

    `which`: times, method, path and after, as for inject(); all requests without `times`.
    """
    requests = Meeting(math.inf, LONGEST)
    with _passing_through(sandbox, requests, **which):
        yield requests


@contextmanager
def _passing_through(
    sandbox: Any,
    requests: Meeting,
    times: int | None = None,
    method: str | None = None,
    path: str | None = None,
    after: int = 0,
) -> Iterator[None]:
    matching = Injection(Slow(0), times, method, path, after)
    faults = sandbox._server.faults
    fault_for, lock = faults.fault_for, threading.Lock()

    def hold(request: Received) -> Fault | None:
        with lock:
            is_held = matching.takes(request.method, request.path)
        if is_held:
            requests.hold()
        return fault_for(request)  # type: ignore[no-any-return]

    faults.fault_for = hold
    try:
        yield
    finally:
        faults.fault_for = fault_for
        requests.end()
