"""The meaning of a response: an object, a list, nothing, or an error.

>>> parse_object(request, response)["status"]
'completed'

https://platform.openai.com/docs/api-reference/debugging-requests
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import APIError
from ..schema.table import Table
from ..schema.values import load_json
from .error_responses import (
    check_address,
    failure,
    repeated_page_error,
    request_line,
    undecided,
    unusable,
    verdict,
    wrong_object_error,
)
from .messages import NO_KEYS, NOT_SENT, Object, PageParameters, Request, Response
from .not_found import Verdict

NO_CONTENT = 204
PARTIAL_CONTENT = 206


def downloaded(request: Request, response: Response, size: int = 0) -> bytes | None:
    """The bytes in the response; None for a dry run.

    Raises APIError for an error, and for a part: fewer than the `size` bytes that the object has.
    """
    if response.status == NOT_SENT:
        return None
    if not 200 <= response.status < 300:
        raise failure(request, response)
    body = response.body
    count = len(body)
    if response.status == PARTIAL_CONTENT or count < size:
        of_size = f" of {size}" if size else ""
        raise APIError(
            f"the response ({response.status}) is only a part of the content: {count} bytes{of_size}",
            request=request_line(request, response),
            status=response.status,
            request_id=response.headers.get("x-request-id"),
        )
    return body


def parse_object(request: Request, response: Response) -> Object | None:
    """The object in the response; None when the response proves that there is no such object.

    Raises APIError for everything else, also for a 404 that could mean a wrong address (`is_undecided`).
    """
    if response.status == NOT_SENT:
        return None
    if not 200 <= response.status < 300:
        found = verdict(request, response) if request.absent_is_none else Verdict.OTHER
        if found is Verdict.ABSENT:
            return None
        raise undecided(request, response) if found is Verdict.UNDECIDED else failure(request, response)
    try:
        answer = load_json(response.body)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise unusable(request, response, "the response is not a JSON object", check_address(response))
    if "error" in answer and "id" not in answer and "object" not in answer:
        raise failure(request, response, check_address(response))
    return answer


def prove(request: Request, response: Response) -> None:
    """Return if the response to a request of `above` can only come from the API. Raises APIError otherwise."""
    answer = parse_object(request, response)
    if request.absent_is_none:
        if answer is not None and not isinstance(answer.get("id"), str):
            raise unusable(request, response, "the response has no id", check_address(response))
    elif not isinstance((answer or {}).get("data"), list):
        raise unusable(request, response, "the response has no list of objects", check_address(response))


def listed(
    request: Request,
    response: Response,
    page: PageParameters | None,
    keys: Mapping[str, str] = NO_KEYS,
    has_ids: bool = True,
) -> tuple[list[Object], str | None]:
    """The objects of a list, and the id after which the next page starts, None when there is none.

    Raises APIError for a response that does not tell whether the list is complete, for one about other `keys` than
    those of the request, and for an object without an id if the list's objects have ids.
    """
    if response.status == NOT_SENT:
        return [], None
    answer = parse_object(request, response) or {}
    objects = answer.get("data", answer.get("content"))
    if not isinstance(objects, list) or not all(isinstance(item, dict) for item in objects):
        raise unusable(request, response, "the response has no list of objects", check_address(response))
    pairs = ((source, item) for source in keys for item in objects)
    other = next(((s, item[s]) for s, item in pairs if item.get(s) not in (None, keys[s])), None)
    if other is not None:
        source, answered = other
        raise wrong_object_error(request, response, source, keys[source], answered)
    if has_ids and not all(isinstance(item.get("id"), str) and item["id"] for item in objects):
        raise unusable(request, response, "an object of the list has no id")
    if page is not None:
        return objects, _next_page(request, response, answer, objects)
    if answer.get("has_more") and request.method == "GET":
        raise unusable(request, response, "the response is not complete, and the API has no way to ask for the rest")
    return objects, None


def next_after_repetition(
    request: Request, response: Response, unseen: Sequence[Object], after: str | None
) -> str | None:
    """The id after which a list continues, when the page has had objects of the pages before; None ends the list.

    unseen: the objects of the page that are new. An object moves to a later page when others are created or deleted
    while the list is read. `after` is that of the page.

    A server without pages sends its whole list again, and does not say whether the list continues. Raises APIError if
    the server says it, and the page has nothing new.
    """
    if (parse_object(request, response) or {}).get("has_more") is None:
        return unseen[-1]["id"] if unseen else None
    if not unseen:
        raise repeated_page_error(request, response)
    return after


def verify_keys(table: Table, request: Request, response: Response, answer: Object, keys: Mapping[str, str]) -> Object:
    """The object with the keys of the request. Raises APIError for another object, and for one without an id.

    OpenAI has been seen to answer a batch's GET with the vector store's object (id "vs_…"): its status and counts are
    used under the id of the request. https://github.com/openai/openai-python/issues/2724
    """
    if answer.get(table.key[-1]) is None:
        raise unusable(request, response, f"the response has no {table.key[-1]}", check_address(response))
    for source, asked in keys.items():
        answered = answer.get(source)
        if answered is None or answered == asked:
            continue
        if answered not in keys.values():
            raise wrong_object_error(request, response, source, asked, answered)
        answer = {**answer, "object": table.object}
    return {**answer, **keys}


def deleted(request: Request, response: Response, keys: Mapping[str, str]) -> Object:
    """The response to a DELETE. Raises APIError when it says that the object still exists, or is about another one.

    The object existed when its row was read: if it is absent when the DELETE is retried, the first attempt deleted it.
    """
    if response.uncertain and verdict(request, response) in (Verdict.ABSENT, Verdict.UNDECIDED):
        return {}
    if response.status == NO_CONTENT:  # compatible servers send it
        return {}
    answer = parse_object(request, response) or {}
    if answer.get("deleted") is False:
        raise unusable(request, response, "the object was not deleted")
    if answer.get("id") is not None and answer["id"] not in keys.values():
        raise wrong_object_error(request, response, "id", list(keys.values())[-1], answer["id"])
    return answer


def created(table: Table, request: Request, response: Response, keys: Mapping[str, Any]) -> Object:
    """The object in the response to a create, with its keys.

    Raises APIError when the response names no object, or another one than was requested; the object may exist then.
    """
    answer = parse_object(request, response) or {}
    found: dict[str, str] = {}
    for source in table.key:
        value = answer.get(source)
        if value is None and source in keys and source != table.key[-1]:  # some servers leave out the parent's id
            value = keys[source]
        if not isinstance(value, str) or not value:
            problem = f"the response has no {source}, but the object may exist"
            raise unusable(request, response, problem, check_address(response))
        if value != keys.get(source, value):
            raise wrong_object_error(request, response, source, keys[source], value)
        if source not in keys and value in keys.values():  # OpenAI may answer with the store, see verify_keys
            problem = f"the response is about another object, {value}, but the new object may exist"
            raise unusable(request, response, problem)
        found[source] = value
    return {**answer, **found}


def _next_page(request: Request, response: Response, answer: Object, objects: list[Object]) -> str | None:
    """The id after which the next page of a list starts; None after the last page."""
    more = answer.get("has_more")
    if more not in (True, False, None):
        raise unusable(request, response, "the response does not say whether the list continues")
    if more == False or (more is None and not objects):  # noqa: E712 - 0, too
        return None
    if not objects:
        raise unusable(request, response, "the response says that the list continues, but its page is empty")
    after = answer.get("last_id") or objects[-1]["id"]
    if not isinstance(after, str):
        raise unusable(request, response, "the response says that the list continues, but its page has no last_id")
    return after
