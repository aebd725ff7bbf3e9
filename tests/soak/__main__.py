"""The soak: random statements from many connections on two database files, against a sandbox in bad weather.

    python -m tests.soak                    twenty minutes
    python -m tests.soak --seconds 60
    python -m tests.soak --seed 7           the same statements and faults, in whatever order they meet

Two processes of eight threads, each with its own connection: half of them share a file in WAL mode, the others one
with a rollback journal. Its exit status is 1 when anything is lost, double, wrong, or grows; each finding is printed.
It must not know how a statement is made up (worker.py), what fails (weather.py), or what must be true (judge.py).
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai_vtab
from openai_vtab import sandbox as sandbox_package

from .judge import Judge, uploads
from .weather import Weather
from .worker import FILES, SETTINGS

PROCESSES, THREADS = 2, 8
STORES = ("vs_soak_1", "vs_soak_2", "vs_soak_3")
OTHERS = 60  # batches that nobody here has made
JOURNALS = ("wal", "delete")
SCHEMA = """
    CREATE VIRTUAL TABLE batches USING vector_store_file_batches;
    CREATE TABLE journal (mark TEXT);
    CREATE TABLE documents (vector_store_id TEXT, id TEXT);
"""
GROWTH = 1.15  # of memory, after the first quarter
GROWTH_ALLOWED = 12e6  # bytes, whatever the share: what a short run has not yet loaded
TOO_LATE = 60.0  # seconds after its time in which a process must have ended
# of a process: itself, its clients, their requests, as many again for connections that were just closed
MOST_THREADS = 1 + THREADS * (1 + 2 * SETTINGS["max_concurrency"])


def main() -> int:
    """Run it, print what was done, and what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="Random statements in bad weather.")
    parser.add_argument("--seconds", type=float, default=1200, help="how long (default 1200)")
    parser.add_argument("--seed", type=int, default=None, help="of statements and faults (default: a new one)")
    parser.add_argument("--share", type=float, default=0.05, help="of the requests that fail (default 0.05)")
    asked = parser.parse_args()
    logging.getLogger("openai_vtab").addHandler(logging.NullHandler())  # it says what was recovered
    seed = random.SystemRandom().randrange(1 << 32) if asked.seed is None else asked.seed
    print(f"seed {seed}, {asked.seconds:g} s", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        findings = list(soak(Path(folder), seed, asked.seconds, asked.share))
    for finding in findings:
        print(f"WRONG {finding}")
    print(f"{len(findings)} findings, seed {seed}")
    return 1 if findings else 0


def soak(folder: Path, seed: int, seconds: float, share: float) -> Iterator[str]:
    """What is wrong. The weather begins when all is prepared, and ends before the judge looks."""
    with sandbox_package.run(latency=0.003, processing_seconds=1.0, seeded=False) as sandbox:
        state = sandbox._state
        for number, store in enumerate(STORES):
            sandbox.add_store(store, name=f"soak {number}")
        for id in FILES:
            sandbox.add_file(f"{id}.md", id=id)
        chosen = random.Random(seed)  # noqa: S311
        others = [(store := chosen.choice(STORES), sandbox.add_batch(store, FILES[:2])) for _ in range(OTHERS)]
        databases = [folder / f"{journal}.db" for journal in JOURNALS]
        for path, journal in zip(databases, JOURNALS, strict=True):
            with_tables(path, journal, others, sandbox)
        weather = Weather(chosen, share)
        sandbox._server.faults.add(weather)
        orders = {
            "seed": seed,
            "seconds": seconds,
            "threads": THREADS,
            "folder": str(folder),
            "base_url": sandbox.base_url,
            "api_key": sandbox.api_key,
            "stores": STORES,
            "others": others,
            "databases": [str(path) for path in databases],
        }
        workers = [begun(folder, {**orders, "number": number}) for number in range(PROCESSES)]
        uploaded: Counter[str] = Counter()
        requests = 0
        end = time.monotonic() + seconds + TOO_LATE
        while any(worker.poll() is None for worker in workers):
            time.sleep(0.5)
            if time.monotonic() > end:
                for worker in workers:
                    worker.send_signal(signal.SIGABRT)  # it says where its threads are
                end += TOO_LATE
            requests += len(sandbox.requests)
            sandbox.requests.clear()
            # a limit now and then, reached by what runs at once
            limit = (60, 0.5, 0.2) if chosen.random() < 0.1 else (100_000, 1.0, 0.2)
            sandbox.rate_limit(*limit)
            uploaded += taken(state, older_than=5.0)
        uploaded += taken(state, older_than=0.0)
        truth: dict[str, list[tuple[str, str]]] = {}
        for keys, batch in state.batches.items():
            if batch.files[0].attributes:
                truth.setdefault(batch.files[0].attributes["mark"], []).append(keys)
    reports = []
    for number, worker in enumerate(workers):
        errors = (folder / f"stderr-{number}").read_text(encoding="utf-8")
        if errors or worker.returncode:
            yield f"process {number} has ended with {worker.returncode}, and says: {errors[-9000:]}"
        else:
            reports.append(json.loads((folder / f"stdout-{number}").read_text(encoding="utf-8")))
    lines = [
        json.loads(line)
        for number in range(PROCESSES)
        for line in (folder / f"account-{number}.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    yield from (finding for path in databases for finding in recovered(path))
    judge = Judge(truth, databases, lines)
    summary(reports, judge, requests, weather, uploaded)
    for report in reports:
        yield from report["findings"]
        yield from grown(report)
    yield from judge.findings()
    yield from uploads(uploaded, lines)


def with_tables(path: Path, journal: str, others: list[tuple[str, str]], sandbox: Any) -> None:
    """A database file for the workers."""
    db = openai_vtab.connect(path, base_url=sandbox.base_url, api_key=sandbox.api_key)
    db.execute(f"PRAGMA journal_mode = {journal}")
    db.execute(SCHEMA)
    db.executemany("INSERT INTO documents VALUES (?, ?)", others)
    db.close()


def recovered(path: Path) -> Iterator[str]:
    """Open the ledger once more: only then must it list what a connection could not write before it was closed."""
    db = openai_vtab.connect(path, base_url="http://127.0.0.1:9", api_key="none")
    db.execute("SELECT 1 FROM batches WHERE false").fetchall()
    db.close()
    for left in path.parent.glob(f"{path.name}-openai-intents-*"):
        yield f"{left.name} is still there: {left.read_text(encoding='utf-8')}"


def begun(folder: Path, orders: dict[str, Any]) -> subprocess.Popen[str]:
    """A worker process. What it writes to stderr is a finding."""
    number = orders["number"]
    command = [sys.executable, "-X", "dev", "-W", "error", "-m", "tests.soak.worker", json.dumps(orders)]
    with (folder / f"stdout-{number}").open("w") as out, (folder / f"stderr-{number}").open("w") as errors:
        return subprocess.Popen(command, stdout=out, stderr=errors, text=True)


def taken(state: Any, older_than: float) -> Counter[str]:
    """The uploaded files, which the sandbox then forgets: a list of tens of thousands is not what is tried here."""
    with state.lock:
        old = [
            id for id, file in state.files.items() if id not in FILES and file.created_at <= time.time() - older_than
        ]
        return Counter(state.files.remove(id).filename for id in old)


def grown(report: dict[str, Any]) -> Iterator[str]:
    """Memory, threads and open files, of which none may grow."""
    memory = [rss for _, rss, _, _ in report["measured"]]
    if memory and memory[-1] > memory[0] * GROWTH and memory[-1] - memory[0] > GROWTH_ALLOWED:
        yield f"memory has grown: {[round(rss / 1e6, 1) for rss in memory]} MB"
    most = max((threads for _, _, threads, _ in report["measured"]), default=0)
    if most > MOST_THREADS:
        yield f"{most} threads at once"
    for name, before, after in zip(("threads", "open files"), report["before"][1:], report["after"][1:], strict=True):
        if after > before:
            yield f"{after} {name} at the end, {before} at the beginning"


def summary(
    reports: list[dict[str, Any]], judge: Judge, requests: int, weather: Weather, uploaded: Counter[str]
) -> None:
    """What was done."""
    for what in ("statements", "errors", "warnings"):
        total: Counter[str] = sum((Counter(report[what]) for report in reports), Counter())
        print(f"{what}: {total.total()}")
        print("".join(f"    {count:7} {name}\n" for name, count in total.most_common()), end="")
    print(f"requests: {requests}, of which failed: {weather.counts.total()} {dict(weather.counts)}")
    print(f"batches created: {len(judge.marks)}, said: {dict(Counter(judge.said.values()))}")
    print(f"files uploaded: {uploaded.total()}; rows unknown in the ledgers: {judge.unknown.total()}")
    for report in reports:
        measured = report["measured"] or [(0, *report["after"])]
        memory, threads, files = zip(*(values for _, *values in measured), strict=True)
        print(
            f"process: memory {memory[0] / 1e6:.1f} to {memory[-1] / 1e6:.1f} MB, threads {threads[0]} to "
            f"{threads[-1]} (at most {max(threads)}), open files {files[0]} to {files[-1]} (at most {max(files)}); "
            f"closed: {report['after'][1]} threads, {report['after'][2]} files"
        )


if __name__ == "__main__":
    sys.exit(main())
