"""One request and its response over a connection of a pool.

urllib3 opens the connections (proxies, certificates) and decompresses, but does not send: its retries, redirects and
classes of time-outs, headers and responses would cost more processor time than everything else about a request. Of
http.client, only the reader of responses is used.

>>> round_trip(idle, "api.openai.com", "GET", "/v1/files", None, {"Authorization": "Bearer sk-…"}, most=1_000_000)
(200, {'content-type': 'application/json'}, b'{…}')
"""

from __future__ import annotations

import errno
import http.client
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import urllib3
from urllib3.util.proxy import connection_requires_http_tunnel

from ..protocol import StoredBody
from .idle import IdleConnections
from .large_bodies import LARGE, ReceivedBody
from .request_head import request_head
from .response_head import ResponseHead

CHUNK = 65536  # bytes
# The server may close a connection before it has read the whole request; its response can still be read.
ENDED_EARLY = frozenset({errno.EPIPE, errno.ECONNRESET, errno.EPROTOTYPE})


def round_trip(
    idle: IdleConnections,
    host: str,
    method: str,
    target: str,
    body: bytes | Iterator[bytes] | None,
    headers: Mapping[str, str],
    most: int,
    stores: bool = False,
) -> tuple[int, dict[str, str], bytes | StoredBody | None]:
    """Send a request over an idle connection or a new one. Returns the status, headers in lower case, and the body.

    A body in pieces has its length in the headers. The first piece leaves together with the head: each part is a system
    call, and a packet. The response's body is None if it is longer than `most` bytes. With `stores`, a large one is on
    the disk. `outgoing` (deadline.py) has the deadline. Raises the exceptions of urllib3, http.client, ssl and sockets.
    """
    connection, pool = idle.take(), idle.pool
    try:
        has_tunnel = pool.proxy is not None and _has_tunnel(pool, target)
        if connection.is_closed:
            if has_tunnel:
                pool._prepare_proxy(connection)
            else:
                connection.connect()
        if pool.proxy is not None and not has_tunnel:
            headers = {**headers, **pool.proxy_headers}
        pieces = iter((body or b"",)) if body is None or isinstance(body, bytes) else body
        head = request_head(method, target, host, headers, len(body) if isinstance(body, bytes) else None)
        try:
            connection.send(head + next(pieces))
            for piece in pieces:
                connection.send(piece)
        except OSError as error:
            if error.errno not in ENDED_EARLY:
                raise
        answer: Any = connection.response_class(connection.sock, method=method)
        answer.begin()
        content = _body(answer, method, most, stores and 200 <= answer.status < 300)
        if content is None or answer.will_close:
            connection.close()
        return answer.status, answer.headers, content
    except BaseException as error:
        is_of_proxy = connection.proxy is not None and not connection.has_connected_to_proxy
        connection.close()
        if is_of_proxy and isinstance(error, (OSError, http.client.HTTPException, urllib3.exceptions.HTTPError)):
            raise urllib3.exceptions.ProxyError("no connection to the proxy", error) from error
        raise
    finally:
        idle.give_back(connection)


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
    with ReceivedBody(stores) as body:
        while len(body) <= most and (chunk := read(CHUNK)):
            body.add(chunk)
        if reader is answer and answer.length:
            raise http.client.IncompleteRead(b"", answer.length)
        return body.keep() if len(body) <= most else None
