"""Files in a vector store: attach, update and detach.

>>> attach(state, "vs_1", {"file_id": "file-1"})["status"]
'in_progress'

https://platform.openai.com/docs/api-reference/vector-stores-files
"""

from __future__ import annotations

from .errors import ErrorResponse, missing
from .objects import JSON
from .state import State
from .validation import attributes, check_names, text


def attach(state: State, store_id: str, body: JSON) -> JSON:
    """POST /vector_stores/{vector_store_id}/files."""
    check_names(body, {"file_id", "attributes", "chunking_strategy"})
    store = state.store(store_id)
    file_id = text(body, "file_id")
    if file_id is None:
        raise missing("file_id")
    state.file(file_id)
    now = state.clock()
    return state.attach(store, file_id, body, now, now + state.processing_seconds).json(now)


def update(state: State, store_id: str, file_id: str, body: JSON) -> JSON:
    """POST /vector_stores/{vector_store_id}/files/{file_id}. Replaces all attributes."""
    check_names(body, {"attributes"})
    file = state.store_file(store_id, file_id)
    if "attributes" not in body:
        raise ErrorResponse(400, "Missing required parameter: 'attributes'.", param="attributes")
    file.replace_attributes(attributes(body["attributes"]))
    return file.json(state.clock())


def detach(state: State, store_id: str, file_id: str) -> JSON:
    """DELETE /vector_stores/{vector_store_id}/files/{file_id}. The file itself remains."""
    state.detach(store_id, file_id)
    return {"id": file_id, "object": "vector_store.file.deleted", "deleted": True}
