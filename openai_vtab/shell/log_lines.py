"""The package's log in the shell: lines of standard error, folded between words on a terminal.

The requests of a dry run are logged as warnings, too, so that a program shows them; they warn of nothing.

>>> with LogLines(sys.stderr.write, shows_info=lambda: True).attached(log): db.execute("SELECT * FROM files")
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..clock import REAL, Clock

QUIET_SECONDS = 10.0  # between two lines that differ only in their values: many requests wait for the same thing


class LogLines(logging.Handler):
    """Passes the text of each record to `write`: all warnings and, while `shows_info()`, why a statement waits."""

    def __init__(self, write: Callable[[str], None], shows_info: Callable[[], bool], clock: Clock = REAL) -> None:
        super().__init__(logging.INFO)
        self._write = write
        self._shows_info = shows_info
        self._clock = clock
        self._written: dict[str, float] = {}  # when each text of INFO was last written

    @contextmanager
    def attached(self, log: logging.Logger) -> Iterator[None]:
        """Have the records of a log written within the block, those of INFO, too."""
        level = log.level
        log.setLevel(min(log.getEffectiveLevel(), logging.INFO))
        log.addHandler(self)
        try:
            yield
        finally:
            log.removeHandler(self)
            log.setLevel(level)

    def emit(self, record: logging.LogRecord) -> None:
        """Write the text of a record."""
        try:
            if record.levelno >= logging.WARNING:
                title = "" if getattr(record, "dry_run", False) else "warning: "
                self._write(f"{title}{record.getMessage()}\n")
            elif self._shows_info() and self._is_due(record.msg):
                self._write(f"* {record.getMessage()}\n")
        except Exception:
            self.handleError(record)

    def _is_due(self, text: str) -> bool:
        """Return True unless a line with this text, before its values are filled in, was written a moment ago."""
        now = self._clock.monotonic()
        is_due = now - self._written.get(text, -math.inf) >= QUIET_SECONDS
        if is_due:
            self._written[text] = now
        return is_due
