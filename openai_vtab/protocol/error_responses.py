"""Responses that are errors, in OpenAI's shape or in those of compatible servers, as exceptions.

>>> raise failure(request, response)
APIError: GET https://api.openai.com/v1/files: answered 401: Incorrect API key provided

https://platform.openai.com/docs/guides/error-codes
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

from ..errors import APIError
from .messages import Request, Response
from .not_found import Verdict, is_page, judge

NOT_FOUND = 404
NOT_ALLOWED = 405
UNDECIDED = "this does not tell whether the object or the address is unknown"
NOT_BEGUN = frozenset({"server_is_overloaded", "slow_down", "service_unavailable_error", "service_unavailable"})


def is_undecided(request: Request, response: Response) -> bool:
    """True for a 404 that does not tell whether the object or the address is unknown.

    An error, unless a look at the parent (`above`) shows that the API is there: then the object is absent.
    """
    if not request.absent_is_none or response.status != NOT_FOUND:
        return False
    return _verdict(request, response) is Verdict.UNDECIDED


def repeated_page_error(request: Request, response: Response) -> APIError:
    """The error of a list that begins again instead of going on."""
    after = dict(parse_qsl(request.target.partition("?")[2])).get("after")
    return _broken(request, response, f"the list repeats itself: asked for what comes after {after!r}, it came again")


def wrong_object_error(request: Request, response: Response, source: str, asked: object, answered: object) -> APIError:
    """The error of an answer that is about something else."""
    return _broken(request, response, f"asked for {source} {asked!r}, but the answer is {answered!r}")


def certainly_refused(status: int, code: str | None) -> bool:
    """Whether an error response says that nothing was carried out: a client error, or a server too busy to begin."""
    if status == 503:
        return code in NOT_BEGUN
    return 400 <= status < 500 and status != 408


def error_code(response: Response) -> str | None:
    """The `code` of an error answer, else its `type`, else None."""
    error = _error(response)
    return error["code"] or error["type"]


def error_message(response: Response) -> str:
    """The words of an error answer: its message, else the beginning of its body."""
    return _error(response)["message"] or _excerpt(response.body) or "an empty answer"


def failure(request: Request, response: Response, hint: str = "") -> APIError:
    """The error answer as an exception, in OpenAI's shape or in those of compatible servers.

    `hint` says what to check; for an unknown route, and where the response need not be the API's, it is base_url.
    """
    message = error_message(response)
    verdict = _verdict(request, response)
    if verdict is Verdict.NO_ROUTE:
        hint = f"there is no such route: {_address(response)}"
    elif not hint and verdict is Verdict.UNDECIDED:
        hint = f"{UNDECIDED}: {_address(response)}"
    elif not hint and response.status >= 400 and (response.status == NOT_ALLOWED or is_page(response.body)):
        hint = _address(response)
    if 300 <= response.status < 400 and (location := response.headers.get("location")):
        message = f"a redirect to {location[:200]}, which is not followed: the key would go with it"
    return APIError(
        "; ".join(filter(None, (f"answered {response.status}: {message}", response.note, _before(request, response)))),
        request=_named(request, response),
        status=response.status,
        request_id=response.headers.get("x-request-id"),
        hint=hint,
        **{**_error(response), "message": message},
    )


def undecided(request: Request, response: Response, look: str = "") -> APIError:
    """The error of a 404 that could mean a wrong address; `look` tells what a look at the parent has given."""
    problem = UNDECIDED
    if look:
        problem += f", and neither does a look at its parent ({look})"
    return failure(request, response, f"{problem}: {_address(response)}")


def _before(request: Request, response: Response) -> str:
    """What an error says of the attempts before it: a repeated cancel is refused because the first was carried out."""
    if not (request.changes and response.uncertain):
        return ""
    return "an earlier attempt, whose answer did not come, may have done it: look at the row before you write it again"


def _address(response: Response) -> str:
    return f"check base_url ({response.base_url}), which usually ends with /v1"


def _verdict(request: Request, response: Response) -> Verdict:
    error = _error(response)
    target = request.target
    return judge(response.status, response.body, error["message"], error["code"], request.route, target)


def _broken(request: Request, response: Response, problem: str, hint: str = "") -> APIError:
    return APIError(
        f"{problem}: {_excerpt(response.body)}",
        request=_named(request, response),
        status=response.status,
        request_id=response.headers.get("x-request-id"),
        hint=hint,
    )


def _named(request: Request, response: Response) -> str:
    return f"{request.method} {response.base_url}{request.target}"


def _error(response: Response) -> dict[str, str | None]:
    """message, type, param, code, each text or None."""
    try:
        body = json.loads(response.body)
    except (ValueError, RecursionError):
        body = None
    error: Any = body
    if isinstance(body, dict):
        error = next((body[name] for name in ("error", "detail", "message") if body.get(name)), {})
        if isinstance(error, str) and isinstance(body.get("message"), str):
            error = body["message"] or error  # "error" is then the status in words: NestJS, Fastify, Spring
    fields = error if isinstance(error, dict) else {"message": error if isinstance(error, str) else None}
    if isinstance(error, list):  # FastAPI's validation errors
        fields = {"message": json.dumps(error)[:500]}
    return {
        name: None if fields.get(name) is None else str(fields[name])[:2000]
        for name in ("message", "type", "param", "code")
    }


def _excerpt(body: bytes) -> str:
    text = " ".join(body[:400].decode("utf-8", "replace").split())
    return text if len(text) <= 200 else text[:199] + "…"
