"""How cost grows with the number of keys: seconds, requests, processor time and peak memory, and their exponents.

Each measurement is a process of its own, because a peak of memory and the caches of another one would count. The
exponent is the slope of the straight line through the logarithms: 1 means twice the cost for twice the keys.

    python -m tests.benchmarks --scale --plot docs/performance.svg
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .cases import JOIN, LOCAL, documents
from .document_cases import CREATE, REPLACE
from .folder import write_files
from .memory import PROCESS, RESET_PEAK, memory
from .ours import connected
from .server import LISTED, ROOT, Running

KEYS = (100, 1_000, 10_000, 100_000)
TARGET = 1.05  # of each exponent
LEDGER_ROWS = "INSERT INTO ledger_ledger (vector_store_id, id, status) SELECT vector_store_id, batch_id, 'in_progress' "


@dataclass(frozen=True)
class Work:
    """SQL that makes the tables for a number of keys, and SQL that is measured."""

    name: str
    ready: Callable[[int], str]
    sql: str


WORKS = (
    Work(
        "IN",
        lambda keys: documents(keys, 1),
        "SELECT id, status FROM vector_store_file_batches "
        "WHERE vector_store_id = 'vs_0' AND batch_id IN (SELECT batch_id FROM documents)",
    ),
    Work("join", documents, JOIN),
    Work(
        "list",
        lambda keys: "",
        "SELECT id, status FROM vector_store_file_batch_files WHERE vector_store_id = 'vs_0' "
        f"AND batch_id = '{LISTED}'",
    ),
    Work(
        "INSERT … SELECT",
        documents,
        "INSERT INTO vector_store_file_batches (vector_store_id, file_ids) "
        f"SELECT vector_store_id, json_array('file-' || batch_id) FROM ({LOCAL})",
    ),
    Work(
        "ledger refresh",
        lambda keys: (
            f"{documents(keys)}; CREATE VIRTUAL TABLE ledger USING vector_store_file_batches;"
            f"{LEDGER_ROWS} FROM documents"
        ),
        "SELECT count(*), status FROM ledger GROUP BY status",
    ),
    Work("documents sync", lambda keys: CREATE, REPLACE),
)


@dataclass
class Measured:
    """What one work cost for a number of keys."""

    name: str
    keys: int
    seconds: float
    requests: int
    processor: float
    memory: int


def measured(server: Running, work: Work, keys: int) -> Measured:
    """Measure one work in a process of its own, without latency."""
    server.reset(latency=0.0)
    server.list_files(keys)
    asked = json.dumps({"port": server.port, "name": work.name, "keys": keys})
    command = [sys.executable, "-m", "tests.benchmarks.scale"]
    done = subprocess.run(command, cwd=ROOT, input=asked, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"{work.name} of {keys:,} keys: {done.stderr.strip().splitlines()[-1]}")
    return Measured(requests=server.counters().requests, **json.loads(done.stdout))


def exponent(points: Iterable[tuple[float, float]]) -> float:
    """The slope of the straight line through the logarithms of the points, by least squares."""
    logs = [(math.log(x), math.log(y)) for x, y in points]
    mean_x, mean_y = (sum(values) / len(logs) for values in zip(*logs, strict=True))
    return sum((x - mean_x) * (y - mean_y) for x, y in logs) / sum((x - mean_x) ** 2 for x, _ in logs)


def exponents(found: Sequence[Measured]) -> dict[str, float]:
    """The exponents of one work's costs, by their names."""
    costs = ("seconds", "requests", "processor", "memory")
    return {cost: exponent((each.keys, max(getattr(each, cost), 1e-9)) for each in found) for cost in costs}


def rows(found: Sequence[Measured]) -> list[list[str]]:
    """The lines of a table, and the exponents in a last line for each work."""
    lines = []
    for name in dict.fromkeys(each.name for each in found):
        own = [each for each in found if each.name == name]
        lines += [
            [
                name,
                f"{m.keys:,}",
                f"{m.seconds:.2f} s",
                f"{m.requests:,}",
                f"{m.processor:.2f} s",
                f"{m.memory / 1e6:.1f} MB",
            ]
            for m in own
        ]
        if len(own) > 1:
            slope = exponents(own)
            met = all(value <= TARGET for value in slope.values())
            cells = [f"{slope[cost]:.2f}" for cost in ("seconds", "requests", "processor", "memory")]
            lines.append([name, f"exponent (≤ {TARGET}: {'yes' if met else 'no'})", *cells])
    return lines


def plot(found: Sequence[Measured], file: str) -> None:
    """Draw processor time and peak memory against keys. It needs matplotlib, the extra `plot`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    for axes, cost, label, unit in zip(
        figure.subplots(1, 2),
        ("processor", "memory"),
        ("processor seconds", "peak memory, MB"),
        (1.0, 1e6),
        strict=True,
    ):
        for name in dict.fromkeys(each.name for each in found):
            own = [each for each in found if each.name == name]
            axes.loglog([m.keys for m in own], [max(getattr(m, cost), 1e-9) / unit for m in own], "o-", label=name)
        axes.set(xlabel="keys", ylabel=label)
        axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize="small")
    figure.savefig(file)


def main() -> None:
    """Do one work, and print what it cost."""
    asked = json.load(sys.stdin)
    work = next(each for each in WORKS if each.name == asked["name"])
    with tempfile.TemporaryDirectory(prefix="openai_vtab-benchmarks-") as folder:
        if work.name == "documents sync":
            write_files(Path(folder), asked["keys"])
        server: Any = argparse.Namespace(base_url=f"http://127.0.0.1:{asked['port']}/v1")
        with closing(connected(str(Path(folder) / "a.db"), server)) as db:
            db.execute(work.ready(asked["keys"]))
            gc.collect()
            (PROCESS / "clear_refs").write_text(RESET_PEAK)
            before = memory("VmRSS")
            began, processor = time.perf_counter(), time.process_time()
            for _ in db.execute(work.sql):
                pass
            cost = Measured(
                work.name,
                asked["keys"],
                time.perf_counter() - began,
                0,
                time.process_time() - processor,
                memory("VmHWM") - before,
            )
    said = asdict(cost)
    del said["requests"]
    json.dump(said, sys.stdout)


if __name__ == "__main__":
    main()
