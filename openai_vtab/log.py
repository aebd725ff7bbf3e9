"""The log of a connection's requests, the latest 1,000: what did my query cost?

The table openai_requests shows it. It must not know sockets or SQL, and never holds the key: wherever the key is
written in what it keeps, plainly, percent-encoded, as JSON escapes it or in base64, it keeps "[key]" instead.

>>> record = log.begin("GET", "/files", key); record.end(status=200, size=460)
"""

from __future__ import annotations

import base64
import json
import logging
import re
import threading
import time
from collections import deque
from functools import lru_cache
from urllib.parse import quote

from .errors import visible
from .upload import Upload
from .values import SQLiteValue

KEPT = 1000  # requests
_NEEDLESS_ESCAPE = re.compile(r"\\u00(2[013-9a-f]|[346][0-9a-f]|5[0-9abd-f]|7[0-9a-e])", re.IGNORECASE)  # in JSON
SHORTEST_KEY = 4  # characters; servers of one's own take "x"
SHORTEST_IN_DATA = 12  # in what is right and becomes rows, where "test" and "lm-studio" are words like others
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
    """How the key may be written, the longest first, so that of none a part is left."""
    texts = {key}
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        whole = encode(key.encode()).decode()
        texts |= {whole, whole.rstrip("=")}
        for before in range(3):  # within something longer, such as "Bearer …": what no neighbour has a bit of
            first = (before * 8 + 5) // 6
            last = (before + len(key)) * 8 // 6
            texts.add(encode(b"\0" * before + key.encode()).decode()[first:last])
    percent = {quote(text, safe=safe) for text in texts for safe in ("", "/")}
    percent |= {quote(text, safe="") for text in percent}
    percent |= {re.sub("%..", lambda found: found[0].lower(), text) for text in percent}
    escaped = {json.dumps(text)[1:-1] for text in texts}
    escaped |= {text.replace("/", "\\/") for text in escaped}
    unicode = {re.sub(r'["\\]', lambda found: f"\\u{ord(found[0]):04x}", text) for text in texts}
    unicode |= {text.replace("\\u005c", "\\u005C") for text in unicode}
    return tuple(sorted(texts | percent | escaped | unicode, key=len, reverse=True))


def without_key(text: str, key: str, shortest: int = SHORTEST_KEY) -> str:
    """The text with [key] for the key, however it is spelled. What is shorter than any key is no secret."""
    for spelling in _spellings(key) if len(key) >= shortest else ():
        if spelling in text:
            text = text.replace(spelling, "[key]")
        if "\0" in text:  # in UTF-16 or UTF-32 within something else
            for between in ("\0", "\0\0\0"):
                if (wide := between.join(spelling)) in text:
                    text = text.replace(wide, between.join("[key]"))
    return text


def answer_without_key(status: int, body: bytes, key: str) -> bytes:
    """The same for the body of an answer: a server may quote what it was sent.

    json.loads reads UTF-16 and UTF-32, too. Such a body is searched as it will be read, and is UTF-8 afterwards if it
    has the key.
    """
    encoding = json.detect_encoding(body)
    wide = not encoding.startswith("utf-8")
    try:
        text = body.decode(encoding, "surrogatepass") if wide else body.decode("latin-1")
    except UnicodeDecodeError:  # json.loads will not read it either
        wide, text = False, body.decode("latin-1")
    if "\\u00" in text:
        text = _NEEDLESS_ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)
    clean = without_key(text, key, SHORTEST_IN_DATA if 200 <= status < 300 else SHORTEST_KEY)
    if clean is text:
        return body
    return clean.encode("utf-8", "surrogatepass") if wide else clean.encode("latin-1")


def legible(record: logging.LogRecord) -> bool:
    """A filter for this package's log: what is filled in may be a server's words, and a terminal may show them."""
    if isinstance(record.args, tuple):
        record.args = tuple(visible(value) if isinstance(value, str) else value for value in record.args)
    return True


logging.getLogger("openai_vtab").addFilter(legible)


def without_headers(record: logging.LogRecord) -> bool:
    """A filter for urllib3's log: what it cannot parse of an answer's headers may quote the key, and is left out."""
    if (record.threadName or "").startswith("openai_vtab") and record.msg.startswith("Failed to parse headers"):
        record.msg, record.args, record.exc_info = (
            "an answer to openai_vtab has headers that cannot be parsed",
            (),
            None,
        )
    return True


def shown(method: str, path: str, body: bytes | Upload | None) -> str:
    """A request for people: its first line, and its JSON in full."""
    if isinstance(body, Upload):
        return f"{method} {path}\n({len(body)} bytes of {body.content_type.partition(';')[0]})"
    if body is None:
        return f"{method} {path}"
    return f"{method} {path}\n{json.dumps(json.loads(body), indent=2, ensure_ascii=False)}"
