"""Files: create and delete.

>>> create(state, "returns.md", b"text", "assistants")["id"]
'file-…'

https://platform.openai.com/docs/api-reference/files
"""

from __future__ import annotations

from .errors import ErrorResponse
from .multipart import Upload
from .objects import JSON, File
from .state import State, new_id

PURPOSES = ("fine-tune", "assistants", "batch", "user_data", "vision", "evals")


def upload(state: State, form: Upload) -> JSON:
    """POST /files. Refuses an unknown purpose and an empty file in the API's words."""
    if form.purpose not in PURPOSES:
        raise ErrorResponse(400, f"'{form.purpose}' is not one of {list(PURPOSES)} - 'purpose'", param="purpose")
    if not form.content:
        raise ErrorResponse(400, "File is empty.", param="file")
    return create(state, *form)


def create(
    state: State,
    filename: str,
    content: bytes,
    purpose: str,
    expires_after: JSON | None = None,
    *,
    id: str | None = None,
) -> JSON:
    """Add a file, of any purpose. The id is random unless given."""
    now = state.clock()
    expires_at = None if expires_after is None else int(now) + expires_after["seconds"]
    file = File(id or new_id("file-"), filename, content, purpose, now, expires_at)
    state.files.add(file)
    return file.json()


def delete(state: State, file_id: str) -> JSON:
    """DELETE /files/{file_id}. Vector stores list the file until it is detached, as observed with the API."""
    state.file(file_id)
    attached = [store for store in state.stores.values() if file_id in store.files]
    if attached and state.quirks.attached_file_is_not_deleted:
        message = f"File {file_id} is attached to vector store '{attached[0].id}' and cannot be deleted."
        raise ErrorResponse(409, message, param="file_id")
    if state.quirks.delete_detaches:
        for store in attached:
            store.files.remove(file_id)
    state.files.remove(file_id)
    return {"id": file_id, "object": "file", "deleted": True}
