"""Batches that are cancelled."""

from __future__ import annotations

from typing import Any

from ..question import Questions, Unanswered
from ..world import World, refusal
from .batches import cost
from .files import CONTENT

CANCELS = Questions()

CANCEL = "sandbox/file_batches.py: cancel"
TEXTS = [name for name in CONTENT if not name.endswith(".csv")]


@CANCELS.ask(
    "What does the response to a cancel say?",
    "in_progress",
    source="OpenAI's example: cancelling is asynchronous",
    fix_in=CANCEL,
    cost=cost(*TEXTS),
)
def cancelled(world: World) -> str:
    """POST …/file_batches of three files, and POST …/cancel at once"""
    ids = [world[name.partition(".")[0]] for name in TEXTS]
    world["cancelled"] = world.get("POST /vector_stores/{third}/file_batches", {"file_ids": ids})["id"]
    response = world.call("POST /vector_stores/{third}/file_batches/{cancelled}/cancel")
    if (
        response.status != 200
        and world.get("GET /vector_stores/{third}/file_batches/{cancelled}")["status"] == "completed"
    ):
        raise Unanswered("the batch was completed before it could be cancelled")
    return str(response.json()["status"]) if response.status == 200 else refusal(response)


@CANCELS.ask(
    "How does a cancelled batch end?",
    {"status": "cancelled", "in_progress": 0, "failed": 0, "files": ["cancelled", "completed"]},
    source="openai-node PR 2032 and PR 2506: failed is 0, and files become cancelled only by their batch",
    fix_in=f"{CANCEL}; sandbox/containers.py: FileBatch.cancel",
)
def end_of_cancelled(world: World) -> Any:
    """SELECT … WHERE wait_seconds = 2, and GET …/files"""
    found = world.finished_batch("cancelled", "third")
    page = world.get("GET /vector_stores/{third}/file_batches/{cancelled}/files")
    # which files were already completed is a matter of luck; a file that failed or never ends is not
    statuses = {"cancelled", "completed"} | {file["status"] for file in page["data"]}
    return {**{name: found[name] for name in ("status", "in_progress", "failed")}, "files": sorted(statuses)}


@CANCELS.ask(
    "Can a batch that is cancelled be cancelled again by SQL?",
    "yes",
    source="the sandbox; not documented",
    fix_in=CANCEL,
)
def cancelled_again(world: World) -> str:
    """UPDATE vector_store_file_batches SET status = 'cancelled'"""
    world.sql(
        "UPDATE vector_store_file_batches SET status = 'cancelled' WHERE vector_store_id = ? AND batch_id = ?",
        world["third"],
        world["cancelled"],
    )
    return "yes"
