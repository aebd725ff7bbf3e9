"""The sandbox's data: files, vector stores and file batches, found by id or reported as the API's 404.

Functions that take a State expect its lock to be held by the caller.

>>> state = State(processing_seconds=2.0)
>>> state.store("vs_1")
Traceback (most recent call last):
openai_vtab.sandbox.errors.ErrorResponse: No vector store found with id 'vs_1'.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from pathlib import PurePosixPath

from .errors import ErrorResponse
from .objects import JSON, File, FileBatch, VectorStore, VectorStoreFile
from .quirks import Quirks
from .validation import attributes, chunking_strategy

BATCH_PREFIX = "vsfb_"
UNSUPPORTED = frozenset({".csv", ".xlsx", ".xls", ".png", ".jpg", ".gif", ".zip", ".mp3", ".mp4", ".exe", ".bin"})


class State:
    """All objects, and the lock that guards them. `clock` returns the time in Unix seconds."""

    def __init__(
        self,
        processing_seconds: float = 2.0,
        clock: Callable[[], float] = time.time,
        quirks: Quirks | None = None,
    ) -> None:
        self.processing_seconds = processing_seconds
        self.clock = clock
        self.quirks = quirks or Quirks()
        self.lock = threading.Lock()
        self.files: dict[str, File] = {}
        self.stores: dict[str, VectorStore] = {}
        self.batches: dict[tuple[str, str], FileBatch] = {}  # by store id and batch id

    def file(self, file_id: str) -> File:
        """The file. Raises the API's 404 if there is none."""
        if file_id not in self.files:
            raise ErrorResponse(404, f"No such File object: {file_id}", param="id")
        return self.files[file_id]

    def store(self, store_id: str) -> VectorStore:
        """The vector store. Raises the API's 404 if there is none."""
        if store_id not in self.stores:
            raise ErrorResponse(404, f"No vector store found with id '{store_id}'.", param="vector_store_id")
        return self.stores[store_id]

    def store_file(self, store_id: str, file_id: str) -> VectorStoreFile:
        """The file in the vector store. Raises the API's 404 if there is none."""
        files = self.store(store_id).files
        if file_id not in files:
            message = f"No file found with id '{file_id}' in vector store '{store_id}'."
            raise ErrorResponse(404, message, param="file_id")
        return files[file_id]

    def batch(self, store_id: str, batch_id: str) -> FileBatch:
        """The file batch. Raises the API's 404 if there is none, and its 400 for an id without the prefix."""
        if (store_id, batch_id) not in self.batches:
            self.store(store_id)
            if not self.quirks.batch_ids_without_prefix and not batch_id.startswith(BATCH_PREFIX):
                raise ErrorResponse(
                    400,
                    f"Invalid 'batch_id': '{batch_id}'. Expected an ID that begins with '{BATCH_PREFIX}'.",
                    param="batch_id",
                    code="invalid_value",
                )
            raise ErrorResponse(404, f"No file batch found with id '{batch_id}' in vector store '{store_id}'.")
        return self.batches[store_id, batch_id]

    def attach(
        self, store: VectorStore, file_id: str, given: JSON, created_at: float, done_at: float
    ) -> VectorStoreFile:
        """Attach a file with the `given` attributes and chunking_strategy. An unknown or unsupported file will fail."""
        file = self.files.get(file_id)
        error = None
        if file is None:
            error = {"code": "invalid_file", "message": f"The file '{file_id}' does not exist."}
        elif PurePosixPath(file.filename).suffix.lower() in UNSUPPORTED:
            error = {"code": "unsupported_file", "message": "The file type is not supported."}
        attached = VectorStoreFile(
            file_id,
            store.id,
            created_at,
            done_at,
            len(file.content) if file else 0,
            error,
            attributes(given.get("attributes")),
            chunking_strategy(given.get("chunking_strategy")),
        )
        store.attach(attached)
        return attached

    def finish(self) -> None:
        """Complete now whatever is in progress."""
        now = self.clock()
        for batch in self.batches.values():
            batch.finish(now)
        for store in self.stores.values():
            for file in store.files.values():
                file.finish(now)


def new_id(prefix: str) -> str:
    """A random id with the API's prefix, such as "vs_"."""
    return prefix + secrets.token_hex(16)
