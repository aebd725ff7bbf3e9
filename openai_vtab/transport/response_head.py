"""Reads the status line and the headers of a response.

http.client has the parser of e-mails do this, which takes as long as everything else that it does for a response. It
also skips only 100 of the interim responses: after a 103, the response would be taken for the next request's.

>>> response.begin(); response.status, response.headers
(200, {'content-type': 'application/json', 'content-length': '460'})
"""

from __future__ import annotations

import http.client
from typing import Any

LONGEST_LINE = 65536  # bytes
MOST_HEADERS = 100
INTERIM = range(100, 200)
WITHOUT_BODY = (204, 304)


class ResponseHead(http.client.HTTPResponse):
    """A response whose `headers` is a dict with names in lower case. Repeated headers are joined by commas."""

    headers: Any

    def begin(self) -> None:
        """Read the head, and find out how long the body is. Raises http.client.HTTPException."""
        status = 100
        while status in INTERIM:
            version, status, self.reason = self._read_status()  # type: ignore[attr-defined]
            headers = read_headers(self.fp)
        if not version.startswith(("HTTP/1.", "HTTP/0.9")):
            raise http.client.UnknownProtocol(version)
        self.version = 10 if version in ("HTTP/1.0", "HTTP/0.9") else 11
        self.code = self.status = status
        self.headers = headers
        self.msg = headers  # type: ignore[assignment]
        self.chunked = headers.get("transfer-encoding", "").lower() == "chunked"
        self.chunk_left = None
        self.length = None if self.chunked else _length(headers)
        if status in WITHOUT_BODY:
            self.length = 0
        options = headers.get("connection", "").lower()
        is_kept = "keep-alive" in options if self.version == 10 else "close" not in options
        self.will_close = not is_kept or (not self.chunked and self.length is None)


def read_headers(file: Any) -> dict[str, str]:
    """The headers up to the empty line. A line that is no header is left out; a continued line is joined.

    Raises http.client.HTTPException, also if the connection ends before the empty line.
    """
    headers: dict[str, str] = {}
    name = ""
    for _ in range(MOST_HEADERS + 1):
        line: bytes = file.readline(LONGEST_LINE + 1)
        if len(line) > LONGEST_LINE:
            raise http.client.LineTooLong("header line")
        if line in (b"\r\n", b"\n"):
            return headers
        if not line.endswith(b"\n"):
            raise http.client.IncompleteRead(line)
        text = line.decode("iso-8859-1")
        if text[0] in " \t":
            if name:
                headers[name] += f" {text.strip()}"
            continue
        name, colon, value = text.partition(":")
        name = name.lower() if colon and name == name.strip() else ""
        if name:
            headers[name] = f"{headers[name]}, {value.strip()}" if name in headers else value.strip()
    raise http.client.HTTPException(f"got more than {MOST_HEADERS} headers")


def _length(headers: dict[str, str]) -> int | None:
    """The length of the body; None if it ends with the connection. Raises HTTPException for several lengths."""
    lengths = set(map(str.strip, headers.get("content-length", "").split(",")))
    if len(lengths) > 1:
        raise http.client.HTTPException(f"the response has several lengths: {headers['content-length']}")
    (length,) = lengths
    return int(length) if length.isascii() and length.isdigit() else None
