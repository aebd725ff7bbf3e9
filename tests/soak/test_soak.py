"""The soak in short: half a minute finds what is lost, double or left behind; `python -m tests.soak` runs for long."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_soak_loses_doubles_and_leaves_nothing() -> None:
    """Random statements from sixteen connections in two processes, while one request in twenty fails."""
    command = [sys.executable, "-m", "tests.soak", "--seconds", "30"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\n0 findings, seed " in done.stdout
    assert not done.stderr
