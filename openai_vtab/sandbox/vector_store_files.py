"""Files in a vector store: attach, update and detach.

>>> attach(state, "vs_1", {"file_id": "file-1"})["status"]
'in_progress'

https://platform.openai.com/docs/api-reference/vector-stores-files
"""

from __future__ import annotations

from .objects import JSON
from .parameters import ATTACHMENT, ATTRIBUTES_UPDATE
from .state import State


def attach(state: State, store_id: str, body: JSON) -> JSON:
    """POST /vector_stores/{vector_store_id}/files."""
    given = ATTACHMENT.read(body)
    store = state.store(store_id)
    state.file(given["file_id"])
    now = state.clock()
    return state.attach(store, given["file_id"], given, now, now + state.processing_seconds).json(now)


def update(state: State, store_id: str, file_id: str, body: JSON) -> JSON:
    """POST /vector_stores/{vector_store_id}/files/{file_id}. Replaces all attributes."""
    given = ATTRIBUTES_UPDATE.read(body)
    file = state.store_file(store_id, file_id)
    file.replace_attributes(given["attributes"])
    return file.json(state.clock())


def detach(state: State, store_id: str, file_id: str) -> JSON:
    """DELETE /vector_stores/{vector_store_id}/files/{file_id}. The file itself remains."""
    state.detach(store_id, file_id)
    return {"id": file_id, "object": "vector_store.file.deleted", "deleted": True}
