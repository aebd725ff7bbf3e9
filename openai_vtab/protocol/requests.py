"""How a method of a table becomes a request.

>>> build(table, table.of("SELECT")[0], {"vector_store_id": "vs_1", "id": "vsfb_1"}).target
'/vector_stores/vs_1/file_batches/vsfb_1'
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlencode

from ..errors import DataError
from ..schema.file_to_upload import FileToUpload
from ..schema.spool import Spooled
from ..schema.table import Listing, Method, Table
from .messages import NO_HEADERS, Object, PageParameters, Request, Sent
from .multipart import Upload, form

MAX_CACHED = 200  # characters of an id whose spelling in a path is cached
UNQUOTED = re.compile(r"[\w.~-]+", re.ASCII).fullmatch
_LIMIT = re.compile(r"(?<=[?&])limit=\d+&")  # `order` follows it
JSON_BODY = {"Content-Type": "application/json"}
ANY_TYPE = {"Accept": "*/*"}


class _Template:
    """The common part of all requests of one method."""

    def __init__(self, table: Table, method: Method) -> None:
        numbers = {name: f"{{{number}}}" for number, name in enumerate(method.variables)}
        self.sources = tuple(table.sources[name] for name in method.variables)
        self.path = method.path.format(**numbers)  # such as "/files/{0}"
        self.verify_path = method.verify_path.format(**numbers)
        self.query = tuple((table.sources[name], parameter) for name, parameter in method.query.items())
        self.changes = method.verb != "SELECT"
        self.absent_is_none = not self.changes and not method.listing
        self.list_page_size = _list_page_size(table, method) if self.absent_is_none else 0


def _list_page_size(table: Table, method: Method) -> int:
    """The page size of the list that a single object is in: "/files" for "/files/{file_id}"; 0 without such a list."""
    collection, _, key = method.path.rpartition("/")
    lists = (m for m in table.of("SELECT") if m.listing is Listing.PAGES and m.path == collection and not m.required)
    return next((m.page_size for m in lists if key == f"{{{method.variables[-1]}}}"), 0) if method.variables else 0


_template = lru_cache(256)(_Template)


def build(table: Table, method: Method, parameters: Mapping[str, Any], page: PageParameters | None = None) -> Request:
    """The request for `method` with `parameters`, a mapping of the columns' sources to checked values."""
    template = _template(table, method)
    segments = tuple(map(_segment, map(parameters.__getitem__, template.sources)))
    target = template.path.format(*segments)
    if page is not None or template.query:
        target += _query(template, parameters, page)
    body: bytes | Upload | None = None
    headers: Mapping[str, str] = NO_HEADERS
    values = parameters
    if method.multipart:
        fields = _form_fields(table, method, parameters)
        values = {**parameters, "filename": fields[method.multipart].filename}
        body = form(fields)
        headers = {"Content-Type": body.content_type, "Content-Length": str(len(body))}
    elif method.sent:
        body = json.dumps(_body(table, method, parameters), separators=(",", ":"), allow_nan=False).encode()
        headers = JSON_BODY
    return Request(
        method.http,
        target,
        body,
        headers,
        idempotent=method.idempotent,
        absent_is_none=template.absent_is_none,
        route=method.path,
        verify_path=template.verify_path.format(*segments),
        attached_files=_attached(table, method, parameters) if method.attached_files else None,
        changes=template.changes,
        sent=_sent(table, method, values) if template.changes and method.sent else None,
        list_page_size=template.list_page_size,
        page=page,
    )


def _sent(table: Table, method: Method, values: Mapping[str, Any]) -> Sent:
    return Sent(table, method, values, len(set(attached_ids(table, method, values))))


def attached_ids(table: Table, method: Method, parameters: Mapping[str, Any]) -> list[str]:
    """The ids of the files that a request attaches to a vector store."""
    given = parameters[table.sources[method.attached_files]] if method.attached_files else []
    items = given if isinstance(given, list) else [given]
    return [item["file_id"] if isinstance(item, dict) else item for item in items]


def download(table: Table, method: Method, keys: Mapping[str, str]) -> Request:
    """The request for the bytes that `method` downloads."""
    return replace(build(table, method, keys), headers=ANY_TYPE, absent_is_none=False)


def _query(template: _Template, parameters: Mapping[str, Any], page: PageParameters | None) -> str:
    """The query string of a target, with its question mark, or ""."""
    query = {name: parameters[source] for source, name in template.query if parameters.get(source) is not None}
    return _query_of_page(query, page)


def _query_of_page(query: dict[str, Any], page: PageParameters | None) -> str:
    if page is not None:
        query |= {"limit": page.limit, "order": page.order}
        if page.after is not None:
            query["after"] = page.after
    return "?" + urlencode(query, quote_via=quote, safe="") if query else ""


def _attached(table: Table, method: Method, parameters: Mapping[str, Any]) -> tuple[str, int]:
    """The vector store that the request attaches files to, "" for a new one, and the number of files."""
    store = next((parameters[table.sources[name]] for name in method.variables), "")
    return store, len(attached_ids(table, method, parameters))


def _segment(id: object) -> str:
    """The id as one segment of a path; it can never reach another endpoint.

    Raises DataError for an id that cannot be one. The keys of a query are checked before, but a list has the ids that
    a server sends.
    """
    if not isinstance(id, str) or id in {"", ".", ".."}:
        raise DataError(f"{id!r} is not an id: it cannot be a segment of an address")
    return _quoted_once(id) if len(id) <= MAX_CACHED else _quoted(id)


def _quoted(id: str) -> str:
    return quote(id.encode("utf-8", "surrogatepass"), safe="")


_quoted_once = lru_cache(4096)(_quoted)


def _body(table: Table, method: Method, parameters: Mapping[str, Any]) -> Object:
    body: Object = {}
    for name in method.sent:
        source = table.sources[name]
        if source not in parameters:
            continue
        value = parameters[source]
        copied = {
            s: parameters[s]
            for s in map(table.sources.__getitem__, method.copied_into.get(name, ()))
            if s in parameters
        }
        field = method.sent_as.get(name, source)
        body[field] = [{**copied, **item} for item in value] if copied else value
    return body


def _form_fields(table: Table, method: Method, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a form, the file last; the file's name goes with the file."""
    given = {name: parameters[table.sources[name]] for name in method.sent if table.sources[name] in parameters}
    fields = {
        name: value
        for name, value in given.items()
        if not isinstance(value, (bytes, Spooled, FileToUpload)) and name != "filename"
    }
    for value in given.values():
        if isinstance(value, (bytes, Spooled)):
            fields[method.multipart] = FileToUpload(given["filename"], value)
        elif isinstance(value, FileToUpload):
            fields[method.multipart] = replace(value, filename=given["filename"]) if "filename" in given else value
    return fields


def list_page_size(table: Table, method: Method) -> int:
    """`Request.list_page_size` of the requests of a method."""
    return _template(table, method).list_page_size


def page_around(request: Request, after: str | None) -> tuple[Request, PageParameters]:
    """The page, after an id or the first one, of the list that the object of a look-up is in (`list_page_size`)."""
    page = PageParameters(request.list_page_size, after=after)
    target = request.target.rpartition("/")[0] + _query_of_page({}, page)
    return Request("GET", target, route=request.route.rpartition("/")[0], optional=True, page=page), page


def with_limit(request: Request, limit: int) -> Request:
    """The request of a page with another limit; 0 leaves the size of the page to the server."""
    written = f"limit={limit}&" if limit else ""
    return replace(request, target=_LIMIT.sub(written, request.target, count=1))


def look_up_identities(request: Request, ids: Sequence[str]) -> Iterator[str]:
    """The identities of the look-ups of objects that are in the same list as the object of `request`."""
    collection = request.target.rpartition("/")[0] + "/"
    # a page has up to 10,000 ids, and usually none of them needs quoting
    if UNQUOTED("".join(ids)):
        return map(collection.__add__, ids)
    return (collection + _quoted(id) for id in ids)


def above(request: Request) -> Request:
    """The GET that shows whether the API is there, when a GET of one object received an undecided 404.

    It reads the parent ("/vector_stores/vs_1" for the store's batches and files), else the collection
    ("/files?limit=1").
    """
    parts, segments = request.route.split("/"), request.target.partition("?")[0].split("/")
    variables = [place for place, part in enumerate(parts) if part.startswith("{")]
    outer = [place + 1 for place in variables if place + 1 < len(parts)]
    if outer:
        size = outer[-1]
        return Request("GET", "/".join(segments[:size]), absent_is_none=True, route="/".join(parts[:size]))
    collection = "/".join(parts[: variables[0]])
    return Request("GET", f"{collection}?limit=1", route=collection)
