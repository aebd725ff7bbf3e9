"""The savepoints of the open transaction: which writes came after each, and which statement began it.

SQLite opens a savepoint for SAVEPOINT, and for a statement that may have to be undone alone. It tells a table of the
open ones when the table joins the transaction, and each table tells the queue.

>>> savepoints.begin(level=0, first_write=3, statement=session)
>>> savepoints.first_write(0)
3

https://www.sqlite.org/vtab.html#xsavepoint
"""

from __future__ import annotations


class Savepoints:
    """The open savepoints by their level: 0 is the outermost."""

    def __init__(self) -> None:
        self._begun: dict[int, tuple[int, object]] = {}  # the number of the first write after it, and who began it

    def __bool__(self) -> bool:
        """Whether a savepoint is open."""
        return bool(self._begun)

    def begin(self, level: int, first_write: int, statement: object) -> None:
        """Remember where a level begins. Every table of the transaction calls it: the first call counts."""
        self._begun.setdefault(level, (first_write, statement))

    def is_begun_by(self, level: int, statement: object) -> bool:
        """Return whether a level is the statement's own savepoint."""
        return level in self._begun and self._begun[level][1] is statement

    def levels_of(self, statement: object) -> list[int]:
        """Return the levels that a statement began."""
        return [level for level, (_, begun_by) in self._begun.items() if begun_by is statement]

    def first_write(self, level: int) -> int:
        """Return the number of the first write after a level began; 0 for an unknown one, which began before all."""
        return self._begun.get(level, (0, None))[0]

    def release(self, level: int) -> None:
        """RELEASE: forget the savepoints from a level on; their writes belong to what encloses them."""
        self._begun = {known: begun for known, begun in self._begun.items() if known < level}

    def roll_back_to(self, level: int) -> None:
        """ROLLBACK TO: forget the savepoints after a level, which itself stays open."""
        self._begun = {known: begun for known, begun in self._begun.items() if known <= level}

    def forget(self, levels: list[int]) -> None:
        """Forget these levels. Nothing need be known of a user's savepoint that encloses everything queued."""
        for level in levels:
            del self._begun[level]

    def clear(self) -> None:
        """The transaction is over."""
        self._begun.clear()
