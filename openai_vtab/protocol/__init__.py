"""OpenAI's HTTP conventions, without I/O: how a method becomes a request, and a response an object."""

from .error_responses import (
    certainly_refused,
    error_code,
    error_message,
    failure,
    is_undecided,
    repeated_page_error,
    undecided,
    wrong_object_error,
)
from .messages import NO_HEADERS, NO_KEYS, NOT_SENT, Object, Page, Request, Response
from .requests import above, build, download
from .responses import created, deleted, downloaded, listed, parse_object, prove, tells_the_end, verify_keys

__all__ = [
    "NOT_SENT",
    "NO_HEADERS",
    "NO_KEYS",
    "Object",
    "Page",
    "Request",
    "Response",
    "above",
    "build",
    "certainly_refused",
    "created",
    "deleted",
    "download",
    "downloaded",
    "error_code",
    "error_message",
    "failure",
    "is_undecided",
    "listed",
    "parse_object",
    "prove",
    "repeated_page_error",
    "tells_the_end",
    "undecided",
    "verify_keys",
    "wrong_object_error",
]
