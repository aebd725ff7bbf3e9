"""Whether a statement does nothing with a column of a virtual table but return it.

>>> only_returned(program, "file_id", 12)      # the rows of EXPLAIN, idxStr of a scan, and the column's number
True

https://www.sqlite.org/opcode.html
"""

from __future__ import annotations

from collections.abc import Iterable

from .columns_read import NO_CHANGE
from .programs import COMPARISONS, Instruction, filled, parts

ROWS = ("ResultRow", "MakeRecord")  # a row of the registers from p1 on, as many as p2 says


def only_returned(program: Iterable[Instruction], idxStr: str, column: int) -> bool:  # noqa: N803 - SQLite's name
    """Return whether all values of the column in scans with this idxStr go into rows, and nowhere else.

    The rows may be those of the result, of a sorter, or of a table that the statement fills. A value that is compared,
    that is in an expression, or that is the key of another scan is in a register that no row is made of. So is a value
    of some subqueries, such as those with LIMIT, which therefore count as a use. False if the column is not read.
    """
    found = False
    for part in parts(program):
        cursors = {row[2] for row in part if row[1] == "VFilter" and row[5] == idxStr}
        for place, (_, opcode, p1, p2, p3, _, p5, *_) in enumerate(part):
            if opcode == "VColumn" and p1 in cursors and p2 == column and not p5 & NO_CHANGE:
                found = True
                if not _goes_into_a_row(part[place + 1 :], p3):
                    return False
    return found


def _goes_into_a_row(after: list[Instruction], register: int) -> bool:
    """Whether a row is made of the register before it is compared or filled again."""
    for row in after:
        opcode, p1, p2, p3 = row[1:5]
        if opcode in ROWS and p1 <= register < p1 + p2:
            return True
        if register in filled(row) or (opcode in COMPARISONS and register in (p1, p3)):
            return False
    return False
