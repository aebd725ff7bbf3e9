"""The package's log in the shell: each warning is a line of standard error, folded between words on a terminal.

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
            self._write(f"warning: {record.getMessage()}\n")
        except Exception:
            self.handleError(record)
