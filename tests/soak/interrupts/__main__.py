"""`python -m tests.soak.interrupts` kills and interrupts commits at random moments, and says what was lost.

    python -m tests.soak.interrupts                             a minute of every kind
    python -m tests.soak.interrupts --trials 1000 --kinds kill  1,000 times SIGKILL, half in each journal mode
    python -m tests.soak.interrupts --seed 7                    the same choices again; the moments are the machine's

Its exit status is 1 when anything is lost, double or left behind.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import tempfile
from pathlib import Path

from .trials import KINDS, run


def main() -> int:
    """Run it, print what was done, and what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.interrupts", description="Interrupts at any moment.")
    parser.add_argument("--trials", type=int, default=None, help="how many (default: as many as the seconds allow)")
    parser.add_argument("--seconds", type=float, default=None, help="how long (default 60, unless trials are given)")
    parser.add_argument("--seed", type=int, default=None, help="of what is chosen (default: a new one)")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, help="of interrupts (default: all)")
    parser.add_argument("--at-once", type=int, default=2, help="trials at the same time (default 2)")
    asked = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 32) if asked.seed is None else asked.seed
    seconds = 60.0 if asked.seconds is None and asked.trials is None else asked.seconds
    print(f"seed {seed}", flush=True)
    logging.getLogger("openai_vtab").setLevel(logging.CRITICAL)  # it says what was recovered, each time
    with tempfile.TemporaryDirectory() as folder:
        account = run(
            Path(folder), seed, trials=asked.trials, seconds=seconds, kinds=tuple(asked.kinds), at_once=asked.at_once
        )
    for name, count in sorted(account.counts.items()):
        print(f"{count:8} {name}")
    for finding in account.findings:
        print(f"WRONG {finding}")
    print(f"{len(account.findings)} findings, seed {seed}")
    return 1 if account.findings else 0


if __name__ == "__main__":
    sys.exit(main())
