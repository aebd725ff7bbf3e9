"""Vector stores: create, update and delete.

>>> create(state, {"name": "handbook"})["id"]
'vs_…'

https://platform.openai.com/docs/api-reference/vector-stores
"""

from __future__ import annotations

from dataclasses import replace

from .containers import VectorStore
from .errors import invalid
from .objects import JSON
from .state import State, new_id
from .validation import array, check_names, metadata, store_expiry, text

MAX_FILES_AT_CREATION = 500


def create(state: State, body: JSON, *, id: str | None = None) -> JSON:
    """POST /vector_stores. The id is random unless given."""
    check_names(body, {"name", "description", "file_ids", "chunking_strategy", "expires_after", "metadata"})
    now = state.clock()
    if "chunking_strategy" in body and "file_ids" not in body:
        raise invalid("chunking_strategy", "It is only applicable if 'file_ids' is not empty.")
    store = VectorStore(
        id or new_id("vs_"),
        text(body, "name") or "",
        now,
        now,
        text(body, "description"),
        metadata(body.get("metadata")),
        store_expiry(body.get("expires_after")),
    )
    file_ids = body.get("file_ids")
    file_ids = [] if file_ids is None else array("file_ids", file_ids, MAX_FILES_AT_CREATION, min_length=0)
    state.stores.add(store)
    given = {"chunking_strategy": body.get("chunking_strategy")}
    for number, file_id in enumerate(file_ids, 1):
        state.attach(store, file_id, given, now, now + state.processing_seconds * number / len(file_ids))
    return store.json(now)


def update(state: State, store_id: str, body: JSON) -> JSON:
    """POST /vector_stores/{vector_store_id}."""
    check_names(body, {"name", "expires_after", "metadata"})
    store = state.store(store_id)
    now = state.clock()
    changes: JSON = {"last_active_at": now}
    if "name" in body:
        changes["name"] = text(body, "name") or ""
    if "expires_after" in body:
        changes["expires_after"] = store_expiry(body["expires_after"])
    if "metadata" in body:
        changes["metadata"] = metadata(body["metadata"])
    changed = replace(store, **changes)
    state.stores.add(changed)
    return changed.json(now)


def delete(state: State, store_id: str) -> JSON:
    """DELETE /vector_stores/{vector_store_id}. The files remain, the batches do not."""
    state.delete_store(store_id)
    return {"id": store_id, "object": "vector_store.deleted", "deleted": True}
