"""How a method of a table becomes a request.

>>> build(table, table.of("SELECT")[0], {"vector_store_id": "vs_1", "id": "vsfb_1"}).target
'/vector_stores/vs_1/file_batches/vsfb_1'
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlencode

from ..errors import DataError
from ..schema.local_file import File
from ..schema.table import Method, Table
from .messages import NO_HEADERS, Object, Page, Request
from .multipart import Upload, form

LONGEST_KEPT = 200  # characters of an id that is remembered as it is written in a path
JSON_BODY = {"Content-Type": "application/json"}
ANY_ANSWER = {"Accept": "*/*"}


def build(table: Table, method: Method, parameters: Mapping[str, Any], page: Page | None = None) -> Request:
    """The request for `method` with `parameters`, a mapping of the columns' sources to checked values."""
    path, look = method.path, method.verify_path
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
        absent_is_none=method.verb == "SELECT" and not method.listing,
        route=method.path,
        verify_path=look,
        attached_files=_attached(table, method, parameters),
        changes=method.verb != "SELECT",
    )


def download(table: Table, method: Method, keys: Mapping[str, str]) -> Request:
    """The request for the bytes that `method` gives."""
    return replace(build(table, method, keys), headers=ANY_ANSWER, absent_is_none=False)


def _attached(table: Table, method: Method, parameters: Mapping[str, Any]) -> tuple[str, int] | None:
    if not method.attached_files:
        return None
    files = parameters[table.source(method.attached_files)]
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
        copied = {s: parameters[s] for s in map(table.source, method.copied_into.get(name, ())) if s in parameters}
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
