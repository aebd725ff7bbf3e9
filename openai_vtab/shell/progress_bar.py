"""The progress bar of a statement on a terminal, drawn with tqdm; without it, a line that counts.

>>> show = ProgressBar(sys.stderr)
>>> show(Progress("keys", 5, 20))
 25%|██▌       | 5/20 [00:00<00:00, 51.2 keys/s]
"""

from __future__ import annotations

import os
from typing import Any, TextIO

from ..clock import REAL, Clock
from ..progress import Progress
from .terminal_text import MARGIN

INTERRUPT_ECHO = 3  # columns for the ^C that a terminal writes after the bar
DEFAULT_COLUMNS = 80
DONE = {"keys": "read", "pages": "read", "rows": "written", "batches": "finished", "documents": "done"}


class ProgressBar:
    """A `progress` callback that draws one line, and erases it when the statement is over.

    tqdm is imported at the first report. Without it, the line has no bar.
    """

    def __init__(self, stream: TextIO, clock: Clock = REAL) -> None:
        self._stream = stream
        self._clock = clock
        self._began: float | None = None  # of the line without a bar
        self._bar: Any = None
        self._what = ""
        self._is_tqdm_missing = False
        self._is_drawn = False

    def __call__(self, progress: Progress) -> None:
        """Draw the progress."""
        if progress.finished:
            self.close()
            return
        if self._bar is not None and self._what != progress.what:
            self.close()
        if self._bar is None and not self._is_tqdm_missing:
            self._bar, self._what = self._new_bar(progress.what), progress.what
        if self._bar is not None:
            self._bar.ncols = max(_columns(self._stream) - INTERRUPT_ECHO, 10)
            self._bar.total, self._bar.n = progress.total, progress.done
            self._bar.refresh()
        else:
            self._write_line(progress)
        self._is_drawn = True

    def hide(self) -> None:
        """Erase the bar until the next report, and put the cursor at the line's beginning."""
        if self._is_drawn:
            self._is_drawn = False
            self._stream.write("\r" + " " * (_columns(self._stream) - MARGIN) + "\r")
            self._stream.flush()

    def close(self) -> None:
        """Erase the bar: the statement is over."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        self._began = None
        self.hide()

    def _write_line(self, progress: Progress) -> None:
        """Write how far the statement is, over what the line showed before."""
        if self._began is None:
            self._began = self._clock.monotonic()
        of = "" if progress.total is None else f" of {progress.total:,}"
        seconds = self._clock.monotonic() - self._began
        text = f"{progress.done:,}{of} {progress.what} {DONE[progress.what]}, {seconds:.0f} s"
        width = max(_columns(self._stream) - INTERRUPT_ECHO, 10)
        self._stream.write(f"\r{text[:width].ljust(width)}")
        self._stream.flush()

    def _new_bar(self, what: str) -> Any:
        try:
            import tqdm
        except ImportError:
            self._is_tqdm_missing = True
            return None
        tqdm.tqdm.monitor_interval = 0  # start no thread
        # The delay keeps tqdm from drawing by itself, before refresh().
        return tqdm.tqdm(file=self._stream, unit=f" {what}", leave=False, delay=1e9)


def _columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or DEFAULT_COLUMNS
    except (OSError, ValueError):  # the stream says it is a terminal, and has no size
        return DEFAULT_COLUMNS
