"""Attributes that are changed, the text of a file, and what remains after a detach and a delete."""

from __future__ import annotations

import json
from typing import Any

from ..prices import Cost
from ..question import Questions
from ..world import World, refusal
from .files import CONTENT

CHANGES = Questions()

UPDATE = "sandbox/objects.py: VectorStoreFile.replace_attributes; docs/reference/tables/vector_store_files.md"
DELETE = "sandbox/files.py: delete; docs/reliability.md"
DETACH = "sandbox/state.py: State.detach"
FILE = "/vector_stores/{store}/files/{warranty}"


def statuses(world: World, *operations: str) -> list[int]:
    """The status of each."""
    return [world.call(operation).status for operation in operations]


@CHANGES.ask(
    "Do new attributes replace the old, or are they merged?",
    "replaced",
    source="the sandbox; not documented",
    fix_in=UPDATE,
)
def attributes(world: World) -> Any:
    """UPDATE vector_store_files SET attributes without the old key"""
    where = "WHERE vector_store_id = ? AND file_id = ?"
    for given in ({"old": 1}, {"new": 2}):
        world.sql(
            f"UPDATE vector_store_files SET attributes = ? {where}",
            json.dumps(given),
            world["store"],
            world["warranty"],
        )
    found = world.get(f"GET {FILE}")["attributes"]
    return "replaced" if found == {"new": 2} else "merged" if "old" in found else found


@CHANGES.ask(
    "What are the attributes after an update to null?", {}, source="the sandbox; the schema allows it", fix_in=UPDATE
)
def null_attributes(world: World) -> Any:
    """POST …/files/{id} {"attributes": null}"""
    return world.get(f"POST {FILE}", {"attributes": None})["attributes"]


@CHANGES.ask(
    "Is the text of a file in a vector store what was uploaded?",
    {"object": "vector_store.file_content.page", "text": "as uploaded", "has_more": False},
    source="OpenAI's schema; its example has another form, and openai-node#1691 got 404",
    fix_in="sandbox/endpoints.py: get_store_file_content",
)
def text(world: World) -> Any:
    """GET …/files/{id}/content"""
    page = world.get(f"GET {FILE}/content")
    found = "".join(part["text"] for part in page["data"])
    return {
        "object": page["object"],
        "text": "as uploaded" if found == CONTENT["warranty.txt"] else found,
        "has_more": page["has_more"],
    }


@CHANGES.ask(
    "Does detaching a file from one store detach it from all?",
    {"there": 404, "elsewhere": 200, "file": 200},
    source="OpenAI's description; openai-node#1710 says from all",
    fix_in="sandbox/quirks.py: detach_from_all_stores; tables/vector_store_files.py; docs/reliability.md",
)
def detached(world: World) -> Any:
    """DELETE FROM vector_store_files of one of two stores that have the file"""
    world.sql(
        "DELETE FROM vector_store_files WHERE vector_store_id = ? AND file_id = ?", world["other"], world["warranty"]
    )
    found = statuses(world, "GET /vector_stores/{other}/files/{warranty}", f"GET {FILE}", "GET /files/{warranty}")
    return dict(zip(("there", "elsewhere", "file"), found, strict=True))


@CHANGES.ask(
    "Do the counts and the list of a batch keep a file that was detached?",
    {"total": 2, "listed": 1},
    source="the sandbox; not documented",
    fix_in="sandbox/containers.py: FileBatch",
)
def batch_after_detach(world: World) -> Any:
    """GET of the batch that named the file twice, and of its files"""
    counts = world.get("GET /vector_stores/{other}/file_batches/{twice}")["file_counts"]
    page = world.get("GET /vector_stores/{other}/file_batches/{twice}/files")
    return {"total": counts["total"], "listed": len(page["data"])}


@CHANGES.ask(
    "What remains in the vector store of a file that was deleted while attached?",
    {"listed": True, "counted": True, "file": 404},
    source="openai-dotnet#540 and appsmith-docs PR 3038; the description says that nothing does",
    fix_in=f"{DELETE}; sandbox/quirks.py: delete_detaches",
)
def deleted_while_attached(world: World) -> Any:
    """DELETE FROM files, and GET of the store and of its files"""
    before = world.get("GET /vector_stores/{store}")["file_counts"]["total"]
    world.sql("DELETE FROM files WHERE id = ?", world["shipping"])
    listed = {file["id"] for file in world.get("GET /vector_stores/{store}/files?limit=100")["data"]}
    after = world.get("GET /vector_stores/{store}")["file_counts"]["total"]
    return {
        "listed": world["shipping"] in listed,
        "counted": after == before,
        "file": world.call("GET /files/{shipping}").status,
    }


@CHANGES.ask(
    "Does a search still find a file that was deleted while attached?",
    "no",
    source="the sandbox; not documented",
    fix_in="sandbox/search.py: _filtered",
    cost=Cost(searches=1),
)
def search_after_delete(world: World) -> str:
    """POST …/search for its words"""
    page = world.get("POST /vector_stores/{store}/search", {"query": "Parcels to islands"})
    return "yes" if world["shipping"] in {hit["file_id"] for hit in page["data"]} else "no"


@CHANGES.ask(
    "Can the entry of a deleted file be detached?",
    ["200 accepted", 404],
    source="the sandbox; not documented",
    fix_in=DETACH,
)
def detach_after_delete(world: World) -> Any:
    """DELETE …/files/{id}, and GET"""
    response = world.call("DELETE /vector_stores/{store}/files/{shipping}")
    return [refusal(response), *statuses(world, "GET /vector_stores/{store}/files/{shipping}")]


@CHANGES.ask(
    "What does a second delete say, of a file and of an attached file?",
    [404, 404],
    source="the sandbox; not documented",
    fix_in=f"{DELETE}; {DETACH}; protocol/not_found.py",
)
def deleted_twice(world: World) -> Any:
    """DELETE /files/{id} and DELETE …/files/{id} again"""
    return statuses(world, "DELETE /files/{shipping}", "DELETE /vector_stores/{store}/files/{shipping}")


@CHANGES.ask(
    "What remains of a vector store that was deleted?",
    {"store": 404, "batch": 404, "listed": False, "its file": 200},
    source="the sandbox; the description says only that the store is deleted",
    fix_in="sandbox/state.py: State.delete_store",
)
def deleted_store(world: World) -> Any:
    """DELETE FROM vector_stores, and GET of it, of a batch, of the list and of a file"""
    world.sql("DELETE FROM vector_stores WHERE id = ?", world["third"])
    names = ("store", "batch", "its file")
    found = statuses(
        world,
        "GET /vector_stores/{third}",
        "GET /vector_stores/{third}/file_batches/{cancelled}",
        "GET /files/{returns}",
    )
    listed = {store["id"] for store in world.get("GET /vector_stores?limit=100")["data"]}
    return {**dict(zip(names, found, strict=True)), "listed": world["third"] in listed}
