"""Files: what an upload makes of them, and which of them can be downloaded."""

from __future__ import annotations

import json
from typing import Any

from ..question import Questions
from ..world import World, refusal

FILES = Questions()

CONTENT = {
    "returns.md": "# Returns\n\nGoods can be returned within 30 days. The refund policy covers postage.",
    "shipping.md": "# Shipping\n\nOrders leave within one working day. Parcels to islands take a week.",
    "prices.csv": "article,price\nlamp,19.90\n",  # a type that the guide does not list
    "warranty.txt": "The warranty lasts two years. It covers broken lamps.",
}
OBJECT = "sandbox/objects.py: File.json"
DOWNLOADS = "sandbox/endpoints.py: get_file_content; the column content of tables/files.py"
DOWNLOAD_SOURCE = (
    "the sandbox, for tests; a thread of OpenAI's forum has: 400 Not allowed to download files of purpose: …"
)


@FILES.ask(
    "What does the API say of a new file?",
    {"filename": "as sent", "bytes": "as sent", "purpose": "assistants", "status": "processed"},
    source="OpenAI's description",
    fix_in=OBJECT,
)
def uploads(world: World) -> Any:
    """INSERT INTO files, and GET"""
    for name, text in CONTENT.items():
        world[name.partition(".")[0]] = world.insert(
            "files", filename=world.filename(name), content=text, purpose="assistants"
        )
    found = world.get("GET /files/{returns}")
    return {
        "filename": "as sent" if found["filename"] == world.filename("returns.md") else found["filename"],
        "bytes": "as sent" if found["bytes"] == len(CONTENT["returns.md"].encode()) else found["bytes"],
        "purpose": found["purpose"],
        "status": found["status"],
    }


@FILES.ask(
    "Is the newest file the first of the list, for every purpose and for its own?",
    ["yes", "yes"],
    source="OpenAI's description (order: desc)",
    fix_in="sandbox/pagination.py",
)
def newest_first(world: World) -> Any:
    """GET /files?limit=10000, with and without purpose"""
    # created in the same second, the files may be in any order
    ours = {world[name.partition(".")[0]] for name in CONTENT}
    pages = [world.get(f"GET /files?limit=10000{purpose}")["data"] for purpose in ("", "&purpose=assistants")]
    return ["yes" if {file["id"] for file in page[: len(ours)]} == ours else "no" for page in pages]


@FILES.ask(
    "Does `after` lead to the next page of files?", "yes", source="OpenAI's description", fix_in="sandbox/pagination.py"
)
def next_page(world: World) -> str:
    """GET /files?limit=1, and the same with after"""
    first = world.get("GET /files?limit=1")
    second = world.get(f"GET /files?limit=1&after={first['last_id']}")
    return "yes" if first["has_more"] and first["data"][0]["id"] != second["data"][0]["id"] else "no"


@FILES.ask(
    "Which purpose does a file show that was uploaded for evals?",
    "evals",
    source="the sandbox; the description has evals among the purposes of an upload, and not of a file",
    fix_in=f"{OBJECT}; tests/support/contract.py",
)
def evals(world: World) -> Any:
    """POST /files of one line of JSON"""
    response = world.upload("evals.jsonl", b'{"item": {"a": 1}}\n', "evals")
    return response.json()["purpose"] if response.status == 200 else refusal(response)


@FILES.ask(
    "When does a file with expires_after expire?",
    "3600 s after created_at",
    source="OpenAI's description",
    fix_in=OBJECT,
)
def expiring(world: World) -> str:
    """INSERT INTO files with expires_after"""
    world["expiring"] = world.insert(
        "files",
        filename=world.filename("expiring.txt"),
        content="This expires.",
        purpose="user_data",
        expires_after=json.dumps({"anchor": "created_at", "seconds": 3600}),
    )
    found = world.get("GET /files/{expiring}")
    return f"{found['expires_at'] - found['created_at']} s after created_at"


@FILES.ask(
    "Can a file of the purpose assistants be downloaded?", "200 accepted", source=DOWNLOAD_SOURCE, fix_in=DOWNLOADS
)
def download_of_assistants(world: World) -> str:
    """GET /files/{id}/content"""
    return refusal(world.call("GET /files/{returns}/content"))


@FILES.ask(
    "Can a file of the purpose user_data be downloaded?", "200 accepted", source=DOWNLOAD_SOURCE, fix_in=DOWNLOADS
)
def download_of_user_data(world: World) -> str:
    """GET /files/{id}/content"""
    return refusal(world.call("GET /files/{expiring}/content"))


@FILES.ask(
    "Does the SQL column content give the bytes of such a file?",
    "This expires.",
    source=DOWNLOAD_SOURCE,
    fix_in=DOWNLOADS,
)
def content_column(world: World) -> Any:
    """SELECT content FROM files"""
    content = world.sql("SELECT content FROM files WHERE id = ?", world["expiring"])[0][0]
    return content.decode()
