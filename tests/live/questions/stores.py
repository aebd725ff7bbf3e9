"""Vector stores: what a new one is, what an update changes, and the list of all."""

from __future__ import annotations

import json
from typing import Any

from ..question import Questions
from ..world import World

STORES = Questions()
EXPIRY = {"anchor": "last_active_at", "days": 1}  # also what ends the cost of a store that a killed run leaves

CONTAINERS = "sandbox/containers.py: VectorStore.json"
UPDATE = "sandbox/vector_stores.py: update"


@STORES.ask(
    "What is the status of a new, empty vector store, and what does it count?",
    {"status": "completed", "total": 0},
    source="a response of 2024 in OpenGPTs-platform/assistants-api#27",
    fix_in=CONTAINERS,
)
def new_store(world: World) -> Any:
    """INSERT INTO vector_stores, and GET"""
    world["store"] = world.insert(
        "vector_stores",
        name="openai_vtab live",
        description="Made by a test",
        metadata=json.dumps(world.metadata(a="1")),
        expires_after=json.dumps(EXPIRY),
    )
    found = world.get("GET /vector_stores/{store}")
    return {"status": found["status"], "total": found["file_counts"]["total"]}


@STORES.ask(
    "Does a vector store show its description?",
    "Made by a test",
    source="openai-node#1700; the schema has no such member",
    fix_in=f"{CONTAINERS}; the column description of tables/vector_stores.py",
)
def description(world: World) -> Any:
    """GET /vector_stores/{id}"""
    return world.get("GET /vector_stores/{store}")["description"]


@STORES.ask(
    "When does a vector store expire?",
    "a day after last_active_at",
    source="OpenAI's description",
    fix_in=CONTAINERS,
)
def expires_at(world: World) -> str:
    """GET /vector_stores/{id}"""
    found = world.get("GET /vector_stores/{store}")
    seconds = found["expires_at"] - found["last_active_at"]
    return "a day after last_active_at" if seconds == 86400 else f"{seconds} s after last_active_at"


@STORES.ask(
    "Is the header OpenAI-Beta needed?",
    "no",
    source="scripts of others, which do without (appsmith-docs)",
    fix_in="sandbox/app.py; the setting openai_beta",
)
def beta_header(world: World) -> str:
    """GET of the same store with and without the header"""
    responses = [
        world.call("GET /vector_stores/{store}", headers=sent) for sent in ({}, {"OpenAI-Beta": "assistants=v2"})
    ]
    without, beta = [sorted(response.json()) for response in responses]
    return "no" if without == beta else f"other members: {without} without it, {beta} with it"


@STORES.ask(
    "Does a list show a new vector store at once, and first?",
    "first",
    source="OpenAI's description (order: desc); openai-python#2209 says that it may be missing",
    fix_in="sandbox/pagination.py; docs/reliability.md",
)
def listed_first(world: World) -> str:
    """GET /vector_stores?limit=100"""
    ids = [store["id"] for store in world.get("GET /vector_stores?limit=100")["data"]]
    if world["store"] not in ids:
        return "missing"
    return "first" if ids[0] == world["store"] else f"number {ids.index(world['store']) + 1}"


@STORES.ask(
    "Does an UPDATE of the name keep the other members?",
    {"name": "renamed", "a": "1", "expires_after": EXPIRY},
    source="the sandbox; not documented",
    fix_in=f"{UPDATE}; docs/reference",
)
def rename(world: World) -> Any:
    """UPDATE vector_stores SET name"""
    world.sql("UPDATE vector_stores SET name = 'renamed' WHERE id = ?", world["store"])
    found = world.get("GET /vector_stores/{store}")
    return {
        "name": found["name"],
        "a": found["metadata"].get("a"),
        "expires_after": found["expires_after"],
    }


@STORES.ask(
    "Does new metadata replace the old, or are they merged?",
    "replaced",
    source="the sandbox; not documented",
    fix_in=f"{UPDATE}; docs/reference/tables/vector_stores.md",
)
def metadata(world: World) -> str:
    """UPDATE vector_stores SET metadata without the key a"""
    world.sql("UPDATE vector_stores SET metadata = ? WHERE id = ?", json.dumps(world.metadata(b="2")), world["store"])
    found = world.get("GET /vector_stores/{store}")["metadata"]
    return "merged" if found.get("a") == "1" else "replaced" if found == world.metadata(b="2") else str(found)


@STORES.ask(
    "What is the name after an update to null?",
    "",
    source="the sandbox; the description has no default",
    fix_in=UPDATE,
)
def null_name(world: World) -> Any:
    """POST /vector_stores/{id} {"name": null}"""
    return world.get("POST /vector_stores/{store}", {"name": None})["name"]


@STORES.ask(
    "Does expires_after: null remove the expiry?",
    "yes",
    source="the sandbox; the schema is nullable",
    fix_in=UPDATE,
)
def null_expiry(world: World) -> str:
    """POST /vector_stores/{id} {"expires_after": null}, and set it again"""
    try:
        found = world.get("POST /vector_stores/{store}", {"expires_after": None})
        return "yes" if found.get("expires_after") is None else "no"
    finally:
        world.get("POST /vector_stores/{store}", {"expires_after": EXPIRY})


@STORES.ask(
    "Do responses carry x-request-id and openai-processing-ms?",
    "both",
    source="OpenAI's overview of headers",
    fix_in="sandbox/app.py: App.respond",
)
def headers(world: World) -> str:
    """GET /vector_stores/{id}"""
    found = [
        name
        for name in ("x-request-id", "openai-processing-ms")
        if name in world.call("GET /vector_stores/{store}").headers
    ]
    return "both" if len(found) == 2 else f"only {found}"


@STORES.ask(
    "Which headers tell how many requests are left?",
    [],
    source="the sandbox; OpenAI's overview of headers has x-ratelimit-…",
    fix_in="transport/limits.py",
)
def rate_limit_headers(world: World) -> Any:
    """GET /vector_stores/{id}"""
    return sorted(name for name in world.call("GET /vector_stores/{store}").headers if name.startswith("x-ratelimit-"))
