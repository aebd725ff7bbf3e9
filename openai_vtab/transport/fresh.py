"""Connections that carry one create each. They are opened when it is sent, or ahead of its turn (turns.py).

A server may close a kept-alive connection without notice, and the outcome of a create on it would be unknown.

>>> with turn_of_create(turns, pool, cancelled, seconds=30.0): round_trip(idle, host, "POST", "/v1/files", …)
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
from .limits import INTERRUPT_POLL_SECONDS, CancelFlag
from .turns import SILENT_SECONDS, Turn, Turns

LONGEST_OPENING = 5.0  # seconds; what takes longer to open is not ahead of anything
UNDER_WAY = frozenset({errno.EINPROGRESS, errno.EWOULDBLOCK, getattr(errno, "WSAEWOULDBLOCK", errno.EINPROGRESS)})


class CreatingState(threading.local):
    """The turn of the thread's create, and its connection if it was opened ahead.

    Thread-local, because urllib3 passes nothing of ours to a connection, and a thread sends one request at a time.
    """

    turn: Turn | None = None
    opened: FreshConnection | None = None
    is_ahead = False  # its present connection was opened ahead

    def begin(self, turn: Turn | None, opened: FreshConnection | None) -> None:
        """Begin the turn; None when it is over. A connection that was not used is closed."""
        self.close_unused()
        self.turn, self.opened, self.is_ahead = turn, opened, False

    def connect(self, adopt: Callable[[FreshConnection], bool]) -> bool:
        """Have the connection that was opened ahead adopted, once; False if there is none that can be used."""
        self.is_ahead = self.opened is not None and adopt(self.opened)
        self.close_unused()
        return self.is_ahead

    def close_unused(self) -> None:
        """Close the connection that was opened ahead, unless it was adopted."""
        opened, self.opened = self.opened, None
        if opened is not None:
            opened.close()


creating = CreatingState()


class FreshConnection(DeadlineConnection):
    """A connection that its pool closes instead of using it again.

    Not every server closes a connection when the request says "Connection: close". `goes_direct` says that no proxy
    is in between.
    """

    goes_direct: bool
    host: str
    port: int
    socket_options: Any
    _dns_host: str
    close: Callable[[], None]
    opened = 0.0  # when, on the clock of time.monotonic()
    opening = 0.0  # the seconds that it took

    @property
    def is_connected(self) -> bool:
        """False, so that urllib3 closes and reopens the connection before its next use."""
        return False

    def connect(self) -> None:
        """Connect, or take over the connection that was opened ahead."""
        if creating.connect(self._adopt):
            return
        began = time.monotonic()
        super().connect()
        self.opened = time.monotonic()
        self.opening = self.opened - began
        if creating.turn is not None:
            creating.turn.turns.opened(self.opening)

    def _adopt(self, opened: FreshConnection) -> bool:
        if time.monotonic() - opened.opened > SILENT_SECONDS:
            return False
        if not opened.is_unused():
            if creating.turn is not None:
                creating.turn.turns.distrust()
            return False
        vars(self).update(opened.hand_over())
        return True

    def is_unused(self) -> bool:
        """Whether nothing has arrived: neither an end nor a response without a request.

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

    def hand_over(self) -> dict[str, Any]:
        """What another connection to the same server must have to be this one, which is closed from then on."""
        names = ("sock", "is_verified", "proxy_is_verified", "_has_connected_to_proxy")
        handed = {name: getattr(self, name) for name in names}
        self.sock = None
        return handed

    def _new_conn(self) -> Any:
        turn = creating.turn
        if turn is None:
            return super()._new_conn()
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
        creating.begin(turn, None)
        if not turn.has_come:
            creating.begin(turn, _open(pool, min(seconds, LONGEST_OPENING)))
            _wait_for(turn)
        yield
    finally:
        creating.begin(None, None)
        turns.leave(turn)


def _open(pool: Any, seconds: float) -> FreshConnection | None:
    """Open a connection with its tunnel and handshake; None if that fails."""
    outgoing.begin(seconds)
    new = pool._new_conn()
    try:
        if pool.proxy is not None:
            pool._prepare_proxy(new)
        if new.sock is None:
            new.connect()
    except Exception:
        new.close()
        return None
    return new  # type: ignore[no-any-return]


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
