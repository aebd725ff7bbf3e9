"""What a commit costs before its first request and beside its requests, and how soon an interrupt is heard.

It must not know how results are shown.

>>> first, heard = begin_and_interrupt(rows=10_000, after=0.1)
"""

from __future__ import annotations

import socket
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import apsw

import openai_vtab

from .server import KEY, Running

ROWS = 10_000
FIRST_TARGET = 0.3  # seconds
HEARD_TARGET = 0.2  # seconds
FIRST = f"`COMMIT` of {ROWS:,} creates into a ledger: until the first request leaves"
HEARD = f"`COMMIT` of {ROWS:,} creates: from interrupt() until the exception"
LONGEST_WAIT = 3.0  # seconds until the first request
MOMENTS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.8)  # seconds after COMMIT has begun
COSTS = {1: "a commit of 1 create, ledger in a file ÷ in memory", 200: "a commit of 200 creates, in a file ÷ in memory"}
COST_TARGET = 2.0
INSERT = (
    "INSERT INTO mine (vector_store_id, file_ids) SELECT 'vs_' || (value % 50), json_array('file-1') FROM json_each(?)"
)


def begin_and_interrupt(rows: int, after: float) -> tuple[float | None, float]:
    """Commit, and interrupt it so many seconds later. Seconds to the first request, and from interrupt to exception."""
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        first: list[float] = []

        def accept() -> None:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            first.append(time.perf_counter())
            with connection:
                time.sleep(3)  # it never answers

        threading.Thread(target=accept, daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        db = openai_vtab.connect(Path(folder) / "a.db", base_url=url, api_key=KEY, attach_requests_per_minute=0)
        db.execute("PRAGMA journal_mode = wal; CREATE VIRTUAL TABLE mine USING vector_store_file_batches").fetchall()
        db.execute("BEGIN")
        db.execute(INSERT.replace("json_each(?)", "json_each(?)"), (str([*range(rows)]),))
        interrupted: list[float] = []

        def interrupt() -> None:
            interrupted.append(time.perf_counter())
            db.interrupt()

        timer = threading.Timer(after, interrupt)
        began = time.perf_counter()
        timer.start()
        with suppress(openai_vtab.WriteError, apsw.InterruptError):
            db.execute("COMMIT")
        ended = time.perf_counter()
        timer.join()
        db.close()
    return (first[0] - began if first else None), ended - interrupted[0]


def commit_costs(server: Running, rows: int, database: str, runs: int) -> float:
    """Seconds of a commit of so many creates, the least of the runs."""
    server.reset(latency=0.0)
    best = float("inf")
    db = openai_vtab.connect(database, base_url=server.base_url, api_key=KEY, attach_requests_per_minute=0)
    try:
        db.execute("CREATE VIRTUAL TABLE mine USING vector_store_file_batches")
        for _ in range(runs):
            db.execute("BEGIN")
            db.execute(INSERT.replace("json_each(?)", "json_each(?)"), (str([*range(rows)]),))
            began = time.perf_counter()
            db.execute("COMMIT")
            best = min(best, time.perf_counter() - began)
    finally:
        db.close()
    return best


def first_request() -> float:
    """Seconds from COMMIT to the first request, the least of three."""
    found = [begin_and_interrupt(ROWS, LONGEST_WAIT)[0] for _ in range(3)]
    assert None not in found, f"no request within {LONGEST_WAIT:g} s"
    return min(seconds for seconds in found if seconds is not None)


def heard_within() -> float:
    """The longest time from an interrupt to the exception, over moments before and after the first request."""
    return max(begin_and_interrupt(ROWS, moment)[1] for moment in MOMENTS)


def costs(server: Running, rows: int, runs: int) -> tuple[float, float]:
    """Seconds of a commit into a ledger in a file, and into one in memory."""
    with tempfile.TemporaryDirectory() as folder:
        ours = commit_costs(server, rows, str(Path(folder) / "a.db"), runs)
    return ours, commit_costs(server, rows, ":memory:", runs)
