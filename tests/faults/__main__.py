"""`python -m tests.faults` prints both matrices: faults on the wire × statements, and failures after Sync × doors."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial

from . import commit, matrix
from .causes import CAUSES
from .doors import DOORS
from .matrix import STATEMENTS, Cell
from .table import TABLE


@dataclass
class Report:
    """Prints tables of cells, and counts the cells and their problems."""

    number: int = 0
    problems: list[str] = field(default_factory=list)

    def table(self, title: str, columns: Collection[str], rows: Mapping[str, Callable[[], list[Cell]]]) -> None:
        """Run the rows and print each as soon as its cells are known.

        Equal outcomes of one column are printed once; "–" stands for a column that the row does not meet.
        """
        if not rows:
            return
        print(f"\n| {title} | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}")
        for name, run in rows.items():
            outcomes: dict[str, list[str]] = {column: [] for column in columns}
            for cell in run():
                self.number += 1
                outcomes[cell.column].append(cell.outcome)
                if cell.problem:
                    self.problems.append(f"{name}, {cell.column}, {cell.variant}: {cell.problem}")
            texts = ("; ".join(dict.fromkeys(found)) or "–" for found in outcomes.values())
            print(f"| {name} | {' | '.join(texts)} |", flush=True)


def main() -> int:
    """Run everything, or the rows whose name contains a word; return 1 if an outcome is not what the rules say."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults", description="Run every fault and print its outcomes."
    )
    parser.add_argument("word", nargs="?", default="", help="only faults and causes with this in their name")
    word = parser.parse_args().word
    began, report = time.monotonic(), Report()
    with matrix.running() as sandbox:
        for group, faults in TABLE.items():
            chosen = [fault for fault in faults if word in fault.name]
            report.table(group, STATEMENTS, {fault.name: partial(matrix.cells, sandbox, fault) for fault in chosen})
        rows = {name: partial(commit.cells, sandbox, cause) for name, cause in CAUSES.items() if word in name}
        report.table("SQLite fails after Sync", DOORS, rows)
    counts = f"{report.number} cells, {len(report.problems)} not as they must be"
    print(f"\n{counts}, {time.monotonic() - began:.0f} s", *report.problems, sep="\n")
    return len(report.problems) > 0


if __name__ == "__main__":
    sys.exit(main())
