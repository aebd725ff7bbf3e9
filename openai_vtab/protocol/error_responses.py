"""Error responses, in OpenAI's shape or in those of compatible servers, as exceptions.

>>> raise failure(request, response)
APIError: GET https://api.openai.com/v1/files: answered 401: Incorrect API key provided

https://platform.openai.com/docs/guides/error-codes
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from ..errors import APIError
from ..schema.values import load_json
from .messages import Request, Response
from .not_found import STATUSES, Verdict, is_page, judge

UNAUTHORIZED = 401
NOT_FOUND = 404
NOT_ALLOWED = 405
MAX_EXCERPT = 200  # characters of a body in an error message
STORE_IS_GONE = "the vector store was deleted, or belongs to another project: check vector_store_id"
UNDECIDED = "this does not tell whether the object or the address is unknown"
NO_STORE = re.compile(r"No vector store found\b", re.IGNORECASE)  # OpenAI's words
_MISSING = re.compile(r"\b(?:missing|required)\b", re.IGNORECASE)
# the parameter, not a limit of the rate or the quota
_LIMIT = re.compile(r"(?<!rate )(?<!rate_)(?<![\w-])limit(?![\w-])(?! (?:reached|exceeded))", re.IGNORECASE)
NOT_STARTED = frozenset({"server_is_overloaded", "slow_down", "service_unavailable_error", "service_unavailable"})


def verdict(request: Request, response: Response) -> Verdict:
    """Return what an error response says about the requested object."""
    error = _error(response)
    return judge(response.status, response.body, error["message"], error["code"], request.route, request.target)


def is_absent(request: Request, response: Response) -> bool:
    """True for an error response which says that an object of the request's path does not exist."""
    return verdict(request, response) is Verdict.ABSENT


def is_undecided(request: Request, response: Response) -> bool:
    """True for a 404 that does not tell whether the object or the address is unknown.

    The object is absent if a request to its parent (`above`) shows that the API is there; otherwise it is an error.
    """
    if not request.absent_is_none or response.status != NOT_FOUND:
        return False
    return verdict(request, response) is Verdict.UNDECIDED


def visible_by(request: Request, response: Response) -> float:
    """When the new file that a refusal calls absent must be visible, on the clock of `Request.new_files`.

    0 for a response about anything else, such as an absent vector store: waiting does not change it.
    """
    new, error = request.new_files, _error(response)
    if not new or response.status not in STATUSES:
        return 0.0
    message = error["message"] or ""
    named = [id for id in new if id in message and re.search(rf"(?<![\w-]){re.escape(id)}(?![\w-])", message)]
    if named:
        return max((new[id] for id in named if _says_absent(response, id)), default=0.0)
    # without an id, "No such file" can only be about a new file if all are new
    if request.attached_files is None or len(new) < request.attached_files[1]:
        return 0.0
    is_about_files = response.status == NOT_FOUND and (error["param"] or "").startswith("file")
    return max(new.values()) if is_about_files or _says_absent(response, "") else 0.0


def _says_absent(response: Response, file_id: str) -> bool:
    """Whether a response says that a file is absent; "" stands for a file that it does not name."""
    error, route = _error(response), "/files/{file_id}"
    return (
        judge(response.status, response.body, error["message"], error["code"], route, f"/files/{file_id}")
        is Verdict.ABSENT
    )


def _names_attached_file(request: Request, response: Response) -> bool:
    """Whether a response says that one of the files is absent which the request attaches: the address is right then."""
    if request.attached_files is None or not isinstance(request.body, bytes):
        return False
    words = set(re.findall(r"[\w-]+", _error(response)["message"] or ""))
    return any(f'"{word}"'.encode() in request.body and _says_absent(response, word) for word in words)


def certainly_refused(status: int, code: str | None) -> bool:
    """True when an error response says that nothing was carried out: a client error, or a server too busy to start."""
    if status == 503:
        return code in NOT_STARTED
    return 400 <= status < 500 and status != 408


def refuses_limit(response: Response) -> bool:
    """Whether a response to a page refuses the size of the page: 400, or FastAPI's 422, about the parameter `limit`."""
    if response.status not in (400, 422):
        return False
    error = _error(response)
    return error["param"] == "limit" or _LIMIT.search(error["message"] or "") is not None


def asks_for(response: Response, member: str) -> bool:
    """Whether a response refuses a body without `member`: 400, or FastAPI's 422, that calls it missing or required."""
    text = response.body.decode("utf-8", "replace")
    is_named = re.search(rf"\b{member}\b", text) is not None and _MISSING.search(text) is not None
    return response.status in (400, 422) and is_named


def error_code(response: Response) -> str | None:
    """The `code` of an error response, else its `type`, else None."""
    error = _error(response)
    return error["code"] or error["type"]


def error_message(response: Response) -> str:
    """The message of an error response, else the beginning of its body."""
    return _error(response)["message"] or _excerpt(response.body) or "an empty response"


def failure(request: Request, response: Response, hint: str = "") -> APIError:
    """The error response as an exception.

    `hint` says what to check. It is base_url for an unknown route, and for a response that need not be the API's; and
    the vector store's id for a write into one that does not exist.
    """
    message = error_message(response)
    found = verdict(request, response)
    if found is Verdict.NO_ROUTE:
        hint = f"there is no such route: {check_address(response)}"
    elif not hint and found is Verdict.UNDECIDED and not _names_attached_file(request, response):
        hint = f"{UNDECIDED}: {check_address(response)}"
    elif not hint and response.status >= 400 and (response.status == NOT_ALLOWED or is_page(response.body)):
        hint = check_address(response)
    elif not hint and response.status == UNAUTHORIZED and not urlsplit(response.base_url).path:
        hint = check_address(response)  # without /v1, a gateway may look for another key
    elif not hint and NO_STORE.match(message):
        hint = STORE_IS_GONE
    if 300 <= response.status < 400 and (location := response.headers.get("location")):
        message = f"a redirect to {location[:200]}, which is not followed because it would receive the key"
    return APIError(
        "; ".join(filter(None, (f"answered {response.status}: {message}", response.note, _before(request, response)))),
        request=request_line(request, response),
        status=response.status,
        request_id=response.headers.get("x-request-id"),
        hint=hint,
        **{**_error(response), "message": message},
    )


def undecided(request: Request, response: Response, look: str = "") -> APIError:
    """The error for an undecided 404; `look` is the outcome of the request to the parent."""
    problem = UNDECIDED
    if look:
        problem += f", and neither does a request to its parent ({look})"
    return failure(request, response, f"{problem}: {check_address(response)}")


def unusable(request: Request, response: Response, problem: str, hint: str = "") -> APIError:
    """The error for a response that is not an error itself, but cannot be what was requested."""
    return APIError(
        f"{problem}: {_excerpt(response.body)}",
        request=request_line(request, response),
        status=response.status,
        request_id=response.headers.get("x-request-id"),
        hint=hint,
    )


def incomplete(request: Request, response: Response, id: object) -> APIError:
    """The error of a create whose object lacks what it was created for."""
    return APIError(
        f"{id} was created, but without all of its files: {response.unconfirmed.missing}",
        request=request_line(request, response),
        status=response.status,
        request_id=response.headers.get("x-request-id"),
    )


def repeated_page_error(request: Request, response: Response) -> APIError:
    """The error for a list that starts again instead of going on."""
    after = dict(parse_qsl(request.target.partition("?")[2])).get("after")
    problem = f"the list repeats itself: the page after {after!r} has only objects of the pages before"
    return unusable(request, response, problem)


def wrong_object_error(request: Request, response: Response, source: str, asked: object, answered: object) -> APIError:
    """The error for a response about another object than the requested one."""
    return unusable(request, response, f"asked for {source} {asked!r}, but the response is about {answered!r}")


def check_address(response: Response) -> str:
    """The hint that base_url may be wrong; for an address that looks right, also that the server may lack the route."""
    hint = f"check base_url ({response.base_url})"
    if not response.base_url.endswith("/v1"):
        return f"{hint}, which usually ends with /v1"
    return f"{hint}; this server may not have the route" if response.status in (NOT_FOUND, NOT_ALLOWED) else hint


def request_line(request: Request, response: Response) -> str:
    """The request as an error message names it: "GET https://…"."""
    return f"{request.method} {response.base_url}{response.target or request.target}"


def _before(request: Request, response: Response) -> str:
    """The note on earlier attempts: a retried cancel is refused when the first attempt was carried out."""
    if not (request.changes and response.uncertain):
        return ""
    return "an earlier attempt, which had no response, may already have done it: read the row before you write it again"


def _error(response: Response) -> dict[str, str | None]:
    """message, type, param, code, each text or None."""
    try:
        body = load_json(response.body)
    except (ValueError, RecursionError):
        body = None
    error: Any = body
    if isinstance(body, dict):
        error = next((body[name] for name in ("error", "detail", "message") if body.get(name)), {})
        if isinstance(error, str) and isinstance(body.get("message"), str):
            error = body["message"] or error  # NestJS, Fastify and Spring have the status in words as "error"
    fields = error if isinstance(error, dict) else {"message": error if isinstance(error, str) else None}
    if isinstance(error, list):  # FastAPI's validation errors
        fields = {"message": json.dumps(error)[:500]}
    return {
        name: None if fields.get(name) is None else str(fields[name])[:2000]
        for name in ("message", "type", "param", "code")
    }


def _excerpt(body: bytes) -> str:
    text = " ".join(body[:400].decode("utf-8", "replace").split())
    return text if len(text) <= MAX_EXCERPT else text[: MAX_EXCERPT - 1] + "…"
