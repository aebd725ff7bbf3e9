"""OpenAI's HTTP without I/O: a method becomes a request, and a response becomes an object or an error."""

from .confirmation import unconfirmed
from .error_responses import (
    certainly_refused,
    error_code,
    error_message,
    failure,
    incomplete,
    is_undecided,
    repeated_page_error,
    undecided,
    verdict,
    visible_by,
    wrong_object_error,
)
from .messages import NO_HEADERS, NO_KEYS, NOT_SENT, Object, PageParameters, Request, Response, Unconfirmed
from .not_found import READ_AFTER_WRITE_SECONDS
from .requests import above, attached_ids, build, download, list_page_size, look_up_identities, page_around
from .responses import created, deleted, downloaded, has_end_marker, listed, parse_object, prove, verify_keys

__all__ = [
    "NOT_SENT",
    "NO_HEADERS",
    "NO_KEYS",
    "READ_AFTER_WRITE_SECONDS",
    "Object",
    "PageParameters",
    "Request",
    "Response",
    "Unconfirmed",
    "above",
    "attached_ids",
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
    "incomplete",
    "is_undecided",
    "list_page_size",
    "listed",
    "look_up_identities",
    "page_around",
    "parse_object",
    "prove",
    "repeated_page_error",
    "unconfirmed",
    "undecided",
    "verdict",
    "verify_keys",
    "visible_by",
    "wrong_object_error",
]
