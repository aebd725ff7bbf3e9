"""Requests that meet: a test of concurrency that does not depend on how fast the machine starts threads.

>>> with meeting(sandbox, 6, method="POST"):
...     db.execute("INSERT INTO vector_store_files …")
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from openai_vtab.sandbox.faults import Fault, Slow
from openai_vtab.sandbox.injection import Injection
from openai_vtab.sandbox.messages import Received

SECONDS = 10.0  # how long the first requests wait for the last one


class Meeting:
    """Holds requests until `count` of them are there at once. All others then pass."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._changed = threading.Condition()
        self._is_over = False
        self._here = 0
        self.most = 0

    def hold(self) -> None:
        """Return as soon as all have met, or after `SECONDS`."""
        with self._changed:
            self._here += 1
            self.most = max(self.most, self._here)
            if self._here < self._count:
                self._changed.wait_for(lambda: self._is_over, SECONDS)
            self._here -= 1
        self.end()

    def end(self) -> None:
        """Hold no request from now on."""
        with self._changed:
            self._is_over = True
            self._count = 0
            self._changed.notify_all()


@contextmanager
def meeting(
    sandbox: Any, count: int, *, method: str | None = None, path: str | None = None, after: int = 0
) -> Iterator[None]:
    """Hold the requests that match until `count` of them are in flight at once; fail if this never happens.

    `method`, `path` and `after` are those of inject(). The requests of read-ahead come one by one at first: let the
    first keys pass, by `path`. Read-ahead sends up to as many requests as the statement has used.
    """
    requests, matching = Meeting(count), Injection(Slow(0), None, method, path, after)
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
    assert requests.most >= count, f"{requests.most} requests were in flight at once, not {count}"
