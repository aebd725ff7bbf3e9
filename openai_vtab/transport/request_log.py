"""The log of a connection's latest 1,000 requests: what did my query cost?

The table openai_requests shows it. The client removes the API key from whatever it records here.

>>> record = log.begin("GET", "/files"); record.end(status=200, size=460)
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from dataclasses import dataclass, field

from ..errors import visible
from ..protocol.multipart import Upload
from ..schema.values import SQLiteValue

KEPT = 1000  # requests
COLUMNS = {
    "number": "1 for the connection's first request.",
    "at": "When the request was first sent: Unix seconds, UTC.",
    "method": "GET, POST or DELETE.",
    "path": "Path and query, below the base URL.",
    "status": "The HTTP status of the last response; NULL without a response, and when nothing was sent (dry_run).",
    "milliseconds": "From the first attempt to the last response, with retries and pauses; NULL while in flight.",
    "retries": "How often the request was retried.",
    "bytes": "The length of the last response's body; NULL when no response came.",
    "request_id": "The response's x-request-id; NULL when it had none.",
    "predicted": "1 when read-ahead sent the request, 0 when the statement did.",
    "error": "What went wrong; NULL when nothing did.",
    "warning": "How the response to a write differs from what was sent; NULL when it does not.",
}


@dataclass(slots=True)
class RequestRecord:
    """One request, with its retries; its fields are the columns of the table openai_requests."""

    number: int
    method: str
    path: str
    predicted: int
    at: float = field(default_factory=time.time)
    retries: int = 0
    status: int | None = None
    milliseconds: float | None = None
    bytes: int | None = None
    request_id: str | None = None
    error: str | None = None
    warning: str | None = None
    _began: float = field(default_factory=time.perf_counter)

    def end(
        self,
        *,
        retries: int = 0,
        status: int | None = None,
        size: int | None = None,
        request_id: str | None = None,
        error: str | None = None,
        warning: str | None = None,
    ) -> None:
        """Record how the request has ended; `size` is the length of the response's body in bytes."""
        self.retries, self.status, self.bytes = retries, status, size
        self.request_id, self.error, self.warning = request_id, error, warning
        self.milliseconds = round((time.perf_counter() - self._began) * 1000, 1)

    @property
    def row(self) -> tuple[SQLiteValue, ...]:
        """The values in the order of COLUMNS."""
        return tuple(getattr(self, name) for name in COLUMNS)


class RequestLog:
    """The latest requests, oldest first; written by many threads."""

    def __init__(self) -> None:
        self._records: deque[RequestRecord] = deque(maxlen=KEPT)
        self._count = 0
        self._lock = threading.Lock()

    def begin(self, method: str, path: str, predicted: bool = False) -> RequestRecord:
        """Record a request that is about to be sent."""
        with self._lock:
            self._count += 1
            record = RequestRecord(self._count, method, path, int(predicted))
            self._records.append(record)
        return record

    def rows(self) -> list[tuple[SQLiteValue, ...]]:
        """Return a row for each request."""
        with self._lock:
            records = list(self._records)
        return [record.row for record in records]


def shown(method: str, path: str, body: bytes | Upload | None) -> str:
    """A request in a readable form: its first line, and its JSON in full."""
    if isinstance(body, Upload):
        return f"{method} {path}\n({len(body)} bytes of {body.content_type.partition(';')[0]})"
    if body is None:
        return f"{method} {path}"
    return f"{method} {path}\n{json.dumps(json.loads(body), indent=2, ensure_ascii=False)}"


def escape_control_characters(record: logging.LogRecord) -> bool:
    """Filter this package's log: its arguments may hold a server's words, which a terminal would interpret."""
    if isinstance(record.args, tuple):
        record.args = tuple(visible(value) if isinstance(value, str) else value for value in record.args)
    return True


logging.getLogger("openai_vtab").addFilter(escape_control_characters)
