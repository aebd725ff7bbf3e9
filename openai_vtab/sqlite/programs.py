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

COMPARISONS = ("Eq", "Ne", "Lt", "Le", "Gt", "Ge")  # of the registers p1 and p3
ARITHMETIC = ("Add", "Subtract", "Multiply", "Divide", "Remainder")  # their results are numbers, or NULL
# The other instructions that fill a register, by the operand that names it.
FILLS_P2 = ("String8", "Integer", "Int64", "Real", "Null", "Blob", "Variable", "Rowid", "Not", "BitNot", "IsTrue")
FILLS_P3 = (
    *("Function", "PureFunc", "Column", "VColumn", "Concat", "And", "Or", "AggValue", "MakeRecord", "RowSetRead"),
    *("BitAnd", "BitOr", "ShiftLeft", "ShiftRight"),
)


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


def filled(row: Instruction) -> range | tuple[int, ...]:
    """Return the registers that an instruction fills."""
    opcode, p1, p2, p3 = row[1:5]
    if opcode == "Null":
        return range(p2, max(p2, p3) + 1)
    if opcode in FILLS_P2 or opcode == "SCopy":
        return (p2,)
    if opcode in FILLS_P3 or opcode in ARITHMETIC:
        return (p3,)
    if opcode == "Copy":
        return range(p2, p2 + p3 + 1)
    if opcode == "Move":
        return range(p2, p2 + max(p3, 1))
    return (p1,) if opcode in ("Cast", "AggFinal") else ()
