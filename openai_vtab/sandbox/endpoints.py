"""The API's endpoints: each takes a Call and returns the response's JSON, or bytes for a file's content.

>>> get_store(Call(state, request, ["vs_demo"]))["object"]
'vector_store'
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import file_batches, files, vector_store_files, vector_stores
from .collection import Collection, T
from .errors import ErrorResponse
from .messages import Received
from .multipart import parse_upload
from .objects import JSON, STATUSES, File, VectorStoreFile
from .pagination import page
from .parsing import passages, text_of
from .search import search
from .state import State


@dataclass(frozen=True)
class Call:
    """A request to one endpoint, with the ids from its path."""

    state: State
    request: Received
    ids: list[str]

    def body(self, *, optional: bool = False) -> JSON:
        """The request's JSON object; an empty one for no body if that is `optional`."""
        body = self.request.body
        if body is None and optional:
            return {}
        if not isinstance(body, dict):
            raise ErrorResponse(400, "We could not parse the JSON body of your request.", code="invalid_json")
        return body

    def page(
        self,
        items: Collection[T],
        to_json: Callable[[T], JSON],
        is_wanted: Callable[[T], bool] = lambda _: True,
        *,
        max_limit: int = 100,
        default_limit: int = 20,
    ) -> JSON:
        """The page of the wanted items that the query asks for."""
        query = self.request.query
        quirks = self.state.quirks
        repeats = quirks.after_ignored and query.pop("after", None) is not None
        found = page(
            items,
            query,
            to_json,
            is_wanted,
            max_limit=max_limit,
            default_limit=default_limit,
            unknown_cursor_is_first_page=quirks.unknown_after_is_first_page,
        )
        return {**found, "has_more": True} if repeats else found


# Files


def list_files(call: Call) -> JSON:
    """GET /files."""
    purpose = call.request.query.get("purpose")
    return call.page(
        call.state.files,
        File.json,
        lambda file: purpose in (None, file.purpose),
        max_limit=10000,
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
    return call.page(call.state.stores, lambda store: store.json(now))


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
    text = text_of(file.filename, file.content) or ""
    size = attached.chunking_strategy["static"]["max_chunk_size_tokens"]
    return {
        "object": "vector_store.file_content.page",
        "data": [{"type": "text", "text": part} for part in passages(text, size)],
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
    status = call.request.query.get("filter")
    if status is not None and status not in STATUSES:
        message = f"Invalid value: '{status}'. Supported values are: {', '.join(map(repr, STATUSES))}."
        raise ErrorResponse(400, message, param="filter", code="invalid_value")
    return call.page(attached, lambda file: file.json(now), lambda file: status in (None, file.status(now)))
