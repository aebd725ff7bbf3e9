"""One request and its response over a connection of a pool.

urllib3 opens the connections (proxies, certificates) and decompresses, but does not send: its retries, redirects and
classes of time-outs, headers and responses would cost more processor time than everything else about a request.

>>> round_trip(idle, "GET", "/v1/files", None, {"Authorization": "Bearer sk-…"}, most=1_000_000)
(200, {'content-type': 'application/json'}, b'{…}')
"""

from __future__ import annotations

import errno
import http.client
import socket
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext, suppress
from functools import partial
from typing import Any, Protocol

import urllib3
from urllib3.util.proxy import connection_requires_http_tunnel

from ..protocol import StoredBody
from .large_bodies import LARGE, ReceivedBody
from .limits import CancelFlag, EndedBy
from .response_head import ResponseHead

CHUNK = 65536  # bytes
# The server may close a connection before it has read the whole request; its response can still be read.
ENDED_EARLY = frozenset({errno.EPIPE, errno.ECONNRESET, errno.EPROTOTYPE})


class Connections(Protocol):
    """The connections of a pool; used from many threads at once."""

    pool: urllib3.HTTPConnectionPool

    def take(self) -> Any:
        """A connection that may have to be opened."""

    def give_back(self, connection: Any, has_response: bool) -> None:
        """The exchange is over. The connection is closed if there was no response, or none may follow."""

    def close(self) -> None:
        """Close the idle ones, and the others once they are given back."""


def round_trip(
    connections: Connections,
    method: str,
    target: str,
    body: bytes | Iterable[bytes] | None,
    headers: Mapping[str, str],
    most: int,
    stores: bool = False,
    cancelled: CancelFlag | None = None,
) -> tuple[int, dict[str, str], bytes | StoredBody | None]:
    """Send a request over an idle connection or a new one. Returns the status, headers in lower case, and the body.

    The body is None if it is longer than `most` bytes. With `stores`, a large one is on the disk. `cancelled` may end
    the exchange once the connection is there. `outgoing` (deadline.py) has the deadline. Raises the exceptions of
    urllib3, http.client, ssl and sockets.
    """
    connection, pool = connections.take(), connections.pool
    has_response = False
    try:
        has_tunnel = pool.proxy is not None and _has_tunnel(pool, target)
        if connection.is_closed:
            if has_tunnel:
                pool._prepare_proxy(connection)
            else:
                connection.connect()
        if pool.proxy is not None and not has_tunnel:
            headers = {**headers, **pool.proxy_headers}
        with nullcontext() if cancelled is None else EndedBy(cancelled, partial(_shut_down, connection.sock)):
            try:
                http.client.HTTPConnection.request(connection, method, target, body, headers)
            except OSError as error:
                if error.errno not in ENDED_EARLY:
                    raise
            answer: Any = http.client.HTTPConnection.getresponse(connection)
            content = _body(answer, method, most, stores and 200 <= answer.status < 300)
        has_response = True
        if content is None:
            connection.close()
        return answer.status, answer.headers, content
    except BaseException as error:
        is_of_proxy = connection.proxy is not None and not connection.has_connected_to_proxy
        connection.close()
        if is_of_proxy and isinstance(error, (OSError, http.client.HTTPException, urllib3.exceptions.HTTPError)):
            raise urllib3.exceptions.ProxyError("no connection to the proxy", error) from error
        raise
    finally:
        connections.give_back(connection, has_response)


def _shut_down(sock: object) -> None:
    """Wake the thread that waits for the socket. It finds the end of the stream, and closes the connection.

    The method is that of the socket below TLS: SSLSocket's own would take the TLS away from the waiting thread. TLS
    within the TLS of a proxy is no socket, and such an exchange goes on to its end.
    """
    if isinstance(sock, socket.socket):
        with suppress(OSError):
            socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _has_tunnel(pool: Any, target: str) -> bool:
    """Whether a request goes through a tunnel of the pool's proxy. The target is a URL if it does not."""
    scheme = target.partition("://")[0] if "://" in target else None
    return connection_requires_http_tunnel(pool.proxy, pool.proxy_config, scheme)


def _body(answer: ResponseHead, method: str, most: int, stores: bool) -> bytes | StoredBody | None:
    """The body of a response, decompressed; None if it is longer than `most` bytes."""
    reader: Any = answer
    read: Callable[[int], bytes] = answer.read1
    if "content-encoding" in answer.headers:
        reader = urllib3.HTTPResponse(
            answer,
            urllib3.HTTPHeaderDict(answer.headers),
            answer.status,
            preload_content=False,
            original_response=answer,
            request_method=method,
        )
        read = reader.read1
    elif answer.length is not None:
        if answer.length > most:
            return None
        if not stores or answer.length <= LARGE:
            return answer.read()
        read = answer.read  # unlike read1, it ends the response with its last byte
    with ReceivedBody(stores, answer.length or 0) as body:
        while len(body) <= most and (chunk := read(CHUNK)):
            body.add(chunk)
        if reader is answer and answer.length:
            raise http.client.IncompleteRead(b"", answer.length)
        return body.keep() if len(body) <= most else None
