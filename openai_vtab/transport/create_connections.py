"""The connections of creates: opened when needed, or ahead of their turns (turns.py), or used again (resting.py).

>>> connections = CreateConnections(pool)
>>> with turn_of_create(turns, pool, cancelled, seconds=30.0): round_trip(connections, "POST", "/v1/files", …)
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Any

import urllib3
from urllib3.util.connection import allowed_gai_family
from urllib3.util.wait import wait_for_write

from .deadline import DeadlineConnection, outgoing
from .idle import opened
from .limits import INTERRUPT_POLL_SECONDS, CancelFlag
from .turns import SILENT_SECONDS, Turn, Turns

LONGEST_OPENING = 5.0  # seconds; what takes longer to open is not ahead of anything
UNDER_WAY = frozenset({errno.EINPROGRESS, errno.EWOULDBLOCK, getattr(errno, "WSAEWOULDBLOCK", errno.EINPROGRESS)})


class CreatingState(threading.local):
    """The turn of the thread's create, its connection if that was opened ahead, and what to do if this one breaks.

    Thread-local, because urllib3 passes nothing of ours to a connection, and a thread sends one request at a time.
    """

    turn: Turn
    opened: CreateConnection | None = None
    on_break: Callable[[], None] | None = None

    def begin(self, turn: Turn) -> None:
        """Begin the turn."""
        self.turn = turn
        self.use(on_break=None)

    def keep(self, opened: CreateConnection | None) -> None:
        """Keep the connection that was opened ahead for when the turn comes; None if that failed."""
        self.opened = opened

    def take(self) -> CreateConnection | None:
        """The connection that was opened ahead; None once it was taken or closed."""
        opened, self.opened = self.opened, None
        return opened

    def close_unused(self) -> None:
        """Close the connection that was opened ahead and not taken."""
        if (opened := self.take()) is not None:
            opened.close()

    def use(self, on_break: Callable[[], None] | None) -> None:
        """`on_break` is called if the connection that is used next breaks."""
        self.on_break = on_break

    def broke(self) -> None:
        """Learn that the connection has broken after the first byte of the create."""
        if self.on_break is not None:
            self.on_break()


creating = CreatingState()


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
        self._turns.answered(creating.turn, connection if rests else None, connection.opening)

    def close(self) -> None:
        """Close the connections that rest."""
        self._turns.close_resting()


@contextmanager
def turn_of_create(
    turns: Turns, pool: urllib3.HTTPConnectionPool, cancelled: CancelFlag, seconds: float
) -> Iterator[None]:
    """Wait for the turn of the thread's create, and meanwhile open its connection, which its first attempt uses.

    Raises CancelledError if `cancelled` is set before the turn comes.
    """
    turn = turns.enter(cancelled)
    if turn is None:
        raise CancelledError
    try:
        creating.begin(turn)
        if not turn.has_come:
            creating.keep(opened(pool, min(seconds, LONGEST_OPENING)))
            _wait_for(turn)
        yield
    finally:
        creating.close_unused()
        turns.leave(turn)


def _wait_for(turn: Turn) -> None:
    """Wait for a turn, whose connection is closed if it has to be silent for too long. Raises CancelledError."""
    opened = creating.opened
    if opened is None:
        turn.turns.distrust()
        with turn.connecting():  # where it could not even begin to be opened, it joins the line here
            pass
    was_late = turn.has_come
    while not turn.wait(INTERRUPT_POLL_SECONDS):
        if turn.cancelled.is_set:
            raise CancelledError
        if opened is not None and time.monotonic() - opened.opened > SILENT_SECONDS:
            creating.close_unused()
    if opened is not None:
        turn.turns.came(opened.opening, 0.0 if was_late else time.monotonic() - opened.opened)
