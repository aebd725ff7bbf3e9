"""`python -m tests.faults` prints the matrix: what becomes of every statement under every fault."""

from __future__ import annotations

import argparse
import sys
import time

from .matrix import STATEMENTS, cells, running
from .table import TABLE


def main() -> int:
    """Run it all, or the faults whose name has a word in it; how many cells are not as they must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="Every fault, every statement.")
    parser.add_argument("word", nargs="?", default="", help="only faults with this in their name")
    word = parser.parse_args().word
    began, number, wrong = time.monotonic(), 0, []
    with running() as sandbox:
        for group, faults in TABLE.items():
            chosen = [fault for fault in faults if word in fault.name]
            if chosen:
                print(f"\n| {group} | {' | '.join(STATEMENTS)} |\n|{'---|' * (len(STATEMENTS) + 1)}")
            for fault in chosen:
                outcomes: dict[str, list[str]] = {name: [] for name in STATEMENTS}
                for name, lasting, outcome, problem in cells(sandbox, fault):
                    outcomes[name].append(outcome)
                    number += 1
                    if problem:
                        wrong.append(f"{fault.name}, {name}{', lasting' if lasting else ''}: {problem}")
                print(f"| {fault.name} | {' | '.join('; '.join(found) for found in outcomes.values())} |", flush=True)
    print(f"\n{number} cells, {len(wrong)} not as they must be, {time.monotonic() - began:.0f} s", *wrong, sep="\n")
    return len(wrong) > 0


if __name__ == "__main__":
    sys.exit(main())
