"""One request and its response over a connection of a pool.

urllib3 opens the connections (proxies, certificates) and decompresses, but does not send: its retries, redirects and
classes of time-outs, headers and responses would cost more processor time than everything else about a request.

>>> round_trip(pool, "GET", "/v1/files", None, {"Authorization": "Bearer sk-…"}, most=1_000_000)
(200, {'content-type': 'application/json'}, b'{…}')
"""

from __future__ import annotations

import errno
import http.client
from collections.abc import Iterable, Mapping
from typing import Any

import urllib3
from urllib3.util.proxy import connection_requires_http_tunnel

from .response_head import ResponseHead

CHUNK = 65536  # bytes
# The server may close a connection before it has read the whole request; its response can still be read.
ENDED_EARLY = frozenset({errno.EPIPE, errno.ECONNRESET, errno.EPROTOTYPE})


def round_trip(
    pool: urllib3.HTTPConnectionPool,
    method: str,
    target: str,
    body: bytes | Iterable[bytes] | None,
    headers: Mapping[str, str],
    most: int,
) -> tuple[int, dict[str, str], bytes | None]:
    """Send a request over a connection of the pool. Returns the status, headers in lower case, and the body.

    The body is None if it is longer than `most` bytes. `outgoing` (deadline.py) has the deadline. Raises the exceptions
    of urllib3, http.client, ssl and sockets.
    """
    connection: Any = pool._get_conn()
    try:
        has_tunnel = pool.proxy is not None and _has_tunnel(pool, target)
        if connection.is_closed:
            if has_tunnel:
                pool._prepare_proxy(connection)
            else:
                connection.connect()
        if pool.proxy is not None and not has_tunnel:
            headers = {**headers, **pool.proxy_headers}
        try:
            http.client.HTTPConnection.request(connection, method, target, body, headers)
        except OSError as error:
            if error.errno not in ENDED_EARLY:
                raise
        answer: Any = http.client.HTTPConnection.getresponse(connection)
        content = _body(answer, method, most)
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
        pool._put_conn(connection)


def _has_tunnel(pool: urllib3.HTTPConnectionPool, target: str) -> bool:
    """Whether a request goes through a tunnel of the pool's proxy. The target is a URL if it does not."""
    scheme = target.partition("://")[0] if "://" in target else None
    return connection_requires_http_tunnel(pool.proxy, pool.proxy_config, scheme)


def _body(answer: ResponseHead, method: str, most: int) -> bytes | None:
    """The body of a response, decompressed; None if it is longer than `most` bytes."""
    reader: Any = answer
    if "content-encoding" in answer.headers:
        reader = urllib3.HTTPResponse(
            answer,
            urllib3.HTTPHeaderDict(answer.headers),
            answer.status,
            preload_content=False,
            original_response=answer,
            request_method=method,
        )
    elif answer.length is not None:
        return answer.read() if answer.length <= most else None
    chunks, size = [], 0
    while size <= most and (chunk := reader.read1(CHUNK)):
        chunks.append(chunk)
        size += len(chunk)
    return b"".join(chunks) if size <= most else None
