"""Comparisons of a virtual table's numbers with texts, in the program of a statement that writes to that table.

SQLite shows a virtual table no terms below OR, NOT or CASE. Its program has them: an instruction compares two
registers, and others have filled them.

>>> text_comparisons(program)      # the rows of EXPLAIN: DELETE FROM files WHERE created_at < date('now') OR bytes = 0
[TextComparison(column=4, text=None, function='date')]

https://www.sqlite.org/opcode.html
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from .programs import Instruction, own_part

COMPARISONS = ("Eq", "Ne", "Lt", "Le", "Gt", "Ge")
AFFINITY_MASK, TEXT, NUMERIC = 0x47, 0x42, 0x43  # in p5; the numeric affinities are the greatest ones
TEXT_FUNCTIONS = ("date", "time", "datetime")  # strftime() may return the digits of a number
# The instructions that fill a register, by the operand that names it. What may be a number is among them.
FILLS_P2 = ("String8", "Integer", "Int64", "Real", "Null", "Blob", "Variable", "Copy", "SCopy", "Rowid", "Move")
FILLS_P3 = ("Function", "PureFunc", "Column", "VColumn", "Concat", "Add", "Subtract", "Multiply", "Divide", "Remainder")


class TextComparison(NamedTuple):
    """The number of a column, and the text that it is compared with, or the function that returns the text."""

    column: int
    text: str | None
    function: str = ""


def text_comparisons(program: Iterable[Instruction]) -> list[TextComparison]:
    """Return the comparisons of columns of numbers with texts, in the table that the statement writes to.

    Its triggers do not count. A register that may hold anything but a text is left out.
    """
    rows = own_part(program)
    written = {row[5] for row in rows if row[1] == "VUpdate"}
    cursors = {row[2] for row in rows if row[1] == "VOpen" and row[5] in written}
    texts = _texts(rows)
    columns: dict[int, int] = {}  # register: the column of the table in it
    found = []
    for _, opcode, p1, p2, p3, _, p5, *_ in rows:
        if opcode in FILLS_P2:
            columns.pop(p2, None)
        elif opcode in FILLS_P3:
            columns.pop(p3, None)
        if opcode == "VColumn" and p1 in cursors:
            columns[p3] = p2
        elif opcode in COMPARISONS and p5 & AFFINITY_MASK >= NUMERIC:
            for number, other in ((p3, p1), (p1, p3)):
                if number in columns and other in texts:
                    found += [TextComparison(columns[number], *text) for text in texts[other]]
    return found


def _texts(rows: Iterable[Instruction]) -> dict[int, list[tuple[str | None, str]]]:
    """The registers that hold only texts: the literals in them, or the functions that return them."""
    texts: dict[int, list[tuple[str | None, str]]] = {}
    others = set()
    for _, opcode, p1, p2, p3, p4, *_ in rows:
        if opcode == "String8":
            texts.setdefault(p2, []).append((p4, ""))
        elif opcode in ("Function", "PureFunc") and (name := str(p4).partition("(")[0].lower()) in TEXT_FUNCTIONS:
            texts.setdefault(p3, []).append((None, name))
        elif opcode in FILLS_P2 or opcode in FILLS_P3:
            others.add(p2 if opcode in FILLS_P2 else p3)
        elif opcode == "Cast" and p2 != TEXT:  # CAST('2026-01-31' AS INTEGER) is the number 2026
            others.add(p1)
    return {register: found for register, found in texts.items() if register not in others}
