"""One HTTP exchange: sends a request, and returns its response, or the reason why there is none, as a value.

The requests library is used only for proxies and certificates (connections.py), urllib3 only to connect
(round_trip.py). A Session of requests would let a netrc file replace the key, keep cookies, and send the key along
with redirects.

>>> send = HTTPTransport(settings, "http://127.0.0.1:8080/v1").open(kept_alive=True)
>>> send(Request("GET", "/files"), 30.0, {"Authorization": "Bearer sk-…"})
Response(status=200, …)
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, urlencode

from ..clock import Clock
from ..protocol import Request, Response
from ..protocol.multipart import Upload
from ..settings import Settings, revealed
from .failures import Failure
from .limits import CancelFlag
from .turns import Turns

if TYPE_CHECKING:
    import ssl

    import urllib3

# Sends a request once, with a time-out in seconds and with headers. It returns a Failure rather than raising an
# exception, whose traceback would show the key among the headers.
Transport = Callable[[Request, float, Mapping[str, str]], Response | Failure]


class HTTPTransport:
    """The connections to one base URL; used from many threads at once. Opens nothing before the first request.

    Requests that must not be retried have connections of their own, each used once, and are sent in turn.
    """

    def __init__(self, settings: Settings, base_url: str, clock: Clock) -> None:
        self._settings = settings
        self._base_url = base_url
        self._query = settings.default_query  # as secrets
        self._turns = Turns(settings.max_concurrency, clock)
        self._lock = threading.Lock()
        self._tls: ssl.SSLContext | None = None  # of all pools
        self._opened: dict[bool, tuple[urllib3.HTTPConnectionPool, Transport]] = {}

    @property
    def ahead(self) -> int | None:
        """How many connections may be opened ahead; None until it is known how long opening one takes."""
        return self._turns.ahead and self._turns.most_ahead

    def open(self, kept_alive: bool) -> Transport:
        """The function that sends over kept-alive connections, or over new ones.

        Raises ConfigurationError for an address, certificates or a proxy that cannot be used.
        """
        return self._pool(kept_alive)[1]

    def turn(self, cancelled: CancelFlag) -> AbstractContextManager[None]:
        """A block in which the thread's create has its turn. Raises CancelledError or as `open`."""
        from .fresh import turn_of_create  # with ssl and urllib3

        return turn_of_create(self._turns, self._pool(kept_alive=False)[0], cancelled, self._settings.timeout)

    def _pool(self, kept_alive: bool) -> tuple[urllib3.HTTPConnectionPool, Transport]:
        with self._lock:
            found = self._opened.get(kept_alive)
            if found is None:
                from .connections import open_pool  # requests and urllib3 take long to import

                settings = self._settings
                pool, host, prefix, proxy, self._tls = open_pool(
                    self._base_url,
                    settings.ca_bundle,
                    size=settings.max_concurrency,
                    kept_alive=kept_alive,
                    direct=settings.stays_here,
                    tls=self._tls,
                )
                self._opened[kept_alive] = found = pool, partial(self._send, pool, host, prefix, proxy)
            return found

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            opened, self._opened = self._opened, {}
            self._tls = None
        for pool, _ in opened.values():
            pool.close()

    def close_kept_alive(self) -> None:
        """Close the idle connections that are kept alive: a response may be left over on one of them."""
        with self._lock:
            found = self._opened.pop(True, None)
        if found is not None:
            found[0].close()

    def _send(
        self,
        pool: urllib3.HTTPConnectionPool,
        host: str,
        prefix: str,
        proxy: str,
        request: Request,
        seconds: float,
        headers: Mapping[str, str],
    ) -> Response | Failure:
        """Send a request and read its response.

        Never raises: the frames of this function and of urllib3 have the key in their local variables.
        """
        from .deadline import outgoing
        from .exceptions import failure_of
        from .fresh import creating
        from .round_trip import round_trip

        most = self._settings.max_answer_bytes
        outgoing.begin(seconds)
        try:
            status, found, body = round_trip(
                pool,
                host,
                request.method,
                prefix + (with_query(request.target, revealed(self._query)) if self._query else request.target),
                iter(request.body) if isinstance(request.body, Upload) else request.body,
                headers,
                most,
                stores=not request.changes,
            )
        except BaseException as error:
            if outgoing.has_begun and not request.repeatable and creating.is_ahead:
                self._turns.distrust()
            return failure_of(error, outgoing.has_begun, self._base_url, proxy)
        if body is None:
            problem = f"the response is longer than {most} bytes (max_answer_bytes)"
            return Failure(problem, sent=True, status=status)
        return Response(status, found, body, self._base_url)


def with_query(target: str, query: Mapping[str, str]) -> str:
    """The target with parameters that it does not have itself.

    >>> with_query("/files?limit=1", {"api-version": "preview", "limit": "9"})
    '/files?limit=1&api-version=preview'
    """
    path, _, own = target.partition("?")
    names = {name for name, _ in parse_qsl(own, keep_blank_values=True)}
    added = urlencode({name: value for name, value in query.items() if name not in names}, quote_via=quote)
    return f"{path}?{'&'.join(filter(None, [own, added]))}" if own or added else target
