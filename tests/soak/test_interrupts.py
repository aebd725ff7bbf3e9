"""Commits that are killed and interrupted at random moments, for a short time; `python -m tests.soak.interrupts` is longer."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# APSW cannot raise what a signal handler raises in a trace, and prints it. A second signal may interrupt the printing:
# then Python prints the object.
PRINTED = re.compile(
    r"Traceback \(most recent call last\):\n(?:  .*\n|\n)*?"
    r"(?:KeyboardInterrupt\n|SystemExit: 6\n|(?:object .*\n)+lost sys\.stderr\n)"
)


@pytest.mark.slow
def test_interrupts_at_random_moments_lose_nothing() -> None:
    """SIGKILL, SIGINT once and twice, SystemExit from a handler and from the progress function; the seed is printed."""
    command = [sys.executable, "-m", "tests.soak.interrupts", "--seconds", "12"]
    # not measured: an exception of a signal handler within coverage's own lock would stop every thread of a child
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\n0 findings, seed " in done.stdout
    assert not PRINTED.sub("", done.stderr)
