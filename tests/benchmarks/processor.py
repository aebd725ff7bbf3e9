"""Processor time, of ours and of others in turn: what one pays where the network costs nothing.

It must not know how results are shown. The processor time of this process is taken, over all of its threads; the
server is another process. Unlike the clock, it hardly depends on what else runs on the machine.

>>> with many_lookups(server) as (ours, aiohttp, threads): in_turn([ours, aiohttp, threads], runs=5)
"""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import apsw

import openai_vtab

from .cases import listed, looked_up
from .opponents import Aiohttp, Loop, Threads
from .ours import connected
from .server import KEY, Running

IDS = 2000
SINGLE = 200  # look-ups of one key for each run
LOCAL = 20_000  # statements for each run
PLANNED = "SELECT title FROM documents WHERE id = ?"

MANY = f"processor time, `batch_id IN ({IDS:,} ids)`"
MANY_TARGETS = {"asyncio+aiohttp": 2.0, "threads over requests": 0.6}
LOCAL_STATEMENT = "processor time, a local statement beside the tables, more than without them"
LOCAL_TARGET = 3e-6  # seconds

Measured = Callable[[], float]


@contextmanager
def many_lookups(server: Running) -> Iterator[tuple[Measured, Measured, Measured]]:
    """One statement with many ids: ours, asyncio + aiohttp, and threads over requests. Seconds for all ids."""
    case = listed(IDS, latency=0.0)
    server.reset(latency=0.0)
    with tempfile.TemporaryDirectory() as folder, closing(apsw.Connection(":memory:")) as local:

        def ours() -> float:
            with closing(connected(str(Path(folder) / "a.db"), server)) as db:
                return _taken(lambda: _counted(db.execute(case.sql).fetchall(), IDS))

        def aiohttp() -> float:
            with closing(Aiohttp(server.base_url)) as client:
                return _taken(lambda: _counted(case.by_hand(local, client), IDS))

        def threads() -> float:
            with closing(Threads(server.base_url)) as client:
                return _taken(lambda: _counted(case.by_hand(local, client), IDS))

        yield ours, aiohttp, threads


@contextmanager
def one_lookup(server: Running) -> Iterator[tuple[Measured, Measured]]:
    """One statement after another that looks up one key: ours, and requests.Session.get. Seconds for one."""
    case = looked_up(1)
    server.reset(latency=0.0)
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(apsw.Connection(":memory:")) as local,
        closing(connected(str(Path(folder) / "a.db"), server)) as db,
        closing(Loop(server.base_url)) as client,
    ):

        def ours() -> float:
            return _taken(lambda: [_counted(db.execute(case.sql).fetchall(), 1) for _ in range(SINGLE)]) / SINGLE

        def loop() -> float:
            return _taken(lambda: [_counted(case.by_hand(local, client), 1) for _ in range(SINGLE)]) / SINGLE

        yield ours, loop


@contextmanager
def local_statement(server: Running) -> Iterator[tuple[Measured, Measured]]:
    """One statement after another that reads an ordinary table: on a connection with the tables, and without them."""
    with (
        closing(openai_vtab.connect(base_url=server.base_url, api_key=KEY)) as db,
        closing(apsw.Connection(":memory:")) as bare,
    ):
        for connection in (db, bare):
            connection.execute("CREATE TABLE documents (id INTEGER PRIMARY KEY, title TEXT)")
            connection.execute("INSERT INTO documents VALUES (1, 'first')")

        def statements(connection: apsw.Connection) -> float:
            execute = connection.execute

            def all_of_them() -> None:
                for _ in range(LOCAL):
                    execute(PLANNED, (1,)).fetchall()

            return _taken(all_of_them) / LOCAL

        yield lambda: statements(db), lambda: statements(bare)


def _counted(rows: list[object], count: int) -> None:
    if len(rows) != count:
        raise AssertionError(f"{len(rows):,} rows came out instead of {count:,}")


def _taken(work: Callable[[], object]) -> float:
    gc.collect()  # what the one before has left must not cost this one's time
    before = time.process_time()
    work()
    return time.process_time() - before


PAIRS = {"processor time, one look-up ÷ one requests.Session.get": (one_lookup, 0.9)}
