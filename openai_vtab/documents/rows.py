"""One row of a documents table's shadow tables: tuples, because thousands are made of a query's rows.

>>> Document(1, "docs/a.md", '{"lang":"en"}', None, "9f86d0…", 9, "a.md", None)
"""

from __future__ import annotations

from typing import NamedTuple

from .states import State

NO_ATTRIBUTES = "{}"
AS_ATTACHED = "null"  # of a document that adopts a file and names no attributes: COMMIT takes those that the file has


class Document(NamedTuple):
    """A document as the user wants it. `attributes` and `chunking` are canonical JSON, so equal values are equal texts.

    chunking: None stands for the API's default.
    stamp: JSON [size, mtime_ns, inode, looked_at] of the local file that the content was read from; else None.
    """

    id: int
    key: str
    attributes: str
    chunking: str | None
    sha256: str | None
    bytes: int | None
    filename: str | None
    stamp: str | None


class StoredFile(NamedTuple):
    """A file at OpenAI. `attributes` and `chunking` are what it was attached with.

    document: the id of its document; None when no document needs it.
    owned: 1 when the table has uploaded it; 0 when it was there before, so that it is never deleted.
    answer: the latest vector_store.file object, JSON; for a file that failed, it has the reason.
    version: how often the row was changed.
    """

    id: int
    document: int | None
    file_id: str | None
    sha256: str | None
    bytes: int | None
    filename: str | None
    owned: int
    state: State
    attributes: str | None
    chunking: str | None
    batch_id: str | None
    created_at: int | None
    attached_at: int | None
    answer: str | None
    intent: str | None
    version: int


Pair = tuple[Document, StoredFile]
