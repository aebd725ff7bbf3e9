"""What the server says of files, of vector stores that contain them, and of searches.

It must not know HTTP but for the bodies of requests. The id of a file follows from its name and its content, so that
a file that was mixed up or cut short is noticed. The files of batches are remembered, nothing else.

>>> Files().uploaded(("a.md", 2000, 0x1b2c3d4e))["id"]
'file-a-1b2c3d4e'
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

Object = dict[str, Any]
Received = tuple[str, int, int]  # filename, bytes and CRC-32 of the content

CREATED_AT = 1_700_000_000
HITS = 10  # of each search
FILES = 1000  # file-0 … file-999 are found by searches
_FILENAME = re.compile(rb'filename="([^"]*)"')


@dataclass
class Files:
    """The answers. batches: the ids of the files of each batch."""

    batches: dict[str, list[str]] = field(default_factory=dict)
    places: dict[str, dict[str, int]] = field(default_factory=dict)  # of the files in batches that were listed

    def uploaded(self, received: Received) -> Object:
        """POST /files."""
        name, size, _ = received
        return {
            "id": file_id(received),
            "object": "file",
            "bytes": size,
            "created_at": CREATED_AT,
            "filename": name,
            "purpose": "assistants",
            "status": "processed",
        }

    def listed(self, store: str, batch: str, limit: int, after: str | None) -> Object:
        """GET …/file_batches/{batch}/files."""
        ids = self.batches[batch]
        first = self._places(batch, ids)[after] + 1 if after else 0
        page = ids[first : first + limit]
        return {
            "object": "list",
            "data": [self.attached(store, each) for each in page],
            "first_id": page[0] if page else None,
            "last_id": page[-1] if page else None,
            "has_more": first + limit < len(ids),
        }

    def _places(self, batch: str, ids: list[str]) -> dict[str, int]:
        """The place of each file in a batch; looking through the list for each page would take quadratic time."""
        if len(self.places.get(batch, ())) != len(ids):
            self.places[batch] = {each: place for place, each in enumerate(ids)}
        return self.places[batch]

    @staticmethod
    def attached(store: str, each: str) -> Object:
        """GET /vector_stores/{store}/files/{file}."""
        return {
            "id": each,
            "object": "vector_store.file",
            "created_at": CREATED_AT,
            "vector_store_id": store,
            "status": "completed",
            "last_error": None,
            "usage_bytes": 2000,
            "attributes": {},
        }

    @staticmethod
    def deleted(kind: str, each: str) -> Object:
        """DELETE of a file, or of its place in a vector store."""
        return {"id": each, "object": f"{kind}.deleted", "deleted": True}

    @staticmethod
    def found(query: str) -> Object:
        """POST /vector_stores/{store}/search."""
        return {
            "object": "vector_store.search_results.page",
            "search_query": [query],
            "data": hits(query),
            "has_more": False,
            "next_page": None,
        }


def file_id(received: Received) -> str:
    """The id of a file that was uploaded."""
    name, _, checksum = received
    return f"file-{name.partition('.')[0]}-{checksum:08x}"


def hits(query: str) -> list[Object]:
    """What a search finds, best first."""
    first = crc32(query.encode())
    return [
        {
            "file_id": f"file-{(first + rank) % FILES}",
            "filename": f"{(first + rank) % FILES}.md",
            "score": 1 - rank / 100,
            "attributes": {},
            "content": [{"type": "text", "text": f"{query}: passage {rank}"}],
        }
        for rank in range(HITS)
    ]


def received(content_type: str, body: bytes) -> Received:
    """The file in a form."""
    boundary = b"--" + content_type.partition("boundary=")[2].strip('"').encode()
    for part in body.split(boundary):
        head, _, content = part.partition(b"\r\n\r\n")
        if name := _FILENAME.search(head):
            content = content[:-2]  # a line break stands before the next boundary
            return name[1].decode(), len(content), crc32(content)
    raise ValueError("the form has no file")


def file_name(beginning: bytes) -> str:
    """The name of the file in a form that begins so."""
    name = _FILENAME.search(beginning)
    if name is None:
        raise ValueError("the form has no file")
    return name[1].decode()
