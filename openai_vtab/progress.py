"""How far a statement is: told to a callback while it waits for the API.

It must not know terminals, SQLite or HTTP.

>>> connect(progress=print)     # Progress(what='keys', done=320, total=1000, finished=False)
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from .clock import REAL, Clock

log = logging.getLogger("openai_vtab")

INTERVAL = 0.1  # seconds between two reports, and before the first: a short statement tells nothing


@dataclass(frozen=True)
class Progress:
    """What of a statement is done.

    `what` counts "keys" looked up, "pages" of lists read, "rows" written, or, while the statement waits for them,
    "batches" finished (stores and their files, too). `total` is None when nobody knows it. `finished` comes once, when
    the statement is over, however it ended; not to a statement that told nothing before.
    """

    what: str
    done: int
    total: int | None = None
    finished: bool = False


class Meter:
    """The progress of one statement, told on the thread that runs it, at most every 100 ms."""

    def __init__(self, tell: Callable[[Progress], None], clock: Clock = REAL) -> None:
        self._clock = clock
        self._tell = tell
        self._next = self._clock.monotonic() + INTERVAL
        self._counts = {"keys": 0, "pages": 0}
        self._waiting = False
        self._writing = False
        self._told: Progress | None = None
        self._now = Progress("keys", 0)
        self.expected = 0  # keys of IN lists

    def came(self, what: str, known: int | None) -> None:
        """One more is answered; `known` is how many there will be in all."""
        self._counts[what] += 1
        if not self._waiting:
            done = self._counts[what]
            total = (known or self.expected) if what == "keys" else 0
            self._now = Progress(what, done, total if total >= done else None)
            self.look()

    def waits(self, done: int, total: int) -> None:
        """The statement waits for so many to be finished."""
        self._waiting = True
        self._now = Progress("batches", done, total)
        self.look()

    def waited(self) -> None:
        """The wait is over."""
        self._waiting = False

    def writes(self, done: int, total: int) -> None:
        """So many of the rows that a commit sends are answered."""
        self._writing = True
        self._now = Progress("rows", done, total)
        self.look()

    def look(self) -> None:
        """Tell, if it is time to. What the callback raises ends a statement that reads."""
        if self._clock.monotonic() >= self._next:
            self._told = self._now
            try:
                self._tell(self._now)
            except Exception:
                if not self._writing:
                    raise
                log.exception("the progress callback failed")  # what is on its way is more important
            self._next = self._clock.monotonic() + INTERVAL

    def close(self) -> None:
        """The statement is over. SQLite says so where an exception would go nowhere."""
        if self._told is not None:
            self._told = None
            try:
                self._tell(replace(self._now, finished=True))
            except Exception:
                log.exception("the progress callback failed")
