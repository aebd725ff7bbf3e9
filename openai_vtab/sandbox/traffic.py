"""The record of the server's traffic: requests, connections, and how many requests overlapped.

>>> traffic.requests[0].path
'/files'
"""

from __future__ import annotations

import threading

from .messages import Received


class Traffic:
    """Counts since the start or the last reset. Safe for use by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.in_flight = 0
        self.requests: list[Received] = []
        self.max_in_flight = 0
        self.connections = 0

    def connected(self) -> None:
        """Count a connection."""
        with self._lock:
            self.connections += 1

    def begin(self, request: Received) -> None:
        """Record a request that has arrived."""
        with self._lock:
            self.requests.append(request)
            self.in_flight += 1
            self.max_in_flight = max(self.max_in_flight, self.in_flight)

    def end(self) -> None:
        """Count a request as over."""
        with self._lock:
            self.in_flight -= 1

    def reset(self) -> None:
        """Count again. Requests in flight remain counted as such."""
        with self._lock:
            self.requests.clear()
            self.max_in_flight = self.in_flight
            self.connections = 0
