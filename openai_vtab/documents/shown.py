"""The values that a documents table shows of a document and its newest file.

>>> status(document, file)
'completed'
"""

from __future__ import annotations

from typing import Any

from ..schema.decode import json_text
from ..schema.values import load_json
from .rows import Document, StoredFile
from .states import State

PENDING = "pending"
GONE = (
    "missing",
    "another program has taken the file out of the vector store; INSERT OR REPLACE the row to attach it again",
)


def status(document: Document, file: StoredFile | None) -> str:
    """Return the status: pending before COMMIT has sent everything."""
    if file is None or file.state in (State.WANTED, State.UPLOADED):
        return PENDING
    if file.state.is_attached and file.attributes != document.attributes:
        return PENDING
    # after a look, a file is unsure only while the API may not show yet that it was attached
    return str(State.IN_PROGRESS if file.state is State.UNSURE else file.state)


def last_error(file: StoredFile | None) -> tuple[str | None, str | None]:
    """Return the code and the message of what is wrong with the newest file, (None, None) if nothing is.

    For an unknown upload, unknown.advice() has written them into the file's answer.
    """
    if file is None or file.state not in (State.FAILED, State.CANCELLED, State.UNKNOWN, State.MISSING):
        return None, None
    if file.state is State.MISSING:
        return GONE
    error = _answer(file).get("last_error")
    if not isinstance(error, dict):
        return None, None
    code, message = (error.get(name) for name in ("code", "message"))
    return None if code is None else str(code), None if message is None else str(message)


def raw(document: Document, file: StoredFile | None) -> str | None:
    """Return the latest vector_store.file object with the key of its document, JSON; None before there is one."""
    if file is None or file.answer is None or not file.state.is_attached:
        return None
    return json_text({"key": document.key, **_answer(file), "status": str(file.state)})


def _answer(file: StoredFile) -> dict[str, Any]:
    try:
        found = load_json(file.answer or "null")
    except (ValueError, RecursionError):  # a shadow table that was edited by hand
        return {}
    return found if isinstance(found, dict) else {}
