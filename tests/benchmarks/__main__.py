"""The command: measure, and print what came out as Markdown tables.

    python -m tests.benchmarks                      all of it, about ten minutes
    python -m tests.benchmarks --only JOIN --runs 3
    python -m tests.benchmarks --keys 40            in small, to see whether it runs

It must not know how anything is measured. It needs the extra `bench`; the tests need neither. Its exit status is 1
when ours fails a case, and 0 when it is only slow: times are for reading, not for a build to depend on.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import chain

import apsw

from . import commits, documents, growth, large, ledger, measure, processor
from .bulk_cases import bulk_cases
from .cases import AIOHTTP, LOOP, SDK, SHILLELAGH, Case, cases
from .cases import documents as documents_table
from .contest import Result, contest
from .distant_cases import distant_cases
from .document_cases import document_cases
from .report import markdown, tell
from .server import Running, running

OTHERS = (AIOHTTP, LOOP, SDK, SHILLELAGH)
MEMORY_FACTOR = 50  # keys of the memory cases, for each key of the others
MEMORY_TARGET = 60e6  # bytes
START_TARGET = 1.5
STARTS_PER_RUN = 4  # processes started for each run: a start is short, and varies


@dataclass
class Compared:
    """One line about memory, starting or a ledger. cells: ours, the other, the ratio, the target."""

    title: str
    cells: list[str]
    met: bool
    failed: bool = False


def main() -> int:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Ours against its opponents.")
    parser.add_argument("--runs", type=int, default=5, help="how often each case is done (default 5)")
    parser.add_argument("--keys", type=int, default=1000, help="keys of most cases (default 1000)")
    parser.add_argument("--only", metavar="SUBSTRING", default="", help="only the cases whose title contains this")
    parser.add_argument("--full", action="store_true", help="measure also those who ask one by one on all keys")
    growth.add_arguments(parser)
    asked = parser.parse_args()
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):  # all is on this machine
        os.environ.pop(name, None)
        os.environ.pop(name.lower(), None)
    if asked.scale is not None or asked.plot:
        return growth.command(asked, machine())
    with running() as server:
        contests = list(contests_asked_for(server, asked))
        lines = [*starts_and_memory(server, asked), *syncs(server, asked)]
    head = f"{datetime.now(UTC):%Y-%m-%d}, {machine()}; medians of {asked.runs} runs."
    print("\n\n".join(filter(None, [head, targets(contests), others(contests), compared(lines)])))
    failed = any(ours.failure for _, (ours, *_) in contests) or any(line.failed for line in lines)
    return int(failed)


def contests_asked_for(server: Running, asked: argparse.Namespace) -> Iterator[tuple[Case, list[Result]]]:
    """Do the cases, one after another, telling on stderr which."""
    every = (cases, bulk_cases, document_cases, distant_cases)
    for case, make in chain.from_iterable(make_cases(asked.keys) for make_cases in every):
        if asked.only in case.title:
            tell(case.title)
            yield case, contest(server, case, make, runs=asked.runs, full=asked.full)


def starts_and_memory(server: Running, asked: argparse.Namespace) -> Iterator[Compared]:
    """Measure memory, imports, starts, and what SQLite pays for a ledger."""
    keys = asked.keys * MEMORY_FACTOR

    def measured(sql: str, stores: int) -> int:
        return measure.growth(server, sql, tables=documents_table(keys, stores), rows=keys)

    for name, (sql, stores) in measure.MEMORY.items():
        title = f"peak memory, {name} of {keys:,} keys"
        if asked.only in title:
            yield compare(title, lambda: memory(measured(sql, stores)))  # noqa: B023 - called at once
    yield from memory_of_large(server, asked)
    for title, pair in measure.STARTS.items():
        if asked.only in title:
            yield compare(title, lambda: times(*measure.in_turn(pair, asked.runs * STARTS_PER_RUN), START_TARGET))  # noqa: B023 - called at once
    if asked.only in ledger.TITLE:
        with ledger.ledger_and_table(server) as pair:
            yield compare(ledger.TITLE, lambda: times(*measure.in_turn(pair, asked.runs), ledger.TARGET))
    yield from processor_times(server, asked)
    if asked.only in commits.FIRST:
        yield compare(commits.FIRST, lambda: limit(commits.first_request(), commits.FIRST_TARGET))
    if asked.only in commits.HEARD:
        yield compare(commits.HEARD, lambda: limit(commits.heard_within(), commits.HEARD_TARGET))
    for rows, title in commits.COSTS.items():
        if asked.only in title:
            yield compare(title, lambda: times(*commits.costs(server, rows, 15), commits.COST_TARGET))  # noqa: B023


def memory_of_large(server: Running, asked: argparse.Namespace) -> Iterator[Compared]:
    """Measure the memory of large responses and of long lists."""
    for name, statement in large.LARGE.items():
        title = f"memory of {name}, more than of one"
        if asked.only in title:
            yield compare(title, lambda: memory(large.waiting(server, statement), large.WAITING_TARGET))  # noqa: B023
    for name, sql in large.LISTS.items():
        title = f"memory of {name}"
        if asked.only in title:
            yield compare(title, lambda: memory(large.long_list(server, sql), large.LIST_TARGET))  # noqa: B023


def processor_times(server: Running, asked: argparse.Namespace) -> Iterator[Compared]:
    """Measure processor time, of ours and of others in turn."""
    if asked.only in processor.MANY:
        with processor.many_lookups(server) as three:
            ours, *others = measure.in_turn(three, asked.runs)
        for other, (name, target) in zip(others, processor.MANY_TARGETS.items(), strict=True):
            yield compare(f"{processor.MANY} ÷ {name}", lambda: times(ours, other, target))  # noqa: B023
    for title, (opened, target) in processor.PAIRS.items():
        if asked.only in title:
            with opened(server) as pair:
                yield compare(title, lambda: times(*measure.in_turn(pair, asked.runs), target))  # noqa: B023
    if asked.only in processor.LOCAL_STATEMENT:
        with processor.local_statement(server) as pair:
            ours, bare = measure.in_turn(pair, asked.runs)
        yield compare(processor.LOCAL_STATEMENT, lambda: limit(ours - bare, processor.LOCAL_TARGET))


def syncs(server: Running, asked: argparse.Namespace) -> Iterator[Compared]:
    """Measure what a documents table costs when little or nothing is sent, and its memory."""
    measured = {
        documents.TITLE_AGAIN: lambda: synced(*documents.again(server, asked.runs), documents.AGAIN_TARGET, 0),
        documents.TITLE_CHANGED: lambda: synced(
            *documents.changed(server, asked.runs), documents.CHANGED_TARGET, documents.CHANGED_REQUESTS
        ),
        documents.TITLE_READ: lambda: synced(*documents.read(server, asked.runs), documents.READ_TARGET, 0),
        documents.TITLE_LARGE: lambda: memory(documents.large(server), documents.MEMORY_TARGET),
        documents.TITLE_BLOBS: lambda: memory(documents.blobs(server), documents.MEMORY_TARGET),
    }
    for title, measure_it in measured.items():
        if asked.only in title:
            yield compare(title, measure_it)


def compare(title: str, measured: Callable[[], tuple[list[str], bool]]) -> Compared:
    """Measure, telling on stderr what; a failure is a result, to be shown."""
    tell(title)
    try:
        return Compared(title, *measured())
    except AssertionError as error:
        return Compared(title, [f"fails: {error}", "", "", ""], met=False, failed=True)


def memory(grown: int, target: float = MEMORY_TARGET) -> tuple[list[str], bool]:
    """The cells of a line about memory, and whether the target is met."""
    return [f"{grown / 1e6:.1f} MB", "", "", f"≤ {target / 1e6:.0f} MB"], grown <= target


def synced(seconds: float, requests: int, target: float, most: int) -> tuple[list[str], bool]:
    """The cells of a line about one sync, and whether the targets are met."""
    cells = [f"{duration(seconds)}, {requests} requests", "", "", f"≤ {duration(target)}, {most} requests"]
    return cells, seconds <= target and requests <= most


def limit(seconds: float, target: float) -> tuple[list[str], bool]:
    """The cells of a line about one time, and whether the target is met."""
    return [duration(seconds), "", "", f"≤ {duration(target)}"], seconds <= target


def times(ours: float, other: float, target: float) -> tuple[list[str], bool]:
    """The cells of a line about two times, and whether the target is met."""
    ratio = ours / other
    return [duration(ours), duration(other), f"{ratio:.2f}", f"≤ {target:.2f}"], ratio <= target


def machine() -> str:
    """Where, and with which versions."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("requests", "aiohttp", "openai", "shillelagh"))
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"APSW {apsw.apsw_version()}, SQLite {apsw.sqlite_lib_version()}, {packages}"
    )


def targets(contests: Sequence[tuple[Case, list[Result]]]) -> str:
    """The table of ours against the one that is to be compared with."""
    lines = []
    for case, (ours, *opponents) in contests:
        against = next(result for result in opponents if result.name == case.against)
        ratio = ours.median / against.median if ours.median and against.median else None
        fast = case.target is None or (ratio is not None and ratio <= case.target)
        met = not ours.failure and fast and ours.requests <= case.most_requests
        lines.append(
            [
                case.title,
                shown(ours),
                f"{shown(against)} {against.name}",
                f"{ratio:.2f}" if ratio else "",
                f"≤ {case.most_requests} requests" if case.target is None else f"≤ {case.target:.2f}",
                "yes" if met else "no",
                f"{ours.requests:,}",
                f"{ours.most_in_flight}" if case.latency else "",  # without latency the server has one at a time
                f"{ours.connections}",
            ]
        )
    heads = ["case", "ours", "against", "ratio", "target", "met", "requests", "in flight", "connections"]
    return markdown(heads, lines)


def others(contests: Sequence[tuple[Case, list[Result]]]) -> str:
    """The table of all others, with how many times their time ours took."""
    lines = []
    for case, (ours, *opponents) in contests:
        by_name = {result.name: result for result in opponents}
        cells = [beside(ours, by_name[name]) if name in by_name else "" for name in OTHERS]
        lines.append([case.title, shown(ours), *cells])
    note = "\n\nIn brackets: ours ÷ theirs. ≈: measured on fewer keys, and multiplied." if lines else ""
    return markdown(["case", "ours", *OTHERS], lines) + note


def compared(lines: Sequence[Compared]) -> str:
    """The table of memory and starts."""
    rows = [[line.title, *line.cells, "yes" if line.met else "no"] for line in lines]
    return markdown(["process", "ours", "against", "ratio", "target", "met"], rows)


def beside(ours: Result, other: Result) -> str:
    """A time of theirs, with the ratio."""
    return shown(other) + (f" ({ours.median / other.median:.2f})" if ours.median and other.median else "")


def shown(result: Result) -> str:
    """The time, or why there is none."""
    if result.median is None:
        return result.failure
    return ("≈ " if result.share < 1 else "") + duration(result.median)


def duration(seconds: float) -> str:
    """Seconds, or milliseconds below one, or microseconds below a tenth of a millisecond."""
    if abs(seconds) < 1e-4:
        return f"{seconds * 1e6:.1f} µs"
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms"


if __name__ == "__main__":
    sys.exit(main())
