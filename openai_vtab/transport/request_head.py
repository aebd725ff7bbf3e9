"""Writes the headers of a request.

http.client checks and encodes each header by itself, which takes a third of the processor time of a small request.

>>> header_lines("GET", None, {"Accept": "application/json", "Accept-Encoding": "identity"})
b'Accept: application/json\\r\\nAccept-Encoding: identity'
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def header_lines(method: str, body: bytes | Iterable[bytes] | None, headers: Mapping[str, str]) -> bytes:
    """The headers, and the length of the body, without the end of the last line.

    If the body comes in parts, `headers` have its length. Raises ValueError for a header that no line can carry.
    """
    lines = list(map(": ".join, headers.items()))
    if isinstance(body, bytes):
        lines.append(f"Content-Length: {len(body)}")
    elif body is None and method == "POST":  # RFC 9110, section 8.6
        lines.append("Content-Length: 0")
    written = "\r\n".join(lines).encode("iso-8859-1")
    if written.count(b"\n") + written.count(b"\r") != 2 * max(len(lines) - 1, 0):
        raise ValueError("a header has a line break")
    return written
