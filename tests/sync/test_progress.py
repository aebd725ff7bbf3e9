"""The progress of a sync: documents over all of its transactions."""

from __future__ import annotations

from openai_vtab.progress import Progress
from openai_vtab.sync.progress import SyncProgress

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
