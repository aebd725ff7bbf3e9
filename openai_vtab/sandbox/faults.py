"""What can go wrong on purpose: faults to inject, and quirks of servers that have been seen.

This file must not know the API or sockets: server.py carries the faults out.

>>> sandbox.inject(Status(503), times=2, method="GET")
>>> sandbox.quirks.batch_get_returns_store = True
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Status:
    """An error status. With `carried_out` the request is performed all the same."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    code: str | None = None
    type: str | None = None
    message: str | None = None
    carried_out: bool = False


@dataclass(frozen=True)
class Cut:
    """The connection is closed: on "accept" (not carried out), before the "answer", within "headers" or "body"."""

    when: str

    def __post_init__(self) -> None:
        if self.when not in ("accept", "answer", "headers", "body"):
            raise ValueError(f"Cut when? {self.when!r}")


@dataclass(frozen=True)
class Slow:
    """The request is carried out and answered after this many seconds."""

    seconds: float


@dataclass(frozen=True)
class Drip:
    """The body of the answer comes byte by byte."""

    seconds_per_byte: float


@dataclass(frozen=True)
class Raw:
    """These bytes instead of an HTTP answer, then the connection is closed."""

    data: bytes
    carried_out: bool = False


@dataclass(frozen=True)
class Answer:
    """This answer instead of the true one: a JSON value or bytes."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    carried_out: bool = False


@dataclass(frozen=True)
class Wire:
    """What `parts` makes of the true answer's head and body, a pause after each; then closed, unless `kept`."""

    parts: Callable[[bytes, bytes], Iterable[bytes]]
    pause: float = 0.0
    kept: bool = False


Fault = Status | Cut | Slow | Drip | Raw | Answer | Wire


@dataclass
class Quirks:
    """How other servers, or OpenAI on another day, behave. All off."""

    batch_get_returns_store: bool = False  # GET of a batch answers with the vector store object
    not_found_after_create_seconds: float = 0.0  # a new batch is 404 for so long
    unknown_id_is_400: bool = False
    plain_errors: str | None = None  # "detail": {"detail": "…"}; "text": text/plain
    plural_object: bool = False  # vector_store.files_batch
    batch_ids_without_prefix: bool = False  # batch_…, and any id may be asked for
    poll_after_ms: int | None = None  # the header openai-poll-after-ms on batches
    after_ignored: bool = False  # has_more with the same page again and again
    unknown_after_is_first_page: bool = False
    close_without_notice: bool = False  # a kept-alive connection is closed after each answer


@dataclass
class Injection:
    """A fault that waits for its requests."""

    fault: Fault
    times: int | None
    method: str | None
    path: str | None
    after: int

    def takes(self, method: str, path: str) -> bool:
        """Whether this request is one of them; counts."""
        if self.times == 0 or self.method not in (None, method):
            return False
        if self.path is not None and self.path not in path and not re.search(self.path, path):
            return False
        if self.after > 0:
            self.after -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True
