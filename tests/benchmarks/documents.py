"""What a sync of a folder costs when little or nothing has changed, what it keeps in memory, and what reading costs.

It must not know how results are shown. Every measurement begins with a folder that has been synchronized.

>>> with synchronized(server, 1000) as folder:
...     folder.sync()
(0.11, 0)
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from . import measure
from .cases import LATENCY, numbers
from .document_cases import CREATE, DELETE, REPLACE
from .folder import FOLDER, write_file, write_files
from .ours import connected
from .server import Running

AGAIN, AGAIN_TARGET = 1000, 0.5  # documents, seconds
MANY, CHANGED = 10_000, 10  # documents
CHANGED_TARGET, CHANGED_REQUESTS = 3.0, 35  # seconds
READ_TARGET = 0.5  # seconds
MEMORY_TARGET = 100e6  # bytes
LARGE_FILES, LARGE = 8, 256 << 20  # bytes
BLOBS, BLOB = 200, 1_000_000  # bytes

TITLE_AGAIN = f"a second sync of {AGAIN:,} documents"
TITLE_CHANGED = f"a sync of {MANY:,} documents of which {CHANGED} have changed, until the old ones are deleted"
TITLE_READ = f"`SELECT status, count(*) … GROUP BY status` of {MANY:,} finished documents"
TITLE_LARGE = f"peak memory, a sync of {LARGE_FILES} files of {LARGE >> 20} MB"
TITLE_BLOBS = f"peak memory, {BLOBS} BLOBs of {BLOB // 1_000_000} MB in one transaction"

FINISH = (
    "SELECT count(*) FROM handbook WHERE status = 'completed' AND wait_seconds = 60",
    "INSERT INTO handbook (handbook) VALUES ('sync')",
)


class Synchronized:
    """A folder, and the table that has it. Each measurement returns seconds, and the number of requests."""

    def __init__(self, server: Running, below: Path, db: Any) -> None:
        self._server = server
        self._folder = below / FOLDER
        self._changes = 0
        self.db = db

    def sync(self) -> tuple[float, int]:
        """Synchronize the folder."""
        return self._measured(REPLACE, DELETE)

    def sync_changed(self) -> tuple[float, int]:
        """Change some documents, synchronize the folder, wait, and let the old versions be deleted."""
        self._changes += 1
        for number in range(CHANGED):
            write_file(self._folder / f"{number}.md", f"change {self._changes} of document {number}")
        return self._measured(REPLACE, DELETE, *FINISH)

    def count(self) -> tuple[float, int]:
        """Count the documents by status."""
        return self._measured("SELECT status, count(*) FROM handbook GROUP BY status")

    def _measured(self, *statements: str) -> tuple[float, int]:
        self._server.reset(LATENCY)
        started = time.perf_counter()
        for statement in statements:
            self.db.execute(statement).fetchall()
        return time.perf_counter() - started, self._server.counters().requests


@contextmanager
def synchronized(server: Running, count: int) -> Iterator[Synchronized]:
    """Synchronize so many documents for the first time, and wait until all are finished."""
    with tempfile.TemporaryDirectory(prefix="openai_vtab-benchmarks-") as name:
        below = Path(name)
        write_files(below, count)
        server.reset(latency=0.0)
        with closing(connected(str(below / "a.db"), server)) as db:
            for statement in (CREATE, REPLACE, *FINISH):
                rows = db.execute(statement).fetchall()
                if rows and rows != [(count,)]:
                    raise AssertionError(f"{rows[0][0]:,} of {count:,} documents are completed")
            yield Synchronized(server, below, db)


def again(server: Running, runs: int) -> tuple[float, int]:
    """The seconds of a sync that has nothing to do, and the most requests."""
    with synchronized(server, AGAIN) as folder:
        return _median(folder.sync, runs)


def changed(server: Running, runs: int) -> tuple[float, int]:
    """The seconds of a sync of many documents of which a few have changed, and the most requests."""
    with synchronized(server, MANY) as folder:
        return _median(folder.sync_changed, runs)


def read(server: Running, runs: int) -> tuple[float, int]:
    """The seconds of a query over many finished documents, and the most requests."""
    with synchronized(server, MANY) as folder:
        return _median(folder.count, runs)


def large(server: Running) -> int:
    """By how many bytes a process grows at most while it uploads large files."""
    with tempfile.TemporaryDirectory(prefix="openai_vtab-benchmarks-") as name:
        (Path(name) / FOLDER).mkdir()
        for number in range(LARGE_FILES):
            with (Path(name) / FOLDER / f"{number}.md").open("wb") as file:
                file.truncate(LARGE)
        sql = f"{REPLACE}; SELECT key FROM handbook"
        return measure.growth(server, sql, tables=CREATE, rows=LARGE_FILES, upload_root=name)


def blobs(server: Running) -> int:
    """By how many bytes a process grows at most while it uploads BLOBs."""
    contents = f"SELECT value || '.md', randomblob({BLOB}) FROM ({numbers(BLOBS)})"
    sql = f"INSERT INTO handbook (key, content) {contents}; SELECT key FROM handbook"
    return measure.growth(server, sql, tables=CREATE, rows=BLOBS)


def _median(once: Callable[[], tuple[float, int]], runs: int) -> tuple[float, int]:
    taken = [once() for _ in range(runs)]
    return statistics.median(seconds for seconds, _ in taken), max(requests for _, requests in taken)
