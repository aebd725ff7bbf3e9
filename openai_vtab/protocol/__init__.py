"""OpenAI's HTTP without I/O: a method becomes a request, and a response becomes an object or an error."""

from .error_responses import (
    certainly_refused,
    error_code,
    error_message,
    failure,
    is_undecided,
    repeated_page_error,
    undecided,
    verdict,
    wrong_object_error,
)
from .messages import NO_HEADERS, NO_KEYS, NOT_SENT, Object, PageParameters, Request, Response
from .requests import above, build, download
from .responses import created, deleted, downloaded, has_end_marker, listed, parse_object, prove, verify_keys

__all__ = [
    "NOT_SENT",
    "NO_HEADERS",
    "NO_KEYS",
    "Object",
    "PageParameters",
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
    "has_end_marker",
    "is_undecided",
    "listed",
    "parse_object",
    "prove",
    "repeated_page_error",
    "undecided",
    "verdict",
    "verify_keys",
    "wrong_object_error",
]
