"""Connections to one base URL: every request ends in time, and no answer is taken for another's.

They are urllib3's, with what requests knows of proxies and certificates, and with what http.client leaves open:

    time      its time-outs are for each step and each recv; here all steps of a request end at one deadline
    1xx       it passes over 100 alone: after 103 the answer itself would be taken for the next request's
    surplus   what comes after an answer is nobody's: the connection is not used again
    sent      whether a request's first byte may have left: no class of exceptions says so, of whatever library

It must not know what a request is for, or whether it is repeated.

>>> pool, prefix = opened("http://127.0.0.1:8080/v1", None, size=16, kept_alive=True, direct=True)
>>> sending.begun = False
>>> pool.urlopen("GET", prefix + "/files", headers={}, preload_content=False, timeout=Until(30.0))
"""

from __future__ import annotations

import http.client
import io
import math
import os
import socket
import ssl
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import requests.adapters
import requests.utils
import urllib3

from ..errors import ConfigurationError

SLOWEST_UPLOAD = 1e5  # bytes a second, by which a request may take longer than its time-out
PART = 16384  # bytes sent at once: one record of TLS, which applies a time-out to each record
SHORTEST = 0.001  # seconds; 0 would be a socket that never waits


class _Sending(threading.local):
    """Whether the thread's request has begun to leave. Set to False before a request, by whoever sends it.

    It is the thread's, because a request is sent by one thread, and urllib3 passes nothing of ours on to a connection.
    """

    begun = False


sending = _Sending()


def opened(
    base_url: str, ca_bundle: str | os.PathLike[str] | None, *, size: int, kept_alive: bool, direct: bool
) -> tuple[urllib3.HTTPConnectionPool, str]:
    """A pool of up to `size` connections, and the URL's path in it.

    Through a proxy if the environment names one, unless `direct`. Without `kept_alive` each connection is used once.
    Raises ConfigurationError for an address, certificates or a proxy that cannot be used.
    """
    verify = _certificates(ca_bundle) if base_url.startswith("https:") else True
    probe = requests.PreparedRequest()
    proxies = {} if direct else requests.utils.get_environ_proxies(base_url)
    proxy = requests.utils.select_proxy(base_url, proxies)
    adapter = requests.adapters.HTTPAdapter(pool_connections=1, pool_maxsize=size)
    try:
        probe.prepare_url(base_url, None)
        pool: Any = adapter.get_connection_with_tls_context(probe, verify, proxies=proxies)
        adapter.cert_verify(pool, base_url, verify, None)  # type: ignore[no-untyped-call]
    except Exception as error:  # requests', urllib3's, OSError, ValueError: none of them has sent anything
        if proxy:
            raise ConfigurationError(_unusable(proxy, error)) from None
        raise ConfigurationError(f"base_url is {base_url!r}, which cannot be opened: {error}") from None
    pool.ConnectionCls = type("Connection", (DeadlineConnection, pool.ConnectionCls), {})
    if not kept_alive:
        _use_once(pool)
    return cast("urllib3.HTTPConnectionPool", pool), adapter.request_url(probe, proxies).rstrip("/")


def _certificates(ca_bundle: str | os.PathLike[str] | None) -> str | bool:
    """The certificates to trust: ca_bundle, else those that the environment names as for requests, else True.

    Read here once, because a connection that cannot read them fails only when it is made, as if the network had.
    """
    named = {"ca_bundle": os.fspath(ca_bundle) if ca_bundle else None}
    named |= {name: os.environ.get(name) for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")}
    name, path = next(((name, path) for name, path in named.items() if path), ("", None))
    if path is None:
        return True
    try:
        if not Path(path).is_dir():
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except (OSError, ValueError) as error:  # ssl.SSLError when it holds no certificate, ValueError for a NUL
        why = "it holds no certificate" if isinstance(error, (ssl.SSLError, ValueError)) else error.strerror
        raise ConfigurationError(
            f"{name} is {path!r}, no TLS CA certificate bundle that can be used: {why}; name a PEM file of "
            "certificates, or a folder of them"
        ) from None
    return path


def _unusable(proxy: str, error: Exception) -> str:
    """What to say of a proxy, without the password that its address may hold."""
    scheme, _, rest = proxy.rpartition("://")
    address = f"{scheme}://{rest.rpartition('@')[2]}" if scheme else rest.rpartition("@")[2]
    name = next((name for name, value in os.environ.items() if value == proxy and name.lower().endswith("_proxy")), "")
    if scheme.lower().startswith("socks") and "Missing dependencies" in str(error):
        advice = "install requests[socks], or name a proxy such as http://proxy.example.com:8080"
    else:
        advice = "write an address such as http://proxy.example.com:8080, or name the API's host in NO_PROXY"
    return f"{name or 'the proxy'} is {address!r}, a proxy that cannot be used; {advice}"


class RequestDeadline(urllib3.Timeout):
    """The time-outs of one request: of each step, what remains of `seconds`; longer by what its body needs."""

    def __init__(self, seconds: float, body: int = 0) -> None:
        super().__init__(seconds)
        self._seconds = seconds
        self._end = time.monotonic() + seconds
        self._sending = body / SLOWEST_UPLOAD

    def clone(self) -> RequestDeadline:
        """Itself: urllib3 would have each step begin anew."""
        return self

    @property
    def connect_timeout(self) -> float:
        """What remains to connect, and to begin to send."""
        return max(self._end - time.monotonic(), SHORTEST)

    @property
    def read_timeout(self) -> float:
        """What remains for the answer, once the body is sent."""
        return max(min(self._seconds, self._end + self._sending - time.monotonic()), SHORTEST)


class DeadlineConnection:
    """A mixin for urllib3's connection classes that enforces one deadline."""

    sock: Any
    _deadline = math.inf

    @property
    def timeout(self) -> float:
        """What remains, whenever urllib3 or http.client asks."""
        return max(self._deadline - time.monotonic(), SHORTEST)

    @timeout.setter
    def timeout(self, seconds: float | None) -> None:
        self._deadline = math.inf if seconds is None else time.monotonic() + seconds

    def connect(self) -> None:
        """Connect, with the proxy's tunnel and the handshake: what is sent for them is not the request."""
        begun = sending.begun
        try:
            super().connect()  # type: ignore[misc]
        finally:
            sending.begun = begun

    def _new_conn(self) -> Any:
        new = super()._new_conn()  # type: ignore[misc]
        new.settimeout(self.timeout)  # for the handshake
        return new

    def send(self, data: bytes) -> None:
        """Send, in parts, so that the deadline holds; the other side may take SLOWEST_UPLOAD."""
        if self.sock is None:
            self.connect()
        sending.begun = True
        for begin in range(0, len(data), PART):
            part = data[begin : begin + PART]
            if begin:  # of the first, urllib3 has just set it: most requests have but one
                self.sock.settimeout(self.timeout)
            super().send(part)  # type: ignore[misc]
            self._deadline += len(part) / SLOWEST_UPLOAD

    def response_class(self, sock: Any, debuglevel: int = 0, method: str | None = None) -> http.client.HTTPResponse:
        """http.client makes an answer by it, also a proxy's to CONNECT."""
        return DeadlineResponse(sock, self._deadline, debuglevel, method)


class DeadlineResponse(http.client.HTTPResponse):
    """An answer that is read until a deadline."""

    def __init__(self, sock: Any, deadline: float, debuglevel: int, method: str | None) -> None:
        super().__init__(sock, debuglevel, method)
        self.fp = DeadlineReader(DeadlineStream(self.fp.detach(), sock, deadline))

    def _read_status(self) -> tuple[str, int, str]:
        version, status, reason = super()._read_status()  # type: ignore[misc]
        return version, http.client.CONTINUE if 100 <= status < 200 else status, reason


class DeadlineStream(io.RawIOBase):
    """The bytes that come, each recv with what remains until the deadline."""

    def __init__(self, raw: io.RawIOBase, sock: Any, deadline: float) -> None:
        self._raw = raw
        self._sock = sock
        self._deadline = deadline
        self._begun = self._over = False

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read once into `buffer` and return the byte count, 0 at the end. Raises TimeoutError at the deadline."""
        if self._over:
            return 0
        if self._begun:  # for the first, urllib3 has just set it: most answers need but one
            remaining = self._deadline - time.monotonic()
            if remaining <= 0:
                raise TimeoutError("timed out")
            self._sock.settimeout(remaining)
        self._begun = True
        return self._raw.readinto(buffer)

    def end(self) -> None:
        """Nothing more is read."""
        self._over = True

    def abandon(self) -> None:
        """The connection cannot be used any more: the pool will find it closed."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """The answer is over; the connection stays."""
        self._raw.close()
        super().close()


class DeadlineReader(io.BufferedReader):
    """The buffer, which knows at the answer's end what has come after it."""

    raw: DeadlineStream

    def close(self) -> None:
        """The answer is over."""
        if not self.closed:
            self.raw.end()
            if self.peek(1):
                self.raw.abandon()
        super().close()


def _use_once(pool: Any) -> None:
    """Have the pool close every connection that comes back to it: not every server does as "Connection: close" says."""
    put_back = pool._put_conn

    def close(connection: Any) -> None:
        if connection is not None:
            connection.close()
        put_back(connection)

    pool._put_conn = close
