"""Rows that fit a terminal: cells are folded where a box has room for that, and ids and numbers are never broken.

>>> fold_cells(["id", "passage"], [("file-1", "Goods can be returned.")], 30)
[['file-1', 'Goods can be\\nreturned.']]
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from apsw.unicode import text_width

from .terminal_text import COLOUR

BORDERS = 3  # columns of a box for each of its own, and one more for all
NULL = "NULL"
BYTES = "#" * len("[ 1,234,567 bytes ]")  # as wide as what a box writes for a BLOB, and never folded
MAX_LINES = 15  # of one cell: a row that is taller is easier to read as lines
WORDS = re.compile(r"[^\s,]*(?:,+|\s+|$)")  # the pieces of a text, and of the path of a request, that stay whole
PATHS = re.compile(r"[^\s,/?&]*(?:,+|\s+|[/?&]|$)")


def fold_cells(
    names: Sequence[str], rows: Sequence[Sequence[Any]], width: int, whole: re.Pattern[str] = WORDS
) -> list[list[Any]] | None:
    """Return the rows with cells folded so that a box is as wide as `width`; None if ids would have to be broken."""
    texts = [[_text(value) for value in row] for row in rows]
    columns = range(len(names))
    headers = [_width(name) for name in names]
    natural = [max([headers[i], *(_widest(row[i].split("\n")) for row in texts)]) for i in columns]
    if sum(natural) + BORDERS * len(names) + 1 <= width:
        return [list(row) for row in rows]
    least = [max([headers[i], *(_widest(_pieces(row[i], whole)) for row in texts)]) for i in columns]
    spare = width - 1 - sum(least) - BORDERS * len(names)
    if spare < 0:
        return None
    widths = _shared(natural, least, spare)
    folded = [[_folded(value, widths[i], whole) for i, value in enumerate(row)] for row in rows]
    tallest = max(value.count("\n") for row in folded for value in row if isinstance(value, str))
    return folded if tallest < MAX_LINES else None


def fold_text(text: str, width: int, whole: re.Pattern[str] = WORDS) -> list[str]:
    """Fold a text after blanks and commas. A piece that is wider stays whole: it may be an id."""
    lines = []
    for given in text.split("\n"):
        line = ""
        for piece in _pieces(given, whole):
            if line and _width(line) + _width(piece.rstrip()) > width:
                lines.append(line.rstrip())
                line = ""
            line += piece
        lines.append(line.rstrip())
    return lines


def _shared(natural: Sequence[int], least: Sequence[int], spare: int) -> list[int]:
    """The widths of the columns: the spare room goes to the narrowest of those that lack some, column by column."""
    widths = list(least)
    while spare > 0 and (lacking := [i for i, width in enumerate(widths) if width < natural[i]]):
        widths[min(lacking, key=widths.__getitem__)] += 1
        spare -= 1
    return widths


def _folded(value: Any, width: int, whole: re.Pattern[str]) -> Any:
    if not isinstance(value, str) or _widest(value.split("\n")) <= width:
        return value
    return "\n".join(fold_text(value, width, whole))


def _text(value: Any) -> str:
    """The value as a box writes it, as far as its width matters."""
    if isinstance(value, str):
        return value.replace("\\", "\\\\")
    return NULL if value is None else BYTES if isinstance(value, bytes) else str(value)


def _pieces(text: str, whole: re.Pattern[str]) -> list[str]:
    return [piece for piece in whole.findall(text) if piece]


def _widest(lines: Sequence[str]) -> int:
    return max((_width(line.rstrip()) for line in lines), default=0)


def _width(text: str) -> int:
    if "\x1b" in text:  # colours take no room
        text = COLOUR.sub("", text)
    return len(text) if text.isascii() else max(text_width(text), 0)
