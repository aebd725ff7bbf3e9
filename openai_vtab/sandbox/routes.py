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
    endpoint, ids = ROUTES.get((method, _pattern(segments))), list(segments[1::2])
    return None if endpoint is None or "" in ids else (endpoint, ids)


def has_path(segments: Sequence[str]) -> bool:
    """Whether any method has a route with this path."""
    return "" not in segments and any(pattern == _pattern(segments) for _, pattern in ROUTES)


def _pattern(segments: Sequence[str]) -> str:
    """The path with a "*" for each id: every second segment is one."""
    return "/".join("*" if place % 2 else segment for place, segment in enumerate(segments))
