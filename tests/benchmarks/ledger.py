"""A ledger of finished batches against an ordinary table with the same rows: what SQLite pays for a virtual table.

It must not know how results are shown. No request is sent: a finished batch is answered from the ledger.

>>> with ledger_and_table(server) as (ours, plain): in_turn([ours, plain], runs=5)
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import openai_vtab

from .server import KEY, Running

BATCHES = 10_000
TARGET = 8.0
TITLE = f"`SELECT status, count(*) … GROUP BY status`, a ledger of {BATCHES:,} ÷ an ordinary table"
STATUSES = ("completed", "failed", "cancelled")
COUNTS = {"in_progress": 0, "completed": 3, "failed": 0, "cancelled": 0, "total": 3}


@contextmanager
def ledger_and_table(server: Running) -> Iterator[tuple[Callable[[], float], Callable[[], float]]]:
    """Two functions that query one of them each, and return the processor time it took, in seconds."""
    server.reset(latency=0.0)
    db = openai_vtab.connect(base_url=server.base_url, api_key=KEY)
    try:
        db.execute("CREATE VIRTUAL TABLE ledger USING vector_store_file_batches")
        with db:
            answer = json.dumps({"object": "vector_store.file_batch", "created_at": 1, "file_counts": COUNTS})
            rows = ((f"vsfb_{number}", STATUSES[number % 3], answer) for number in range(BATCHES))
            db.executemany(
                "INSERT INTO ledger_ledger (vector_store_id, id, status, answer) VALUES ('vs_0', ?, ?, ?)", rows
            )
        db.execute("CREATE TABLE plain AS SELECT * FROM ledger")
        yield lambda: _seconds(db, "ledger"), lambda: _seconds(db, "plain")
    finally:
        db.close(True)


def _seconds(db: openai_vtab.connection.Connection, table: str) -> float:  # type: ignore[attr-defined]
    started = time.process_time()  # one thread computes: what else runs on the machine must not count
    rows = db.execute(f"SELECT status, count(*) FROM {table} GROUP BY status").fetchall()
    taken = time.process_time() - started
    if sum(count for _, count in rows) != BATCHES:
        raise AssertionError(f"{rows} came out of {table}")
    return taken
