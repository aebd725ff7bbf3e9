"""Whether a statement does nothing with a column of a virtual table but return it.

>>> only_returned(program, "file_id", 12)      # the rows of EXPLAIN, idxStr of a scan, and the column's number
True

https://www.sqlite.org/opcode.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .columns_read import NO_CHANGE
from .programs import Instruction, filled, parts


def only_returned(program: Iterable[Instruction], idxStr: str, column: int) -> bool:  # noqa: N803 - SQLite's name
    """Return whether all values of the column in scans with this idxStr go into rows of the result, and nowhere else.

    They may go there by way of the sorter of an ORDER BY. A value that is compared, that is in an expression, or that
    is the key of another scan is in a register that no row is made of. Values that GROUP BY or UNION compares, or that
    are written into a table, count as used; so do those of some subqueries, such as those with LIMIT or MATERIALIZED,
    because the outer query may do anything with them. False if the column is not read.
    """
    found = False
    for part in parts(program):
        cursors = {row[2] for row in part if row[1] == "VFilter" and row[5] == idxStr}
        for place, (_, opcode, p1, p2, p3, _, p5, *_) in enumerate(part):
            if opcode == "VColumn" and p1 in cursors and p2 == column and not p5 & NO_CHANGE:
                found = True
                if not _is_returned(part, place, p3) and not _is_sorted_and_returned(part, place, p3):
                    return False
    return found


def _is_returned(part: list[Instruction], place: int, register: int) -> bool:
    """Whether a row of the result is made of the register that is filled at this place."""
    return any(row[1] == "ResultRow" for row in _rows_of(part, place, register))


def _is_sorted_and_returned(part: list[Instruction], place: int, register: int) -> bool:
    """Whether a sorter's row is made of the register that is filled at this place, and its column is only returned."""
    sorters = {row[2] for row in part if row[1] in ("Sort", "SorterSort")}
    for made in _rows_of(part, place, register):
        cursors = {row[2] for row in part if row[1] in ("SorterInsert", "IdxInsert") and row[3] == made[4]} & sorters
        cursors |= {row[4] for row in part if row[1] == "SorterData" and row[2] in cursors}
        read = [
            (number, row[4])
            for number, row in enumerate(part)
            if row[1] == "Column" and row[2] in cursors and row[3] == register - made[2]
        ]
        if read:
            return all(_is_returned(part, *each) for each in read)
    return False


def _rows_of(part: list[Instruction], place: int, register: int) -> Iterator[Instruction]:
    """The instructions that make rows of the register, until it is filled again or handed to the outer query."""
    for row in part[place + 1 :]:
        opcode, p1, p2 = row[1:4]
        if opcode in ("ResultRow", "MakeRecord") and p1 <= register < p1 + p2:
            yield row
        if opcode == "Yield" or register in filled(row):
            return
