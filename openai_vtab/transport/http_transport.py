"""One HTTP exchange: sends a request, and returns its response, or the reason why there is none, as a value.

The requests library is used only for proxies and certificates (pools.py), urllib3 only to connect
(round_trip.py). A Session of requests would let a netrc file replace the key, keep cookies, and send the key along
with redirects.

>>> send = HTTPTransport(settings, "http://127.0.0.1:8080/v1", REAL).open(kept_alive=True)
>>> send(Request("GET", "/files"), 30.0, {"Authorization": "Bearer sk-…"}, CancelFlag())
Response(status=200, …)
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, cast

from ..clock import Clock
from ..protocol import Request, Response
from ..settings import Settings
from .failures import Failure
from .limits import CancelFlag
from .turns import PATIENCE, Turns

if TYPE_CHECKING:
    from .idle import IdleConnections
    from .pool_transport import PoolTransport
    from .round_trip import Connections

# Sends a request once, with a time-out in seconds, with headers, and with the flag of its statement, which may end a
# read. It returns a Failure rather than raising an exception, whose traceback would show the key among the headers.
Transport = Callable[[Request, float, Mapping[str, str], CancelFlag], Response | Failure]


class HTTPTransport:
    """The connections to one base URL; used from many threads at once. Opens nothing before the first request.

    Requests that must not be retried have connections of their own, and are sent in turn.
    """

    def __init__(self, settings: Settings, base_url: str, clock: Clock) -> None:
        self._settings = settings
        self._base_url = base_url
        self._clock = clock
        self._turns = Turns(settings.max_concurrency, clock, min(PATIENCE, settings.timeout / 4))
        self._lock = threading.RLock()  # the garbage collector may close the client within
        self._opened: dict[bool, PoolTransport] = {}

    @property
    def ahead_limit(self) -> int | None:
        """How many connections may be opened ahead at most, 0 if the server is near; None until that is known."""
        ahead = self._turns.ahead
        return ahead if ahead is None or self._turns.is_near else self._turns.ahead_limit

    def open(self, kept_alive: bool) -> Transport:
        """The function that sends over kept-alive connections, or over new ones.

        Raises ConfigurationError for an address, certificates or a proxy that cannot be used.
        """
        return self._opened.get(kept_alive) or self._open(kept_alive)

    def turn(self, cancelled: CancelFlag) -> AbstractContextManager[Callable[[], None]]:
        """A block in which the thread's create has its turn, as turn_of_create. Raises what `open` raises, too."""
        from .creating import turn_of_create  # with ssl and urllib3

        pool = (self._opened.get(False) or self._open(kept_alive=False)).connections.pool
        return turn_of_create(self._turns, pool, cancelled, self._settings.timeout)

    def _open(self, kept_alive: bool) -> PoolTransport:
        with self._lock:
            found = self._opened.get(kept_alive)
            if found is None:
                from .create_connections import CreateConnections
                from .idle import IdleConnections
                from .pool_transport import PoolTransport
                from .pools import open_pool  # requests and urllib3 take long to import

                settings = self._settings
                opened = open_pool(
                    self._base_url,
                    settings.ca_bundle,
                    size=settings.max_concurrency,
                    kept_alive=kept_alive,
                    direct=settings.stays_here,
                )
                connections: Connections
                if kept_alive:
                    connections = IdleConnections(opened.pool, settings.max_concurrency, self._clock)
                else:
                    connections = CreateConnections(opened.pool, self._turns)
                self._opened[kept_alive] = found = PoolTransport(
                    opened,
                    connections,
                    self._base_url,
                    most=settings.max_answer_bytes,
                    query=settings.default_query,
                )
            return found

    @property
    def _idle(self) -> IdleConnections | None:
        """The connections that are kept alive; None before the first request."""
        kept_alive = self._opened.get(True)
        return None if kept_alive is None else cast("IdleConnections", kept_alive.connections)

    def missing(self, connections: int, requests: int) -> int:
        """How many connections to open so that there are `connections`, with those of `requests` (idle.py)."""
        idle = self._idle
        return 0 if idle is None else idle.missing(connections, requests)

    def open_idle(self) -> None:
        """Open a connection that is kept alive. A failure is left to the request that needs one."""
        if (idle := self._idle) is not None:
            idle.open_one(self._settings.timeout)

    def close_idle_resting(self) -> None:
        """Close resting connections that have been idle for too long or are in the way. A signal may interrupt this."""
        self._turns.close_idle_resting()

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            opened, self._opened = self._opened, {}
        for transport in opened.values():
            transport.connections.close()

    def close_kept_alive(self) -> None:
        """Close the idle connections that are kept alive: a response may be left over on one of them."""
        with self._lock:
            found = self._opened.pop(True, None)
        if found is not None:
            found.connections.close()
