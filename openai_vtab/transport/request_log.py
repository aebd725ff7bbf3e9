"""The log of a connection's requests, the latest 1,000: what did my query cost?

The table openai_requests shows it. It must not know sockets or SQL, and never holds the key: wherever the key is
written in what it keeps, plainly, percent-encoded, as JSON escapes it or in base64, it keeps "[key]" instead. A
failed response is also searched for the key in other encodings (`is_quoted`).

>>> record = log.begin("GET", "/files", key); record.end(status=200, size=460)
"""

from __future__ import annotations

import base64
import html
import json
import logging
import re
import threading
import time
from collections import deque
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from ..errors import visible
from ..protocol.multipart import Upload
from ..schema.values import SQLiteValue

KEPT = 1000  # requests
SHORTEST_KEY = 4  # characters; servers of one's own take "x"
SHORTEST_IN_DATA = 12  # in what is right and becomes rows, where "test" and "lm-studio" are words like others
LONGEST_ERROR = 32768  # bytes of a failed response that are kept; its message is far shorter
MOST_FORMS = 40  # decoded forms of a text that are searched for the key
QUOTES_THE_KEY = "[the server's message quotes the key]"
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
        # a server's words are without the key already; a short key may be one of OpenSSL's
        self.error = error and without_key(error, self._key, SHORTEST_IN_DATA)
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


def _texts(key: str) -> set[bytes]:
    """The key, and what base64 makes of it, alone and at each place within something longer such as "Bearer …"."""
    texts = {key.encode()}
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        whole = encode(key.encode())
        texts |= {whole, whole.rstrip(b"=")}
        for before in range(3):  # what no neighbour has a bit of
            first = (before * 8 + 5) // 6
            last = (before + len(key)) * 8 // 6
            texts.add(encode(b"\0" * before + key.encode())[first:last])
    return texts


def _escapable(code: int) -> bytes:
    """A regular expression for an ASCII character as it is or escaped in JSON, at any depth."""
    letter = re.escape(b"%c" % code)
    plain = letter if code not in b'/"\\' else b"\\\\+" if code == ord("\\") else b"\\\\*" + letter
    return b"(?:%b|\\\\+u00%b)" % (plain, _EITHER_CASE.sub(_in_either_case, b"%02x" % code))


_EITHER_CASE = re.compile(b"[a-f]")


def _in_either_case(found: re.Match[bytes]) -> bytes:
    return b"[%b%b]" % (found[0], found[0].upper())


def _character(code: int) -> bytes:
    """The same for a character that may be percent-encoded besides, once or several times."""
    percent, again = _escapable(ord("%")), _escapable(ord("2")) + _escapable(ord("5"))
    digits = b"".join(
        b"(?:%b|%b)" % (_escapable(digit), _escapable(ord(chr(digit).upper())))
        if digit > ord("9")
        else _escapable(digit)
        for digit in b"%02x" % code
    )
    return b"(?:%b|%b(?:%b)*%b)" % (_escapable(code), percent, again, digits)


@lru_cache(maxsize=64)
def _spellings(key: str) -> tuple[tuple[bytes, tuple[bytes, ...]], ...]:
    """Each text of `_texts`, the longest first, so that no part of one is left; and with it byte strings of which the
    body must contain one, unless every character is escaped: a search for them takes a hundredth of the time.
    """
    found = []
    for text in sorted(_texts(key), key=len, reverse=True):
        plain = _split(max(_PLAIN.findall(text), key=len, default=b""))
        found.append((text, tuple(between.join(plain) for between in _BETWEEN)))
    return tuple(found)


@lru_cache(maxsize=64)
def _pattern(text: bytes, is_word: bool) -> re.Pattern[bytes]:
    """A regular expression for a text however its characters are escaped. It takes 0.1 s to make.

    Its group is what stands between the characters: in UTF-16 and UTF-32 within something else, NULs.
    """
    first, *rest = map(_character, text)
    spelling = first + rb"(\0{3}|\0|\\+u0000|%00|)" + rb"(?:\1)".join(rest)
    if is_word:  # which may be a part of others
        begins = rb"(?:(?<![\w-])|(?<=\\[nrtbf])|(?<=%[0-9A-Fa-f]{2})|(?<=\\u00[0-9A-Fa-f]{2}))"
        spelling = begins + spelling + rb"(?![\w-])"
    return re.compile(spelling)


_PLAIN = re.compile(b"[0-9A-Za-z]+")  # what no encoder of URLs or JSON escapes alone
_ESCAPED = rb"(?:\\[\\\0]*u\0*0\0*0\0*[2-7]\0*[0-9A-Fa-f]\0*|%\0*(?:2\0*5\0*)*[2-7]\0*[0-9A-Fa-f]\0*)"
_ALL_ESCAPED = re.compile(_ESCAPED * 3)
_BETWEEN = (b"", b"\0", b"\0\0\0", rb"\u0000", b"%00")


def _marked(text: bytes, key: str, shortest: int) -> bytes:
    """The bytes with [key] for the key, and every other byte as it was."""
    if len(key) < shortest or len(text) < len(key):  # no spelling is shorter than the key
        return text
    escaped = (b"\\" in text or b"%" in text) and _ALL_ESCAPED.search(text) is not None
    for spelled, plain in _spellings(key):
        if escaped or any(spelling in text for spelling in plain):
            pattern = _pattern(spelled, len(key) < SHORTEST_IN_DATA and spelled == key.encode())
            text = pattern.sub(lambda found: found[1].join(_split(b"[key]")), text)
    return text


def _split(text: bytes) -> list[bytes]:
    return [b"%c" % code for code in text]


def without_key(text: str, key: str, shortest: int = SHORTEST_KEY) -> str:
    """The text with [key] for the key, however it is spelled. What is shorter than any key is no secret."""
    before = text.encode("utf-8", "surrogatepass")
    after = _marked(before, key, shortest)
    return text if after == before else after.decode("utf-8", "surrogatepass")


def header_without_key(status: int, value: str, key: str) -> str:
    """The same for the value of an answer's header, such as a request id or where a redirect leads."""
    clean = without_key(value, key)
    return clean if 200 <= status < 300 or not is_quoted(clean, key) else QUOTES_THE_KEY


def answer_without_key(status: int, body: bytes, key: str) -> bytes:
    """The same for the body of an answer: a server may quote what it was sent.

    json.loads reads UTF-16 and UTF-32, too: such a body is searched as it will be read. A failed response is cut to
    what is kept of it, and where any decoded form of its words has the key, they give way to QUOTES_THE_KEY.
    """
    failed = not 200 <= status < 300
    body = body[:LONGEST_ERROR] if failed else body
    shortest = SHORTEST_KEY if failed else SHORTEST_IN_DATA
    encoding = _encoding(body)
    after = body
    if not encoding.startswith("utf-8"):
        try:
            text = body.decode(encoding, "surrogatepass")
            if (clean := without_key(text, key, shortest)) is not text:
                after = clean.encode(encoding, "surrogatepass")
        except UnicodeDecodeError:  # json.loads will not read it either
            encoding = "utf-8"
    after = _marked(after, key, shortest)
    return _without_quotation(after, encoding, key) if failed else after


def _encoding(body: bytes) -> str:
    """The encoding in which json.loads reads a body. The mark of its byte order is a character of the text."""
    encoding: str = json.detect_encoding(body)
    if encoding in ("utf-16", "utf-32"):
        encoding += "-le" if body.startswith(b"\xff\xfe") else "-be"
    return encoding


def _without_quotation(body: bytes, encoding: str, key: str) -> bytes:
    """The body of a failed response without the strings that quote the key in whatever encoding."""
    if not is_quoted(body.decode(encoding, "replace"), key):
        return body
    try:
        said = _without_strings(json.loads(body), key)
    except (ValueError, RecursionError):
        return QUOTES_THE_KEY.encode()
    clean = json.dumps(said)
    if is_quoted(clean, key):  # in several strings, a part in each
        clean = json.dumps({"error": {"message": QUOTES_THE_KEY}})
    return clean.encode()


def _without_strings(value: Any, key: str) -> Any:
    """A JSON value with QUOTES_THE_KEY for each string that quotes the key."""
    if isinstance(value, str):
        return QUOTES_THE_KEY if is_quoted(value, key) else value
    if isinstance(value, list):
        return [_without_strings(item, key) for item in value]
    if isinstance(value, dict):
        return {_without_strings(name, key): _without_strings(item, key) for name, item in value.items()}
    return value


def is_quoted(text: str, key: str) -> bool:
    """Whether the text has the key in any mixture of cases, separators and encodings.

    Decoded are percent-encoding, HTML entities, backslash escapes, hexadecimal digits and base64, also within each
    other; compared are letters and digits alone. A key shorter than SHORTEST_IN_DATA is not looked for: it may be a
    word of the message.
    """
    wanted = _letters(key)
    if len(wanted) < SHORTEST_IN_DATA or len(text) < len(wanted):  # no encoding is shorter than what it stands for
        return False
    forms = [text]
    for form in forms:  # which grows meanwhile
        if wanted in _letters(form):
            return True
        for decode in (unquote, html.unescape, _unescaped, _from_hexadecimal, _from_base64):
            decoded = decode(form)
            if decoded and decoded not in forms and len(forms) < MOST_FORMS:
                forms.append(decoded)
    return False


def _letters(text: str) -> str:
    """The ASCII letters and digits of a text, in lower case."""
    return _SEPARATORS.sub("", text.lower())


_SEPARATORS = re.compile("[^0-9a-z]+")
_ESCAPE = re.compile(r"\\+(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|([^ux]))")
_HEXADECIMAL = re.compile("(?:[0-9a-f]{2}){12,}")
_BASE64 = re.compile("[A-Za-z0-9+/_-]{16,}")
_DIGITS_APART = re.compile(r"(?i:0x|\\x)|[^0-9A-Za-z]")


def _unescaped(text: str) -> str:
    def character(found: re.Match[str]) -> str:
        return " " if found[3] and found[3] in "bfnrt" else found[3] or chr(int(found[1] or found[2], 16))

    return _ESCAPE.sub(character, text)


def _from_hexadecimal(text: str) -> str:
    digits = _DIGITS_APART.sub("", text).lower()
    found = [run[0] for start in (0, 1) for run in _HEXADECIMAL.finditer(digits, start)]
    found += [run[1 : len(run) - 1] for run in found]  # where another digit stands before it
    return "\n".join(bytes.fromhex(run).decode("latin-1") for run in found)


def _from_base64(text: str) -> str:
    decoded = []
    for run in _BASE64.findall(text):
        for start in range(4):  # other letters may stand before it
            part = run[start:]
            part = part[: len(part) - (len(part) % 4 == 1)]
            raw = base64.urlsafe_b64decode(part.replace("+", "-").replace("/", "_") + "=" * (-len(part) % 4))
            decoded.append(raw.decode("latin-1"))
    return "\n".join(decoded)


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
