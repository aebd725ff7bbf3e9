"""Files: create and delete.

>>> create(state, "returns.md", b"text", "assistants")["id"]
'file-…'

https://platform.openai.com/docs/api-reference/files
"""

from __future__ import annotations

from .objects import JSON, File
from .state import State, new_id
from .validation import file_expiry


def create(
    state: State,
    filename: str,
    content: bytes,
    purpose: str,
    expires_after: JSON | None = None,
    *,
    id: str | None = None,
) -> JSON:
    """POST /files. The id is random unless given."""
    now = state.clock()
    seconds = file_expiry(expires_after)
    expires_at = None if seconds is None else int(now) + seconds
    file = File(id or new_id("file-"), filename, content, purpose, now, expires_at)
    state.files[file.id] = file
    return file.json()


def delete(state: State, file_id: str) -> JSON:
    """DELETE /files/{file_id}. Vector stores list the file until it is detached, as observed with the API."""
    del state.files[state.file(file_id).id]
    return {"id": file_id, "object": "file", "deleted": True}
