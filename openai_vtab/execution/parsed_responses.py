"""What a statement keeps of the responses that it has parsed: the latest results, and the bodies of all.

A statement may parse tens of thousands of responses, or a few that are large. So the latest results are kept, up to
RESULT_BYTES; older responses are parsed again from their bodies. Bodies are in memory up to BODY_BYTES, and beyond
that in a temporary file.

>>> responses = ParsedResponses(workers.parse)
>>> responses.parse("/files/file-1", response, parse_json, keeps=True)
({'id': 'file-1'}, b'{"id": "file-1"}')
"""

from __future__ import annotations

from collections.abc import Callable, Sized
from dataclasses import replace
from typing import Any, TypeVar

from ..errors import OperationalError
from ..protocol import NO_HEADERS, Response
from ..schema.spool import Spool, Spooled

RESULT_BYTES = 2_000_000  # of JSON
BODY_BYTES = 16 * 1024 * 1024  # in memory
KEPT_HEADERS = ("x-request-id", "openai-poll-after-ms", "location")

T = TypeVar("T")


class ParsedResponses:
    """The parsed responses of one statement, by the identities of their requests.

    `parse` is the WorkerPool's: it is called with a response and the function that parses it.
    """

    def __init__(self, parse: Callable[[Response, Callable[[Response], Any]], Any]) -> None:
        self.results: dict[str, tuple[Any, int]] = {}  # with the bytes that each was parsed from
        self._bytes = 0  # of all results
        self._parse = parse
        self._memory = BODY_BYTES  # what is left of it
        self._spool: Spool | None = None

    def parse(
        self, identity: str, response: Response, parse: Callable[[Response], T], *, keeps: bool
    ) -> tuple[T, bytes | Spooled]:
        """Parse a response, keep the result, and return it with the body.

        keeps: the session keeps the body, which may therefore be in a temporary file. Raises what `parse` raises.
        """
        if isinstance(response.content, bytes):
            body = response.content
        else:
            body = response.content.read()
            response = replace(response, content=body)
        size = len(body)
        # before the new one is parsed, because results may be large
        while self.results and self._bytes + size > RESULT_BYTES:
            self._bytes -= self.results.pop(next(iter(self.results)))[1]
        parsed: T = self._parse(response, parse)
        self.results[identity] = parsed, size
        self._bytes += size
        if not keeps:
            return parsed, body
        if size <= self._memory:
            self._memory -= size
            return parsed, body
        return parsed, self._store(body)

    def _store(self, body: bytes) -> bytes | Spooled:
        """Write a body to the file, and return its place there."""
        if self._spool is None:
            self._spool = Spool(0)
        try:
            return self._spool.keep(body)
        except OperationalError:  # the disk is full
            return body

    def forget(self, identity: str) -> None:
        """Forget the result."""
        self._bytes -= self.results.pop(identity, (None, 0))[1]

    def close(self) -> None:
        """Forget everything."""
        self.results.clear()
        self._bytes, self._memory = 0, BODY_BYTES
        if self._spool is not None:
            self._spool.close()


def is_large(body: Sized) -> bool:
    """Return True if the result of parsing a body would be the only one that is kept."""
    return len(body) > RESULT_BYTES


def without_unneeded_headers(response: Response, body: bytes | Spooled) -> Response:
    """Return the response with this body, and with only the headers that parsing it again needs.

    A statement may keep tens of thousands of them.
    """
    headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
    return replace(response, headers=headers or NO_HEADERS, content=body)
