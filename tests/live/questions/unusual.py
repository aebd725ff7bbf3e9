"""Files that are attached in unusual ways: twice, without text, or without existing."""

from __future__ import annotations

from typing import Any

from ..prices import Cost
from ..question import Questions
from ..world import World, refusal
from .batches import ATTACH, BATCH, CREATE, PARSING, cost

UNUSUAL = Questions()


@UNUSUAL.ask(
    "What if a batch names a file twice?",
    {"total": 2, "listed": 1},
    source="the sandbox; not documented",
    fix_in=f"{BATCH}; sandbox/containers.py: FileBatch",
    cost=cost("warranty.txt", "warranty.txt"),
)
def named_twice(world: World) -> Any:
    """POST …/file_batches with the same id twice"""
    response = world.call(
        "POST /vector_stores/{other}/file_batches", {"file_ids": [world["warranty"], world["warranty"]]}
    )
    if response.status != 200:
        return refusal(response)
    world["twice"] = response.json()["id"]
    found = world.finished_batch("twice", "other")
    page = world.get("GET /vector_stores/{other}/file_batches/{twice}/files")
    return {"total": found["total"], "listed": len(page["data"])}


@UNUSUAL.ask(
    "What if a batch names a file that does not exist?",
    {"status": "completed", "failed": 1, "code": "invalid_file"},
    source="the sandbox; not documented",
    fix_in=f"{CREATE}; {ATTACH}",
)
def named_unknown(world: World) -> Any:
    """POST …/file_batches with an id that no file has"""
    response = world.call("POST /vector_stores/{other}/file_batches", {"file_ids": ["file-" + "0" * 22]})
    if response.status != 200:
        return refusal(response)
    world["unknown"] = response.json()["id"]
    found = world.finished_batch("unknown", "other")
    page = world.get("GET /vector_stores/{other}/file_batches/{unknown}/files")
    errors = [(file["last_error"] or {}).get("code") for file in page["data"]]
    return {"status": found["status"], "failed": found["failed"], "code": errors[0] if errors else None}


@UNUSUAL.ask(
    "What if an attached file is attached again?",
    {"attributes": {"again": 1}, "listed": 1},
    source="the sandbox; not documented",
    fix_in=ATTACH,
    cost=cost("shipping.md"),
)
def attached_again(world: World) -> Any:
    """INSERT INTO vector_store_files with other attributes"""
    world.sql(
        "INSERT INTO vector_store_files (vector_store_id, file_id, attributes) VALUES (?, ?, ?)",
        world["other"],
        world["shipping"],
        '{"again": 1}',
    )
    ids = [file["id"] for file in world.get("GET /vector_stores/{other}/files?limit=100")["data"]]
    return {
        "attributes": world.finished_file("shipping", "other")["attributes"],
        "listed": ids.count(world["shipping"]),
    }


@UNUSUAL.ask(
    "How does a file without text end?",
    {"status": "failed", "code": "invalid_file"},
    source="the sandbox; not documented",
    fix_in=PARSING,
    cost=Cost(files=1, bytes=2),
)
def without_text(world: World) -> Any:
    """POST …/files of a file of two spaces"""
    response = world.upload("spaces.txt", b"  ")
    if response.status != 200:
        return refusal(response)
    world["spaces"] = response.json()["id"]
    world.get("POST /vector_stores/{other}/files", {"file_id": world["spaces"]})
    found = world.finished_file("spaces", "other")
    return {"status": found["status"], "code": (found["last_error"] or {}).get("code")}


@UNUSUAL.ask(
    "How does a text in UTF-16 end?",
    "completed",
    source="OpenAI's guide: utf-8, utf-16 or ascii",
    fix_in="sandbox/parsing.py: text_of",
    cost=Cost(files=1, bytes=40),
)
def in_utf_16(world: World) -> Any:
    """POST …/files of a file with a byte order mark"""
    response = world.upload("utf-16.txt", "Grüße aus Köln".encode("utf-16"))
    if response.status != 200:
        return refusal(response)
    world["utf_16"] = response.json()["id"]
    world.get("POST /vector_stores/{other}/files", {"file_id": world["utf_16"]})
    return world.finished_file("utf_16", "other")["status"]
