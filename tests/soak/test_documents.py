"""Random transactions of a documents table, for a short time; `python -m tests.soak.documents` runs for long."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ..writes.test_random_transactions import quiet
from .documents.calm import Calm
from .documents.rounds import one_round
from .documents.stormy import Stormy

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("machine", [Calm, Stormy])
def test_random_documents(machine: type[Calm]) -> None:
    """Some transactions of one seed, each compared with the model."""
    with quiet():
        one_round(machine, 1, examples=3, steps=25)


@pytest.mark.slow
def test_random_documents_for_long() -> None:
    """Many of both kinds, with new seeds, which are printed."""
    command = [sys.executable, "-m", "tests.soak.documents", "--seconds", "60"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
