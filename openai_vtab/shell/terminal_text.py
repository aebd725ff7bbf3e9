"""Text for a terminal: a bar for each batch, and folded lines.

>>> bar({"completed": 3, "failed": 1, "in_progress": 4}, 8, Terminal())
'███×░░░░'
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

# For each status, in the order in which they are drawn: the mark in Unicode, in ASCII, and the ANSI colour.
PARTS = {
    "completed": ("█", "#", "32"),
    "failed": ("×", "x", "31"),
    "cancelled": ("-", "-", "33"),
    "in_progress": ("░", ".", "90"),
}
STATUSCOLOURS = {"in_progress": "36", "unknown": "33"}  # where they differ from the bar's
OTHERCOLOUR = "33"
STATUS_LENGTH = 11  # columns at least
MIN_BAR, MAX_BAR = 5, 30  # columns
COLOUR = re.compile("\x1b\\[[0-9;]*m")
MARGIN = 1  # columns: some terminals wrap a line that is as wide as they are


@dataclass(frozen=True)
class Terminal:
    """What the terminal can show. The width is in columns."""

    colour: bool = False
    unicode: bool = True
    width: int = 80


def bar(counts: Mapping[str, int], length: int, style: Terminal) -> str:
    """The counts as parts of a bar of this length. Every count above 0 gets at least one mark."""
    total = sum(counts.get(name, 0) for name in PARTS)
    if not total:
        return " " * length
    exact = {name: counts.get(name, 0) * length / total for name in PARTS}
    marks = {name: max(int(size), 1 if size else 0) for name, size in exact.items()}
    while (missing := length - sum(marks.values())) > 0:
        gaps = {name: exact[name] - marks[name] for name in PARTS}
        marks[max(gaps, key=gaps.__getitem__)] += 1
    if missing < 0:  # small parts were rounded up to a mark: the largest pays for them
        marks[max(marks, key=marks.__getitem__)] += missing
    return "".join(_coloured(_mark(name, style) * size, PARTS[name][2], style) for name, size in marks.items() if size)


def batch_lines(batches: Sequence[tuple[str, str, Mapping[str, int]]], style: Terminal) -> Iterator[str]:
    """Each batch's id, status, bar and numbers, on one line, or on two in a narrow terminal. No id is broken.

    batches: the id, the status and the counts of each.
    """
    ids = max((len(id) for id, _, _ in batches), default=0)
    numbers = [_numbers(counts, style) for _, _, counts in batches]
    longest = max(map(visible_length, numbers), default=0)
    for (id, status, counts), said in zip(batches, numbers, strict=True):
        colour = STATUSCOLOURS.get(status) or PARTS.get(status, ("", "", OTHERCOLOUR))[2]
        begin = f"    {id:{ids}}  {_coloured(f'{status:{STATUS_LENGTH}}', colour, style)} "
        room = style.width - MARGIN - visible_length(begin) - 1 - longest
        if room < MIN_BAR:
            is_narrow = visible_length(begin) > style.width
            yield f"    {id}" if is_narrow else begin.rstrip()
            begin = f"      {_coloured(f'{status:{STATUS_LENGTH}}', colour, style)} " if is_narrow else "      "
            room = max(style.width - MARGIN - visible_length(begin) - 1 - longest, 1)
        yield f"{begin}{bar(counts, min(room, MAX_BAR), style)} {said}"


def _numbers(counts: Mapping[str, int], style: Terminal) -> str:
    """The completed files of all, and the failed and cancelled ones in their colours."""
    text = f"{counts.get('completed', 0):,}/{sum(counts.get(name, 0) for name in PARTS):,}"
    for name in ("failed", "cancelled"):
        if n := counts.get(name, 0):
            text += f", {_coloured(f'{n:,} {name}', PARTS[name][2], style)}"
    return text


def failed_files(text: str, style: Terminal) -> str:
    """A summary whose failed files stand out."""
    before, mark, failed = text.partition("; ")
    return f"{before}{mark}{_coloured(failed, PARTS['failed'][2], style)}" if mark else text


def visible_length(text: str) -> int:
    """The number of characters without colours."""
    return len(COLOUR.sub("", text))


def height(lines: Sequence[str], width: int) -> int:
    """The lines of a terminal that the text takes: a line that is wider takes several."""
    return sum(max(1, -(-visible_length(line) // width)) for line in lines)


def fold(text: str, width: int) -> list[str]:
    """The text's lines, long ones folded. A continuation is indented to where the last column of its line begins."""
    folded: list[str] = []
    for line in text.splitlines():
        if len(line) <= width:
            folded.append(line)
            continue
        indent = len(line) - len(line.lstrip())
        last_column = line.rstrip().rfind("  ") + 2
        hang = last_column if indent < last_column <= width // 2 else indent + 2
        folded += textwrap.wrap(
            line,
            width,
            subsequent_indent=" " * hang,
            drop_whitespace=True,
            replace_whitespace=False,
            break_on_hyphens=False,
        )
    return folded


def _mark(name: str, style: Terminal) -> str:
    return PARTS[name][0 if style.unicode else 1]


def _coloured(text: str, code: str, style: Terminal) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if style.colour else text
