"""The idle connections of a pool. urllib3 keeps them in a queue that many threads have to wait for.

>>> idle = IdleConnections(pool, most=16)
>>> connection = idle.take(); ...; idle.give_back(connection)
"""

from __future__ import annotations

from collections import deque
from typing import Any

import urllib3
from urllib3.util.connection import is_connection_dropped


class IdleConnections:
    """Up to `most` idle connections; used from many threads at once. A deque is thread-safe, so there is no lock."""

    def __init__(self, pool: urllib3.HTTPConnectionPool, most: int) -> None:
        self.pool = pool
        self._idle: deque[Any] = deque()
        self._most = most
        self._is_closed = False

    def take(self) -> Any:
        """The connection that was given back last, closed if its server has ended it; a new one if none is idle."""
        try:
            connection = self._idle.pop()
        except IndexError:
            return self.pool._new_conn()
        if not connection.is_closed and is_connection_dropped(connection):
            connection.close()
        return connection

    def give_back(self, connection: Any) -> None:
        """The connection is idle again."""
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
