"""The package's log in the shell: each warning is a line of standard error, folded between words on a terminal.

The requests of a dry run are logged as warnings, too, so that a program shows them; they warn of nothing.

>>> log.addHandler(LogLines(lambda text: shell.write(shell.stderr, text)))
"""

from __future__ import annotations

import logging
from collections.abc import Callable


class LogLines(logging.Handler):
    """Passes the text of each warning to a function."""

    def __init__(self, write: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._write = write

    def emit(self, record: logging.LogRecord) -> None:
        """Write the text of a record."""
        try:
            title = "" if getattr(record, "dry_run", False) else "warning: "
            self._write(f"{title}{record.getMessage()}\n")
        except Exception:
            self.handleError(record)
