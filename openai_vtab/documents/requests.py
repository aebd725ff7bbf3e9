"""The requests of a COMMIT that change something, built from the descriptions of the API's tables.

>>> attach("vs_1", [(document, file)], new_files={}).request.target
'/vector_stores/vs_1/file_batches'
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

from .. import protocol
from ..clock import Clock
from ..protocol import Object, Request, Response
from ..protocol.multipart import Upload
from ..protocol.not_found import Verdict
from ..schema.file_to_upload import FileToUpload
from ..schema.table import Method, Table
from ..tables.files import files
from ..tables.vector_store_file_batches import vector_store_file_batches
from ..tables.vector_store_files import vector_store_files
from ..tables.vector_stores import vector_stores
from ..writes.order import Affected, affected
from .rows import NO_ATTRIBUTES, Document, Pair

PURPOSE = "assistants"


@dataclass(frozen=True)
class Change:
    """A request that changes something, what it affects, and what its response means.

    parse: returns the object in a response that confirms the change. Raises APIError.
    may_be_empty: a new batch that counts no files may get them later, or never.
    """

    request: Request
    affected: Affected
    parse: Callable[[Response], Object]
    may_be_empty: bool = False


@lru_cache  # thousands of uploads ask for the same one
def _method(table: Table, verb: str, *given: str, http: str = "") -> Method:
    """Return the method that needs these columns."""
    methods = (m for m in table.of(verb) if set(m.needs) == set(given) and m.listing is None and not m.gives)
    return next(method for method in methods if method.http == (http or method.http))


def _change(table: Table, method: Method, parameters: Mapping[str, Any], parse: Callable[..., Object]) -> Change:
    request = protocol.build(table, method, parameters)
    return Change(request, affected(table, method, parameters), partial(parse, request))


def create_store(name: str, expires_after: Object | None, metadata: Object | None) -> Change:
    """Create a vector store."""
    given = {"name": name, "expires_after": expires_after, "metadata": metadata}
    parameters = {source: value for source, value in given.items() if value is not None}
    return _created(vector_stores, _method(vector_stores, "INSERT"), parameters)


def upload(file: FileToUpload) -> Change:
    """Upload a file. The object has the sha256 of the bytes that were sent, because the file may have changed."""
    change = _created(files, _method(files, "INSERT", "path", "purpose"), {"path": file, "purpose": PURPOSE})
    body = change.request.body
    assert isinstance(body, Upload)  # noqa: S101 - the table says that it is a form
    return Change(change.request, change.affected, lambda response: {**change.parse(response), "sha256": body.sha256})


def attach(vector_store_id: str, part: Sequence[Pair], new_files: Mapping[str, float]) -> Change:
    """Attach the files of documents in one batch, with the documents' attributes and chunking.

    They are sent as `file_ids` if the documents differ in neither, and as `files` otherwise. The object is
    NOTHING_CREATED if the server refuses `files`.
    new_files: those that were uploaded a moment ago, as visible_by() returns them.
    """
    table, store = vector_store_file_batches, {"vector_store_id": vector_store_id}
    ids = [file.file_id for _, file in part]
    if len({_alike(document) for document, _ in part}) == 1:
        method = _method(table, "INSERT", "vector_store_id", "file_ids")
        return _naming(new_files, _created(table, method, {**store, "file_ids": ids, **_details(part[0][0])}))
    method = _method(table, "INSERT", "vector_store_id", "files")
    items = [{"file_id": file.file_id, **_details(document)} for document, file in part]
    change = _naming(new_files, _created(table, method, {**store, "files": items}))
    return replace(change, parse=partial(_batch_of_files, change.parse), may_be_empty=True)


def alike(part: Iterable[Pair]) -> list[list[Pair]]:
    """Return the documents with their files in groups, each with the same attributes and chunking."""
    groups: dict[tuple[str, str | None], list[Pair]] = {}
    for document, file in part:
        groups.setdefault(_alike(document), []).append((document, file))
    return list(groups.values())


def _alike(document: Document) -> tuple[str, str | None]:
    """Return what two documents need to have in common for `file_ids`: as JSON, because 1 and true are equal values."""
    return document.attributes, document.chunking


def _details(document: Document) -> Object:
    """Return the members of a batch, or of a file in it, that are the document's own."""
    found: Object = {}
    if document.attributes != NO_ATTRIBUTES:
        found["attributes"] = json.loads(document.attributes)
    if document.chunking is not None:
        found["chunking_strategy"] = json.loads(document.chunking)
    return found


def _batch_of_files(parse: Callable[[Response], Object], response: Response) -> Object:
    """Return the batch that was created with `files`, NOTHING_CREATED if the server asks for `file_ids` instead."""
    return protocol.NOTHING_CREATED if protocol.asks_for(response, "file_ids") else parse(response)


def visible_by(times: Mapping[str, int | None], clock: Clock) -> dict[str, float]:
    """Return the files that the API may not show yet, each with the time on the monotonic clock when it must.

    times: when each was uploaded or attached: Unix seconds.
    """
    now = clock.time()
    left = {id: min(at - now, 0) + protocol.READ_AFTER_WRITE_SECONDS for id, at in times.items() if at is not None}
    return {id: clock.monotonic() + seconds for id, seconds in left.items() if seconds > 0}


def _naming(new_files: Mapping[str, float], change: Change) -> Change:
    """Have a response that one of the files is absent mean "not yet": the request is sent again for a while."""
    return replace(change, request=replace(change.request, new_files=new_files)) if new_files else change


def _created(table: Table, method: Method, parameters: Mapping[str, Any]) -> Change:
    keys = {source: parameters[source] for source in table.key if source in parameters}

    def parse(request: Request, response: Response) -> Object:
        return protocol.created(table, request, response, keys)

    return _change(table, method, parameters, parse)


def set_attributes(vector_store_id: str, file_id: str, attributes: Object) -> Change:
    """Replace the attributes of a file in a vector store."""
    table, keys = vector_store_files, {"vector_store_id": vector_store_id, "id": file_id}
    method = table.of("UPDATE")[0]

    def parse(request: Request, response: Response) -> Object:
        answer = protocol.parse_object(request, response) or {}
        return protocol.verify_keys(table, request, response, answer, keys)

    return _change(table, method, {**keys, "attributes": attributes}, parse)


def detach(vector_store_id: str, file_id: str, new_files: Mapping[str, float]) -> Change:
    """Take a file out of a vector store. new_files: this one, if it was attached a moment ago."""
    return _naming(new_files, _deletion(vector_store_files, {"vector_store_id": vector_store_id, "id": file_id}))


def delete(file_id: str) -> Change:
    """Delete a file."""
    return _deletion(files, {"id": file_id})


def _deletion(table: Table, keys: Mapping[str, str]) -> Change:
    def parse(request: Request, response: Response) -> Object:
        # another program, or an earlier COMMIT that was interrupted, has done it
        if protocol.verdict(request, response) is Verdict.ABSENT:
            return {}
        return protocol.deleted(request, response, keys)

    return _change(table, table.of("DELETE")[0], keys, parse)
