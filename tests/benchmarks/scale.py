"""What some works cost for a number of keys: seconds, requests, processor time and peak memory, without latency.

Each measurement is a process of its own, because a peak of memory and the caches of another one would count. Its time
and its memory are limited. How the costs grow is growth.py's part.

>>> with running() as server: measured(server, chosen("join")[0], 1000)
Measured(name='join', keys=1000, date='2026-11-26', seconds=0.61, requests=1000, processor=0.48, server=0.35, …)
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .cases import JOIN, LOCAL, documents
from .document_cases import CREATE, REPLACE
from .folder import write_files
from .memory import PROCESS, RESET_PEAK, memory
from .ours import connected
from .server import LISTED, ROOT, Running

KEYS = (1, 100, 1_000, 10_000, 100_000)
MOST_RUNS, ENOUGH_SECONDS = 5, 10.0  # a work is repeated until either is reached: what is short varies most
LONGEST = 1800.0  # seconds that one run may take
MOST_MEMORY = 8 << 30  # bytes that one run may take
LEDGER_ROWS = "INSERT INTO ledger_ledger (vector_store_id, id, status) SELECT vector_store_id, batch_id, 'in_progress' "


@dataclass(frozen=True)
class Work:
    """SQL that makes the tables for a number of keys, SQL that is measured, and how many rows it returns."""

    name: str
    ready: Callable[[int], str]
    sql: str
    rows: Callable[[int], int]


WORKS = (
    Work(
        "IN",
        lambda keys: documents(keys, 1),
        "SELECT id, status FROM vector_store_file_batches "
        "WHERE vector_store_id = 'vs_0' AND batch_id IN (SELECT batch_id FROM documents)",
        lambda keys: keys,
    ),
    Work("join", documents, JOIN, lambda keys: keys),
    Work(
        "list",
        lambda keys: "",
        "SELECT id, status FROM vector_store_file_batch_files WHERE vector_store_id = 'vs_0' "
        f"AND batch_id = '{LISTED}'",
        lambda keys: keys,
    ),
    Work(
        "INSERT … SELECT",
        documents,
        "INSERT INTO vector_store_file_batches (vector_store_id, file_ids) "
        f"SELECT vector_store_id, json_array('file-' || batch_id) FROM ({LOCAL})",
        lambda keys: 0,
    ),
    Work(
        "ledger refresh",
        lambda keys: (
            f"{documents(keys)}; CREATE VIRTUAL TABLE ledger USING vector_store_file_batches;"
            f"{LEDGER_ROWS} FROM documents"
        ),
        "SELECT count(*), status FROM ledger GROUP BY status",
        lambda keys: 1,
    ),
    Work("documents sync", lambda keys: CREATE, REPLACE, lambda keys: 0),
)


def chosen(names: str) -> list[Work]:
    """The works with these names, or whose names begin so, in any case, separated by commas; all for "".

    Raises ValueError for a name that fits none.
    """
    found = []
    for name in names.lower().split(","):
        exact = [work for work in WORKS if work.name.lower() == name]
        fitting = exact or [work for work in WORKS if work.name.lower().startswith(name.strip())]
        if not fitting:
            raise ValueError(f"no work is called {name!r}; there are {', '.join(work.name for work in WORKS)}")
        found += [work for work in fitting if work not in found]
    return found


@dataclass
class Measured:
    """What one work cost for a number of keys.

    processor, server: seconds of processor time of the process that did the work, and of the server.
    memory: bytes by which the process has grown at most.
    """

    name: str
    keys: int
    date: str
    seconds: float
    requests: int
    processor: float
    server: float
    memory: int


def measured(server: Running, work: Work, keys: int) -> Measured:
    """Measure a work up to MOST_RUNS times; the medians. Raises AssertionError when it fails or takes too long."""
    began = time.monotonic()
    runs: list[Measured] = []
    while len(runs) < MOST_RUNS and (not runs or time.monotonic() - began < ENOUGH_SECONDS):
        runs.append(_measured_once(server, work, keys))
    costs: Any = {
        cost: statistics.median_low(getattr(run, cost) for run in runs)
        for cost in ("seconds", "requests", "processor", "server", "memory")
    }
    return Measured(work.name, keys, runs[0].date, **costs)


def _measured_once(server: Running, work: Work, keys: int) -> Measured:
    server.reset(latency=0.0)
    server.list_files(keys)
    asked = json.dumps({"base_url": server.base_url, "name": work.name, "keys": keys})
    command = [sys.executable, "-m", "tests.benchmarks.scale"]
    what = f"{work.name}, {keys:,} keys"
    try:
        done = subprocess.run(
            command, cwd=ROOT, input=asked, capture_output=True, text=True, check=False, timeout=LONGEST
        )
    except subprocess.TimeoutExpired:
        raise AssertionError(f"{what}: not done within {LONGEST:.0f} s") from None
    if done.returncode:
        problem = (done.stderr.strip().splitlines() or ["no word on stderr"])[-1]
        raise AssertionError(f"{what}: {problem}")
    counted = server.counters()
    said = json.loads(done.stdout)
    date = f"{datetime.now(UTC):%Y-%m-%d}"
    return Measured(work.name, keys, date, requests=counted.requests, server=counted.processor, **said)


def main() -> None:
    """Do one work, and print what it cost."""
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY, MOST_MEMORY))
    asked = json.load(sys.stdin)
    work = next(each for each in WORKS if each.name == asked["name"])
    with tempfile.TemporaryDirectory(prefix="openai_vtab-benchmarks-") as folder:
        if work.name == "documents sync":
            write_files(Path(folder), asked["keys"])
        server: Any = argparse.Namespace(base_url=asked["base_url"], ca_bundle=None)
        with closing(connected(str(Path(folder) / "a.db"), server)) as db:
            db.execute(work.ready(asked["keys"]))
            gc.collect()
            (PROCESS / "clear_refs").write_text(RESET_PEAK)
            before = memory("VmRSS")
            began, processor = time.perf_counter(), time.process_time()
            rows = sum(1 for _ in db.execute(work.sql))
            cost = {
                "seconds": time.perf_counter() - began,
                "processor": time.process_time() - processor,
                "memory": memory("VmHWM") - before,
            }
    if rows != work.rows(asked["keys"]):
        sys.exit(f"{rows:,} rows came out instead of {work.rows(asked['keys']):,}")
    json.dump(cost, sys.stdout)


if __name__ == "__main__":
    main()
