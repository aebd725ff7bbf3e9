"""What ours, Shillelagh and OpenAI's SDK send in the same situation, counted by the sandbox: docs/comparison.md.

It must not judge: it prints the requests. Shillelagh has no adapter for file batches; it runs the one beside this file.

    pip install -e '.[bench,sandbox]' && python -m tests.benchmarks.differences
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing

import openai
import shillelagh

import openai_vtab
from openai_vtab import sandbox
from openai_vtab.sandbox import Sandbox, Status

from . import shillelagh_adapter
from .opponents import HEADERS

STORE = "vs_demo"
BATCHES = ["vsfb_demo_finished", "vsfb_demo_failures", "vsfb_demo_running"]
NEW = f"INSERT INTO vector_store_file_batches (vector_store_id, file_ids) VALUES ('{STORE}', '[\"file-new-01\"]')"
WANTED = ", ".join(f"'{batch}'" for batch in BATCHES)
IN = f"SELECT status FROM vector_store_file_batches WHERE vector_store_id = '{STORE}' AND batch_id IN ({WANTED})"
KEYS = " UNION ALL ".join(f"SELECT '{batch}' AS key" for batch in BATCHES * 4)
JOIN = f"SELECT status FROM ({KEYS}) JOIN vector_store_file_batches ON vector_store_id = '{STORE}' AND batch_id = key"
CANCEL = f"UPDATE vector_store_file_batches SET status = 'cancelled' WHERE vector_store_id = '{STORE}' AND batch_id = '{BATCHES[2]}'"


def show(what: str, run: Callable[[Sandbox], object], fault: Status | None = None) -> None:
    """Run it with a sandbox of its own; print what was sent, and how it ended."""
    with sandbox.run(latency=0.05) as api:
        HEADERS["Authorization"] = f"Bearer {api.api_key}"
        if fault is not None:
            api.inject(fault, times=1, method="POST")
        try:
            run(api)
            ended = ""
        except Exception as error:  # whatever it is, it is shown
            ended = f"; {type(error).__name__}: {str(error).splitlines()[0][:90]}"
        sent = [request.method for request in api.requests]
        counts = ", ".join(f"{sent.count(method)} {method}" for method in sorted(set(sent))) or "nothing"
        print(f"{what:44} {counts} sent, at most {api.max_in_flight} at once{ended}")


def ours(*statements: str) -> Callable[[Sandbox], None]:
    """The statements, on a connection of this package."""

    def run(api: Sandbox) -> None:
        with closing(openai_vtab.connect(base_url=api.base_url, api_key=api.api_key)) as db:
            for statement in statements:
                db.execute(statement).fetchall()

    return run


def theirs(*statements: str) -> Callable[[Sandbox], None]:
    """The statements, on a connection of Shillelagh; "ROLLBACK" is its rollback()."""

    def run(api: Sandbox) -> None:
        with closing(shillelagh_adapter.connect(":memory:", api.base_url)) as db:
            for statement in statements:
                db.rollback() if statement == "ROLLBACK" else shillelagh_adapter.rows(db, statement)

    return run


def sdk_get(api: Sandbox) -> None:
    """Each batch by a call."""
    with openai.OpenAI(base_url=api.base_url, api_key=api.api_key) as client:
        for batch in BATCHES:
            client.vector_stores.file_batches.retrieve(batch, vector_store_id=STORE)


def sdk_gather(api: Sandbox) -> None:
    """All batches by asyncio.gather."""

    async def run() -> None:
        async with openai.AsyncOpenAI(base_url=api.base_url, api_key=api.api_key) as client:
            calls = [client.vector_stores.file_batches.retrieve(batch, vector_store_id=STORE) for batch in BATCHES]
            await asyncio.gather(*calls)

    asyncio.run(run())


def sdk_create(api: Sandbox) -> None:
    """A batch, with the SDK's own settings."""
    with openai.OpenAI(base_url=api.base_url, api_key=api.api_key) as client:
        client.vector_stores.file_batches.create(STORE, file_ids=["file-new-01"])


def main() -> None:
    """Print a line for each."""
    print(f"openai_vtab {openai_vtab.__version__}, shillelagh {shillelagh.__version__}, openai {openai.__version__}")
    methods = [
        name for name in vars(openai.resources.vector_stores.FileBatches) if name[0] != "_" and "with_" not in name
    ]
    print(f"{'methods for file batches, SDK':44} {', '.join(methods)}")
    show("IN (3 keys), ours", ours(IN))
    show("IN (3 keys), Shillelagh", theirs(IN))
    show("3 × retrieve, SDK", sdk_get)
    show("3 × retrieve in asyncio.gather, SDK", sdk_gather)
    show("JOIN, each of 3 keys 4 times, ours", ours(JOIN))
    show("JOIN, each of 3 keys 4 times, Shillelagh", theirs(JOIN))
    show("cancel by UPDATE, ours", ours(CANCEL))
    show("cancel by UPDATE, Shillelagh", theirs(CANCEL))
    show("INSERT and ROLLBACK, ours", ours("BEGIN", NEW, "ROLLBACK"))
    show("INSERT and ROLLBACK, Shillelagh", theirs(NEW, "ROLLBACK"))
    carried_out = Status(500, carried_out=True)
    show("create, carried out, answered 500, ours", ours(NEW), carried_out)
    show("create, carried out, answered 500, Shillelagh", theirs(NEW), carried_out)
    show("create, carried out, answered 500, SDK", sdk_create, carried_out)


if __name__ == "__main__":
    main()
