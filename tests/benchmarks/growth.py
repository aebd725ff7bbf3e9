"""How cost grows with the number of keys: the results, kept as they come, their exponents, and a plot of them.

    python -m tests.benchmarks --scale                              all works, 1 to 100,000 keys
    python -m tests.benchmarks --scale join,insert --most 10000
    python -m tests.benchmarks --plot docs/assets/growth.svg        only draw what is in the file of results

The exponent is the slope of the straight line through the logarithms, by least squares: 1 means twice the cost for
twice the keys. What a process pays once (imports, connections) would hide how the rest grows. It is what one key costs.
So it is subtracted, and a size at which the rest is not larger than that is left out. Requests are all counted.

>>> exponent([(1_000, 0.5), (10_000, 5.0)])
1.0
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from . import scale
from .report import markdown, tell
from .scale import Measured
from .server import running

TARGET = 1.05  # of each exponent
COSTS = ("seconds", "requests", "processor", "memory")
HEADS = ("work", "keys", "seconds", "requests", "processor time", "of the server", "peak memory")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add = parser.add_argument
    works = ", ".join(work.name for work in scale.WORKS)
    add("--scale", nargs="?", const="", metavar="WORKS", help=f"measure how the cost of these grows instead: {works}")
    add("--most", type=int, default=scale.KEYS[-1], help="the most keys of --scale (default 100,000)")
    add("--results", metavar="FILE", default="scale.json", help="where --scale keeps, and continues, what it measures")
    add("--plot", metavar="FILE", default="", help="draw what is in the file of results (needs matplotlib)")


class Results:
    """What was measured, in a file that is written after each measurement."""

    def __init__(self, file: Path, machine: str) -> None:
        self._file = file
        self.machine = machine
        self.measured: list[Measured] = []
        if file.exists():
            kept = json.loads(file.read_text(encoding="utf-8"))
            self.machine = kept["machine"]
            self.measured = [Measured(**each) for each in kept["measured"]]

    def of(self, name: str) -> list[Measured]:
        """What was measured of a work, the fewest keys first."""
        return sorted((each for each in self.measured if each.name == name), key=lambda each: each.keys)

    def add(self, new: Measured) -> None:
        """Keep a measurement, in the file too, which is never half written."""
        self.measured.append(new)
        written = {"machine": self.machine, "measured": [asdict(each) for each in self.measured]}
        beside = self._file.with_name(f"{self._file.name}.new")
        beside.write_text(f"{json.dumps(written, indent=1)}\n", encoding="utf-8")
        beside.replace(self._file)

    @property
    def table(self) -> str:
        """Everything that was measured, with the exponents."""
        lines = [line for work in scale.WORKS for line in rows(self.of(work.name))]
        dates = " and ".join(sorted({each.date for each in self.measured}))
        return f"{dates}, {self.machine}.\n\n{markdown(HEADS, lines)}"


def command(asked: argparse.Namespace, machine: str) -> int:
    """Measure what is not in the file of results yet, print all of it, draw it. Returns 1 if a work has failed."""
    results, failed = Results(Path(asked.results), machine), False
    if asked.scale is not None:
        if results.machine != machine:
            sys.exit(f"{asked.results} was measured with {results.machine}; give another file with --results")
        failed = not measure(results, scale.chosen(asked.scale), asked.most)
    print(results.table)
    if asked.plot:
        from .plot import plot

        plot(results, asked.plot)
    return int(failed)


def measure(results: Results, works: Iterable[scale.Work], most: int) -> bool:
    """Measure each work from the fewest keys to the most, saying what each will take. Returns False if one failed."""
    succeeded = True
    with running() as server:
        for work in works:
            known = {each.keys for each in results.of(work.name)}
            for keys in (each for each in scale.KEYS if each <= most and each not in known):
                tell(f"{work.name}, {keys:,} keys{expected(results.of(work.name), keys)}")
                try:
                    results.add(scale.measured(server, work, keys))
                except AssertionError as error:
                    tell(f"fails: {error}")
                    succeeded = False
                    break
    return succeeded


def expected(found: Sequence[Measured], keys: int) -> str:
    """How long a number of keys will probably take, from the largest number below that says anything about it."""
    below = [each for each in found if 1 < each.keys < keys]
    if not below:
        return ""
    seconds = below[-1].seconds * keys / below[-1].keys
    return f": about {seconds:.0f} s" if seconds >= 1 else f": about {seconds * 1000:.0f} ms"


def exponent(points: Iterable[tuple[float, float]]) -> float:
    """The slope of the straight line through the logarithms of the points, by least squares."""
    logs = [(math.log(x), math.log(y)) for x, y in points]
    mean_x, mean_y = (sum(values) / len(logs) for values in zip(*logs, strict=True))
    return sum((x - mean_x) * (y - mean_y) for x, y in logs) / sum((x - mean_x) ** 2 for x, _ in logs)


def growing(found: Sequence[Measured], cost: str) -> list[tuple[float, float]]:
    """The keys and the part of a cost that grows with them, for the sizes at which it is larger than the fixed part."""
    fixed = 0.0 if cost == "requests" else sum(float(getattr(each, cost)) for each in found if each.keys == 1)
    points = [(float(each.keys), getattr(each, cost) - fixed) for each in found if each.keys > 1]
    return [(keys, rest) for keys, rest in points if rest > fixed]


def exponents(found: Sequence[Measured]) -> dict[str, float]:
    """The exponents of one work's costs, by their names, as far as two sizes tell them."""
    points = {cost: growing(found, cost) for cost in COSTS}
    return {cost: exponent(each) for cost, each in points.items() if len(each) > 1}


def rows(found: Sequence[Measured]) -> list[list[str]]:
    """The lines of one work in a table, the exponents last."""
    lines = [
        [
            m.name,
            f"{m.keys:,}",
            f"{m.seconds:.2f} s",
            f"{m.requests:,}",
            f"{m.processor:.2f} s",
            f"{m.server:.2f} s",
            f"{m.memory / 1e6:.1f} MB",
        ]
        for m in found
    ]
    if slopes := exponents(found):
        met = all(value <= TARGET for value in slopes.values())
        seconds, requests, processor, memory = (f"{slopes[cost]:.2f}" if cost in slopes else "" for cost in COSTS)
        name = f"exponent (≤ {TARGET}: {'yes' if met else 'no'})"
        lines.append([found[0].name, name, seconds, requests, processor, "", memory])
    return lines
