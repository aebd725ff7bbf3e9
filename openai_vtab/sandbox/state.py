"""The sandbox's data: files, vector stores and file batches, found by id or reported as the API's 404.

Functions that take a State expect its lock to be held by the caller.

>>> state = State(processing_seconds=2.0)
>>> state.store("vs_1")
Traceback (most recent call last):
openai_vtab.sandbox.errors.ErrorResponse: No vector store found with id 'vs_1'.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from . import parsing
from .collection import Collection
from .containers import FileBatch, VectorStore
from .errors import ErrorResponse, invalid
from .index import Hit, SearchIndex
from .objects import JSON, File, VectorStoreFile
from .quirks import Quirks

BATCH_PREFIX = "vsfb_"
AUTO_CHUNKING = {"type": "static", "static": {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400}}


class Processing(NamedTuple):
    """How a file is processed when it is attached: for how long, and the last_error that it ends with.

    None for the seconds stands for the usual time, and None for the error for what follows from the file.
    """

    seconds: float | None = None
    error: JSON | None = None


AS_USUAL = Processing()


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
        self.files: Collection[File] = Collection()
        self.stores: Collection[VectorStore] = Collection()
        self.processing: dict[str, Processing] = {}  # by the file's id or name
        self._index: SearchIndex | None = None  # until the first search
        self.batches: dict[tuple[str, str], FileBatch] = {}  # by store id and batch id

    def file(self, file_id: str) -> File:
        """The file. Raises the API's 404 if there is none."""
        file = self._visible_file(file_id)
        if file is None:
            _check_id(file_id, "file_id")
            raise ErrorResponse(404, f"No such File object: {file_id}", param="id")
        return file

    def _visible_file(self, file_id: str) -> File | None:
        """The file. None if there is none, or if a quirk hides it because it is new."""
        file = self.files.get(file_id)
        if file is not None and self._is_new(file.created_at, self.quirks.file_not_found_after_upload_seconds):
            return None
        return file

    def _is_new(self, created_at: float, seconds: float) -> bool:
        return seconds > 0 and self.clock() < created_at + seconds

    def store(self, store_id: str) -> VectorStore:
        """The vector store. Raises the API's 404 if there is none."""
        if store_id not in self.stores:
            _check_id(store_id, "vector_store_id")
            raise ErrorResponse(404, f"No vector store found with id '{store_id}'.", param="vector_store_id")
        return self.stores[store_id]

    def store_file(self, store_id: str, file_id: str) -> VectorStoreFile:
        """The file in the vector store. Raises the API's 404 if there is none."""
        file = self.store(store_id).files.get(file_id)
        if file is None or self._is_new(file.created_at, self.quirks.file_not_found_after_attach_seconds):
            _check_id(file_id, "file_id")
            message = f"No file found with id '{file_id}' in vector store '{store_id}'."
            raise ErrorResponse(404, message, param="file_id")
        return file

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
        """Attach a file with the `given` attributes and chunking_strategy. An unknown or unsupported file will fail.

        A file that is attached already stays so once: it is processed again, with what is given now. The API's
        documentation says nothing of this case.
        """
        file = self._visible_file(file_id)
        if file is None:
            error: JSON | None = {"code": "invalid_file", "message": f"The file '{file_id}' does not exist."}
        else:
            error = parsing.problem(file.filename, file.content)
        chosen = self._processing_of(file_id)
        attached = VectorStoreFile(
            file_id,
            store.id,
            created_at,
            done_at if chosen.seconds is None else created_at + chosen.seconds,
            len(file.content) if file else 0,
            chosen.error or error,
            given.get("attributes"),
            _static(given.get("chunking_strategy")),
        )
        store.attach(attached)
        return attached

    def _processing_of(self, file_id: str) -> Processing:
        by_id, file = self.processing.get(file_id), self.files.get(file_id)
        return by_id or (self.processing.get(file.filename) if file else None) or AS_USUAL

    def detach(self, store_id: str, file_id: str) -> None:
        """Take the file out of the vector store. Raises the API's 404 if it is not there."""
        self.store_file(store_id, file_id)
        stores = self.stores.values() if self.quirks.detach_from_all_stores else [self.store(store_id)]
        for store in stores:
            if file_id in store.files:
                store.files.remove(file_id)

    def search(self, store: VectorStore, queries: Sequence[str]) -> Iterator[Hit]:
        """The passages of the store's completed files that have any word of a query, the best first."""
        if self._index is None:
            self._index = SearchIndex()
        return self._index.search(store, queries, self._text, self.clock())

    def _text(self, file_id: str) -> str:
        """The text of a file. Empty if it was deleted before its first search."""
        file = self.files.get(file_id)
        return "" if file is None else parsing.text_of(file.filename, file.content) or ""

    def delete_store(self, store_id: str) -> None:
        """Delete the vector store and its batches. Its files remain."""
        self.stores.remove(self.store(store_id).id)
        if self._index is not None:
            self._index.forget(store_id)
        for key in [key for key in self.batches if key[0] == store_id]:
            del self.batches[key]

    def close(self) -> None:
        """Close the search index."""
        if self._index is not None:
            self._index.close()

    def finish(self, file: str | None = None) -> None:
        """Complete now whatever is in progress; only the file with an id or a name if that is given."""
        now = self.clock()
        if file is None:
            for batch in self.batches.values():
                batch.finish(now)
        for store in self.stores.values():
            for attached in store.files.values():
                uploaded = self.files.get(attached.id)
                if file in (None, attached.id, uploaded.filename if uploaded else None):
                    attached.finish(now)


def _check_id(id: str, param: str) -> None:
    """Raise the API's 400 for an id that no object can have."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+", id):
        expected = "an ID that contains letters, numbers, underscores, or dashes"
        raise invalid(param, f"'{id}'. Expected {expected}, but this value contained additional characters.")


def _static(strategy: JSON | None) -> JSON:
    """The static chunking strategy. None and "auto" are the API's default."""
    return AUTO_CHUNKING if strategy is None or strategy["type"] == "auto" else strategy


def new_id(prefix: str) -> str:
    """A random id with the API's prefix, such as "vs_"."""
    return prefix + secrets.token_hex(16)
