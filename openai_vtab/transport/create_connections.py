"""The connections of creates: opened when needed, or ahead of their turns (turns.py), or reused (resting.py).

>>> connections = CreateConnections(pool, turns)
>>> with turn_of_create(turns, pool, cancelled, seconds=30.0): round_trip(connections, "POST", "/v1/files", …)
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from typing import Any

import urllib3
from urllib3.util.connection import allowed_gai_family
from urllib3.util.wait import wait_for_write

from .creating import creating
from .deadline import DeadlineConnection, outgoing
from .turn import Source
from .turns import Turns

UNDER_WAY = frozenset({errno.EINPROGRESS, errno.EWOULDBLOCK, getattr(errno, "WSAEWOULDBLOCK", errno.EINPROGRESS)})


class CreateConnection(DeadlineConnection):
    """A connection for creates. `goes_direct` says that no proxy is in between."""

    goes_direct: bool
    host: str
    port: int
    proxy: Any
    proxy_is_tunneling: bool
    socket_options: Any
    _dns_host: str
    close: Callable[[], None]
    putheader: Callable[[str, str], None]
    is_last = False  # its request says "Connection: close"

    def connect(self) -> None:
        """Connect, and tell the turns how long it took."""
        super().connect()
        creating.turns.opened(self.opening_seconds)

    def endheaders(self, *arguments: Any, **options: Any) -> None:
        """End the headers with `Connection: close`, unless the connection may rest afterwards."""
        self.is_last = not self.is_reusable or not creating.turns.reuse_pays
        if self.is_last:
            self.putheader("Connection", "close")
        super().endheaders(*arguments, **options)  # type: ignore[misc]

    @property
    def is_reusable(self) -> bool:
        """Whether it is open and leads to the server itself."""
        return isinstance(self.sock, socket.socket) and not self.is_forwarded

    @property
    def is_forwarded(self) -> bool:
        """Whether a proxy forwards the requests, over connections of its own, which are not seen from here."""
        return self.proxy is not None and not self.proxy_is_tunneling

    def _new_conn(self) -> Any:
        if not self.goes_direct:
            with creating.connecting():
                pass
            return super()._new_conn()
        new = _connect_in_order(self._dns_host, self.port, self.socket_options, self.timeout)
        new.settimeout(outgoing.remaining())  # for the handshake
        return new


def _connect_in_order(host: str, port: int, options: Any, seconds: float) -> socket.socket:
    """Connect to the first address that accepts; each may take `seconds`. Raises OSError.

    It begins within `creating.connecting()`, so that the server sees the connections in the order of the turns.
    """
    failure = OSError(f"no address of {host}")
    for family, kind, protocol, _, address in socket.getaddrinfo(
        host.strip("[]").encode(), port, allowed_gai_family(), socket.SOCK_STREAM
    ):
        new = socket.socket(family, kind, protocol)
        try:
            for option in options or ():
                new.setsockopt(*option)
            new.setblocking(False)
            with creating.connecting():
                code = new.connect_ex(address)
            if code in UNDER_WAY:
                code = _wait(new, seconds)
            if code:
                raise OSError(code, os.strerror(code))
        except OSError as error:
            new.close()
            failure = error
        else:
            return new
    raise failure


def _wait(new: socket.socket, seconds: float) -> int:
    """Wait until a connection is there; returns its error code, 0 if it is. Raises TimeoutError."""
    if not wait_for_write(new, seconds):
        raise TimeoutError("timed out")
    return new.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


class CreateConnections:
    """The connections of a pool for creates; stands for IdleConnections. Used from many threads at once."""

    def __init__(self, pool: urllib3.HTTPConnectionPool, turns: Turns) -> None:
        self.pool = pool
        self._turns = turns

    def take(self) -> Any:
        """The connection that is ready for the thread's create, or a new one."""
        turn = creating.turn
        if (ready := creating.take()) is not None:
            if self._turns.clock.monotonic() <= ready.until:
                if ready.connection.is_silent():
                    self._turns.send(turn, ready.source)
                    return ready.connection
                self._turns.distrust(ready.source)
            ready.connection.close()
        self._turns.send(turn, Source.NEW)
        return self.pool._new_conn()

    def give_back(self, connection: Any, has_response: bool) -> None:
        """Let the connection rest, or close it."""
        may_rest = connection.is_reusable and not connection.is_last
        rests = self._turns.end(
            creating.turn,
            connection if may_rest else None,
            has_response=has_response,
            was_offered=not connection.is_last or connection.is_forwarded,
        )
        if not rests:
            connection.close()

    def close(self) -> None:
        """Close the connections that rest."""
        self._turns.close_resting()
