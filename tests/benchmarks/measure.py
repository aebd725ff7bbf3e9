"""What takes processes of its own: peak memory, and the time to start.

It must not know how results are shown. A process that has done something before has a larger peak, and has imported
what is to be imported, so each number comes from a fresh one.

>>> growth(server, JOIN, tables=documents(50_000, 7), rows=50_000)     # bytes
31457280
>>> in_turn([lambda: import_time("openai_vtab"), lambda: import_time("apsw")], runs=5)      # seconds
[0.041, 0.029]
"""

from __future__ import annotations

import compileall
import json
import statistics
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from .cases import JOIN, STORES
from .server import KEY, ROOT, Running

LISTED = (
    "SELECT id, status, created_at FROM vector_store_file_batches "
    "WHERE vector_store_id = 'vs_0' AND batch_id IN (SELECT batch_id FROM documents)"
)
FILES_IN = "SELECT id, filename, created_at FROM files WHERE file_id IN (SELECT file_id FROM documents)"
FILES_JOIN = "SELECT f.filename, f.created_at FROM documents AS d CROSS JOIN files AS f USING (file_id)"
# SQL, and over how many stores the keys are spread
MEMORY = {"IN": (LISTED, 1), "JOIN": (JOIN, STORES), "files IN": (FILES_IN, 1), "files JOIN": (FILES_JOIN, 1)}

IMPORT = "import time; started = time.perf_counter(); import {}; print(time.perf_counter() - started)"


def growth(server: Running, sql: str, *, tables: str, rows: int, upload_root: str | None = None) -> int:
    """By how many bytes a process grows at most while it executes SQL that returns so many rows, without latency."""
    server.reset(latency=0.0, files=rows)
    asked = {
        "base_url": server.base_url,
        "api_key": KEY,
        "upload_root": upload_root,
        "tables": tables,
        "sql": sql,
    }
    said = json.loads(_output([sys.executable, "-m", "tests.benchmarks.memory"], json.dumps(asked)))
    if said["rows"] != rows:
        raise AssertionError(f"{said['rows']:,} rows came out instead of {rows:,}")
    return int(said["growth"])


def import_time(module: str) -> float:
    """Seconds that an import takes in an interpreter that has imported nothing."""
    return float(_output([sys.executable, "-c", IMPORT.format(module)]))


def process_time(*command: str) -> float:
    """Seconds from the start of a process to its end."""
    started = time.perf_counter()
    _output(command)
    return time.perf_counter() - started


def in_turn(measured: Sequence[Callable[[], float]], runs: int) -> list[float]:
    """The medians of several runs, each of which measures all of them.

    The package is compiled first, as pip does when it installs one.
    """
    compileall.compile_dir(ROOT / "openai_vtab", quiet=1)
    taken = [[measure() for measure in measured] for _ in range(runs)]
    return [statistics.median(numbers) for numbers in zip(*taken, strict=True)]


SHELL_ARGUMENTS = (":memory:", "select 1")
OUR_SHELL = (str(Path(sysconfig.get_path("scripts"), "openai-vtab")), *SHELL_ARGUMENTS)
APSW_SHELL = (sys.executable, "-m", "apsw", *SHELL_ARGUMENTS)

# what is compared with what, each measured in seconds
STARTS: dict[str, tuple[Callable[[], float], Callable[[], float]]] = {
    "`import openai_vtab` ÷ `import apsw`": (lambda: import_time("openai_vtab"), lambda: import_time("apsw")),
    '`python -c "import openai_vtab"` ÷ `python -c "import apsw"`': (
        lambda: process_time(sys.executable, "-c", "import openai_vtab"),
        lambda: process_time(sys.executable, "-c", "import apsw"),
    ),
    '`openai-vtab :memory: "select 1"` ÷ `python -m apsw :memory: "select 1"`': (
        lambda: process_time(*OUR_SHELL),
        lambda: process_time(*APSW_SHELL),
    ),
}


def _output(command: Sequence[str], given: str = "") -> str:
    done = subprocess.run(command, cwd=ROOT, input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        problem = (done.stderr.strip().splitlines() or ["no word on stderr"])[-1]
        raise AssertionError(f"{' '.join(command[:3])} ended with {done.returncode}: {problem}")
    return done.stdout
