"""What a COMMIT cannot know: whether SQLite has undone some of the open transaction's writes.

SQLite does not tell a table that a Python exception has undone a statement. For the rows that the statement itself has
queued, its end tells. For rows that a SQL function has written within it, nothing does. The same is true of an
interrupt that comes while the queue drops what SQLite has undone. Such a transaction must not be committed, and a read
must not send such rows.

>>> doubts = Doubts()
>>> doubts.add([4, 5]); doubts.problem
'the transaction cannot be committed: …'
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

INTERRUPTED = "the transaction cannot be committed: an interrupt has come while SQLite undid rows of it; ROLLBACK"
WITHIN = (
    "the transaction cannot be committed: a SQL function has written rows within another statement, and SQLite does "
    "not tell whether that statement has failed; ROLLBACK, and call the function in a SELECT"
)


class Doubts:
    """The numbers of the writes that SQLite may have undone.

    problem: why the transaction cannot be committed; "" if nothing is in doubt.
    """

    def __init__(self) -> None:
        self.problem = ""
        self._numbers: set[int] = set()

    def add(self, numbers: Iterable[int]) -> None:
        """Doubt these writes."""
        self._numbers.update(numbers)
        if self._numbers:
            self.problem = WITHIN

    def drop(self, first: int) -> None:
        """SQLite has certainly undone the writes from a number on."""
        self._numbers = {number for number in self._numbers if number < first}
        if self.problem == WITHIN and not self._numbers:
            self.problem = ""

    @contextmanager
    def undoing(self) -> Iterator[None]:
        """A block that drops what SQLite has undone. Everything is in doubt if an interrupt ends it."""
        before, self.problem = self.problem, INTERRUPTED
        yield
        if before != INTERRUPTED:
            self.problem = WITHIN if self._numbers else ""

    def clear(self) -> None:
        """The transaction is over."""
        self._numbers.clear()
        self.problem = ""
