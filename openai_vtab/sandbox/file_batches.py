"""File batches of a vector store: create and cancel.

>>> create(state, "vs_1", {"file_ids": ["file-1", "file-2"]})["file_counts"]["total"]
2

https://platform.openai.com/docs/api-reference/vector-stores-file-batches
"""

from __future__ import annotations

from .containers import FileBatch
from .errors import ErrorResponse
from .objects import JSON
from .parameters import FILE_BATCH
from .state import BATCH_PREFIX, State, new_id


def create(
    state: State,
    store_id: str,
    body: JSON,
    *,
    id: str | None = None,
    status: str | None = None,
    processing_seconds: float | None = None,
    created_at: float | None = None,
) -> JSON:
    """POST /vector_stores/{vector_store_id}/file_batches. A file that does not exist becomes a failed one.

    The files are completed one after another, evenly over the processing time. A given `status` stays as it is.
    """
    items = _items(FILE_BATCH.read(body))
    store = state.store(store_id)
    begin = created_at or state.clock()
    seconds = state.processing_seconds if processing_seconds is None else processing_seconds
    files = [
        state.attach(store, item["file_id"], item, begin, begin + seconds * number / len(items))
        for number, item in enumerate(items, 1)
    ]
    batch = FileBatch(id or _new_batch_id(state), store_id, begin, files, status)
    state.batches[store_id, batch.id] = batch
    return batch.json(state.clock())


def cancel(state: State, store_id: str, batch_id: str) -> JSON:
    """POST …/cancel. Cancelling is asynchronous: the response still says in_progress."""
    batch = state.batch(store_id, batch_id)
    now = state.clock()
    found = batch.json(now)
    if found["status"] == "in_progress":
        batch.cancel(now)
    elif found["status"] != "cancelled":
        raise ErrorResponse(400, f"Batch '{batch_id}' is {found['status']} and cannot be cancelled.")
    return found


def _items(given: JSON) -> list[JSON]:
    """The files of a new batch, each an object with a file_id, and with attributes and chunking_strategy if given.

    The API, too, ignores the attributes and the strategy beside `files`.
    """
    shared = {name: given.get(name) for name in ("attributes", "chunking_strategy")}
    files: list[JSON] | None = given.get("files")
    return [{"file_id": id, **shared} for id in given["file_ids"]] if files is None else files


def _new_batch_id(state: State) -> str:
    return new_id("batch_" if state.quirks.batch_ids_without_prefix else BATCH_PREFIX)
