"""What moves on a terminal: the bar of a statement under way, and a bar for each batch.

It must not know SQL, tables or HTTP. tqdm is loaded at the first report of a statement that takes its time.

>>> bar({"completed": 3, "failed": 1, "in_progress": 4}, 8, Look(colour=False, unicode=True))
'███×░░░░'
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TextIO

from .progress import Progress

# in the order drawn: its characters with and without Unicode, its colour (ANSI)
PARTS = {
    "completed": ("█", "#", "32"),
    "failed": ("×", "x", "31"),
    "cancelled": ("-", "-", "33"),
    "in_progress": ("░", ".", "90"),
}
NARROW = 68  # columns, below which a batch takes two lines
ECHO = 3  # columns, for a ^C that the terminal writes behind the bar
MARGIN = 1  # columns: a line as wide as the terminal wraps on some


@dataclass(frozen=True)
class Look:
    """What the terminal can show."""

    colour: bool = False
    unicode: bool = True
    width: int = 80


class ProgressBar:
    """A `progress` callback that draws one line on a terminal, and takes it away when the statement is over."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bar: Any = None
        self._what = ""
        self._missing = False
        self._drawn = False

    def __call__(self, progress: Progress) -> None:
        """Draw how far it is."""
        if progress.finished:
            self.close()
            return
        if self._bar is not None and self._what != progress.what:
            self.close()
        if self._bar is None and not self._missing:
            self._bar, self._what = self._new(progress.what), progress.what
        if self._bar is not None:
            self._bar.ncols = max(_columns(self._stream) - ECHO, 10)
            self._bar.total, self._bar.n = progress.total, progress.done
            self._bar.refresh()
            self._drawn = True

    def hide(self) -> None:
        """Take it away until the next report: something else is written. The cursor is at the line's beginning."""
        if self._drawn:
            self._drawn = False
            self._stream.write("\r" + " " * (_columns(self._stream) - MARGIN) + "\r")
            self._stream.flush()

    def close(self) -> None:
        """The statement is over: leave no trace."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        self.hide()

    def _new(self, what: str) -> Any:
        try:
            import tqdm
        except ImportError:  # without it there is none
            self._missing = True
            return None
        tqdm.tqdm.monitor_interval = 0  # no thread of its own
        return tqdm.tqdm(file=self._stream, unit=f" {what}", leave=False, delay=1e9)  # drawn by refresh alone


def _columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):  # no terminal after all
        return 80


def bar(counts: Mapping[str, int], length: int, look: Look) -> str:
    """The parts of a whole, in so many characters; what is there at all is seen."""
    total = sum(counts.get(name, 0) for name in PARTS)
    if not total:
        return " " * length
    sizes = {name: counts.get(name, 0) * length / total for name in PARTS}
    whole = {name: max(int(size), 1 if size else 0) for name, size in sizes.items()}
    while sum(whole.values()) != length:  # the largest part takes the difference
        change = 1 if sum(whole.values()) < length else -1
        name = max(PARTS, key=lambda name: sizes[name] - whole[name] if change > 0 else whole[name])
        whole[name] += change
    return "".join(_coloured(_mark(name, look) * size, PARTS[name][2], look) for name, size in whole.items() if size)


def lines(id: str, status: str, counts: Mapping[str, int], look: Look) -> Iterator[str]:
    """A batch: its id, status, bar and numbers; two lines on a narrow terminal."""
    total = sum(counts.get(name, 0) for name in PARTS)
    numbers = f"{counts.get('completed', 0)}/{total}"
    numbers += "".join(f", {n} {name}" for name in ("failed", "cancelled") if (n := counts.get(name, 0)))
    colour = {"in_progress": "36", "unknown": "33"}.get(status, PARTS.get(status, ("", "", "33"))[2])
    if look.width < NARROW:
        yield clip(f"{id}  {status}", look.width - MARGIN).replace(status, _coloured(status, colour, look))
        room, before = look.width - MARGIN - 2, "  "
    else:
        room = max(look.width - MARGIN - 2 - 28 - 2 - 11 - 1, 20)
        before = f"  {clip(id, 28):28}  {_coloured(f'{status:11}', colour, look)} "
    length = max(5, min(30, room - 15))
    yield before + bar(counts, length, look) + " " + clip(numbers, max(room - length - 1, 1))


def clip(text: str, length: int) -> str:
    """The text, its middle left out when it is too long: ids differ at their ends."""
    if len(text) <= length:
        return text
    end = (length - 1) // 2
    return text[: length - 1 - end] + "…" + (text[-end:] if end else "")


def fitted(text: str, width: int) -> str:
    """The text with long lines folded, and what is folded as far in as the line's last column begins."""
    folded = []
    for line in text.splitlines():
        hang = len(line) - len(line.lstrip())
        last = line.rstrip().rfind("  ") + 2
        hang = last if hang < last <= width // 2 else hang + 2
        if len(line) <= width:
            folded.append(line)
        else:
            folded += textwrap.wrap(
                line,
                width,
                subsequent_indent=" " * hang,
                drop_whitespace=True,
                replace_whitespace=False,
                break_on_hyphens=False,
            )
    return "\n".join(folded) + "\n"


def _mark(name: str, look: Look) -> str:
    return PARTS[name][0 if look.unicode else 1]


def _coloured(text: str, code: str, look: Look) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if look.colour else text
