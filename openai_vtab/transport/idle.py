"""The idle connections of a pool. urllib3 keeps them in a queue that many threads have to wait for.

>>> idle = IdleConnections(pool, most=16)
>>> connection = idle.take(); ...; idle.give_back(connection)
"""

from __future__ import annotations

import math
from collections import deque
from typing import Any

import urllib3

from ..clock import REAL, Clock
from .deadline import outgoing
from .turns import NEAR_SECONDS

LONGEST_OPENING = 5.0  # seconds; a slower connection is not worth waiting for


class IdleConnections:
    """Up to `most` idle connections; used from many threads at once.

    A deque and a set are thread-safe, so there is no lock.
    """

    def __init__(self, pool: urllib3.HTTPConnectionPool, most: int, clock: Clock = REAL) -> None:
        self.pool = pool
        self._clock = clock
        self._idle: deque[Any] = deque()
        self._unused: deque[Any] = deque()  # opened before they are needed
        self._all: set[Any] = set()  # the open connections, with those that requests use
        self._most = most
        self._is_closed = False
        self._shortest_opening = math.inf  # seconds
        self._first: Any = None  # the first connection, until its request is over
        self._first_began = math.inf  # when it began to be opened, on the clock

    def take(self) -> Any:
        """The connection that was given back last, one that is unused, or a new one. Closes those that have ended."""
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread has taken the last one
                break
            if connection.is_connected:
                return connection
            self._close(connection)
        while (connection := _pop(self._unused)) is not None:
            if connection.is_silent():
                return connection
            self._close(connection)
        connection = self.pool._new_conn()
        self._all.add(connection)
        if math.isinf(self._first_began):
            self._first_began, self._first = self._clock.monotonic(), connection
        return connection

    def missing(self, connections: int, requests: int) -> int:
        """How many connections to open, so that there are `connections` that are open or that a request opens.

        0 where that takes no time, or is not known. `requests` are under way, and each has a connection or will take
        one: those that were just sent do not have it yet.
        """
        return max(0, connections - max(requests, len(self._all))) if self._is_far() else 0

    def _is_far(self) -> bool:
        """Whether opening a connection takes long. Before the first response, the first connection tells."""
        shortest = self._shortest_opening
        if math.isinf(shortest) and (first := self._first) is not None:
            shortest = first.opening_seconds or self._clock.monotonic() - self._first_began
        return NEAR_SECONDS <= shortest < math.inf

    def _closes_each(self) -> bool:
        """Whether the server has closed the first connection, and is not known to keep any."""
        return self._first is None and math.isfinite(self._first_began) and math.isinf(self._shortest_opening)

    def open_one(self, seconds: float) -> None:
        """Open a connection before it is needed. A failure is left to the request that needs one."""
        if (connection := open_now(self.pool, seconds)) is not None:
            self._all.add(connection)
            self._unused.append(connection)
            self._close_surplus()

    def give_back(self, connection: Any, has_response: bool = True) -> None:
        """The connection is idle again, unless it is closed."""
        is_first = connection is self._first
        if is_first:
            self._first = None
        if connection.sock is None:
            self._all.discard(connection)
            if is_first:
                self._close_surplus()
            return
        self._shortest_opening = min(self._shortest_opening, connection.opening_seconds)
        self._idle.append(connection)
        if self._is_closed or len(self._idle) + len(self._unused) > self._most:
            self._close_surplus()

    def close(self) -> None:
        """Close the idle connections, and the others once they are given back."""
        self._is_closed = True
        self._close_surplus()

    def _close_surplus(self) -> None:
        # a server that closes connections may serve one after another: the next one must be one that sends
        most = 0 if self._is_closed or self._closes_each() else self._most
        while len(self._idle) + len(self._unused) > most:
            connection = _pop(self._unused) or _pop(self._idle)
            if connection is None:  # another thread has taken the last one
                return
            self._close(connection)

    def _close(self, connection: Any) -> None:
        self._all.discard(connection)
        connection.close()


def _pop(idle: deque[Any]) -> Any:
    """The last one, or None. Another thread may take it between a look and the call."""
    try:
        return idle.pop()
    except IndexError:
        return None


def open_now(pool: Any, seconds: float) -> Any:
    """A new connection of the pool, with its tunnel and handshake.

    None if that takes longer than `seconds` or LONGEST_OPENING, for each address of the host.
    """
    outgoing.begin(min(seconds, LONGEST_OPENING))
    connection = pool._new_conn()
    try:
        if pool.proxy is not None:
            pool._prepare_proxy(connection)
        if connection.sock is None:
            connection.connect()
    except Exception:
        connection.close()
        return None
    return connection
