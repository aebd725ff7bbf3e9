"""What contains files: vector stores and file batches, each with its JSON and its counts.

>>> batch.json(now=1_700_000_000.0)["file_counts"]["total"]
2

https://platform.openai.com/docs/api-reference/vector-stores
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from .collection import Collection
from .objects import JSON, STATUSES, VectorStoreFile

SECONDS_PER_DAY = 86400


class StatusCounts:
    """The number of files in each status.

    A file's final status is counted once. Each look asks only the files that were in progress at the look before.
    """

    def __init__(self, files: Iterable[VectorStoreFile] = ()) -> None:
        self._in_progress = set(files)
        self._finished = dict.fromkeys(STATUSES, 0)
        self._usage_bytes = 0

    def add(self, file: VectorStoreFile) -> None:
        """Count the file from now on."""
        self._in_progress.add(file)

    def remove(self, file: VectorStoreFile) -> None:
        """Count the file no longer."""
        if file in self._in_progress:
            self._in_progress.remove(file)
        else:
            self._count(file, -1)

    def json(self, now: float) -> JSON:
        """The API's file_counts."""
        self._look(now)
        counts = {**self._finished, "in_progress": len(self._in_progress)}
        return {**counts, "total": sum(counts.values())}

    def usage_bytes(self, now: float) -> int:
        """The size of the completed files."""
        self._look(now)
        return self._usage_bytes

    def _look(self, now: float) -> None:
        for file in [file for file in self._in_progress if file.status(now) != "in_progress"]:
            self._in_progress.remove(file)
            self._count(file, 1)

    def _count(self, file: VectorStoreFile, change: int) -> None:
        """Count a file whose status is final."""
        status = file.status(file.done_at)
        self._finished[status] += change
        if status == "completed":
            self._usage_bytes += change * file.usage_bytes


class AttachedFiles(Collection[VectorStoreFile]):
    """The files of a vector store, with their counts."""

    def __init__(self) -> None:
        self.counts = StatusCounts()
        super().__init__()

    def add(self, item: VectorStoreFile) -> None:
        """Add the file, in place of an earlier one with its id."""
        super().add(item)
        self.counts.add(item)

    def remove(self, id: str) -> VectorStoreFile:
        """Remove the file, and return it. Raises KeyError if there is none."""
        file = super().remove(id)
        self.counts.remove(file)
        return file


@dataclass(eq=False)
class FileBatch:
    """The files that one request attached: a file that it names twice counts twice, and is listed once.

    A `fixed_status` does not follow the files' statuses.
    """

    id: str
    store_id: str
    created_at: float
    files: list[VectorStoreFile]
    fixed_status: str | None = None
    cancelled: bool = False
    listed: Collection[VectorStoreFile] = field(init=False)
    counts: StatusCounts = field(init=False)

    def __post_init__(self) -> None:
        self.listed = Collection(self.files)
        self.counts = StatusCounts(self.files)

    def status(self, now: float) -> str:
        """One of STATUSES. A batch is completed even when files of it failed."""
        if self.fixed_status:
            return self.fixed_status
        if self.cancelled:
            return "cancelled"
        return "in_progress" if self.counts.json(now)["in_progress"] else "completed"

    def json(self, now: float) -> JSON:
        """The API's VectorStoreFileBatch object."""
        return {
            "id": self.id,
            "object": "vector_store.file_batch",
            "created_at": int(self.created_at),
            "vector_store_id": self.store_id,
            "status": self.status(now),
            "file_counts": self.counts.json(now),
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


@dataclass(eq=False)
class VectorStore:
    """A vector store. It expires `expires_after["days"]` days after it was last used."""

    id: str
    name: str
    created_at: float
    last_active_at: float
    description: str | None = None
    metadata: JSON | None = None
    expires_after: JSON | None = None
    files: AttachedFiles = field(default_factory=AttachedFiles)

    def json(self, now: float) -> JSON:
        """The API's VectorStore object."""
        expires_at = self.expires_after and int(self.last_active_at) + self.expires_after["days"] * SECONDS_PER_DAY
        counts = self.files.counts.json(now)
        status = "in_progress" if counts["in_progress"] else "completed"
        found = {
            "id": self.id,
            "object": "vector_store",
            "created_at": int(self.created_at),
            "name": self.name,
            "description": self.description,
            "usage_bytes": self.files.counts.usage_bytes(now),
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
        self.files.add(file)
        self.use(file.created_at)

    def use(self, now: float) -> None:
        """Record that the store was used, which postpones its expiry."""
        self.last_active_at = now
