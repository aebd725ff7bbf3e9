"""The idle connections of a pool. urllib3 keeps them in a queue that many threads have to wait for.

>>> idle = IdleConnections(pool, most=16)
>>> connection = idle.take(); ...; idle.give_back(connection)
"""

from __future__ import annotations

import math
from collections import deque
from typing import Any

import urllib3
from urllib3.util.connection import is_connection_dropped

from .deadline import outgoing
from .turns import NEAR_SECONDS


class IdleConnections:
    """Up to `most` idle connections; used from many threads at once. A deque is thread-safe, so there is no lock."""

    def __init__(self, pool: urllib3.HTTPConnectionPool, most: int) -> None:
        self.pool = pool
        self._idle: deque[Any] = deque()
        self._most = most
        self._is_closed = False
        self._shortest_opening = math.inf  # seconds

    def take(self) -> Any:
        """The connection that was given back last; a new one if none is idle. What the server has ended is closed."""
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return self.pool._new_conn()
            if not is_connection_dropped(connection):
                return connection
            connection.close()

    def missing(self, connections: int) -> int:
        """How many connections are to be opened for so many to be idle; 0 where that takes no time."""
        is_far = NEAR_SECONDS <= self._shortest_opening < math.inf
        return max(0, connections - len(self._idle)) if is_far else 0

    def open_one(self, seconds: float) -> None:
        """Open a connection before it is needed. A failure is left to the request that needs one."""
        if (connection := opened(self.pool, seconds)) is not None:
            self.give_back(connection)

    def give_back(self, connection: Any) -> None:
        """The connection is idle again, unless it is closed."""
        if connection.sock is None:
            return
        self._shortest_opening = min(self._shortest_opening, connection.opening)
        if len(self._idle) >= self._most:
            connection.close()
            return
        self._idle.append(connection)
        if self._is_closed:
            self._close_idle()

    def close(self) -> None:
        """Close the idle connections, and the others once they are given back."""
        self._is_closed = True
        self._close_idle()

    def _close_idle(self) -> None:
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread has taken the last one
                return
            connection.close()


def opened(pool: Any, seconds: float) -> Any:
    """A new connection of the pool, with its tunnel and handshake; None if it cannot be opened within `seconds`."""
    outgoing.begin(seconds)
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
