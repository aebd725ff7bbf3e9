"""The connections of creates: opened when needed, or ahead of their turns (turns.py), or used again (resting.py).

>>> connections = CreateConnections(pool, turns)
>>> with turn_of_create(turns, pool, cancelled, seconds=30.0): round_trip(connections, "POST", "/v1/files", …)
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

import urllib3
from urllib3.util.connection import allowed_gai_family
from urllib3.util.wait import wait_for_write

from .creating import creating
from .deadline import DeadlineConnection, outgoing
from .turns import SILENT_SECONDS, Turn, Turns

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
        creating.turn.turns.opened(self.opening)

    def endheaders(self, *arguments: Any, **options: Any) -> None:
        """End the headers with `Connection: close`, unless the connection may rest afterwards."""
        self.is_last = not self.may_rest
        if self.is_last:
            self.putheader("Connection", "close")
        super().endheaders(*arguments, **options)  # type: ignore[misc]

    @property
    def may_rest(self) -> bool:
        """Whether it is open and may carry another create.

        A proxy that forwards requests has connections of its own, which are not seen from here.
        """
        is_whole = self.proxy is None or self.proxy_is_tunneling
        return isinstance(self.sock, socket.socket) and is_whole and creating.turn.turns.may_rest

    def is_silent(self) -> bool:
        """Whether nothing has arrived since the last response: neither an end nor a byte.

        It reads, because for select() the session tickets of TLS 1.3 would be something that has arrived.
        """
        if self.sock is None:
            return False
        self.sock.settimeout(0.0)
        try:
            self.sock.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            return False
        return False

    def _new_conn(self) -> Any:
        turn = creating.turn
        if not self.goes_direct:
            with turn.connecting():
                pass
            return super()._new_conn()
        new = _connect_in_order(self._dns_host, self.port, self.socket_options, self.timeout, turn)
        new.settimeout(outgoing.remaining())  # for the handshake
        return new


def _connect_in_order(host: str, port: int, options: Any, seconds: float, turn: Turn) -> socket.socket:
    """Connect to the first address that accepts; each may take `seconds`. Raises OSError.

    It begins within `turn.connecting()`, so that the server sees the connections in the order of the turns.
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
            with turn.connecting():
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
        """The connection that was opened ahead for the thread's create, one that has rested, or a new one."""
        turn = creating.turn
        if (ahead := creating.take()) is not None:
            if time.monotonic() - ahead.opened <= SILENT_SECONDS:
                if ahead.is_silent():
                    creating.use(on_break=self._turns.distrust)
                    self._turns.send(turn)
                    return ahead
                self._turns.distrust()
            ahead.close()
        while (rested := self._turns.take_rested(turn)) is not None:
            connection: Any = rested.connection
            time.sleep(max(0.0, rested.until - time.monotonic()))
            if connection.is_silent():
                creating.use(on_break=self._turns.distrust_resting)
                return connection
            connection.close()
            self._turns.distrust_resting()
        creating.use(on_break=None)
        return self.pool._new_conn()

    def give_back(self, connection: Any) -> None:
        """Let the connection rest, or close it."""
        rests = connection.may_rest and not connection.is_last
        if not rests:
            connection.close()
        self._turns.answered(creating.turn, connection if rests else None)

    def close(self) -> None:
        """Close the connections that rest."""
        self._turns.close_resting()
