"""Faults: what a response can suffer on purpose.

>>> sandbox.inject(Status(503), times=2, method="GET")
>>> sandbox.inject(Cut("body"))
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Status:
    """Respond with an error status. With `carried_out`, the request is performed all the same."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    code: str | None = None
    type: str | None = None
    message: str | None = None
    carried_out: bool = False


@dataclass(frozen=True)
class Cut:
    """Close the connection: on "accept", before the "answer", within its "headers" or within its "body".

    Only "accept" keeps the request from being carried out.
    """

    when: str

    def __post_init__(self) -> None:
        if self.when not in ("accept", "answer", "headers", "body"):
            raise ValueError(f"Cut when? {self.when!r}; write 'accept', 'answer', 'headers' or 'body'")


@dataclass(frozen=True)
class Slow:
    """Carry out the request after this many seconds, and then respond."""

    seconds: float


@dataclass(frozen=True)
class Drip:
    """Send the response's body byte by byte."""

    seconds_per_byte: float


@dataclass(frozen=True)
class Raw:
    """Send these bytes instead of an HTTP response, then close the connection."""

    data: bytes
    carried_out: bool = False


@dataclass(frozen=True)
class Answer:
    """Respond with this body, a JSON value or bytes, instead of the true one."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    carried_out: bool = False


@dataclass(frozen=True)
class Wire:
    """Send what `parts` makes of the true response's head and body, with a pause in seconds after each part.

    The connection is then closed unless `kept`.
    """

    parts: Callable[[bytes, bytes], Iterable[bytes]]
    pause: float = 0.0
    kept: bool = False


Fault = Status | Cut | Slow | Drip | Raw | Answer | Wire
