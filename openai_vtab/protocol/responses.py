"""What a response means: an object, a list, nothing, or an error. `parse_object` is the one place that judges a status.

>>> parse_object(request, response)["status"]
'completed'

https://platform.openai.com/docs/api-reference/debugging-requests
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..errors import APIError
from ..schema.table import Table
from .error_responses import _address, _broken, _named, _verdict, failure, undecided, wrong_object_error
from .messages import NO_KEYS, NOT_SENT, Object, Page, Request, Response
from .not_found import Verdict

NO_CONTENT = 204
PARTIAL_CONTENT = 206


def downloaded(request: Request, response: Response, size: int = 0) -> bytes | None:
    """The bytes in the answer; None for a dry run.

    Raises APIError for an error, and when the answer is only a part: fewer than the `size` bytes that the object has.
    """
    if response.status == NOT_SENT:
        return None
    if not 200 <= response.status < 300:
        raise failure(request, response)
    count = len(response.body)
    if response.status == PARTIAL_CONTENT or count < size:
        problem = f"the answer ({response.status}) is only a part: {count} bytes" + (f" of {size}" if size else "")
        raise APIError(
            problem,
            request=_named(request, response),
            status=response.status,
            request_id=response.headers.get("x-request-id"),
        )
    return response.body


def parse_object(request: Request, response: Response) -> Object | None:
    """The object in the response; None when the response proves that there is no such object.

    Raises APIError for everything else, also for a 404 that could mean a wrong address (`is_undecided`).
    """
    if response.status == NOT_SENT:
        return None
    if response.status != 200 and not 200 < response.status < 300:
        verdict = _verdict(request, response) if request.absent_is_none else Verdict.OTHER
        if verdict is Verdict.ABSENT:
            return None
        raise undecided(request, response) if verdict is Verdict.UNDECIDED else failure(request, response)
    try:
        answer = json.loads(response.body)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise _broken(request, response, "the answer is not a JSON object", _address(response))
    if "error" in answer and "id" not in answer and "object" not in answer:
        raise failure(request, response, _address(response))
    return answer


def prove(request: Request, response: Response) -> None:
    """Return if the response to a request of `above` can only be the API's. Raises APIError otherwise."""
    answer = parse_object(request, response)
    if request.absent_is_none:
        if answer is not None and not isinstance(answer.get("id"), str):
            raise _broken(request, response, "the answer has no id", _address(response))
    elif not isinstance((answer or {}).get("data"), list):
        raise _broken(request, response, "the answer has no list of objects", _address(response))


def listed(
    request: Request, response: Response, page: Page | None, keys: Mapping[str, str] = NO_KEYS
) -> tuple[list[Object], str | None]:
    """The objects of a list, and the id after which the next page begins; None when this is all.

    Raises APIError for an answer that does not tell whether it is all (a list is whole, or an error), and for one
    about other `keys` than those that were asked for.
    """
    if response.status == NOT_SENT:
        return [], None
    answer = parse_object(request, response) or {}
    objects = answer.get("data", answer.get("content"))
    if not isinstance(objects, list) or not all(isinstance(item, dict) for item in objects):
        raise _broken(request, response, "the answer has no list of objects", _address(response))
    pairs = ((source, item) for source in keys for item in objects)
    stranger = next(((s, item[s]) for s, item in pairs if item.get(s) not in (None, keys[s])), None)
    if stranger is not None:
        source, answered = stranger
        raise wrong_object_error(request, response, source, keys[source], answered)
    if page is not None and not all(isinstance(item.get("id"), str) and item["id"] for item in objects):
        raise _broken(request, response, "an object of the list has no id")
    if page is None:
        if answer.get("has_more") and request.method == "GET":
            raise _broken(request, response, "the answer is not all, and the API has no way to ask for the rest")
        return objects, None
    more = answer.get("has_more")
    if more not in (True, False, None):
        raise _broken(request, response, "the answer does not say whether the list goes on")
    if more == False or (more is None and not objects):  # noqa: E712 - 0, too
        return objects, None
    if not objects:
        raise _broken(request, response, "the list is said to go on, but its page is empty")
    after = answer.get("last_id") or objects[-1]["id"]
    if not isinstance(after, str):
        raise _broken(request, response, "the list is said to go on, but its page has no last_id")
    return objects, after


def tells_the_end(request: Request, response: Response) -> bool:
    """Whether the page of a list says if more pages follow; without `has_more`, only the next page tells."""
    return (parse_object(request, response) or {}).get("has_more") is not None


def verify_keys(table: Table, request: Request, response: Response, answer: Object, keys: Mapping[str, str]) -> Object:
    """The object with the keys it was asked for. Raises APIError when it is another object, or none.

    OpenAI has been seen answering a batch's GET with the vector store's object (id "vs_…"): its status and
    counts are used under the id that was asked for. https://github.com/openai/openai-python/issues/2724
    """
    if answer.get(table.key[-1]) is None:
        raise _broken(request, response, f"the answer has no {table.key[-1]}", _address(response))
    for source, asked in keys.items():
        answered = answer.get(source)
        if answered is None or answered == asked:
            continue
        if answered not in keys.values():
            raise wrong_object_error(request, response, source, asked, answered)
        answer = {**answer, "object": table.object}
    return {**answer, **keys}


def deleted(request: Request, response: Response, keys: Mapping[str, str]) -> Object:
    """The answer to a DELETE. Raises APIError when it says that the object is still there, or is about another.

    It was there when its row was read: if it is not when the request is repeated, the first has deleted it.
    """
    if response.uncertain and _verdict(request, response) in (Verdict.ABSENT, Verdict.UNDECIDED):
        return {}
    if response.status == NO_CONTENT:  # which other servers answer
        return {}
    answer = parse_object(request, response) or {}
    if answer.get("deleted") is False:
        raise _broken(request, response, "it was not deleted")
    if answer.get("id") is not None and answer["id"] not in keys.values():
        raise wrong_object_error(request, response, "id", list(keys.values())[-1], answer["id"])
    return answer


def created(table: Table, request: Request, response: Response, keys: Mapping[str, Any]) -> Object:
    """The object that a create has answered, with its keys.

    Raises APIError when the answer names no object, or another one than was asked for: what was created may exist.
    """
    answer = parse_object(request, response) or {}
    found: dict[str, str] = {}
    for source in table.key:
        value = answer.get(source)
        if value is None and source in keys and source != table.key[-1]:  # not every server tells what it is part of
            value = keys[source]
        if not isinstance(value, str) or not value:
            problem = f"the answer has no {source}: the object may exist all the same"
            raise _broken(request, response, problem, _address(response))
        if value != keys.get(source, value):
            raise wrong_object_error(request, response, source, keys[source], value)
        if source not in keys and value in keys.values():  # OpenAI has been seen answering with the store: see keyed
            raise _broken(request, response, f"the answer is another object, {value}: what was created may exist")
        found[source] = value
    return {**answer, **found}
