"""The API's files: uploaded ones, and those in a vector store, each with its JSON.

An object stores times, not statuses. Its status is computed from the time that the caller passes as `now`.

>>> attached.json(now=1_700_000_000.0)["status"]
'in_progress'

https://platform.openai.com/docs/api-reference/files
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

JSON = dict[str, Any]

STATUSES = ("in_progress", "completed", "failed", "cancelled")


@dataclass
class File:
    """An uploaded file."""

    id: str
    filename: str
    content: bytes
    purpose: str
    created_at: float
    expires_at: int | None = None

    def json(self) -> JSON:
        """The API's File object."""
        found = {
            "id": self.id,
            "object": "file",
            "bytes": len(self.content),
            "created_at": int(self.created_at),
            "filename": self.filename,
            "purpose": self.purpose,
            "status": "processed",
        }
        return found if self.expires_at is None else {**found, "expires_at": self.expires_at}


@dataclass(eq=False)
class VectorStoreFile:
    """A file in a vector store: in progress until `done_at`, then completed, or failed when it has an `error`."""

    id: str  # the file's id
    store_id: str
    created_at: float
    done_at: float
    usage_bytes: int
    error: JSON | None
    attributes: JSON | None
    chunking_strategy: JSON
    cancelled_at: float | None = None

    def status(self, now: float) -> str:
        """One of STATUSES. Only in_progress ever changes."""
        if self.cancelled_at is not None and self.cancelled_at < self.done_at:
            return "cancelled"
        if now < self.done_at:
            return "in_progress"
        return "failed" if self.error else "completed"

    def json(self, now: float) -> JSON:
        """The API's VectorStoreFile object."""
        status = self.status(now)
        return {
            "id": self.id,
            "object": "vector_store.file",
            "usage_bytes": self.usage_bytes if status == "completed" else 0,
            "created_at": int(self.created_at),
            "vector_store_id": self.store_id,
            "status": status,
            "last_error": self.error if status == "failed" else None,
            "chunking_strategy": self.chunking_strategy,
            "attributes": self.attributes or {},
        }

    def replace_attributes(self, attributes: JSON | None) -> None:
        """Replace all attributes."""
        self.attributes = attributes

    def cancel(self, now: float) -> None:
        """Cancel the file if it is still in progress."""
        if self.status(now) == "in_progress":
            self.cancelled_at = now

    def finish(self, now: float) -> None:
        """Complete or fail the file now if it is still in progress."""
        self.done_at = min(self.done_at, now)
