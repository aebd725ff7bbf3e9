"""Which columns of a virtual table a statement reads.

>>> columns_read(program, "file_id")      # the rows of EXPLAIN, and idxStr of a scan
{0, 1, 8}

https://www.sqlite.org/opcode.html#VColumn
"""

from __future__ import annotations

from collections.abc import Iterable

from .programs import Instruction, parts

NO_CHANGE = 1  # in p5: an UPDATE hands the column on, and does not read it


def columns_read(program: Iterable[Instruction], idxStr: str) -> set[int] | None:  # noqa: N803 - SQLite's name
    """Return the numbers of the columns that are read of the tables which have a scan with this idxStr.

    All scans of these tables count: an object that one of them has read is the same object in another. None if no scan
    has this idxStr.
    """
    tables: dict[tuple[int, int], str] = {}  # by the number of the part and the cursor
    columns: dict[tuple[int, int], set[int]] = {}
    scanned: set[tuple[int, int]] = set()
    for number, part in enumerate(parts(program)):
        for _, opcode, p1, p2, _, p4, p5, _ in part:
            if opcode == "VOpen":
                tables[number, p1] = p4
            elif opcode == "VFilter" and p4 == idxStr:
                scanned.add((number, p1))
            elif opcode == "VColumn" and not p5 & NO_CHANGE:
                columns.setdefault((number, p1), set()).add(p2)
    found = {tables.get(cursor) for cursor in scanned}
    if not scanned or None in found:
        return None
    return set().union(*(columns.get(cursor, ()) for cursor, table in tables.items() if table in found))
