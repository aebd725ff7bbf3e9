"""The log of a connection's requests, the latest 1,000: what did my query cost?

The table openai_requests shows it. It must not know sockets or SQL, and never holds the key: wherever the key is
written in what it keeps, plainly, percent-encoded or in base64, it keeps "[key]" instead.

>>> record = log.begin("GET", "/files", key); record.end(status=200, size=460)
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections import deque
from functools import lru_cache
from urllib.parse import quote

from .upload import Upload
from .values import SQLiteValue

KEPT = 1000  # requests
SHORTEST_KEY = 4  # characters; servers of one's own take "x"
COLUMNS = {
    "number": "1 for the connection's first request.",
    "at": "When it was first sent: Unix seconds, UTC.",
    "method": "GET, POST or DELETE.",
    "path": "Path and query, below the base URL.",
    "status": "The HTTP status of the last answer; NULL when none came, or none yet, or it was not sent (dry_run).",
    "milliseconds": "From first sending it to the last answer, repetitions and pauses included; NULL while under way.",
    "retries": "How often it was repeated.",
    "bytes": "Length of the last answer's body; NULL when none came.",
    "request_id": "The answer's x-request-id; NULL when it had none.",
    "predicted": "1 when it was read-ahead that asked, 0 when the statement did.",
    "error": "What went wrong; NULL when nothing did.",
}


class Record:
    """One request, from its beginning on. `end` fills in what the answer was."""

    __slots__ = ("_began", "_key", *COLUMNS)

    def __init__(self, number: int, method: str, path: str, key: str, predicted: bool) -> None:
        self._began = time.perf_counter()
        self._key = key
        self.number = number
        self.at = time.time()
        self.method = method
        self.path = without_key(path, key)
        self.predicted = int(predicted)
        self.retries = 0
        self.status: int | None = None
        self.milliseconds: float | None = None
        self.bytes: int | None = None
        self.request_id: str | None = None
        self.error: str | None = None

    def end(
        self,
        *,
        retries: int = 0,
        status: int | None = None,
        size: int | None = None,
        request_id: str | None = None,
        error: str | None = None,
    ) -> None:
        """The request is over."""
        self.retries, self.status, self.bytes = retries, status, size
        self.request_id = request_id and without_key(request_id, self._key)
        self.error = error and without_key(error, self._key)
        self.milliseconds = round((time.perf_counter() - self._began) * 1000, 1)
        self._key = ""

    @property
    def row(self) -> tuple[SQLiteValue, ...]:
        """Its values, in the order of COLUMNS."""
        return tuple(getattr(self, name) for name in COLUMNS)


class Log:
    """The latest requests, oldest first; written by many threads."""

    def __init__(self) -> None:
        self._records: deque[Record] = deque(maxlen=KEPT)
        self._count = 0
        self._lock = threading.Lock()

    def begin(self, method: str, path: str, key: str, predicted: bool = False) -> Record:
        """A request is about to leave."""
        with self._lock:
            self._count += 1
            record = Record(self._count, method, path, key, predicted)
            self._records.append(record)
        return record

    def rows(self) -> list[tuple[SQLiteValue, ...]]:
        """A row for each."""
        with self._lock:
            records = list(self._records)
        return [record.row for record in records]


@lru_cache(maxsize=4)
def _spellings(key: str) -> tuple[str, ...]:
    encoded = base64.b64encode(key.encode()).decode()
    once = quote(key, safe="")
    return (key, once, quote(once, safe=""), quote(encoded, safe=""), encoded, encoded.rstrip("="))


def without_key(text: str, key: str) -> str:
    """The text with [key] for the key, however it is spelled. What is shorter than any key is no secret."""
    for spelling in _spellings(key) if len(key) >= SHORTEST_KEY else ():
        if spelling in text:
            text = text.replace(spelling, "[key]")
    return text


def shown(method: str, path: str, body: bytes | Upload | None) -> str:
    """A request for people: its first line, and its JSON in full."""
    if isinstance(body, Upload):
        return f"{method} {path}\n({len(body)} bytes of {body.content_type.partition(';')[0]})"
    if body is None:
        return f"{method} {path}"
    return f"{method} {path}\n{json.dumps(json.loads(body), indent=2, ensure_ascii=False)}"
