"""Sends requests over the connections of one pool. It imports ssl and urllib3, which take long.

>>> send = PoolTransport(open_pool(…), IdleConnections(…), "https://api.openai.com/v1", most=64_000_000, …)
>>> send(Request("GET", "/files"), 30.0, {"Authorization": "Bearer sk-…"}, CancelFlag())
Response(status=200, …)
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, urlencode

from ..protocol import Request, Response
from ..protocol.multipart import Upload
from ..settings import revealed
from .creating import creating
from .deadline import outgoing
from .exceptions import failure_of
from .failures import Failure
from .limits import CancelFlag
from .pools import Opened
from .round_trip import Connections, round_trip


class PoolTransport:
    """Sends a request once over a connection of a pool (http_transport.Transport); used from many threads at once.

    most: the longest response in bytes. query: parameters for each target, as secrets.
    """

    def __init__(
        self,
        opened: Opened,
        connections: Connections,
        base_url: str,
        *,
        most: int,
        query: Mapping[str, str] | None,
    ) -> None:
        self.connections = connections
        self._prefix = opened.prefix
        self._proxy = opened.proxy
        self._base_url = base_url
        self._most = most
        self._query = query

    def __call__(
        self, request: Request, seconds: float, headers: Mapping[str, str], cancelled: CancelFlag
    ) -> Response | Failure:
        """Send a request and read its response. `cancelled` may end it, unless it changes something.

        Never raises: the frames of this function and of urllib3 have the key in their local variables.
        """
        outgoing.begin(seconds)
        try:
            target = with_query(request.target, revealed(self._query)) if self._query else request.target
            status, found, body = round_trip(
                self.connections,
                request.method,
                self._prefix + target,
                iter(request.body) if isinstance(request.body, Upload) else request.body,
                headers,
                self._most,
                stores=not request.changes,
                cancelled=None if request.changes else cancelled,
            )
        except BaseException as error:
            if cancelled.reads_were_ended and not request.changes:
                return Failure("interrupted", sent=outgoing.has_begun)
            if not request.idempotent:
                creating.fail()
            return failure_of(error, outgoing.has_begun, self._base_url, self._proxy)
        if cancelled.reads_were_ended and not request.changes:  # a body without a length seems whole then
            if body is not None and not isinstance(body, bytes):
                body.close()
            return Failure("interrupted", sent=True)
        if body is None:
            problem = f"the response is longer than {self._most} bytes (max_answer_bytes)"
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
