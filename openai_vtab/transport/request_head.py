"""Writes the request line and the headers of a request.

http.client checks, encodes and keeps each header by itself, which takes a tenth of an upload's processor time.

>>> request_head("DELETE", "/v1/files/file-1", "api.openai.com", {"Accept": "application/json"}, None)
b'DELETE /v1/files/file-1 HTTP/1.1\\r\\nHost: api.openai.com\\r\\nAccept-Encoding: identity\\r\\n...'
"""

from __future__ import annotations

import re
from collections.abc import Mapping

WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_NO_TARGET = re.compile(r"[\x00-\x20\x7f]").search
_LINE_BREAK = re.compile(r"[\r\n\0]").search


def request_head(method: str, target: str, host: str, headers: Mapping[str, str], size: int | None) -> bytes:
    """The bytes before the body, which has `size` bytes; None if there is no body.

    A header that is given replaces the one that would be added. Raises ValueError for what would be no request line or
    no header.
    """
    given = set(map(str.lower, headers))
    lines = [f"{method} {target} HTTP/1.1"]
    if "host" not in given:
        lines.append(f"Host: {host}")
    if "accept-encoding" not in given:
        lines.append("Accept-Encoding: identity")
    if given.isdisjoint(("content-length", "transfer-encoding")) and (size is not None or method in WITH_BODY):
        lines.append(f"Content-Length: {size or 0}")
    lines += map(": ".join, headers.items())
    if _NO_TARGET(target) or _LINE_BREAK("\t".join(lines)):
        raise ValueError("the request has a character that no request line and no header can have")
    lines += ("", "")
    return "\r\n".join(lines).encode("latin-1")
