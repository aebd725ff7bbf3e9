"""Keeps the API key out of whatever a server sends back, and out of the log: [key] stands in its place.

The key is found as it is written, percent-encoded, as JSON escapes it, and in base64, also in UTF-16 and UTF-32. A
failed response is also searched for the key in other encodings (disguised_keys.py).

>>> KnownKey("sk-proj-0123456789").redact("no such key: sk-proj-0123456789")
'no such key: [key]'
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from ..protocol import NO_HEADERS, Response, StoredBody
from ..settings import Settings, is_function, read_key
from .disguised_keys import QUOTES_THE_KEY, is_quoted, without_quotation

UNAUTHORIZED = 401
SHORTEST_KEY = 4  # characters; a shorter key, such as the "x" of a local server, is not secret
SHORTEST_IN_DATA = 12  # characters, in a response that becomes rows: "test" or "lm-studio" may be data
LONGEST_ERROR = 32768  # bytes of a failed response that are kept; a message is far shorter
KEYS_KEPT = 8  # the latest keys of a function, for which the responses to other requests are searched

_PLAIN = re.compile(b"[0-9A-Za-z]+")  # characters that an encoder of URLs or JSON leaves as they are
_ESCAPED = rb"(?:\\[\\\0]*u\0*0\0*0\0*[2-7]\0*[0-9A-Fa-f]\0*|%\0*(?:2\0*5\0*)*[2-7]\0*[0-9A-Fa-f]\0*)"
_ALL_ESCAPED = re.compile(_ESCAPED * 3)
_BETWEEN = (
    b"",
    b"\0",
    b"\0\0\0",
    rb"\u0000",
    b"%00",
)  # between the characters of UTF-16 and UTF-32, as bytes or escaped
_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


class KnownKey:
    """An API key, its header, and what to search for to find it. No repr shows it, and it has no __dict__.

    Most texts are only searched for `_runs`: a text without a run, an escape and a NUL cannot contain the key.
    """

    __slots__ = ("_runs", "_spellings", "headers", "text")

    def __init__(self, text: str, headers: Mapping[str, str] = NO_HEADERS) -> None:
        self.text = text
        self.headers = headers
        # the longest first, so that no part of a spelling is left
        spelled = sorted(_texts(text), key=len, reverse=True)
        self._spellings = [(each, max(_PLAIN.findall(each), key=len, default=b"")) for each in spelled]
        self._runs = tuple({run for _, run in self._spellings})

    def __repr__(self) -> str:
        return "'[key]'"

    @property
    def length(self) -> str:
        """What to say of the length of a key that is too short for one of OpenAI's, "" for any other."""
        count = len(self.text)
        return f"has only {count} character{'s' * (count > 1)} and " if count < SHORTEST_IN_DATA else ""

    def mark(self, text: bytes, shortest: int = SHORTEST_KEY) -> bytes:
        """The bytes with [key] for the key, and every other byte as it was; `text` itself if the key is not in it.

        A key of less than `shortest` characters is not searched for.
        """
        if len(self.text) < shortest or len(text) < len(self.text):  # no spelling is shorter than the key
            return text
        backslash, percent = b"\\" in text, b"%" in text  # one byte is found fifty times as fast as several
        escaped = (backslash or percent) and _ALL_ESCAPED.search(text) is not None
        if not (escaped or b"\0" in text or (backslash and rb"\u0000" in text) or (percent and b"%00" in text)):
            for run in self._runs:
                if run in text:
                    break
            else:
                return text
        for spelled, run in self._spellings:
            if escaped or any(between.join(_split(run)) in text for between in _BETWEEN):
                pattern = _pattern(spelled, len(self.text) < SHORTEST_IN_DATA and spelled == self.text.encode())
                text = pattern.sub(lambda found: found[1].join(_split(b"[key]")), text)
        return text

    def redact(self, text: str, shortest: int = SHORTEST_KEY) -> str:
        """The text with [key] for the key, however it is spelled."""
        before = text.encode("utf-8", "surrogatepass")
        after = self.mark(before, shortest)
        return text if after is before else after.decode("utf-8", "surrogatepass")


class RecentKeys:
    """The keys of a connection: the one for the next attempt, and those that were used lately."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # a function may return another key each time, and the environment may change
        self._is_fixed = bool(settings.api_key) and not is_function(settings.api_key)
        self._lock = threading.Lock()
        self.latest: tuple[KnownKey, ...] = ()  # oldest first, at most KEYS_KEPT

    def next_key(self) -> KnownKey:
        """The key for the next attempt. Raises ConfigurationError if there is none that a header can carry."""
        latest = self.latest
        if self._is_fixed and latest:
            return latest[-1]
        text = read_key(self._settings.api_key)
        if latest and latest[-1].text == text:
            return latest[-1]
        with self._lock:
            for known in self.latest:
                if known.text == text:
                    return known
            known = KnownKey(text, self._settings.key_header(text))
            self.latest = (*self.latest, known)[-KEYS_KEPT:]
        return known


def redact_all(text: str, keys: Sequence[KnownKey], shortest: int = SHORTEST_KEY) -> str:
    """The text without any of the keys."""
    for key in keys:
        text = key.redact(text, shortest)
    return text


def redact_response(response: Response, keys: Sequence[KnownKey]) -> Response:
    """The response without any of the keys, which a server may quote; the same object if it has none."""
    values = "\n".join(response.headers.values()).encode("utf-8", "surrogatepass")
    failed = not 200 <= response.status < 300
    content, headers = response.content, response.headers
    if not isinstance(content, bytes):
        content = RedactedBody(content, response.status, keys)
    for key in keys:
        if isinstance(content, bytes):
            content = redact_body(response.status, content, key)
        if key.mark(values) is not values or (failed and is_quoted(values.decode("utf-8", "replace"), key.text)):
            headers = {name: _redact_header(failed, value, key) for name, value in headers.items()}
    if content is response.content and headers is response.headers:
        return response
    return replace(response, headers=headers, content=content)


class RedactedBody:
    """A stored body of a response with this status, which is searched for the keys when it is read."""

    __slots__ = ("_keys", "_status", "_stored", "close")

    def __init__(self, stored: StoredBody, status: int, keys: Sequence[KnownKey]) -> None:
        self._stored = stored
        self._status = status
        self._keys = keys
        self.close = stored.close

    def __len__(self) -> int:
        return len(self._stored)

    def read(self) -> bytes:
        """The body without any of the keys."""
        body = self._stored.read()
        for key in self._keys:
            body = redact_body(self._status, body, key)
        return body


def _redact_header(failed: bool, value: str, key: KnownKey) -> str:
    """The value of a header, such as a request id or where a redirect leads, without the key."""
    clean = key.redact(value)
    return QUOTES_THE_KEY if failed and is_quoted(clean, key.text) else clean


def redact_body(status: int, body: bytes, key: KnownKey) -> bytes:
    """The body of a response without the key.

    A body in UTF-16 or UTF-32, which json.loads reads too, is searched in that encoding. Of a failed response, up to
    LONGEST_ERROR bytes are kept, and a string that has the key in any encoding is replaced by QUOTES_THE_KEY.
    """
    failed = not 200 <= status < 300
    body = body[:LONGEST_ERROR] if failed else body
    shortest = SHORTEST_KEY if failed else SHORTEST_IN_DATA
    encoding = "utf-8"
    after = body
    if b"\0" in body[:4] or body.startswith(_BYTE_ORDER_MARKS):
        encoding = _encoding(body)
        if not encoding.startswith("utf-8"):
            try:
                text = body.decode(encoding, "surrogatepass")
                if (clean := key.redact(text, shortest)) is not text:
                    after = clean.encode(encoding, "surrogatepass")
            except UnicodeDecodeError:  # json.loads cannot read it either
                encoding = "utf-8"
    after = key.mark(after, shortest)
    if status == UNAUTHORIZED and len(key.text) < shortest:  # the API quotes the key, which is a word of its own there
        after = _pattern(key.text.encode(), True).sub(b"[key]", after)
    return without_quotation(after, encoding, key.text) if failed else after


def _encoding(body: bytes) -> str:
    """The encoding in which json.loads reads a body. A byte order mark counts as a character of the text."""
    encoding: str = json.detect_encoding(body)
    if encoding in ("utf-16", "utf-32"):
        encoding += "-le" if body.startswith(b"\xff\xfe") else "-be"
    return encoding


def _texts(key: str) -> set[bytes]:
    """The key, and its base64 encodings, alone and at each offset in a longer text such as "Bearer …"."""
    texts = {key.encode()}
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        whole = encode(key.encode())
        texts |= {whole, whole.rstrip(b"=")}
        for before in range(3):  # without the characters that share bits with their neighbours
            first = (before * 8 + 5) // 6
            last = (before + len(key)) * 8 // 6
            texts.add(encode(b"\0" * before + key.encode())[first:last])
    return texts


def _escapable(code: int) -> bytes:
    """A regular expression for an ASCII character, plain or escaped in JSON, at any depth."""
    letter = re.escape(b"%c" % code)
    plain = letter if code not in b'/"\\' else b"\\\\+" if code == ord("\\") else b"\\\\*" + letter
    return b"(?:%b|\\\\+u00%b)" % (plain, _EITHER_CASE.sub(_in_either_case, b"%02x" % code))


_EITHER_CASE = re.compile(b"[a-f]")


def _in_either_case(found: re.Match[bytes]) -> bytes:
    return b"[%b%b]" % (found[0], found[0].upper())


def _character(code: int) -> bytes:
    """The same for a character that may also be percent-encoded, once or several times."""
    percent, again = _escapable(ord("%")), _escapable(ord("2")) + _escapable(ord("5"))
    digits = b"".join(
        b"(?:%b|%b)" % (_escapable(digit), _escapable(ord(chr(digit).upper())))
        if digit > ord("9")
        else _escapable(digit)
        for digit in b"%02x" % code
    )
    return b"(?:%b|%b(?:%b)*%b)" % (_escapable(code), percent, again, digits)


@lru_cache(maxsize=64)
def _pattern(text: bytes, is_word: bool) -> re.Pattern[bytes]:
    """A regular expression for a text however its characters are escaped; compiling it takes 0.1 s.

    Its group is what stands between the characters (`_BETWEEN`).
    """
    first, *rest = map(_character, text)
    spelling = first + rb"(\0{3}|\0|\\+u0000|%00|)" + rb"(?:\1)".join(rest)
    if is_word:  # a short key may be a part of longer words
        begins = rb"(?:(?<![\w-])|(?<=\\[nrtbf])|(?<=%[0-9A-Fa-f]{2})|(?<=\\u00[0-9A-Fa-f]{2}))"
        spelling = begins + spelling + rb"(?![\w-])"
    return re.compile(spelling)


def _split(text: bytes) -> list[bytes]:
    return [b"%c" % code for code in text]
