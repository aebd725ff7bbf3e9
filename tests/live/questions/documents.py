"""The package's table of documents, as a user works with it: INSERT, MATCH, INSERT again, DELETE."""

from __future__ import annotations

import json
import time
from typing import Any

from ..prices import Cost
from ..question import Questions, Unanswered
from ..world import LONGEST_WAIT, World
from .stores import EXPIRY

DOCUMENTS = Questions()

TEXTS = {"refunds.md": "A refund takes a week.", "lamps.md": "Lamps are tested for two hours."}
FIX_IN = "documents/, or what it relies on in the sandbox"
PROMISE = "the package's own promise"


def replace(world: World) -> None:
    """Write both documents."""
    for name, text in TEXTS.items():
        world.sql("INSERT OR REPLACE INTO handbook (key, content) VALUES (?, ?)", world.filename(name), text)


@DOCUMENTS.ask(
    "Does a table of documents lead from texts to a hit?",
    {"completed": 2, "hit": "refunds.md"},
    source=PROMISE,
    fix_in=FIX_IN,
    cost=Cost(searches=1, files=2, bytes=100),
)
def hit(world: World) -> Any:
    """CREATE VIRTUAL TABLE … USING vector_store_documents, INSERT, SELECT … MATCH"""
    world.sql(
        "CREATE VIRTUAL TABLE handbook USING vector_store_documents(name = "
        f"'openai_vtab live {world.token}', metadata = '{json.dumps(world.metadata())}', expires_after = '{json.dumps(EXPIRY)}')"
    )
    replace(world)
    world["documents"] = world.sql("SELECT vector_store_id FROM handbook LIMIT 1")[0][0]
    end = time.monotonic() + LONGEST_WAIT
    while world.sql("SELECT 1 FROM handbook WHERE wait_seconds = 2 AND status = 'in_progress'"):
        if time.monotonic() > end:
            raise Unanswered(f"a document is still in progress after {LONGEST_WAIT:g} s")
    ((completed,),) = world.sql("SELECT count(*) FROM handbook WHERE status = 'completed'")
    found = world.sql(
        "SELECT key FROM handbook WHERE handbook MATCH 'how long does a refund take' ORDER BY rank LIMIT 1"
    )
    return {"completed": completed, "hit": found[0][0].removeprefix(world.filename("")) if found else None}


@DOCUMENTS.ask("Does the same INSERT again send anything?", "nothing", source=PROMISE, fix_in=FIX_IN)
def same_again(world: World) -> Any:
    """INSERT OR REPLACE with the same texts"""
    before = len(world.client.records)
    replace(world)
    sent = [f"{record['method']} {record['target']}" for record in world.client.records[before:]]
    return sent or "nothing"


@DOCUMENTS.ask(
    "What does DELETE leave of documents?",
    {"listed": 0, "file": 404},
    source=PROMISE,
    fix_in=FIX_IN,
)
def deleted(world: World) -> Any:
    """DELETE FROM the table, and GET of the vector store's files and of a file"""
    world["document"] = world.sql("SELECT file_id FROM handbook LIMIT 1")[0][0]
    world.sql("DELETE FROM handbook")
    listed = world.get("GET /vector_stores/{documents}/files?limit=100")["data"]
    return {"listed": len(listed), "file": world.call("GET /files/{document}").status}
