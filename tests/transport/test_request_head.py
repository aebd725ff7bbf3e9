"""The headers of a request as they are sent."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from openai_vtab.transport.request_head import header_lines

ACCEPT = {"Accept": "application/json"}


@pytest.mark.parametrize(
    ("method", "body", "headers", "expected"),
    [
        ("GET", None, {}, b""),
        ("GET", None, ACCEPT, b"Accept: application/json"),
        ("GET", None, ACCEPT | {"X-Name": "é"}, b"Accept: application/json\r\nX-Name: \xe9"),
        ("GET", None, {"X-Empty": ""}, b"X-Empty: "),
        ("DELETE", None, ACCEPT, b"Accept: application/json"),
        ("POST", None, ACCEPT, b"Accept: application/json\r\nContent-Length: 0"),
        ("POST", None, {}, b"Content-Length: 0"),
        ("POST", b"", {}, b"Content-Length: 0"),
        ("POST", b"{}", ACCEPT, b"Accept: application/json\r\nContent-Length: 2"),
        ("POST", iter([b"ab"]), {"Content-Length": "2"}, b"Content-Length: 2"),
    ],
)
def test_header_lines_have_the_length_of_the_body(
    method: str, body: bytes | None, headers: Mapping[str, str], expected: bytes
) -> None:
    """Of a POST always, of another method only if it has a body."""
    assert header_lines(method, body, headers) == expected


@pytest.mark.parametrize("wrong", ["a\r\nb", "a\nb", "a\rb", "\n"])
@pytest.mark.parametrize("place", ["name", "value"])
@pytest.mark.parametrize("others", [{}, ACCEPT], ids=["alone", "after another"])
def test_header_line_that_would_end_early_is_refused(wrong: str, place: str, others: Mapping[str, str]) -> None:
    """What follows would be another header, or another request."""
    header = {wrong: "value"} if place == "name" else {"X-Name": wrong}
    with pytest.raises(ValueError, match="a header has a line break"):
        header_lines("GET", None, {**others, **header})


def test_header_line_that_is_not_latin_1_is_refused() -> None:
    with pytest.raises(UnicodeEncodeError):
        header_lines("GET", None, {"X-Name": "日本"})
