"""Connections on which all steps of a request share one deadline, and no response is taken for another's.

http.client and urllib3 leave these open:

    time      their time-outs apply to each step and each recv; here, one deadline applies to all
    surplus   extra bytes after a response are discarded, and the connection is closed
    sent      no exception says whether a request's first byte may have left

>>> outgoing.begin(30.0); round_trip(idle, "GET", "/files", None, {}, most=1_000_000)
"""

from __future__ import annotations

import io
import math
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from .request_head import header_lines
from .response_head import ResponseHead

SLOWEST_UPLOAD = 1e5  # bytes a second: a request with a body may take that much longer than its time-out
PART = 16384  # bytes sent at once: one record of TLS, which applies a time-out to each record
SHORTEST = 0.001  # seconds; with 0, a socket would not wait at all
NEGLIGIBLE = 0.001  # of a time-out


class SendingState(threading.local):
    """The deadline of the thread's request, and whether its first byte may have left.

    Thread-local, because urllib3 passes nothing of ours to a connection, and a thread sends one request at a time.
    """

    seconds = math.inf  # for connecting, and for the response
    deadline = math.inf  # on the clock of time.monotonic()
    has_begun = False

    def begin(self, seconds: float) -> None:
        """Start the time of a new request."""
        self.seconds = seconds
        self.deadline = time.monotonic() + seconds
        self.has_begun = False

    def connected(self, has_begun: bool) -> None:
        """Restore `has_begun`: what was sent for a proxy's tunnel and for TLS was not the request."""
        self.has_begun = has_begun

    def remaining(self) -> float:
        """Return the seconds left."""
        return max(self.deadline - time.monotonic(), SHORTEST)

    def sending(self, size: int) -> float:
        """Return the seconds left to send `size` bytes; the deadline moves by what SLOWEST_UPLOAD needs for them."""
        self.has_begun = True
        remaining = self.remaining()
        self.deadline += size / SLOWEST_UPLOAD
        return remaining


outgoing = SendingState()


def set_timeout(sock: Any, seconds: float) -> None:
    """Set the time-out of a socket, which is a system call, unless the difference is NEGLIGIBLE."""
    present = sock.gettimeout()
    if present is None or abs(present - seconds) > NEGLIGIBLE * seconds:
        sock.settimeout(seconds)


class DeadlineResponse(ResponseHead):
    """A response, also a proxy's to CONNECT. It may take `outgoing.seconds`, but not beyond the deadline."""

    def __init__(self, sock: Any, debuglevel: int = 0, method: str | None = None) -> None:
        stream: Any = DeadlineStream(sock, min(outgoing.deadline, time.monotonic() + outgoing.seconds))
        super().__init__(stream, debuglevel, method)


class DeadlineStream(io.RawIOBase):
    """The bytes of a response. Each recv may take the time that remains until the deadline.

    HTTPResponse takes it for the socket, and calls `makefile`.
    """

    def __init__(self, sock: Any, deadline: float) -> None:
        self._keeps_open = sock.makefile("rb", buffering=0)  # until the response has been read
        self._sock = sock
        self._deadline = deadline
        self._is_over = False

    def makefile(self, mode: str) -> SurplusReader:
        """The file that HTTPResponse reads."""
        return SurplusReader(self)

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read once into `buffer` and return the byte count, 0 at the end. Raises TimeoutError at the deadline."""
        if self._is_over:
            return 0
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError("timed out")
        set_timeout(self._sock, remaining)
        read: int = self._sock.recv_into(buffer)
        return read

    def end(self) -> None:
        """Read nothing more: `readinto` returns 0."""
        self._is_over = True

    def shut_down(self) -> None:
        """Make the connection unusable: the pool will find it closed."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End the response; the connection stays open."""
        self._keeps_open.close()
        super().close()


class SurplusReader(io.BufferedReader):
    """The buffer of a response, which finds extra bytes at the response's end."""

    raw: DeadlineStream

    def close(self) -> None:
        """End the response; shut the connection down if bytes are left over."""
        if not self.closed:
            self.raw.end()
            if self.peek(1):
                self.raw.shut_down()
        super().close()


class DeadlineConnection:
    """A mixin for urllib3's connection classes: each step of a request ends at the deadline of `outgoing`."""

    response_class = DeadlineResponse
    sock: Any
    timeout: float
    opening_seconds = 0.0

    def connect(self) -> None:
        """Connect, with the proxy's tunnel and the handshake."""
        begun, began = outgoing.has_begun, time.monotonic()
        self.timeout = outgoing.seconds
        try:
            super().connect()  # type: ignore[misc]
        finally:
            outgoing.connected(begun)
        self.opening_seconds = time.monotonic() - began

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
        new = super()._new_conn()  # type: ignore[misc]
        new.settimeout(outgoing.remaining())  # for the handshake
        return new

    def _send_request(
        self,
        method: str,
        target: str,
        body: bytes | Iterable[bytes] | None,
        headers: Mapping[str, str],
        encode_chunked: bool,
    ) -> None:
        """Send the headers as one text. It stands for http.client's own method, which `request` calls.

        `encode_chunked` is not needed, because the headers always have the length of the body.
        """
        self.putrequest(method, target, skip_accept_encoding=True)  # type: ignore[attr-defined]
        if lines := header_lines(method, body, headers):
            self._output(lines)  # type: ignore[attr-defined]
        self.endheaders(body)  # type: ignore[attr-defined]

    def send(self, data: bytes) -> None:
        """Send in parts, so that the deadline holds within a large body."""
        if self.sock is None:
            self.connect()
        for begin in range(0, len(data), PART):
            part = data[begin : begin + PART]
            set_timeout(self.sock, outgoing.sending(len(part)))
            super().send(part)  # type: ignore[misc]
