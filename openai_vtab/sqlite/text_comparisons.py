"""Comparisons of a virtual table's numbers with texts, in the program of a statement that writes to a virtual table.

SQLite shows a virtual table only the terms that AND joins, and none whose column stands in an expression. Its program
has them all: an instruction compares two registers, and others have filled them.

>>> text_comparisons(program, "vtab:7F…", {4, 5})     # EXPLAIN DELETE FROM files WHERE created_at < date('now') OR …
[TextComparison(column=4, text=None, function='date', converts=True)]

Which instructions have filled a register depends on the way through the program: CASE, iif() and coalesce() fill the
same register in several places. So the program is followed backwards from the comparison, through all jumps that lead
there. A register counts only if all that may have filled it are numbers, or all are texts.

https://www.sqlite.org/opcode.html
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from .programs import ARITHMETIC, COMPARISONS, Instruction, filled, own_part

AFFINITY_MASK, TEXT, NUMERIC = 0x47, 0x42, 0x43  # in p5; the numeric affinities are the greatest ones
JUMPS = (*COMPARISONS, "Goto", "If", "IfNot", "IsNull", "NotNull", "IfNullRow", "Once", "ElseEq", "Init", "VNext")
ENDS = ("Goto", "Halt")  # the next instruction does not follow them
TEXT_FUNCTIONS = ("date", "time", "datetime", "current_date", "current_time", "current_timestamp")
_TEXT_FORMAT = re.compile(r"%[FRT]|(?<!^)[-:/]")  # other formats of strftime() may return the digits of a number
COPIES = ("Copy", "SCopy", "Move")
MOST_STEPS = 2000  # through the program, for each comparison; a longer search ends without a result
DEEPEST = 50  # of an expression, whose registers are filled from each other; the same


class TextComparison(NamedTuple):
    """The number of a column, and the text that it is compared with, or the function that returns the text.

    `converts`: SQLite converts the text into a number if it can.
    """

    column: int
    text: str | None
    function: str = ""
    converts: bool = True


class _Value(NamedTuple):
    """What an instruction may have put into a register: a number, with the columns in it, a text, or NULL."""

    columns: frozenset[int] | None = None
    text: str | None = None
    function: str = ""
    is_null: bool = False


def text_comparisons(program: Iterable[Instruction], table: str, numbers: Collection[int]) -> list[TextComparison]:
    """Return the comparisons of columns in `numbers` of a table, which is named as the program names it.

    None are returned for a statement that writes to no virtual table. Its triggers do not count.
    """
    rows = own_part(program)
    if not any(row[1] == "VUpdate" for row in rows):
        return []
    cursors = {row[2] for row in rows if row[1] == "VOpen" and row[5] == table}
    if not any(row[1] == "VColumn" and row[2] in cursors and row[3] in numbers for row in rows):
        return []
    registers = _Registers(rows, cursors, numbers)
    found = []
    for address, opcode, p1, _, p3, _, p5, *_ in rows:
        affinity = p5 & AFFINITY_MASK
        if opcode in COMPARISONS and affinity != TEXT:
            registers.begin()
            for one, other in ((p3, p1), (p1, p3)):
                if (columns := registers.numbers(one, address)) and (texts := registers.texts(other, address)):
                    found += [
                        TextComparison(column, each.text, each.function, affinity >= NUMERIC)
                        for column in sorted(columns)
                        for each in texts
                    ]
    return found


class _Registers:
    """What the registers of a program may hold at an address."""

    def __init__(self, rows: list[Instruction], cursors: set[int], numbers: Collection[int]) -> None:
        self._rows = rows
        self._cursors = cursors
        self._numbers = numbers
        self._steps = 0
        self._open: list[int] = []  # the instructions that are being looked at: a loop may lead back to one of them
        self._jumps: dict[int, list[int]] = {}  # the addresses from which an address is jumped to
        for address, opcode, _, p2, *_ in rows:
            if opcode in JUMPS:
                self._jumps.setdefault(p2, []).append(address)
        self._fillers: dict[int, list[Instruction]] = {}
        for row in rows:
            for register in filled(row):
                self._fillers.setdefault(register, []).append(row)

    def begin(self) -> None:
        """Begin with another comparison, which may take MOST_STEPS of its own."""
        self._steps = 0

    def numbers(self, register: int, address: int) -> frozenset[int]:
        """The columns in the number that the register holds; none if it may hold anything else."""
        values = self._not_null(register, address)
        if any(value.columns is None for value in values):
            return frozenset()
        return frozenset().union(*(value.columns for value in values if value.columns is not None))

    def texts(self, register: int, address: int) -> list[_Value]:
        """The texts that the register may hold; none if it may hold anything else."""
        values = self._not_null(register, address)
        return values if all(value.text is not None or value.function for value in values) else []

    def _not_null(self, register: int, address: int) -> list[_Value]:
        return [value for value in self._values(register, address) if not value.is_null]

    def _values(self, register: int, address: int) -> Iterator[_Value]:
        """What the register may hold before the instruction at the address is carried out."""
        fillers = self._fillers.get(register, [])
        if len(fillers) == 1:  # a constant, mostly: its instruction is far away
            yield self._value(fillers[0], register)
            return
        seen, waiting = set(), [address] if fillers else []
        while waiting:
            at = waiting.pop()
            while at not in seen:
                seen.add(at)
                self._steps += 1
                if self._steps > MOST_STEPS:
                    yield _Value()
                    return
                before = [*self._jumps.get(at, ())]
                if at > 0 and self._rows[at - 1][1] not in ENDS:
                    before.append(at - 1)
                reached = []
                for instruction in before:
                    if register in filled(self._rows[instruction]):
                        yield self._value(self._rows[instruction], register)
                    else:
                        reached.append(instruction)
                if not reached:
                    break
                at, *others = reached
                waiting += others

    def _value(self, row: Instruction, register: int) -> _Value:
        """What an instruction puts into the register."""
        if row[0] in self._open or len(self._open) == DEEPEST:
            return _Value()
        self._open.append(row[0])
        value = self._computed(row, register)
        self._open.pop()
        return value

    def _computed(self, row: Instruction, register: int) -> _Value:
        address, opcode, p1, p2, _, p4, *_ = row
        if opcode == "VColumn" and p1 in self._cursors and p2 in self._numbers:
            return _Value(frozenset((p2,)))
        if opcode == "Null":
            return _Value(is_null=True)
        if opcode in ("Integer", "Int64", "Real"):
            return _Value(frozenset())
        if opcode in ARITHMETIC:
            return _Value(self.numbers(p1, address) | self.numbers(p2, address))
        if opcode == "String8":
            return _Value(text=p4)
        if opcode in ("Function", "PureFunc"):
            return self._result(str(p4).partition("(")[0].lower(), p2, address)
        if opcode == "Cast":
            if p2 >= ord("C"):
                return _Value(self.numbers(register, address))
            texts = self.texts(register, address) if p2 == ord("B") else []
            return texts[0] if len(texts) == 1 else _Value()
        return self._copied(row, register) if opcode in COPIES else _Value()

    def _copied(self, row: Instruction, register: int) -> _Value:
        address, _, p1, p2, *_ = row
        source = p1 + register - p2
        values = set(self._values(source, address))
        if len(values) == 1:
            return values.pop()
        columns = self.numbers(source, address)
        return _Value(columns) if columns else _Value()

    def _result(self, function: str, first: int, address: int) -> _Value:
        """What a function returns whose first argument is in a register."""
        if function in TEXT_FUNCTIONS:
            return _Value(function=function)
        if function == "strftime":
            formats = self.texts(first, address)
            if formats and all(each.text is not None and _TEXT_FORMAT.search(each.text) for each in formats):
                return _Value(function=function)
        return _Value()
