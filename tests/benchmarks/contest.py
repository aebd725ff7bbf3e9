"""The contest: ours and its opponents do a case in turn, several times, each on a fresh copy of the local database.

It must not know what the cases are or how results are shown. Only the work itself is timed: a connection, its local
tables and a client are made before, and its threads and sockets during it. What comes out is compared every time.

>>> ours, *others = contest(server, joined(1000), joined, runs=5, full=False)
>>> ours.median / others[0].median
1.02
"""

from __future__ import annotations

import gc
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import apsw

from . import shillelagh_adapter
from .cases import AIOHTTP, DISTINCT, LOOP, SDK, SHILLELAGH, THREADS, Case, Row, joined
from .folder import write_files
from .opponents import CONCURRENCY, Aiohttp, Client, Loop, OpenAISDK, Threads
from .ours import connected
from .server import Counters, Running

OURS = "ours"
ONE_BY_ONE = (LOOP, SDK, SHILLELAGH)
ROUNDS_WHEN_WARM = 100  # for each run: one lookup is short, and only a median of many says something

Work = Callable[[Case], list[Row]]
Opened = Callable[[str, Running, Case], AbstractContextManager[Work]]


@dataclass
class Result:
    """How one contestant did.

    share: which part of the case was measured; 0.04 for 40 of 1,000 keys.
    failure: why there is no time, or no right one.
    """

    name: str
    share: float = 1.0
    seconds: list[float] = field(default_factory=list)
    counters: list[Counters] = field(default_factory=list)
    failure: str = ""

    @property
    def median(self) -> float | None:
        """Seconds for the whole case, None when it failed."""
        return None if self.failure or not self.seconds else statistics.median(self.seconds) / self.share

    @property
    def requests(self) -> int:
        """The most that one run has sent."""
        return max((counted.requests for counted in self.counters), default=0)

    @property
    def most_in_flight(self) -> int:
        """The most at one time in any run."""
        return max((counted.most_in_flight for counted in self.counters), default=0)

    @property
    def connections(self) -> int:
        """The most that one run has opened."""
        return max((counted.connections for counted in self.counters), default=0)


class Contestant:
    """Who does which case, on copies of a database with its tables, and what must come out."""

    def __init__(self, name: str, case: Case, share: float, server: Running, folder: Path) -> None:
        self.case = case
        self.server = server
        self.result = Result(name, share)
        own = folder / name
        own.mkdir()
        self.template = own / "template"
        self.database = own / "a.db"
        write_files(own, case.files)
        with closing(apsw.Connection(str(self.template))) as db, db:
            db.execute(case.tables)
        shutil.copyfile(self.template, self.database)  # working it out may write, too
        self.right = case.right(str(self.database))

    def open(self, until: ExitStack) -> None:
        """Get ready on a fresh copy, to be closed with `until`."""
        shutil.copyfile(self.template, self.database)
        server = self.server.distant if self.case.distant else self.server
        opened = CONTESTANTS[self.result.name](str(self.database), server, self.case)
        self.work = until.enter_context(opened)

    def run(self) -> list[Row]:
        """Do the case once; what was returned."""
        if not self.case.warm:
            gc.collect()  # what the one before has left must not cost this one's time
        self.server.reset(self.case.latency)
        started = time.perf_counter()
        rows = self.work(self.case)
        self.result.seconds.append(time.perf_counter() - started)
        self.result.counters.append(self.server.counters())
        return rows

    def judge(self, rows: list[Row]) -> None:
        """Compare what came out with what is right."""
        counters = self.result.counters[-1]
        came_out = self.case.came_out(str(self.database), rows, counters)
        if came_out != self.right:
            self.result.failure = (
                f"fails: {len(came_out):,} rows came out, {len(self.right):,} are right; the first wrong one is "
                f"{_first(came_out, self.right)}, the first missing one {_first(self.right, came_out)}"
            )
        elif self.result.name in (OURS, DISTINCT) and counters.most_in_flight > CONCURRENCY:
            self.result.failure = f"fails: {counters.most_in_flight} requests in flight"


def _first(rows: list[Row], others: list[Row]) -> Row | None:
    return next((row for row in rows if row not in others), None)


def contest(server: Running, case: Case, make: Callable[[int], Case], *, runs: int, full: bool) -> list[Result]:
    """The results, ours first. Those who ask one by one are measured on the case's sample unless `full`."""
    sample = case if full else make(min(case.sample, case.keys))
    with tempfile.TemporaryDirectory(prefix="openai_vtab-benchmarks-") as folder, ExitStack() as kept:
        contestants = []
        for name in (OURS, *case.opponents):
            its = joined(case.keys) if name == DISTINCT else sample if name in ONE_BY_ONE else case
            contestants.append(Contestant(name, its, its.keys / case.keys, server, Path(folder)))
        for number in range(runs * ROUNDS_WHEN_WARM if case.warm else runs):
            for contestant in contestants:
                if not contestant.result.failure:
                    _round(contestant, kept if case.warm else None, first=number == 0)
    return [contestant.result for contestant in contestants]


def _round(contestant: Contestant, kept: ExitStack | None, *, first: bool) -> None:
    """One run of one contestant. What it raises is its result."""
    with ExitStack() as own:
        try:
            if first or not kept:
                contestant.open(kept or own)
            rows = contestant.run()
        except Exception as error:  # whatever it is, it is shown
            message = next(iter(str(error).splitlines()), "")
            contestant.result.failure = f"fails: {type(error).__name__}: {message}"
            return
    contestant.judge(rows)


@contextmanager
def _ours(database: str, server: Running, case: Case) -> Iterator[Work]:
    with closing(connected(database, server, bulk_reading=case.bulk_reading)) as db:
        db.execute(case.ready)
        yield lambda case: db.execute(case.sql).fetchall()


@contextmanager
def _shillelagh(database: str, server: Running, case: Case) -> Iterator[Work]:
    with closing(shillelagh_adapter.connect(database, server.base_url)) as db:
        yield lambda case: shillelagh_adapter.rows(db, case.sql)


def _by_hand(make: Callable[[Running], Client]) -> Opened:
    @contextmanager
    def opened(database: str, server: Running, case: Case) -> Iterator[Work]:
        with closing(make(server)) as client, closing(apsw.Connection(database)) as db:
            yield lambda case: case.by_hand(db, client)

    return opened


CONTESTANTS: dict[str, Opened] = {
    OURS: _ours,
    DISTINCT: _ours,
    AIOHTTP: _by_hand(lambda server: Aiohttp(server.base_url, server.ca_bundle)),
    THREADS: _by_hand(lambda server: Threads(server.base_url)),
    LOOP: _by_hand(lambda server: Loop(server.base_url)),
    SDK: _by_hand(lambda server: OpenAISDK(server.base_url)),
    SHILLELAGH: _shillelagh,
}
