"""The faults on the wire, as data: what a client receives, and what that means to it. matrix.py has the rules.

>>> Fault("cut in the body", BROKEN, Cut("body"))
"""

from __future__ import annotations

import gzip
import itertools
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from openai_vtab.sandbox import Answer, Cut, Raw, Status, Wire

KEY = "sk-matrix-0123456789abcdef"

# What a fault means to a client
FINE = "fine"  # an odd response that is understood
BROKEN = "broken"  # the connection ends, or the bytes are not HTTP: a retry may succeed
SLOW = "slow"  # no complete response within `timeout`: a retry may succeed
WRONG = "wrong"  # a response to something else: a retry is useless
STATUS = "status"  # an error status: a retry may succeed
LIMIT = "limit"  # an error status which says that nothing was carried out: a retry may succeed
REFUSED = "refused"  # an error status: a retry is useless
ABSENT = "absent"  # the object does not exist

# Kinds of statement
ONE, LIST, CREATE, CHANGE = "one", "list", "create", "change"

# Seconds between two parts of a response, and after the last one
DRIP, SILENCE, MOMENT = 0.05, 1.0, 0.01
MOST = 1_000_000  # max_answer_bytes


@dataclass(frozen=True)
class Fault:
    """What goes wrong on the wire, and its effect on the client."""

    name: str
    effect: str
    on_wire: Any

    @property
    def status(self) -> int | None:
        """The status of the response; None if it is not understood as HTTP."""
        if self.effect in (BROKEN, SLOW):
            return None
        return self.on_wire.status if isinstance(self.on_wire, Status | Answer) else 200

    @property
    def carried_out(self) -> bool:
        """Whether the server carries the request out although it fails."""
        return getattr(self.on_wire, "carried_out", self.on_wire != Cut("accept"))


def wire(parts: Callable[[bytes, bytes], bytes | Iterable[bytes]], pause: float = 0.0, kept: bool = False) -> Wire:
    """Send what `parts` makes of the true response's head and body: one part, or several with a pause after each."""

    def make(head: bytes, body: bytes) -> Iterable[bytes]:
        made = parts(head, body)
        return [made] if isinstance(made, bytes) else made

    return Wire(make, pause, kept)


def headed(head: bytes, length: bytes | None, *lines: bytes) -> bytes:
    """Return the head with another Content-Length, or none, and additional lines."""
    first, *rest = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    rest = [line for line in rest if not line.startswith(b"content-length")]
    rest += [b"content-length: " + length] if length is not None else []
    return b"\r\n".join([first, *rest, *lines]) + b"\r\n\r\n"


def length(value: bytes) -> Wire:
    """Send this Content-Length, and close the connection."""
    return wire(lambda head, body: headed(head, value) + body)


def bodied(change: Callable[[bytes], bytes], *lines: bytes, kept: bool = True) -> Wire:
    """Send another body, with its Content-Length."""

    def make(head: bytes, body: bytes) -> bytes:
        new = change(body)
        return headed(head, b"%d" % len(new), *lines) + new

    return wire(make, kept=kept)


def chunked(change: Callable[[bytes], bytes]) -> Wire:
    """Send what `change` makes of the body as Transfer-Encoding: chunked, and close the connection."""
    return wire(lambda head, body: headed(head, None, b"transfer-encoding: chunked") + change(body))


def chunk(body: bytes) -> bytes:
    """Return the body as one chunk."""
    return b"%x\r\n%b\r\n" % (len(body), body)


def member(name: str, text: str) -> Wire:
    """Set a member of the object, or of each object of a list, to this text, which need not be valid JSON."""

    def change(body: bytes) -> bytes:
        spelled = f'"{name}": {text}, '
        found = json.loads(body)
        items = found.get("data", [found])
        texts = [json.dumps({n: v for n, v in item.items() if n != name}) for item in items]
        changed = ", ".join("{" + spelled + one.removeprefix("{") for one in texts)
        if "data" not in found:
            return changed.encode()
        rest = json.dumps({n: v for n, v in found.items() if n != "data"})
        return ('{"data": [' + changed + "], " + rest.removeprefix("{")).encode()

    return bodied(change)


def status_line(line: bytes, *lines: bytes) -> Wire:
    """Send another status line, and additional headers."""

    def make(head: bytes, body: bytes) -> bytes:
        rest = headed(head, b"%d" % len(body), *lines).partition(b"\r\n")[2]
        return line + b"\r\n" + rest + body

    return wire(make)


def before(data: bytes) -> Wire:
    """Send bytes before the response."""
    return wire(lambda head, body: data + head + body, kept=True)


def after(data: Callable[[bytes, bytes], bytes]) -> Wire:
    """Send bytes after the response, together with it, and keep the connection open."""
    return wire(lambda head, body: head + body + data(head, body), kept=True)


def dripped(begin: Callable[[bytes], int]) -> Wire:
    """Send the response byte by byte from this place of the head on."""

    def make(head: bytes, body: bytes) -> Iterator[bytes]:
        whole, place = head + body, begin(head)
        yield whole[:place]
        yield from (bytes([byte]) for byte in whole[place:])

    return wire(make, DRIP)


def endless(part: bytes) -> Wire:
    """Send the same bytes again and again instead of a response."""
    return wire(lambda head, body: itertools.repeat(part), DRIP)


def instead(body: Any, status: int = 200, **headers: str) -> Answer:
    """Carry the request out, and send this response instead."""
    return Answer(body, status, {name.replace("_", "-"): value for name, value in headers.items()}, carried_out=True)


def refused(status: int, **more: Any) -> Status:
    """Do not carry the request out, and send an error status."""
    return Status(status, **more)


def large(head: bytes, body: bytes) -> Iterator[bytes]:
    """Send 100 MB."""
    yield headed(head, b"%d" % (100 << 20))
    yield from itertools.repeat(bytes(1 << 16), 100 << 4)


@cache
def bomb(times: int) -> bytes:
    """Return 20 MB in 20 KB, compressed once or twice."""
    packer = zlib.compressobj(wbits=31)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(20)) + packer.flush()
    return packed if times == 1 else gzip.compress(packed)


def raw_deflate(body: bytes) -> bytes:
    """Return the body deflated without zlib's header, as some servers understand "deflate"."""
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


def others(body: bytes) -> bytes:
    """Return the body with the ids of other objects."""
    return re.sub(rb'"(id|vector_store_id)": "(\w{6})\w', rb'"\1": "\2X', body)


def second(head: bytes, body: bytes) -> bytes:
    """Return a second response, about other objects."""
    return head + others(body)


HTML = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
ECHO = f"you sent: authorization: Bearer {KEY}".encode()
ELSEWHERE = "http://127.0.0.1:9/v1/elsewhere"
GZIP = b"content-encoding: gzip"
EARLY = b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
EMPTY_BODY = b"content-length: 0\r\n\r\n"

CONNECTION = [
    Fault("cut when the request is read", BROKEN, Cut("accept")),
    Fault("cut before the answer", BROKEN, Cut("answer")),
    Fault("cut in the status line", BROKEN, wire(lambda head, body: head[:9])),
    Fault("cut in the headers", BROKEN, Cut("headers")),
    Fault("cut in the body", BROKEN, Cut("body")),
    Fault("closed after the answer, without a word", FINE, wire(lambda head, body: head + body)),
]
TIME = [
    Fault("silence", SLOW, wire(lambda head, body: [b"", head + body], SILENCE)),
    Fault("silence after the headers", SLOW, wire(lambda head, body: [head, body], SILENCE)),
    Fault("silence within the body", SLOW, wire(lambda head, body: [head + body[:9], body[9:]], SILENCE)),
    Fault("a drip from the status line on", SLOW, dripped(lambda head: 0)),
    Fault("a drip in the headers", SLOW, dripped(lambda head: head.index(b"\r\n") + 2)),
    Fault("a drip in the body", SLOW, dripped(len)),
    Fault("a drip of 100 Continue", SLOW, endless(CONTINUE)),
    Fault("a drip of chunks", SLOW, wire(
        lambda head, body: itertools.chain(
            [headed(head, None, b"transfer-encoding: chunked")], itertools.repeat(chunk(b" "))
        ), DRIP)),
    Fault("a drip of trailers", SLOW, wire(
        lambda head, body: itertools.chain(
            [headed(head, None, b"transfer-encoding: chunked"), chunk(body), b"0\r\n"], itertools.repeat(b"x: y\r\n")
        ), DRIP)),
]  # fmt: skip
FRAMING = [
    Fault("Content-Length too long", BROKEN, wire(lambda head, body: headed(head, b"%d" % (len(body) + 9)) + body)),
    Fault("Content-Length too short", WRONG, wire(
        lambda head, body: headed(head, b"%d" % (len(body) - 9)) + body, kept=True)),
    Fault("Content-Length 0", WRONG, wire(lambda head, body: headed(head, b"0") + body, kept=True)),
    Fault("Content-Length negative", FINE, length(b"-5")),
    Fault("Content-Length not a number", FINE, length(b"many")),
    Fault("Content-Length twice, different", BROKEN, length(b"7\r\ncontent-length: 8")),
    Fault("Content-Length twice, the same", FINE, wire(
        lambda head, body: headed(head, b"%d\r\ncontent-length: %d" % (len(body), len(body))) + body)),
    Fault("no length, closed", FINE, wire(lambda head, body: headed(head, None) + body)),
    Fault("chunks", FINE, chunked(lambda body: chunk(body[:9]) + chunk(body[9:]) + b"0\r\n\r\n")),
    Fault("chunks with an extension and a trailer", FINE, chunked(
        lambda body: b"%x;a=b\r\n%b\r\n0\r\nx: y\r\n\r\n" % (len(body), body))),
    Fault("chunks and Content-Length", FINE, wire(
        lambda head, body: headed(head, b"3", b"transfer-encoding: chunked") + chunk(body) + b"0\r\n\r\n")),
    Fault("a chunk's size is no number", BROKEN, chunked(lambda body: b"many\r\n" + body)),
    Fault("a chunk's size is negative", BROKEN, chunked(lambda body: b"-5\r\n%b\r\n0\r\n\r\n" % body)),
    Fault("a chunk's size is huge", BROKEN, chunked(lambda body: b"f" * 40 + b"\r\n%b\r\n0\r\n\r\n" % body)),
    Fault("a chunk's size is 1 MB of digits", BROKEN, chunked(lambda body: b"1" * MOST)),
    Fault("a chunk too long", BROKEN, chunked(lambda body: b"5\r\n%b\r\n0\r\n\r\n" % body)),
    Fault("a chunk too short", BROKEN, chunked(lambda body: b"%x\r\n%b\r\n0\r\n\r\n" % (len(body) + 50, body))),
    Fault("a chunk without its end", BROKEN, chunked(lambda body: b"%x\r\n%b0\r\n\r\n" % (len(body), body))),
    Fault("no last chunk", BROKEN, chunked(chunk)),
    Fault("HTTP/1.0", FINE, status_line(b"HTTP/1.0 200 OK")),
    Fault("HTTP/1.0 without a length", FINE, wire(lambda head, body: b"HTTP/1.0 200 OK\r\n\r\n" + body)),
    Fault("HTTP/0.9: a body alone", BROKEN, wire(lambda head, body: body)),
    Fault("HTTP/2", BROKEN, status_line(b"HTTP/2.0 200 OK")),
    Fault("not HTTP", BROKEN, Raw(b"\x00\x01 nonsense\r\n\r\n", carried_out=True)),
    Fault("TLS's alert", BROKEN, Raw(b"\x15\x03\x01\x00\x02\x02\x46", carried_out=True)),
    Fault("status 0", BROKEN, status_line(b"HTTP/1.1 0 Zero")),
    Fault("status 99", BROKEN, status_line(b"HTTP/1.1 99 Low")),
    Fault("status 1000", BROKEN, status_line(b"HTTP/1.1 1000 High")),
    Fault("status in words", BROKEN, status_line(b"HTTP/1.1 fine OK")),
    Fault("a status line of 1 MB", BROKEN, status_line(b"HTTP/1.1 200 " + b"x" * MOST)),
    Fault("no reason phrase", FINE, status_line(b"HTTP/1.1 200")),
    Fault("100 first", FINE, before(CONTINUE)),
    Fault("103 first", FINE, before(EARLY)),
    Fault("102 and 103 first, many times", FINE, before((EARLY + b"HTTP/1.1 102 Processing\r\n\r\n") * 20)),
    Fault("103, and a moment later the answer", FINE, wire(lambda head, body: [EARLY, head + body], MOMENT, kept=True)),
    Fault("103 and no answer", BROKEN, wire(lambda head, body: EARLY)),
    Fault("101", BROKEN, Raw(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\n\r\n", carried_out=True)),
    Fault("1,000 headers", BROKEN, status_line(b"HTTP/1.1 200 OK", *[b"x-%d: 1" % n for n in range(1000)])),
    Fault("a header of 1 MB", BROKEN, status_line(b"HTTP/1.1 200 OK", b"x: " + b"y" * MOST)),
    Fault("a folded header", FINE, status_line(b"HTTP/1.1 200 OK", b"x: y\r\n z")),
    Fault("a header with a bare CR and NUL", FINE, status_line(b"HTTP/1.1 200 OK", b"x: a\rb\x00c")),
    Fault("headers named twice", FINE, status_line(b"HTTP/1.1 200 OK", b"x-request-id: a", b"x-request-id: b")),
    Fault("headers that are not ASCII", FINE, status_line(b"HTTP/1.1 200 OK", b"x-request-id: \xff\xfe\xc3\xbc")),
    Fault("garbage after the answer", FINE, after(lambda head, body: b"garbage")),
    Fault("much garbage after the answer", FINE, after(lambda head, body: b"garbage" * 30_000)),
    Fault("an empty line after the answer", FINE, after(lambda head, body: b"\r\n")),
    Fault("two answers", FINE, after(second)),
    Fault("one answer and a half", FINE, after(lambda head, body: second(head, body)[:-9])),
    Fault("304 with a body", REFUSED, Answer({"id": "vsfb_x"}, 304, carried_out=True)),
    Fault("204 with a body", WRONG, Answer({"id": "vsfb_x"}, 204, carried_out=True)),
]  # fmt: skip
CODING = [
    Fault("gzip", FINE, bodied(gzip.compress, GZIP)),
    Fault("x-gzip", FINE, bodied(gzip.compress, b"content-encoding: x-gzip")),
    Fault("deflate", FINE, bodied(zlib.compress, b"content-encoding: deflate")),
    Fault("deflate without its frame", FINE, bodied(raw_deflate, b"content-encoding: deflate")),
    Fault("gzip in deflate", FINE, bodied(
        lambda body: zlib.compress(gzip.compress(body)), b"content-encoding: gzip, deflate")),
    Fault("gzip six times", BROKEN, bodied(lambda body: body, b"content-encoding: gzip" + b", gzip" * 5)),
    Fault("gzip, said, and not so", BROKEN, bodied(lambda body: body, GZIP)),
    Fault("gzip, with a wrong checksum", BROKEN, bodied(lambda body: gzip.compress(body)[:-8] + bytes(8), GZIP)),
    Fault("half of gzip", WRONG, bodied(lambda body: gzip.compress(body)[:-20], GZIP)),
    Fault("deflate, broken", BROKEN, bodied(lambda body: b"\x78\x9c" + b"\xff" * 50, b"content-encoding: deflate")),
    Fault("an unknown coding", FINE, bodied(lambda body: body, b"content-encoding: zebra")),
    Fault("a zip bomb", WRONG, bodied(lambda body: bomb(1), GZIP)),
    Fault("a zip bomb in gzip", WRONG, bodied(lambda body: bomb(2), b"content-encoding: gzip, gzip")),
    Fault("100 MB", WRONG, wire(large)),
    Fault("UTF-8 with a BOM", FINE, bodied(lambda body: b"\xef\xbb\xbf" + body)),
    Fault("UTF-16", FINE, bodied(lambda body: body.decode().encode("utf-16"))),
    Fault("UTF-32", FINE, bodied(lambda body: body.decode().encode("utf-32"))),
    Fault("not UTF-8", WRONG, bodied(lambda body: body.replace(b'"', b'"\xff', 1))),
]  # fmt: skip
JSON = [
    Fault("an empty body", WRONG, instead(b"")),
    Fault("HTML", WRONG, instead(HTML, content_type="text/html")),
    Fault("half of an object", WRONG, bodied(lambda body: body[: len(body) // 2])),
    Fault("two objects", WRONG, bodied(lambda body: body + body)),
    Fault("a list", WRONG, instead([1, 2])),
    Fault("a text", WRONG, instead("text")),
    Fault("a number", WRONG, instead(17)),
    Fault("null", WRONG, instead(None)),
    Fault("true", WRONG, instead(True)),
    Fault("an empty object", WRONG, instead({})),
    Fault("an object of another service", WRONG, instead({"status": "healthy", "object": "health"})),
    Fault("100,000 brackets", WRONG, instead(b"[" * 100_000)),
    Fault("100,000 objects in each other", WRONG, instead(b'{"id":' * 100_000)),
    Fault("a number of 5,000 digits", WRONG, member("created_at", "1" * 5000)),
    Fault("an error with 200", WRONG, instead({"error": {"message": "no", "type": "server_error", "code": None}})),
    Fault("an error with 200 that is text", WRONG, instead({"error": "no"})),
    Fault("another object", WRONG, bodied(others)),
    Fault("id a number", WRONG, member("id", "7")),
    Fault("id null", WRONG, member("id", "null")),
    Fault("id empty", WRONG, member("id", '""')),
    Fault("id a list", WRONG, member("id", "[]")),
    Fault("data an object", WRONG, instead({"object": "list", "data": {}, "has_more": False})),
    Fault("data a text", WRONG, instead({"object": "list", "data": "none", "has_more": False})),
    Fault("data null", WRONG, instead({"object": "list", "data": None, "has_more": False})),
    Fault("data of numbers", WRONG, instead({"object": "list", "data": [1, 2], "has_more": False})),
    Fault("data of lists", WRONG, instead({"object": "list", "data": [[]], "has_more": False})),
    Fault("more, and no page", WRONG, instead({"object": "list", "data": [], "has_more": True})),
    Fault("more is a text", WRONG, instead({"object": "list", "data": [], "has_more": "false"})),
    Fault("vector_store_id another's", WRONG, member("vector_store_id", '"vs_other"')),
    Fault("vector_store_id null", FINE, member("vector_store_id", "null")),
    Fault("file_counts a text", FINE, member("file_counts", '"many"')),
    Fault("file_counts null", FINE, member("file_counts", "null")),
    Fault("file_counts of texts", FINE, member("file_counts", '{"total": "3", "failed": [], "completed": {}}')),
    Fault("created_at a text", FINE, member("created_at", '"yesterday"')),
    Fault("created_at 1e400", FINE, member("created_at", "1e400")),
    Fault("created_at -1e400", FINE, member("created_at", "-1e400")),
    Fault("created_at of 4,000 digits", FINE, member("created_at", "1" * 4000)),
    Fault("created_at NaN", FINE, member("created_at", "NaN")),
    Fault("status null", FINE, member("status", "null")),
    Fault("status a list", FINE, member("status", '["completed"]')),
    Fault("status an object", FINE, member("status", '{"is": "completed"}')),
    Fault("status unknown", FINE, member("status", '"thinking"')),
    Fault("status a lone surrogate", FINE, member("status", '"\\ud800"')),
    Fault("object a number", FINE, member("object", "5")),
    Fault("an unknown member", FINE, member("brand_new", '{"x": [null, 1e308, "\\u0000"]}')),
    Fault("a member 200 deep", FINE, member("brand_new", "[" * 200 + "]" * 200)),
    Fault("a name twice", FINE, bodied(lambda body: body.replace(b'"object":', b'"object": null, "object":'))),
]  # fmt: skip
STATUSES = [
    *(Fault(f"{n} to another host", REFUSED, Status(n, headers={"location": ELSEWHERE}, carried_out=True))
      for n in (301, 302, 303, 307, 308)),
    Fault("204 without a body", WRONG, Raw(b"HTTP/1.1 204 No Content\r\n\r\n", carried_out=True)),
    Fault("205 without a body", WRONG, Raw(b"HTTP/1.1 205 Reset Content\r\n" + EMPTY_BODY, carried_out=True)),
    *(Fault(str(n), REFUSED, refused(n)) for n in (400, 401, 403, 405, 410, 413, 418, 422, 451)),
    Fault("404", ABSENT, refused(404)),
    Fault("404 that names the object", ABSENT, refused(404, message="No file batch found with id 'vsfb_x'.")),
    Fault("404 without a body", ABSENT, Answer(b"", 404)),
    Fault("404 as Azure says it", ABSENT, Answer({"error": {"code": "404", "message": "Resource not found"}}, 404)),
    Fault("400 that means absent", ABSENT, refused(400, message="File batch does not belong to vector store vs_x")),
    Fault("404, Invalid URL", REFUSED, refused(404, message="Invalid URL (GET /vector_stores/vs_x)")),
    Fault("404 of FastAPI", REFUSED, Answer({"detail": "Not Found"}, 404)),
    Fault("404 of a router", REFUSED, Answer(b"404 page not found", 404)),
    Fault("404 as HTML", REFUSED, Answer(HTML, 404, {"content-type": "text/html"})),
    Fault("404, no deployment", REFUSED, refused(404, code="DeploymentNotFound")),
    Fault("409", STATUS, refused(409)),
    Fault("408", STATUS, refused(408)),
    Fault("429", LIMIT, refused(429, code="rate_limit_exceeded")),
    Fault("429 at once again", LIMIT, refused(429, headers={"retry-after-ms": "1"})),
    Fault("429, no quota", REFUSED, refused(429, code="insufficient_quota")),
    *(Fault(str(n), STATUS, Status(n, carried_out=True))
      for n in (500, 501, 502, 503, 504, 505, 520, 524, 530, 599, 999)),
    Fault("520 with an absurd Retry-After", STATUS, instead(
        b"", 520, retry_after="Fri, 31 Dec 99999999999 23:59:59 GMT")),
    Fault("503, overloaded", LIMIT, refused(503, code="server_is_overloaded")),
    Fault("520, not to be retried", REFUSED, Status(520, headers={"x-should-retry": "false"}, carried_out=True)),
    Fault("502 as HTML", STATUS, instead(HTML, 502, content_type="text/html")),
    Fault("500 without a body", STATUS, instead(b"", 500)),
    Fault("500 with a list", STATUS, instead([1], 500)),
    Fault("500 with 100,000 brackets", STATUS, instead(b"[" * 100_000, 500)),
    Fault("500 with numbers for words", STATUS, instead({"error": {"message": 1, "code": {"a": 1}, "type": []}}, 500)),
    Fault("500 without UTF-8", STATUS, instead(b"\xff\xfe\xfd", 500)),
]  # fmt: skip
KEYS = [
    Fault("the key in an error", REFUSED, Answer({"error": {"message": ECHO.decode()}}, 400)),
    Fault("the key in HTML", WRONG, instead(ECHO)),
    Fault("the key in an object", WRONG, instead({"headers": {"authorization": f"Bearer {KEY}"}})),
    Fault("the key in a status line", BROKEN, Raw(ECHO + b"\r\n\r\n", carried_out=True)),
    Fault("the key in a header", WRONG, instead(b"no", x_request_id=f"req-{KEY}")),
]

TABLE = {
    "the connection": CONNECTION,
    "time": TIME,
    "framing": FRAMING,
    "codings": CODING,
    "JSON": JSON,
    "statuses": STATUSES,
    "the key": KEYS,
}
