"""The API's endpoints: each takes a Call and returns the response's JSON, or bytes for a file's content.

>>> get_store(Call(state, request, ["vs_demo"]))["object"]
'vector_store'
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from . import file_batches, files, vector_store_files, vector_stores
from .collection import Collection, T
from .errors import ErrorResponse
from .messages import Received
from .multipart import parse_upload
from .objects import JSON, File, VectorStoreFile
from .pagination import page
from .parameters import FILES_QUERY, STORE_FILES_QUERY, STORES_QUERY
from .parsing import passages, text_of
from .schema import Object
from .search import search
from .state import State

JSON_TYPE = "application/json"
NOT_JSON = (
    "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library "
    "correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)"
)


@dataclass(frozen=True)
class Call:
    """A request to one endpoint, with the ids from its path."""

    state: State
    request: Received
    ids: list[str]

    def body(self, *, optional: bool = False) -> JSON:
        """The request's JSON object; an empty one for no body if that is `optional`."""
        body = self.request.body
        if optional and not self.request.raw:
            return {}
        content_type = self.request.headers.get("content-type", JSON_TYPE)
        if content_type.partition(";")[0].strip().lower() != JSON_TYPE:
            message = (
                f"Unsupported content type: '{content_type}'. This API method only accepts '{JSON_TYPE}' requests, but "
                f"you specified the header 'Content-Type: {content_type}'."
            )
            raise ErrorResponse(400, message, code="unsupported_content_type")
        if not isinstance(body, dict):
            raise ErrorResponse(400, NOT_JSON)
        return body

    def query(self, parameters: Object) -> JSON:
        """The query's parameters, of those that the API has."""
        given: JSON = dict(self.request.query)
        if re.fullmatch(r"-?[0-9]{1,100}", given.get("limit", "")):
            given["limit"] = int(given["limit"])
        return parameters.read(given)

    def page(
        self,
        items: Collection[T],
        to_json: Callable[[T], JSON],
        query: JSON,
        is_wanted: Callable[[T], bool] = lambda _: True,
        *,
        default_limit: int = 20,
    ) -> JSON:
        """The page of the wanted items that the query asks for."""
        quirks = self.state.quirks
        repeats = quirks.after_ignored and query.pop("after", None) is not None
        found = page(
            items,
            query,
            to_json,
            is_wanted,
            default_limit=default_limit,
            unknown_cursor_is_first_page=quirks.unknown_after_is_first_page,
        )
        return {**found, "has_more": True} if repeats else found


# Files


def list_files(call: Call) -> JSON:
    """GET /files."""
    query = call.query(FILES_QUERY)
    purpose = query.get("purpose")
    return call.page(
        call.state.files,
        File.json,
        query,
        lambda file: purpose in (None, file.purpose),
        default_limit=10000,
    )


def create_file(call: Call) -> JSON:
    """POST /files."""
    return files.upload(call.state, parse_upload(call.request))


def get_file(call: Call) -> JSON:
    """GET /files/{file_id}."""
    return call.state.file(*call.ids).json()


def delete_file(call: Call) -> JSON:
    """DELETE /files/{file_id}."""
    return files.delete(call.state, *call.ids)


def get_file_content(call: Call) -> bytes:
    """GET /files/{file_id}/content."""
    return call.state.file(*call.ids).content


# Vector stores


def list_stores(call: Call) -> JSON:
    """GET /vector_stores."""
    now = call.state.clock()
    return call.page(call.state.stores, lambda store: store.json(now), call.query(STORES_QUERY))


def create_store(call: Call) -> JSON:
    """POST /vector_stores."""
    return vector_stores.create(call.state, call.body(optional=True))


def get_store(call: Call) -> JSON:
    """GET /vector_stores/{vector_store_id}."""
    return call.state.store(*call.ids).json(call.state.clock())


def update_store(call: Call) -> JSON:
    """POST /vector_stores/{vector_store_id}."""
    return vector_stores.update(call.state, call.ids[0], call.body())


def delete_store(call: Call) -> JSON:
    """DELETE /vector_stores/{vector_store_id}."""
    return vector_stores.delete(call.state, *call.ids)


def search_store(call: Call) -> JSON:
    """POST /vector_stores/{vector_store_id}/search."""
    return search(call.state, call.ids[0], call.body())


# Files of a vector store


def list_store_files(call: Call) -> JSON:
    """GET /vector_stores/{vector_store_id}/files."""
    return _page_of_files(call, call.state.store(*call.ids).files)


def attach_file(call: Call) -> JSON:
    """POST /vector_stores/{vector_store_id}/files."""
    return vector_store_files.attach(call.state, call.ids[0], call.body())


def get_store_file(call: Call) -> JSON:
    """GET /vector_stores/{vector_store_id}/files/{file_id}."""
    return call.state.store_file(*call.ids).json(call.state.clock())


def update_store_file(call: Call) -> JSON:
    """POST /vector_stores/{vector_store_id}/files/{file_id}."""
    return vector_store_files.update(call.state, call.ids[0], call.ids[1], call.body())


def detach_file(call: Call) -> JSON:
    """DELETE /vector_stores/{vector_store_id}/files/{file_id}."""
    return vector_store_files.detach(call.state, *call.ids)


def get_store_file_content(call: Call) -> JSON:
    """GET /vector_stores/{vector_store_id}/files/{file_id}/content."""
    attached = call.state.store_file(*call.ids)
    file = call.state.file(attached.id)
    text = text_of(file.filename, file.content)
    size = attached.chunking_strategy["static"]["max_chunk_size_tokens"]
    parts = passages(text, size) if text else []
    return {
        "object": "vector_store.file_content.page",
        "data": [{"type": "text", "text": part} for part in parts],
        "has_more": False,
        "next_page": None,
    }


# File batches


def create_batch(call: Call) -> JSON:
    """POST /vector_stores/{vector_store_id}/file_batches."""
    return _batch(call, file_batches.create(call.state, call.ids[0], call.body()))


def get_batch(call: Call) -> JSON:
    """GET /vector_stores/{vector_store_id}/file_batches/{batch_id}."""
    state, now = call.state, call.state.clock()
    batch = state.batch(*call.ids)
    if now < batch.created_at + state.quirks.not_found_after_create_seconds:
        raise ErrorResponse(404, f"No file batch found with id '{batch.id}' in vector store '{batch.store_id}'.")
    found = batch.json(now)
    if state.quirks.batch_get_returns_store:
        store = state.store(batch.store_id).json(now)
        return {**store, "status": found["status"], "file_counts": found["file_counts"]}
    return _batch(call, found)


def cancel_batch(call: Call) -> JSON:
    """POST /vector_stores/{vector_store_id}/file_batches/{batch_id}/cancel."""
    return _batch(call, file_batches.cancel(call.state, *call.ids))


def list_batch_files(call: Call) -> JSON:
    """GET /vector_stores/{vector_store_id}/file_batches/{batch_id}/files."""
    return _page_of_files(call, call.state.batch(*call.ids).listed)


def _batch(call: Call, found: JSON) -> JSON:
    return {**found, "object": "vector_store.files_batch"} if call.state.quirks.plural_object else found


def _page_of_files(call: Call, attached: Collection[VectorStoreFile]) -> JSON:
    """The page of those files that have the status which the query's `filter` names."""
    now = call.state.clock()
    query = call.query(STORE_FILES_QUERY)
    status = query.get("filter")
    return call.page(attached, lambda file: file.json(now), query, lambda file: status in (None, file.status(now)))
