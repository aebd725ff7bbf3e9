"""The program of a statement, as EXPLAIN returns it: rows (addr, opcode, p1, p2, p3, p4, p5, comment).

The programs of the statement's triggers follow its own, each from address 0 on.

>>> own_part(connection.execute("EXPLAIN DELETE FROM t"))[0]
(0, 'Init', 0, 3, 0, None, 0, None)

https://www.sqlite.org/opcode.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

Instruction = tuple[Any, ...]


def parts(program: Iterable[Instruction]) -> Iterator[list[Instruction]]:
    """Yield the statement's own program, then that of each of its triggers."""
    part: list[Instruction] = []
    for instruction in program:
        if instruction[0] == 0 and part:
            yield part
            part = []
        part.append(instruction)
    if part:
        yield part


def own_part(program: Iterable[Instruction]) -> list[Instruction]:
    """Return the statement's own program, without those of its triggers."""
    return next(parts(program), [])
