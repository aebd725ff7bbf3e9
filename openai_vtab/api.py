"""OpenAI's HTTP conventions, without I/O: how a method becomes a request, and an answer an object.

It must not know sockets, threads or SQLite. `decipher` is the one place that judges a status.

>>> build(table, table.of("SELECT")[0], {"vector_store_id": "vs_1", "id": "vsfb_1"}).target
'/vector_stores/vs_1/file_batches/vsfb_1'

https://platform.openai.com/docs/api-reference/debugging-requests
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from .absence import Verdict, is_page, judge
from .errors import APIError, DataError
from .spec import Method, Table
from .upload import File, Upload, form

Object = dict[str, Any]
NO_HEADERS: Mapping[str, str] = {}
NO_KEYS: Mapping[str, str] = {}
NOT_SENT = 0  # in the place of a status: a dry run has sent nothing
NO_CONTENT = 204
PARTIAL_CONTENT = 206
NOT_FOUND = 404
NOT_ALLOWED = 405
UNDECIDED = "this does not tell whether the object or the address is unknown"
NOT_BEGUN = frozenset({"server_is_overloaded", "slow_down", "service_unavailable_error", "service_unavailable"})
LONGEST_KEPT = 200  # characters of an id that is remembered as it is written in a path
JSON_BODY = {"Content-Type": "application/json"}
ANY_ANSWER = {"Accept": "*/*"}


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request below the base URL.

    `repeatable`: carrying it out twice is carrying it out once. `absent_is_none`: it reads one object, which may be
    absent. `route`: the template that the target was made from, such as "/files/{file_id}".
    `changes`: it changes something at the API.
    `look`: the list that shows whether a create was carried out. `attaches`: to which vector store ("" a new one), and
    how many files.
    """

    method: str
    target: str
    body: bytes | Upload | None = None
    headers: Mapping[str, str] = field(default_factory=lambda: NO_HEADERS)
    repeatable: bool = True
    absent_is_none: bool = False
    route: str = ""
    look: str = ""
    attaches: tuple[str, int] | None = None
    changes: bool = False

    @property
    def identity(self) -> str:
        """What tells two reads apart: the target, and the body of a search."""
        return f"{self.target} {self.body.decode()}" if isinstance(self.body, bytes) else self.target


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: header names are in lower case; `base_url` is the address that the request's target was below.

    `uncertain`: it was sent before, and nobody knows whether it was carried out then. `note`: what else its error says.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    base_url: str
    uncertain: bool = False
    note: str = ""


@dataclass(frozen=True)
class Page:
    """Which part of a list is wanted: so many objects, "asc" or "desc", after this object's id."""

    limit: int
    order: str = "desc"
    after: str | None = None


def build(table: Table, method: Method, parameters: Mapping[str, Any], page: Page | None = None) -> Request:
    """The request for `method` with `parameters`, a mapping of the columns' sources to checked values."""
    path, look = method.path, method.look
    for name in method.variables:
        segment = _segment(parameters[table.source(name)])
        path = path.replace(f"{{{name}}}", segment)
        look = look.replace(f"{{{name}}}", segment)
    query = {
        parameter: parameters[table.source(name)]
        for name, parameter in method.query.items()
        if parameters.get(table.source(name)) is not None
    }
    if page is not None:
        query |= {"limit": page.limit, "order": page.order}
        if page.after is not None:
            query["after"] = page.after
    if query:
        path += "?" + urlencode(query, quote_via=quote, safe="")
    body: bytes | Upload | None = None
    headers: Mapping[str, str] = NO_HEADERS
    if method.multipart:
        body = form(_form_fields(table, method, parameters))
        headers = {"Content-Type": body.content_type, "Content-Length": str(len(body))}
    elif method.body:
        body = json.dumps(_body(table, method, parameters), separators=(",", ":"), allow_nan=False).encode()
        headers = JSON_BODY
    return Request(
        method.http,
        path,
        body,
        headers,
        repeatable=method.repeatable,
        absent_is_none=method.verb == "SELECT" and not method.many,
        route=method.path,
        look=look,
        attaches=_attached(table, method, parameters),
        changes=method.verb != "SELECT",
    )


def download(table: Table, method: Method, keys: Mapping[str, str]) -> Request:
    """The request for the bytes that `method` gives."""
    return replace(build(table, method, keys), headers=ANY_ANSWER, absent_is_none=False)


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


def _attached(table: Table, method: Method, parameters: Mapping[str, Any]) -> tuple[str, int] | None:
    if not method.attaches:
        return None
    files = parameters[table.source(method.attaches)]
    store = next((parameters[table.source(name)] for name in method.variables), "")
    return store, len(files) if isinstance(files, list) else 1


def _segment(id: object) -> str:
    """One segment of a path, whatever the id contains: it can never reach another endpoint.

    Raises DataError for what would be none: a query's keys are looked at before, those of a list are the server's.
    """
    if not isinstance(id, str) or id in {"", ".", ".."}:
        raise DataError(f"{id!r} is no id: it cannot be a part of an address")
    return _quoted_once(id) if len(id) <= LONGEST_KEPT else _quoted(id)


def _quoted(id: str) -> str:
    return quote(id.encode("utf-8", "surrogatepass"), safe="")


_quoted_once = lru_cache(4096)(_quoted)


def _body(table: Table, method: Method, parameters: Mapping[str, Any]) -> Object:
    body: Object = {}
    for name in method.body:
        source = table.source(name)
        if source not in parameters:
            continue
        value = parameters[source]
        copied = {s: parameters[s] for s in map(table.source, method.each.get(name, ())) if s in parameters}
        field = method.sent_as.get(name, source)
        body[field] = [{**copied, **item} for item in value] if copied else value
    return body


def _form_fields(table: Table, method: Method, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a form, the file last: its name is no field of its own."""
    given = {name: parameters[table.source(name)] for name in method.body if table.source(name) in parameters}
    fields = {
        name: value for name, value in given.items() if not isinstance(value, (bytes, File)) and name != "filename"
    }
    for value in given.values():
        if isinstance(value, bytes):
            fields[method.multipart] = File(given["filename"], value)
        elif isinstance(value, File):
            fields[method.multipart] = value
    return fields


def decipher(request: Request, response: Response) -> Object | None:
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


def is_undecided(request: Request, response: Response) -> bool:
    """True for a 404 that does not tell whether the object or the address is unknown.

    An error, unless a look at the parent (`above`) shows that the API is there: then the object is absent.
    """
    if not request.absent_is_none or response.status != NOT_FOUND:
        return False
    return _verdict(request, response) is Verdict.UNDECIDED


def above(request: Request) -> Request:
    """The GET that shows whether the API is where a GET of one object has met an undecided 404.

    For an object within another one that is the other one ("/vector_stores/vs_1" for its batches and files), otherwise
    the collection ("/files?limit=1").
    """
    parts, segments = request.route.split("/"), request.target.partition("?")[0].split("/")
    variables = [place for place, part in enumerate(parts) if part.startswith("{")]
    outer = [place + 1 for place in variables if place + 1 < len(parts)]
    if outer:
        size = outer[-1]
        return Request("GET", "/".join(segments[:size]), absent_is_none=True, route="/".join(parts[:size]))
    collection = "/".join(parts[: variables[0]])
    return Request("GET", f"{collection}?limit=1", route=collection)


def prove(request: Request, response: Response) -> None:
    """Return if the response to a request of `above` can only be the API's. Raises APIError otherwise."""
    answer = decipher(request, response)
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
    answer = decipher(request, response) or {}
    objects = answer.get("data", answer.get("content"))
    if not isinstance(objects, list) or not all(isinstance(item, dict) for item in objects):
        raise _broken(request, response, "the answer has no list of objects", _address(response))
    pairs = ((source, item) for source in keys for item in objects)
    stranger = next(((s, item[s]) for s, item in pairs if item.get(s) not in (None, keys[s])), None)
    if stranger is not None:
        source, answered = stranger
        raise another(request, response, source, keys[source], answered)
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
    return (decipher(request, response) or {}).get("has_more") is not None


def repeated(request: Request, response: Response) -> APIError:
    """The error of a list that begins again instead of going on."""
    after = dict(parse_qsl(request.target.partition("?")[2])).get("after")
    return _broken(request, response, f"the list repeats itself: asked for what comes after {after!r}, it came again")


def another(request: Request, response: Response, source: str, asked: object, answered: object) -> APIError:
    """The error of an answer that is about something else."""
    return _broken(request, response, f"asked for {source} {asked!r}, but the answer is {answered!r}")


def keyed(table: Table, request: Request, response: Response, answer: Object, keys: Mapping[str, str]) -> Object:
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
            raise another(request, response, source, asked, answered)
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
    answer = decipher(request, response) or {}
    if answer.get("deleted") is False:
        raise _broken(request, response, "it was not deleted")
    if answer.get("id") is not None and answer["id"] not in keys.values():
        raise another(request, response, "id", list(keys.values())[-1], answer["id"])
    return answer


def created(table: Table, request: Request, response: Response, keys: Mapping[str, Any]) -> Object:
    """The object that a create has answered, with its keys.

    Raises APIError when the answer names no object, or another one than was asked for: what was created may exist.
    """
    answer = decipher(request, response) or {}
    found: dict[str, str] = {}
    for source in table.key:
        value = answer.get(source)
        if value is None and source in keys and source != table.key[-1]:  # not every server tells what it is part of
            value = keys[source]
        if not isinstance(value, str) or not value:
            problem = f"the answer has no {source}: the object may exist all the same"
            raise _broken(request, response, problem, _address(response))
        if value != keys.get(source, value):
            raise another(request, response, source, keys[source], value)
        if source not in keys and value in keys.values():  # OpenAI has been seen answering with the store: see keyed
            raise _broken(request, response, f"the answer is another object, {value}: what was created may exist")
        found[source] = value
    return {**answer, **found}


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
