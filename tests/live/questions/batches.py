"""File batches in both forms, and what becomes of their files."""

from __future__ import annotations

import json
from typing import Any

from ..prices import Cost
from ..question import Questions, Unanswered
from ..world import World, refusal
from .files import CONTENT
from .stores import EXPIRY

BATCHES = Questions()

ATTRIBUTES = {"lang": "en", "number": 1, "part": 0.5, "ready": True}
STATIC = {"type": "static", "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 50}}
AUTO = {"type": "static", "static": {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400}}

CREATE = "sandbox/file_batches.py: create"
BATCH = "sandbox/containers.py: FileBatch.json"
ATTACH = "sandbox/state.py: State.attach"
PARSING = "sandbox/parsing.py: problem"

FILE = "/vector_stores/{store}/files/"


def cost(*names: str) -> Cost:
    """What attaching these files costs."""
    return Cost(files=len(names), bytes=sum(len(CONTENT[name].encode()) for name in names))


@BATCHES.ask(
    "What does the response to the create of a batch say?",
    {"object": "vector_store.file_batch", "status": "in_progress", "in_progress": 2, "total": 2},
    source="OpenAI's examples; the schema has vector_store.files_batch, and the example's counts do not add up",
    fix_in=f"{BATCH}; --plural-object of the sandbox",
    cost=cost("returns.md", "prices.csv"),
)
def batch_of_ids(world: World) -> Any:
    """POST …/file_batches with file_ids, attributes and chunking_strategy"""
    found = world.get(
        "POST /vector_stores/{store}/file_batches",
        {"file_ids": [world["returns"], world["prices"]], "attributes": ATTRIBUTES, "chunking_strategy": STATIC},
    )
    world["batch"] = found["id"]
    counts = found["file_counts"]
    return {
        "object": found["object"],
        "status": found["status"],
        "in_progress": counts["in_progress"],
        "total": counts["total"],
    }


@BATCHES.ask(
    "Does GET of a batch return the batch, or the vector store?",
    "the batch",
    source="OpenAI's description; openai-python#2724 and openai-node#1700 got the vector store",
    fix_in="sandbox/quirks.py: batch_get_returns_store; docs/reliability.md",
)
def get_batch(world: World) -> str:
    """GET …/file_batches/{id}"""
    id = world.get("GET /vector_stores/{store}/file_batches/{batch}")["id"]
    return "the batch" if id == world["batch"] else "the vector store" if id == world["store"] else id


@BATCHES.ask(
    "Can a file be read from the vector store right after it was attached?",
    "200 accepted",
    source="OpenAI's description; terraform-provider-openai#35 got 404",
    fix_in="sandbox/quirks.py: file_not_found_after_attach_seconds; docs/reliability.md",
)
def read_after_attach(world: World) -> str:
    """GET …/files/{id}"""
    return refusal(world.call(f"GET {FILE}{{returns}}"))


@BATCHES.ask(
    "Which files does the list of a running batch have?",
    "all",
    source="the sandbox; a compatible server lists only those that are done",
    fix_in="sandbox/endpoints.py: list_batch_files",
)
def files_of_running_batch(world: World) -> str:
    """GET …/file_batches/{id}/files"""
    ids = {file["id"] for file in world.get("GET /vector_stores/{store}/file_batches/{batch}/files")["data"]}
    return "all" if ids == {world["returns"], world["prices"]} else f"{len(ids)} of 2"


@BATCHES.ask(
    "How does a batch end if one of its files fails?",
    {"status": "completed", "completed": 1, "failed": 1, "total": 2},
    source="openai-node PR 2032: a sample that looks at failed as well as at the status",
    fix_in=f"{BATCH}; {PARSING}",
)
def end_of_batch(world: World) -> Any:
    """SELECT … WHERE wait_seconds = 2, until it has finished"""
    found = world.finished_batch("batch")
    return {name: found[name] for name in ("status", "completed", "failed", "total")}


@BATCHES.ask(
    "Why does a csv file fail?",
    [["prices", "unsupported_file"]],
    source="OpenAI's guide, whose list of types has no csv",
    fix_in=PARSING,
)
def failed_files(world: World) -> Any:
    """SELECT … FROM vector_store_file_batch_files WHERE status = 'failed'"""
    rows = world.sql(
        "SELECT id, last_error_code FROM vector_store_file_batch_files(?, ?) WHERE status = 'failed'",
        world["store"],
        world["batch"],
    )
    names = {world[name]: name for name in ("returns", "prices")}
    return [[names[id], code] for id, code in rows]


@BATCHES.ask(
    "Do attributes keep their values and types?",
    ATTRIBUTES,
    source="OpenAI's description",
    fix_in="sandbox/objects.py: VectorStoreFile.json; schema/comparison.py",
)
def attribute_types(world: World) -> Any:
    """GET …/files/{id} after the batch"""
    return world.get(f"GET {FILE}{{returns}}")["attributes"]


@BATCHES.ask("Does the strategy of a batch apply to its files?", STATIC, source="OpenAI's description", fix_in=ATTACH)
def shared_strategy(world: World) -> Any:
    """GET …/files/{id} after the batch"""
    return world.get(f"GET {FILE}{{returns}}")["chunking_strategy"]


@BATCHES.ask(
    "What is usage_bytes of a small file?",
    "the size of the file",
    source="the sandbox; not documented",
    fix_in=f"{ATTACH}; STORED_PER_BYTE and STORED_PER_FILE of tests/live/prices.py",
)
def usage_bytes(world: World) -> str:
    """GET …/files/{id} after the batch"""
    found, size = world.get(f"GET {FILE}{{returns}}")["usage_bytes"], len(CONTENT["returns.md"].encode())
    return "the size of the file" if found == size else f"{found} bytes for a file of {size}"


@BATCHES.ask(
    "Is usage_bytes of a vector store the sum of its files'?",
    "yes",
    source="OpenAI's description",
    fix_in="sandbox/containers.py: StatusCounts",
)
def usage_of_store(world: World) -> str:
    """GET of the store and of its files"""
    files = world.get("GET /vector_stores/{store}/files?limit=100")["data"]
    found, wanted = world.get("GET /vector_stores/{store}")["usage_bytes"], sum(file["usage_bytes"] for file in files)
    return "yes" if found == wanted else f"{found}, and {wanted} of the files"


@BATCHES.ask(
    "Does a batch in the form `files` keep attributes and strategy of each file?",
    [[{"file": "shipping"}, AUTO], [{"file": "warranty"}, STATIC]],
    source="OpenAI's description",
    fix_in=CREATE,
    cost=cost("shipping.md", "warranty.txt"),
)
def batch_of_files(world: World) -> Any:
    """INSERT INTO vector_store_file_batches (vector_store_id, files), and wait"""
    files = [
        {"file_id": world["shipping"], "attributes": {"file": "shipping"}, "chunking_strategy": {"type": "auto"}},
        {"file_id": world["warranty"], "attributes": {"file": "warranty"}, "chunking_strategy": STATIC},
    ]
    world["files_batch"] = world.insert(
        "vector_store_file_batches", vector_store_id=world["store"], files=json.dumps(files)
    )
    world.finished_batch("files_batch")
    found = [world.get(f"GET {FILE}{{{name}}}") for name in ("shipping", "warranty")]
    return [[file["attributes"], file["chunking_strategy"]] for file in found]


@BATCHES.ask(
    "What does the response to the create of a batch with `files` say?",
    {
        "status": "in_progress",
        "total": 2,
        "members": ["created_at", "file_counts", "id", "object", "status", "vector_store_id"],
    },
    source="the sandbox; OpenAI's only example is of file_ids, and servers that ignore `files` count none",
    fix_in="documents/attach_step.py, whose table of responses rests on this; " + BATCH,
)
def response_to_files(world: World) -> Any:
    """the response to that INSERT, also if the INSERT has failed"""
    bodies = [
        record["response"]
        for record in world.client.records
        if record["method"] == "POST" and record["target"].endswith("/file_batches") and '"files"' in record["body"]
        if record.get("status") == 200
    ]
    if not bodies:
        raise Unanswered("no create with `files` was accepted")
    found = json.loads(bodies[0])
    return {
        "status": found.get("status"),
        "total": (found.get("file_counts") or {}).get("total"),
        "members": sorted(found),
    }


@BATCHES.ask(
    "What happens to top-level attributes beside `files`?",
    "ignored",
    source="OpenAI's description",
    fix_in="sandbox/file_batches.py: _items; copied_into of tables/vector_store_file_batches.py",
    cost=cost("shipping.md"),
)
def ignored_attributes(world: World) -> str:
    """POST …/file_batches {"files": […], "attributes": {"top": 1}} in another store"""
    body = {"name": "openai_vtab live", "metadata": world.metadata(), "expires_after": EXPIRY}
    world["other"] = world.get("POST /vector_stores", body)["id"]
    response = world.call(
        "POST /vector_stores/{other}/file_batches",
        {"files": [{"file_id": world["shipping"]}], "attributes": {"top": 1}},
    )
    if response.status != 200:
        return refusal(response)
    attributes = world.finished_file("shipping", "other")["attributes"]
    return "applied" if attributes else "ignored"


@BATCHES.ask(
    "What are the attributes of a file that was given none?",
    {},
    source="the sandbox; the schema allows null",
    fix_in="sandbox/objects.py: VectorStoreFile.json",
)
def no_attributes(world: World) -> Any:
    """GET …/files/{id}"""
    return world.get("GET /vector_stores/{other}/files/{shipping}")["attributes"]


@BATCHES.ask(
    "Can a vector store be created with files, their strategy and metadata at once?",
    {"total": 1, "strategy": STATIC, "name": "with files"},
    source="OpenAI's description",
    fix_in="sandbox/vector_stores.py: create",
    cost=cost("shipping.md"),
)
def store_with_files(world: World) -> Any:
    """INSERT INTO vector_stores (name, file_ids, chunking_strategy, …)"""
    world["third"] = world.insert(
        "vector_stores",
        name="with files",
        file_ids=json.dumps([world["shipping"]]),
        chunking_strategy=json.dumps(STATIC),
        metadata=json.dumps(world.metadata()),
        expires_after=json.dumps(EXPIRY),
    )
    strategy = world.finished_file("shipping", "third")["chunking_strategy"]
    found = world.get("GET /vector_stores/{third}")
    return {"total": found["file_counts"]["total"], "strategy": strategy, "name": found["name"]}


@BATCHES.ask(
    "How long does the server ask clients to wait between two looks at a batch?",
    None,
    source="the sandbox; SDKs read the header openai-poll-after-ms",
    fix_in="sandbox/quirks.py: poll_after_ms",
)
def poll_after(world: World) -> Any:
    """GET …/file_batches/{id}, header openai-poll-after-ms"""
    return world.call("GET /vector_stores/{store}/file_batches/{batch}").headers.get("openai-poll-after-ms")
