"""An HTTP request as the sandbox received it, and a response as it will be sent.

>>> Received("GET", "/files?limit=2", {}, b"").query
{'limit': '2'}
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit


@dataclass
class Received:
    """A request: `path` is percent-encoded, with its query and without /v1; header names are in lower case.

    `prefix` is "/v1", or "" if the path did not begin with it.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    raw: bytes
    status: int = 0  # of the response; 0 before there is one, and when the connection was cut
    at: float = field(default_factory=time.time)
    prefix: str = "/v1"

    @property
    def query(self) -> dict[str, str]:
        """The query string's parameters."""
        return dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))

    @property
    def body(self) -> Any:
        """The parsed JSON body, None for an empty one, bytes for one that is not JSON."""
        if not self.raw:
            return None
        try:
            return json.loads(self.raw, parse_constant=_no_constant, parse_float=_finite)
        except (ValueError, RecursionError):
            return self.raw

    @property
    def segments(self) -> list[str]:
        """The path's segments, decoded after splitting, so that an id may contain a slash."""
        return [unquote(part) for part in self.path.partition("?")[0][1:].split("/")]

    def record_status(self, status: int) -> None:
        """Record the status of the response."""
        self.status = status


@dataclass
class Response:
    """A response before it is written."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def _no_constant(name: str) -> float:
    """Refuse NaN and Infinity, which are no JSON."""
    raise ValueError(name)


def _finite(text: str) -> float:
    """The number. Raises ValueError if it is too large to be repeated in a response."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def json_response(body: Any, status: int = 200) -> Response:
    """A response with a JSON body."""
    return Response(status, json.dumps(body).encode(), {"content-type": "application/json"})
