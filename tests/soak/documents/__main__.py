"""`python -m tests.soak.documents` runs random transactions of a documents table, and says what is wrong.

    python -m tests.soak.documents                  a minute, half of it without faults
    python -m tests.soak.documents --seconds 600
    python -m tests.soak.documents --seed 7         the same statements and faults; the moments are the machine's

Each round has a seed of its own: the seed, the next number, and so on. The round that finds something prints the
shortest statements that it has found for it, and ends the command; `--seed` with its seed begins with that round. The
exit status is 1 then.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import time

from .rounds import run


def main() -> int:
    """Run it, and print what was done."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.documents", description="Random transactions.")
    parser.add_argument("--seconds", type=float, default=60, help="how long (default 60)")
    parser.add_argument("--seed", type=int, default=None, help="of the first round (default: a new one)")
    parser.add_argument("--kinds", nargs="+", choices=["calm", "stormy"], default=["calm", "stormy"])
    asked = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 32) if asked.seed is None else asked.seed
    logging.getLogger("openai_vtab").setLevel(logging.CRITICAL)  # it says what was recovered, each time
    end = time.monotonic() + asked.seconds
    counts = run(seed, asked.kinds, lambda: time.monotonic() < end)
    for name, count in sorted(counts.items()):
        print(f"{count:8} {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
