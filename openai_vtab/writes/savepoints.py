"""The savepoints of the open transaction: which writes came after each, and which statement began it.

SQLite opens a savepoint for SAVEPOINT, and for a statement that may have to be undone alone. It tells a table of the
open ones when the table joins the transaction, and each table tells the queue.

>>> savepoints.begin(level=0, first_write=3, session=session)
>>> savepoints.first_write(0)
3

https://www.sqlite.org/vtab.html#xsavepoint
"""

from __future__ import annotations


class Savepoints:
    """The savepoints of the open transaction.

    open: by the level, of which 0 is the outermost, the number of the first write after it, and who began it.
    """

    def __init__(self) -> None:
        self.open: dict[int, tuple[int, object]] = {}

    def begin(self, level: int, first_write: int, session: object) -> None:
        """Remember where a level begins. Every table of the transaction calls it: the first call counts."""
        self.open.setdefault(level, (first_write, session))

    def is_begun_by(self, level: int, session: object) -> bool:
        """Return whether a level is the statement's own savepoint."""
        return level in self.open and self.open[level][1] is session

    def levels_of(self, session: object) -> list[int]:
        """Return the levels that a statement began."""
        return [level for level, (_, begun_by) in self.open.items() if begun_by is session]

    def first_write(self, level: int) -> int:
        """Return the number of the first write after a level began; 0 for an unknown one, which began before all."""
        return self.open.get(level, (0, None))[0]

    def release(self, level: int) -> None:
        """RELEASE: forget the savepoints from a level on; their writes belong to what encloses them."""
        self.open = {known: begun for known, begun in self.open.items() if known < level}

    def roll_back_to(self, level: int) -> None:
        """ROLLBACK TO: forget the savepoints after a level, which itself stays open."""
        self.open = {known: begun for known, begun in self.open.items() if known <= level}

    def forget(self, levels: list[int]) -> None:
        """Forget these levels. Nothing need be known of a user's savepoint that encloses everything queued."""
        for level in levels:
            del self.open[level]

    def clear(self) -> None:
        """The transaction is over."""
        self.open.clear()
