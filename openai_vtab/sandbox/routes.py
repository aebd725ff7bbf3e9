"""The API's routes: which endpoint a method and a path belong to.

>>> route("GET", ["files", "file-1"])
(<function get_file …>, ['file-1'])
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from . import endpoints
from .endpoints import Call
from .objects import JSON

Endpoint = Callable[[Call], JSON | bytes]

STORE, BATCH = "vector_stores/*", "vector_stores/*/file_batches/*"

# A "*" stands for an id.
ROUTES: dict[tuple[str, str], Endpoint] = {
    ("GET", "files"): endpoints.list_files,
    ("POST", "files"): endpoints.create_file,
    ("GET", "files/*"): endpoints.get_file,
    ("DELETE", "files/*"): endpoints.delete_file,
    ("GET", "files/*/content"): endpoints.get_file_content,
    ("GET", "vector_stores"): endpoints.list_stores,
    ("POST", "vector_stores"): endpoints.create_store,
    ("GET", STORE): endpoints.get_store,
    ("POST", STORE): endpoints.update_store,
    ("DELETE", STORE): endpoints.delete_store,
    ("POST", f"{STORE}/search"): endpoints.search_store,
    ("GET", f"{STORE}/files"): endpoints.list_store_files,
    ("POST", f"{STORE}/files"): endpoints.attach_file,
    ("GET", f"{STORE}/files/*"): endpoints.get_store_file,
    ("POST", f"{STORE}/files/*"): endpoints.update_store_file,
    ("DELETE", f"{STORE}/files/*"): endpoints.detach_file,
    ("GET", f"{STORE}/files/*/content"): endpoints.get_store_file_content,
    ("POST", f"{STORE}/file_batches"): endpoints.create_batch,
    ("GET", BATCH): endpoints.get_batch,
    ("POST", f"{BATCH}/cancel"): endpoints.cancel_batch,
    ("GET", f"{BATCH}/files"): endpoints.list_batch_files,
}


def route(method: str, segments: Sequence[str]) -> tuple[Endpoint, list[str]] | None:
    """The endpoint and the ids in the path. None if no route has this method and path."""
    for (allowed, pattern), endpoint in ROUTES.items():
        if allowed == method and (ids := _ids(pattern, segments)) is not None:
            return endpoint, ids
    return None


def has_path(segments: Sequence[str]) -> bool:
    """Whether any method has a route with this path."""
    return any(_ids(pattern, segments) is not None for _, pattern in ROUTES)


def _ids(pattern: str, segments: Sequence[str]) -> list[str] | None:
    """The segments in the place of a "*". None if the path does not match the pattern."""
    parts = pattern.split("/")
    if len(parts) != len(segments) or any(
        part not in ("*", segment) for part, segment in zip(parts, segments, strict=True)
    ):
        return None
    return [segment for part, segment in zip(parts, segments, strict=True) if part == "*"]
