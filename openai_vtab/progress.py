"""Progress of a statement, reported to a callback while the statement waits for the API.

>>> connect(progress=print)     # Progress(what='keys', done=320, total=1000, finished=False)
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from .clock import REAL, Clock

log = logging.getLogger("openai_vtab")

INTERVAL = 0.1  # seconds between two reports, and before the first: a short statement reports nothing


@dataclass(frozen=True)
class Progress:
    """How far a statement has got.

    `what` counts "keys" looked up, "pages" of lists read, "rows" written, or "batches" finished (vector stores and
    their files, too) while the statement waits for them. A sync counts "documents". `total` is None when it is not
    known. `finished` is True once, when the statement is over, however it ended. A statement that reported nothing
    before does not report that.
    """

    what: str
    done: int
    total: int | None = None
    finished: bool = False


class ProgressReporter:
    """Reports the progress of one statement on the thread that runs it, at most every 100 ms."""

    def __init__(self, callback: Callable[[Progress], None], clock: Clock = REAL) -> None:
        self._callback = callback
        self._clock = clock
        self._next = clock.monotonic() + INTERVAL
        self._counts = {"keys": 0, "pages": 0}
        self._waiting = False
        self._writing = False
        self._has_reported = False
        self._now = Progress("keys", 0)
        self._expected = 0  # keys of IN lists

    def expect(self, keys: int) -> None:
        """Count `keys` more keys of an IN list that will be looked up; less than 0 if fewer will be."""
        self._expected += keys

    def came(self, what: str, known: int | None) -> None:
        """Count a response about a key or a page. `known` is how many there will be, None if that is not known."""
        self._counts[what] += 1
        if not self._waiting:
            done = self._counts[what]
            total = (known or self._expected) if what == "keys" else 0
            self._now = Progress(what, done, total if total >= done else None)
            self.look()

    def waits(self, done: int, total: int) -> None:
        """The statement waits until all of the total are finished."""
        self._waiting = True
        self._now = Progress("batches", done, total)
        self.look()

    def waited(self) -> None:
        """The wait is over."""
        self._waiting = False

    def writes(self, done: int, total: int) -> None:
        """A commit has got the responses to this many of its rows."""
        self._writing = True
        self._now = Progress("rows", done, total)
        self.look()

    def look(self) -> None:
        """Report if a report is due. An exception of the callback ends a statement that reads."""
        if self._clock.monotonic() >= self._next:
            self._has_reported = True
            try:
                self._callback(self._now)
            except Exception:
                if not self._writing:
                    raise
                log.exception("the progress callback failed")  # the requests on their way matter more
            self._next = self._clock.monotonic() + INTERVAL

    def close(self) -> None:
        """Report the end of the statement. An exception is logged, since SQLite would lose it here."""
        if self._has_reported:
            self._has_reported = False
            try:
                self._callback(replace(self._now, finished=True))
            except Exception:
                log.exception("the progress callback failed")
