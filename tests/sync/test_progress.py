"""The progress of a sync: documents over all of its transactions."""

from __future__ import annotations

from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from openai_vtab.progress import Progress
from openai_vtab.shell.sync_command import run
from openai_vtab.sync.progress import SyncProgress

from ..shell.terminal import Console
from ..support.clock import FakeClock


def test_progress_counts_documents_over_all_commits() -> None:
    """Unchanged documents are done at once, others when their upload is; a statement's end is not the sync's."""
    shown: list[Progress] = []
    clock = FakeClock()
    progress = SyncProgress(shown.append, clock)
    progress.begin(1000)
    progress.saw(100, 0)
    progress.saw(101, 1)  # too soon for another report
    clock.advance(1)
    progress.saw(600, 500)
    progress(Progress("rows", 200, 500))
    progress(Progress("rows", 1, 1))  # the batch
    progress(Progress("rows", 500, 500, finished=True))
    progress(Progress("batches", 1, 3))
    assert shown == [
        Progress("documents", 100, 1000),
        Progress("documents", 100, 1000),
        Progress("documents", 300, 1000),
        Progress("documents", 300, 1000),
        Progress("batches", 1, 3),
    ]


def test_progress_bar_leaves_no_trace_on_a_line(sandbox: Any, folder: Path, database: Path) -> None:
    """Looking for the vector store draws a bar, and the name of the table is written where it was."""
    sandbox.latency = 0.15
    with Console() as terminal, redirect_stdout(terminal), redirect_stderr(terminal):
        status = run([str(folder), "--store", "Handbook", str(database)])
        lines = terminal.getvalue().split("\n")
    assert status == 0
    assert "keys/s" in lines[0]
    assert lines[0].rpartition("\r")[2] == f"table handbook in {database}"
    assert lines[0].split("\r")[-2].isspace()
