"""The API's objects: files, vector stores, the files in them, and file batches, each with its JSON.

An object stores times, not statuses. Its status is computed from the time that the caller passes as `now`.

>>> batch.json(now=1_700_000_000.0)["status"]
'in_progress'

https://platform.openai.com/docs/api-reference/vector-stores
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

JSON = dict[str, Any]

STATUSES = ("in_progress", "completed", "failed", "cancelled")
SECONDS_PER_DAY = 86400


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


@dataclass
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
        """One of STATUSES."""
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


@dataclass
class FileBatch:
    """The files that one request attached. A `fixed_status` does not follow the files' statuses."""

    id: str
    store_id: str
    created_at: float
    files: list[VectorStoreFile]
    fixed_status: str | None = None
    cancelled: bool = False

    def status(self, now: float) -> str:
        """One of STATUSES. A batch is completed even when files of it failed."""
        if self.fixed_status:
            return self.fixed_status
        if self.cancelled:
            return "cancelled"
        return "in_progress" if any(file.status(now) == "in_progress" for file in self.files) else "completed"

    def json(self, now: float) -> JSON:
        """The API's VectorStoreFileBatch object."""
        return {
            "id": self.id,
            "object": "vector_store.file_batch",
            "created_at": int(self.created_at),
            "vector_store_id": self.store_id,
            "status": self.status(now),
            "file_counts": file_counts(self.files, now),
        }

    def cancel(self, now: float) -> None:
        """Cancel the batch and those of its files that are still in progress."""
        self.cancelled = True
        self.fixed_status = None
        for file in self.files:
            file.cancel(now)

    def finish(self, now: float) -> None:
        """Complete the batch now if it is still in progress."""
        self.fixed_status = None if self.fixed_status == "in_progress" else self.fixed_status
        for file in self.files:
            file.finish(now)


@dataclass
class VectorStore:
    """A vector store. It expires `expires_after["days"]` days after it was last used."""

    id: str
    name: str
    created_at: float
    last_active_at: float
    description: str | None = None
    metadata: JSON | None = None
    expires_after: JSON | None = None
    files: dict[str, VectorStoreFile] = field(default_factory=dict)

    def json(self, now: float) -> JSON:
        """The API's VectorStore object."""
        files = list(self.files.values())
        expires_at = self.expires_after and int(self.last_active_at) + self.expires_after["days"] * SECONDS_PER_DAY
        counts = file_counts(files, now)
        status = "in_progress" if counts["in_progress"] else "completed"
        found = {
            "id": self.id,
            "object": "vector_store",
            "created_at": int(self.created_at),
            "name": self.name,
            "description": self.description,
            "usage_bytes": sum(file.usage_bytes for file in files if file.status(now) == "completed"),
            "file_counts": counts,
            "status": "expired" if expires_at and now > expires_at else status,
            "last_active_at": int(self.last_active_at),
            "metadata": self.metadata or {},
        }
        if self.expires_after:
            found |= {"expires_after": self.expires_after, "expires_at": expires_at}
        return found

    def attach(self, file: VectorStoreFile) -> None:
        """Add the file, in place of an earlier one with its id. This is a use of the store."""
        self.files[file.id] = file
        self.use(file.created_at)

    def use(self, now: float) -> None:
        """Record that the store was used, which postpones its expiry."""
        self.last_active_at = now


def file_counts(files: Iterable[VectorStoreFile], now: float) -> JSON:
    """The number of files in each status, and their total."""
    counts = dict.fromkeys(STATUSES, 0)
    for file in files:
        counts[file.status(now)] += 1
    return {**counts, "total": sum(counts.values())}
