"""Results that belong into a ledger: what the API has carried out, written within the user's transaction.

SQLite may undo such a row (ROLLBACK TO, a statement that fails) although the transaction continues. The result is then
pending again, and written once more before COMMIT.

>>> results.add(write)
>>> results.record(next_number=4)
"""

from __future__ import annotations

from .write import Write


class PendingResults:
    """The writes that are done and not recorded yet, by their numbers."""

    def __init__(self) -> None:
        self._pending: dict[int, Write] = {}

    def add(self, write: Write) -> None:
        """Keep a write that is done, until it is recorded."""
        self._pending[write.number] = write

    def record(self, next_number: int) -> None:
        """Write the results into the ledgers. What it raises, SQLite's errors above all, leaves the rest pending.

        `next_number` is the number of the next write.
        """
        ledgers = {write.ledger for write in self._pending.values()}
        dropped = {ledger for ledger in ledgers if ledger is not None and not ledger.is_there()}
        for write in list(self._pending.values()):  # to look for the first one each time would take quadratic time
            write.record(next_number, into_ledger=write.ledger not in dropped)
            self._pending.pop(write.number, None)

    def undo(self, writes: list[Write]) -> None:
        """SQLite has undone the rows of these writes: they must be recorded again."""
        for write in writes:
            write.unrecord()
            self.add(write)

    def drop(self, number: int) -> None:
        """Forget a write that SQLite has undone for good."""
        self._pending.pop(number, None)

    def clear(self) -> None:
        """The transaction is over."""
        self._pending.clear()
