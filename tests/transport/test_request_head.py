"""The head of a request: its first line, and the headers that are given or added."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from openai_vtab.transport.request_head import request_head

HOST, ENCODING = "Host: h:8080", "Accept-Encoding: identity"


@pytest.mark.parametrize(
    ("method", "headers", "size", "lines"),
    [
        ("GET", {}, None, [HOST, ENCODING]),
        ("DELETE", {"Accept": "*/*"}, None, [HOST, ENCODING, "Accept: */*"]),
        ("POST", {}, None, [HOST, ENCODING, "Content-Length: 0"]),
        ("POST", {"X": "ä"}, 12, [HOST, ENCODING, "Content-Length: 12", "X: ä"]),
        ("POST", {"content-length": "9"}, None, [HOST, ENCODING, "content-length: 9"]),
        ("POST", {"Transfer-Encoding": "chunked"}, None, [HOST, ENCODING, "Transfer-Encoding: chunked"]),
        ("GET", {"host": "other", "Accept-encoding": "gzip"}, None, ["host: other", "Accept-encoding: gzip"]),
    ],
)
def test_head_has_what_is_given_and_what_is_missing(
    method: str, headers: Mapping[str, str], size: int | None, lines: list[str]
) -> None:
    expected = "\r\n".join([f"{method} /v1/files?a=b HTTP/1.1", *lines, "", ""])
    assert request_head(method, "/v1/files?a=b", "h:8080", headers, size) == expected.encode("latin-1")


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("/a b", {}),
        ("/a\r\nX: y", {}),
        ("/a\x7f", {}),
        ("/a", {"X": "y\r\nZ: z"}),
        ("/a", {"X": "y\n"}),
        ("/a", {"X\r": "y"}),
        ("/a", {"X": "y\0"}),
        ("/a", {"X": "€"}),
    ],
)
def test_head_refuses_what_would_end_a_line(target: str, headers: Mapping[str, str]) -> None:
    with pytest.raises(ValueError, match=r"character|encode"):
        request_head("GET", target, "h", headers, None)
