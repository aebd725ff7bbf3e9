"""What the sandbox keeps: files, vector stores, what is attached to them, and batches.

Nothing moves by itself: what a file's state is, is computed from the clock when somebody asks. This file must not
know HTTP: it takes and gives the API's JSON, and raises `Refusal` where the API would answer with an error.

>>> state = State(processing_seconds=2.0)
>>> store = state.create_store({"name": "handbook"})["id"]

https://platform.openai.com/docs/api-reference/vector-stores
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, TypeVar

JSON = dict[str, Any]

UNSUPPORTED = frozenset({".csv", ".xlsx", ".xls", ".png", ".jpg", ".gif", ".zip", ".mp3", ".mp4", ".exe", ".bin"})
STATUSES = ("in_progress", "completed", "failed", "cancelled")
AUTO = {"type": "static", "static": {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400}}
FILES_PER_BATCH, FILES_PER_STORE_CREATE, MAX_PAIRS = 2000, 500, 16

T = TypeVar("T", "File", "Store", "Attachment")


class Refusal(Exception):  # noqa: N818 - an answer, not a fault of this program
    """What the API answers with an error status."""

    def __init__(self, status: int, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code


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
        answer = {
            "id": self.id,
            "object": "file",
            "bytes": len(self.content),
            "created_at": int(self.created_at),
            "filename": self.filename,
            "purpose": self.purpose,
            "status": "processed",
        }
        return answer if self.expires_at is None else {**answer, "expires_at": self.expires_at}


@dataclass
class Attachment:
    """A file in a vector store: in progress until `done_at`, then completed, or failed with `error`."""

    id: str  # the file's
    store_id: str
    created_at: float
    done_at: float
    usage_bytes: int
    error: JSON | None
    attributes: JSON | None
    chunking_strategy: JSON
    cancelled_at: float | None = None

    def status(self, now: float) -> str:
        """One of the four statuses."""
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


@dataclass
class Batch:
    """Files attached in one request. A `fixed` status does not follow the files."""

    id: str
    store_id: str
    created_at: float
    files: list[Attachment]
    fixed: str | None = None
    cancelled: bool = False

    def status(self, now: float) -> str:
        """One of the four statuses; completed also when files failed."""
        if self.fixed:
            return self.fixed
        if self.cancelled:
            return "cancelled"
        return "in_progress" if any(f.status(now) == "in_progress" for f in self.files) else "completed"

    def json(self, now: float) -> JSON:
        """The API's VectorStoreFileBatch object."""
        return {
            "id": self.id,
            "object": "vector_store.file_batch",
            "created_at": int(self.created_at),
            "vector_store_id": self.store_id,
            "status": self.status(now),
            "file_counts": counts(self.files, now),
        }


@dataclass
class Store:
    """A vector store."""

    id: str
    name: str
    created_at: float
    last_active_at: float
    description: str | None = None
    metadata: JSON | None = None
    expires_after: JSON | None = None
    files: dict[str, Attachment] = field(default_factory=dict)

    def json(self, now: float) -> JSON:
        """The API's VectorStore object."""
        files = list(self.files.values())
        expires = self.expires_after and int(self.last_active_at) + self.expires_after["days"] * 86400
        file_counts = counts(files, now)
        status = "in_progress" if file_counts["in_progress"] else "completed"
        answer = {
            "id": self.id,
            "object": "vector_store",
            "created_at": int(self.created_at),
            "name": self.name,
            "description": self.description,
            "usage_bytes": sum(f.usage_bytes for f in files if f.status(now) == "completed"),
            "file_counts": file_counts,
            "status": "expired" if expires and now > expires else status,
            "last_active_at": int(self.last_active_at),
            "metadata": self.metadata or {},
        }
        if self.expires_after:
            answer |= {"expires_after": self.expires_after, "expires_at": expires}
        return answer


def counts(files: Iterable[Attachment], now: float) -> JSON:
    """How many files are in which status, and how many there are."""
    tally = dict.fromkeys(("in_progress", "completed", "failed", "cancelled"), 0)
    total = 0
    for attachment in files:
        tally[attachment.status(now)] += 1
        total += 1
    return {**tally, "total": total}


class State:
    """Everything, behind one lock."""

    def __init__(self, processing_seconds: float = 2.0, clock: Callable[[], float] = time.time) -> None:
        self.processing_seconds = processing_seconds
        self.clock = clock
        self.lock = threading.RLock()
        self.files: dict[str, File] = {}
        self.stores: dict[str, Store] = {}
        self.batches: dict[tuple[str, str], Batch] = {}
        self.batch_prefix = "vsfb_"

    # files

    def create_file(
        self, filename: str, content: bytes, purpose: str, expires_after: JSON | None = None, id: str | None = None
    ) -> JSON:
        """POST /files."""
        with self.lock:
            now = self.clock()
            expires_at = None
            if expires_after is not None:
                seconds = expires_after.get("seconds")
                if expires_after.get("anchor") != "created_at" or not isinstance(seconds, int):
                    raise _invalid("expires_after", "Expected an object with anchor 'created_at' and seconds.")
                if not 3600 <= seconds <= 2592000:
                    raise _invalid("expires_after.seconds", "Expected a value between 3600 and 2592000.")
                expires_at = int(now) + seconds
            file = File(id or _new("file-"), filename, content, purpose, now, expires_at)
            self.files[file.id] = file
            return file.json()

    def file(self, file_id: str) -> File:
        """The file, or the API's 404."""
        if file_id not in self.files:
            raise Refusal(404, f"No such File object: {file_id}", param="id")
        return self.files[file_id]

    def delete_file(self, file_id: str) -> JSON:
        """DELETE /files/{file_id}. As observed, the stores go on listing it until it is detached."""
        with self.lock:
            del self.files[self.file(file_id).id]
            return {"id": file_id, "object": "file", "deleted": True}

    # vector stores

    def create_store(self, body: JSON, id: str | None = None) -> JSON:
        """POST /vector_stores."""
        _known(body, {"name", "description", "file_ids", "chunking_strategy", "expires_after", "metadata"})
        with self.lock:
            now = self.clock()
            if "chunking_strategy" in body and "file_ids" not in body:
                raise _invalid("chunking_strategy", "It is only applicable if 'file_ids' is not empty.")
            store = Store(
                id or _new("vs_"),
                _text(body, "name") or "",
                now,
                now,
                _text(body, "description"),
                _metadata(body.get("metadata")),
                _expires_after(body.get("expires_after")),
            )
            file_ids = body.get("file_ids")
            if file_ids is not None:
                _array("file_ids", file_ids, FILES_PER_STORE_CREATE, least=0)
            self.stores[store.id] = store
            for index, file_id in enumerate(file_ids or ()):
                self._attach(store, file_id, None, body.get("chunking_strategy"), index + 1, len(file_ids or ()))
            return store.json(now)

    def store(self, store_id: str) -> Store:
        """The store, or the API's 404."""
        if store_id not in self.stores:
            raise Refusal(404, f"No vector store found with id '{store_id}'.", param="vector_store_id")
        return self.stores[store_id]

    def update_store(self, store_id: str, body: JSON) -> JSON:
        """POST /vector_stores/{vector_store_id}."""
        _known(body, {"name", "expires_after", "metadata"})
        with self.lock:
            store = self.store(store_id)
            if "name" in body:
                store.name = _text(body, "name") or ""
            if "expires_after" in body:
                store.expires_after = _expires_after(body["expires_after"])
            if "metadata" in body:
                store.metadata = _metadata(body["metadata"])
            store.last_active_at = self.clock()
            return store.json(self.clock())

    def delete_store(self, store_id: str) -> JSON:
        """DELETE /vector_stores/{vector_store_id}: the files stay."""
        with self.lock:
            del self.stores[self.store(store_id).id]
            for key in [key for key in self.batches if key[0] == store_id]:
                del self.batches[key]
            return {"id": store_id, "object": "vector_store.deleted", "deleted": True}

    # files of a vector store

    def attach(self, store_id: str, body: JSON) -> JSON:
        """POST /vector_stores/{vector_store_id}/files."""
        _known(body, {"file_id", "attributes", "chunking_strategy"})
        with self.lock:
            store = self.store(store_id)
            file_id = _text(body, "file_id")
            if file_id is None:
                raise Refusal(400, "Missing required parameter: 'file_id'.", param="file_id", code="missing_parameter")
            self.file(file_id)
            attachment = self._attach(store, file_id, body.get("attributes"), body.get("chunking_strategy"), 1, 1)
            return attachment.json(self.clock())

    def attachment(self, store_id: str, file_id: str) -> Attachment:
        """The file in the store, or the API's 404."""
        files = self.store(store_id).files
        if file_id not in files:
            raise Refusal(404, f"No file found with id '{file_id}' in vector store '{store_id}'.", param="file_id")
        return files[file_id]

    def update_attachment(self, store_id: str, file_id: str, body: JSON) -> JSON:
        """POST /vector_stores/{vector_store_id}/files/{file_id}: replaces the attributes."""
        _known(body, {"attributes"})
        with self.lock:
            attachment = self.attachment(store_id, file_id)
            if "attributes" not in body:
                raise Refusal(400, "Missing required parameter: 'attributes'.", param="attributes")
            attachment.attributes = _attributes(body["attributes"])
            return attachment.json(self.clock())

    def detach(self, store_id: str, file_id: str) -> JSON:
        """DELETE /vector_stores/{vector_store_id}/files/{file_id}: the file itself stays."""
        with self.lock:
            self.attachment(store_id, file_id)
            del self.stores[store_id].files[file_id]
            return {"id": file_id, "object": "vector_store.file.deleted", "deleted": True}

    # batches

    def create_batch(
        self,
        store_id: str,
        body: JSON,
        *,
        id: str | None = None,
        status: str | None = None,
        processing_seconds: float | None = None,
        created_at: float | None = None,
    ) -> JSON:
        """POST /vector_stores/{vector_store_id}/file_batches. A file that does not exist becomes a failed one."""
        _known(body, {"file_ids", "files", "attributes", "chunking_strategy"})
        with self.lock:
            store = self.store(store_id)
            if ("file_ids" in body) == ("files" in body):
                problem = "Exactly one of 'file_ids' and 'files' must be given."
                raise Refusal(400, problem, param="file_ids", code="missing_parameter")
            if "file_ids" in body:
                _array("file_ids", body["file_ids"], FILES_PER_BATCH)
                shared = {"attributes": body.get("attributes"), "chunking_strategy": body.get("chunking_strategy")}
                items = [{"file_id": file_id, **shared} for file_id in body["file_ids"]]
            else:
                # as the real API does, the attributes and the strategy beside `files` are ignored
                items = _array("files", body["files"], FILES_PER_BATCH)
            for index, item in enumerate(items):
                if not isinstance(item, dict) or not isinstance(item.get("file_id"), str):
                    raise _invalid(f"file_ids[{index}]", "Expected an ID that begins with 'file-'.")
                _known(item, {"file_id", "attributes", "chunking_strategy"})
                _attributes(item.get("attributes"))
                _chunking(item.get("chunking_strategy"))
            attachments = [
                self._attach(
                    store,
                    item["file_id"],
                    item.get("attributes"),
                    item.get("chunking_strategy"),
                    index + 1,
                    len(items),
                    processing_seconds,
                    created_at,
                )
                for index, item in enumerate(items)
            ]
            now = self.clock()
            batch = Batch(id or _new(self.batch_prefix), store_id, created_at or now, attachments, status)
            self.batches[store_id, batch.id] = batch
            return batch.json(now)

    def batch(self, store_id: str, batch_id: str) -> Batch:
        """The batch, or the API's error."""
        if (store_id, batch_id) not in self.batches:
            self.store(store_id)
            if self.batch_prefix == "vsfb_" and not batch_id.startswith("vsfb_"):
                raise Refusal(
                    400,
                    f"Invalid 'batch_id': '{batch_id}'. Expected an ID that begins with 'vsfb_'.",
                    param="batch_id",
                    code="invalid_value",
                )
            raise Refusal(404, f"No file batch found with id '{batch_id}' in vector store '{store_id}'.")
        return self.batches[store_id, batch_id]

    def cancel_batch(self, store_id: str, batch_id: str) -> JSON:
        """POST …/cancel: asynchronous, the answer still says in_progress."""
        with self.lock:
            batch = self.batch(store_id, batch_id)
            now = self.clock()
            answer = batch.json(now)
            if answer["status"] == "cancelled":
                return answer
            if answer["status"] != "in_progress":
                raise Refusal(400, f"Batch '{batch_id}' is {answer['status']} and cannot be cancelled.")
            batch.cancelled = True
            batch.fixed = None
            for attachment in batch.files:
                if attachment.status(now) == "in_progress":
                    attachment.cancelled_at = now
            return answer

    def finish(self) -> None:
        """Everything that is in progress is done now."""
        with self.lock:
            now = self.clock()
            for batch in self.batches.values():
                batch.fixed = None if batch.fixed == "in_progress" else batch.fixed
                for attachment in batch.files:
                    attachment.done_at = min(attachment.done_at, now)
            for store in self.stores.values():
                for attachment in store.files.values():
                    attachment.done_at = min(attachment.done_at, now)

    def _attach(
        self,
        store: Store,
        file_id: str,
        attributes: JSON | None,
        chunking_strategy: JSON | None,
        number: int,
        of: int,
        processing_seconds: float | None = None,
        created_at: float | None = None,
    ) -> Attachment:
        """Attach a file; the `number`-th of `of` files is done in turn."""
        begin = created_at or self.clock()
        seconds = self.processing_seconds if processing_seconds is None else processing_seconds
        file = self.files.get(file_id)
        error = None
        if file is None:
            error = {"code": "invalid_file", "message": f"The file '{file_id}' does not exist."}
        elif PurePosixPath(file.filename).suffix.lower() in UNSUPPORTED:
            error = {"code": "unsupported_file", "message": "The file type is not supported."}
        attachment = Attachment(
            file_id,
            store.id,
            begin,
            begin + seconds * number / of,
            len(file.content) if file else 0,
            error,
            _attributes(attributes),
            _chunking(chunking_strategy),
        )
        store.files[file_id] = attachment
        store.last_active_at = begin
        return attachment


def page(
    items: list[T], query: Mapping[str, str], to_json: Callable[[T], JSON], most: int, default: int, loose: bool = False
) -> JSON:
    """A page of a list: limit, order, after, before as the API has them. `loose`: an unknown cursor is page one."""
    try:
        limit = int(query.get("limit", default))
    except ValueError:
        raise _invalid("limit", "Expected an integer.") from None
    if not 1 <= limit <= most:
        raise _invalid("limit", f"Expected a value between 1 and {most}.")
    order = query.get("order", "desc")
    if order not in ("asc", "desc"):
        raise _invalid("order", "Expected 'asc' or 'desc'.")
    ordered = sorted(items, key=lambda item: (item.created_at, item.id), reverse=order == "desc")
    ids = [item.id for item in ordered]
    for name in ("after", "before"):
        if name in query and query[name] not in ids:
            if not loose:
                raise _invalid(name, f"'{query[name]}' is not in the list.")
            query = {key: value for key, value in query.items() if key != name}
    begin = ids.index(query["after"]) + 1 if "after" in query else 0
    end = ids.index(query["before"]) if "before" in query else len(ids)
    if "before" in query and "after" not in query:
        chosen = ordered[max(0, end - limit) : end]
        more = end > limit
    else:
        chosen = ordered[begin:end][:limit]
        more = len(ordered[begin:end]) > limit
    return {
        "object": "list",
        "data": [to_json(item) for item in chosen],
        "first_id": chosen[0].id if chosen else None,
        "last_id": chosen[-1].id if chosen else None,
        "has_more": more,
    }


def _new(prefix: str) -> str:
    return prefix + secrets.token_hex(16)


def _invalid(param: str, problem: str) -> Refusal:
    return Refusal(400, f"Invalid '{param}': {problem}", param=param, code="invalid_value")


def _known(body: Mapping[str, Any], names: set[str]) -> None:
    for name in body:
        if name not in names:
            raise Refusal(400, f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")


def _text(body: Mapping[str, Any], name: str) -> str | None:
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise Refusal(400, f"Invalid type for '{name}': expected a string.", param=name, code="invalid_type")
    return value


def _array(name: str, value: object, most: int, least: int = 1) -> list[Any]:
    if not isinstance(value, list):
        raise Refusal(400, f"Invalid type for '{name}': expected an array.", param=name, code="invalid_type")
    if len(value) > most:
        raise Refusal(
            400,
            f"Invalid '{name}': array too long. Expected an array with maximum length {most}, but got an array with "
            f"length {len(value)} instead.",
            param=name,
            code="array_above_max_length",
        )
    if len(value) < least:
        raise Refusal(
            400,
            f"Invalid '{name}': empty array. Expected an array with minimum length {least}, but got an empty array "
            "instead.",
            param=name,
            code="empty_array",
        )
    return value


def _attributes(value: object) -> JSON | None:
    if value is None:
        return None
    if not isinstance(value, dict) or len(value) > MAX_PAIRS:
        raise _invalid("attributes", f"Expected an object with at most {MAX_PAIRS} properties.")
    for key, item in value.items():
        if len(key) > 64 or not isinstance(item, (str, int, float)) or (isinstance(item, str) and len(item) > 512):
            raise _invalid(f"attributes.{key}", "Expected a key of 64, a value of 512 characters at most.")
    return value


def _metadata(value: object) -> JSON | None:
    checked = _attributes(value)
    if checked and not all(isinstance(item, str) for item in checked.values()):
        raise _invalid("metadata", "Expected strings.")
    return checked


def _expires_after(value: object) -> JSON | None:
    if value is None:
        return None
    if not isinstance(value, dict) or value.get("anchor") != "last_active_at" or not isinstance(value.get("days"), int):
        raise _invalid("expires_after", "Expected an object with anchor 'last_active_at' and days.")
    if not 1 <= value["days"] <= 365:
        raise _invalid("expires_after.days", "Expected a value between 1 and 365.")
    return value


def _chunking(value: object) -> JSON:
    if value is None or value == {"type": "auto"}:
        return AUTO
    static = value.get("static") if isinstance(value, dict) and value.get("type") == "static" else None
    if not isinstance(static, dict) or set(static) != {"max_chunk_size_tokens", "chunk_overlap_tokens"}:
        raise _invalid("chunking_strategy", f"{json.dumps(value)} is not a strategy.")
    size, overlap = static["max_chunk_size_tokens"], static["chunk_overlap_tokens"]
    if not isinstance(size, int) or not 100 <= size <= 4096:
        raise _invalid("chunking_strategy.static.max_chunk_size_tokens", "Expected a value between 100 and 4096.")
    if not isinstance(overlap, int) or not 0 <= overlap <= size // 2:
        raise _invalid("chunking_strategy.static.chunk_overlap_tokens", "Expected at most half of the chunk size.")
    return {"type": "static", "static": static}
