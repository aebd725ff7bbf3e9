"""Where the values come from that a scan of a virtual table gets: from the rows of other tables, or from the statement.

>>> come_from_rows(program, "vector_store_id", [0])      # the rows of EXPLAIN, and idxStr of a scan
True

https://www.sqlite.org/opcode.html#VFilter
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from .programs import Instruction, parts

FROM_ROW = ("VColumn", "Column")  # opcodes that put a value of a row into a register


def come_from_rows(program: Iterable[Instruction], idxStr: str, places: Collection[int]) -> bool:  # noqa: N803
    """Return whether the values at these places in argv of each scan with this idxStr are columns of rows.

    False if there is no such scan, and if a value is a whole IN list.
    """
    found = False
    for part in parts(program):
        filled: set[int] = set()  # registers with a value of a row
        for _, opcode, p1, p2, p3, p4, *_ in part:
            if opcode in FROM_ROW:
                filled.add(p3)
            elif opcode in ("Copy", "SCopy"):
                copied = range(p3 + 1 if opcode == "Copy" else 1)
                filled = filled - {p2 + n for n in copied} | {p2 + n for n in copied if p1 + n in filled}
            elif opcode in ("String8", "Variable", "Null", "VInitIn"):
                filled.discard(p2)
            elif opcode == "VFilter" and p4 == idxStr:
                found = True
                if not all(p3 + 2 + place in filled for place in places):  # SQLite puts argc before argv
                    return False
    return found
