"""Vector stores: create, update and delete.

>>> create(state, {"name": "handbook"})["id"]
'vs_…'

https://platform.openai.com/docs/api-reference/vector-stores
"""

from __future__ import annotations

from dataclasses import replace

from .containers import VectorStore
from .objects import JSON
from .parameters import NEW_STORE, STORE_UPDATE
from .state import State, new_id


def create(state: State, body: JSON, *, id: str | None = None) -> JSON:
    """POST /vector_stores. The id is random unless given."""
    given = NEW_STORE.read(body)
    now = state.clock()
    store = VectorStore(
        id or new_id("vs_"),
        given.get("name") or "",
        now,
        now,
        given.get("description"),
        given.get("metadata"),
        given.get("expires_after"),
    )
    file_ids = given.get("file_ids") or []
    state.stores.add(store)
    for number, file_id in enumerate(file_ids, 1):
        state.attach(store, file_id, given, now, now + state.processing_seconds * number / len(file_ids))
    return store.json(now)


def update(state: State, store_id: str, body: JSON) -> JSON:
    """POST /vector_stores/{vector_store_id}."""
    given = STORE_UPDATE.read(body)
    store = state.store(store_id)
    now = state.clock()
    if "name" in given:
        given["name"] = given["name"] or ""
    changed = replace(store, last_active_at=now, **given)
    state.stores.add(changed)
    return changed.json(now)


def delete(state: State, store_id: str) -> JSON:
    """DELETE /vector_stores/{vector_store_id}. The files remain, the batches do not."""
    state.delete_store(store_id)
    return {"id": store_id, "object": "vector_store.deleted", "deleted": True}
