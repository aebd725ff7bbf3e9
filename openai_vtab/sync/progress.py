"""The progress of a sync: how many of its documents are done, over all of its transactions.

>>> progress = SyncProgress(ProgressBar(sys.stderr))
>>> db = connect("my.db", progress=progress)    # reports what the statements do
"""

from __future__ import annotations

from collections.abc import Callable

from ..clock import REAL, Clock
from ..progress import INTERVAL, Progress


class SyncProgress:
    """A `progress` callback of a connection, which translates the rows of a COMMIT into documents of the sync."""

    def __init__(self, show: Callable[[Progress], None], clock: Clock = REAL) -> None:
        self._show = show
        self._clock = clock
        self._next = 0.0
        self._total = self._seen = self._pending = self._sent = 0

    def begin(self, total: int) -> None:
        """The sync has this many files."""
        self._total = total

    def saw(self, seen: int, pending: int) -> None:
        """This many files were compared; of those, `pending` are new or changed, and wait for COMMIT."""
        self._seen, self._pending, self._sent = seen, pending, 0
        if self._clock.monotonic() >= self._next:
            self._next = self._clock.monotonic() + INTERVAL
            self._report()

    def __call__(self, progress: Progress) -> None:
        """Report the progress of a statement."""
        if progress.finished:
            return  # the sync continues
        if progress.what == "rows":
            # uploads come first, then a few requests for all of them
            self._sent = max(self._sent, min(progress.done, self._pending))
            self._report()
        else:
            self._show(progress)

    def _report(self) -> None:
        self._show(Progress("documents", self._seen - self._pending + self._sent, self._total))
