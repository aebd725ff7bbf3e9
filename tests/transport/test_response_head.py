"""The head of a response: status, headers, and how long the body is."""

from __future__ import annotations

import http.client
import io

import pytest

from openai_vtab.transport.response_head import LONGEST_LINE, MOST_HEADERS, ResponseHead, read_headers


class Socket:
    """A socket that has received a whole response."""

    def __init__(self, received: bytes) -> None:
        self._received = received

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._received)


def response(received: bytes) -> ResponseHead:
    found = ResponseHead(Socket(received))  # type: ignore[arg-type]
    found.begin()
    return found


@pytest.mark.parametrize(
    ("lines", "headers"),
    [
        (b"", {}),
        (b"Content-Type: text/plain\r\n", {"content-type": "text/plain"}),
        (b"x:y\nz: \r\n", {"x": "y", "z": ""}),
        (b"x: a\r\nX: b\r\n", {"x": "a, b"}),
        (b"x: a\r\n\t b\r\ny: c\r\n", {"x": "a b", "y": "c"}),
        (b" a\r\nx: b\r\n", {"x": "b"}),
        (b"no header\r\n a\r\nx: b\r\n", {"x": "b"}),
        (b"x : a\r\n: b\r\n", {}),
        ("x: ä\r\n".encode("latin-1"), {"x": "ä"}),
    ],
    ids=["none", "one", "spaces", "repeated", "continued", "nothing continued", "no colon", "no name", "Latin-1"],
)
def test_headers_of_a_response(lines: bytes, headers: dict[str, str]) -> None:
    """Names in lower case, and every line that can be understood."""
    assert read_headers(io.BytesIO(lines + b"\r\n{}")) == headers


@pytest.mark.parametrize("lines", [b"", b"Content-Le", b"Content-Length: 2", b"Content-Length: 2\r\n"])
def test_headers_that_end_with_the_connection_are_no_response(lines: bytes) -> None:
    """The length of the body may be in the part that has not come. A read is retried, as without any response."""
    with pytest.raises(http.client.IncompleteRead):
        read_headers(io.BytesIO(lines))


@pytest.mark.parametrize("lines", [b"x: " + b"y" * LONGEST_LINE, b"x: y\r\n" * (MOST_HEADERS + 1)])
def test_headers_without_an_end(lines: bytes) -> None:
    """A server cannot fill the memory with them."""
    with pytest.raises(http.client.HTTPException):
        read_headers(io.BytesIO(lines + b"\r\n\r\n"))


@pytest.mark.parametrize(
    ("head", "length", "will_close"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2", 2, False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2", 2, False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: Close", 2, True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -2", None, True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: Chunked", None, False),
        (b"HTTP/1.1 200 OK\r\nx: y", None, True),
        (b"HTTP/1.1 204 No Content\r\nx: y", 0, False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2", 2, True),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive", 2, False),
        (b"HTTP/1.1 103 Early Hints\r\nContent-Length: 9\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2", 2, False),
    ],
    ids=["plain", "twice", "close", "negative", "chunked", "until the end", "204", "1.0", "1.0 kept", "interim"],
)
def test_length_of_a_body(head: bytes, length: int | None, will_close: bool) -> None:
    """The length, and whether the connection ends with the response."""
    found = response(head + b"\r\n\r\n{}")
    assert (found.length, found.will_close) == (length, will_close)


@pytest.mark.parametrize(
    "head",
    [b"HTTP/2 200 OK\r\nContent-Length: 2", b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3", b"{}", b""],
    ids=["another version", "two lengths", "no status", "nothing"],
)
def test_heads_that_are_refused(head: bytes) -> None:
    """None of them may be guessed: the next response would be taken for this one's rest."""
    with pytest.raises(http.client.HTTPException):
        response(head + b"\r\n\r\n{}")
