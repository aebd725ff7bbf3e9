"""The documents tables that the open transaction of one connection writes to: COMMIT is one for all of them.

What a table has removed at the API could not be undone if another table failed afterwards. So each takes all other
steps before the first removes anything.

>>> written = WrittenDocuments(queue, lambda store, arguments: DocumentCommit(store, arguments, …))
>>> written.begin(store, arguments)
>>> written.commit(store, arguments)
"""

from __future__ import annotations

from collections.abc import Callable

from ..writes.queue import WriteQueue
from .arguments import Arguments
from .commit import DocumentCommit
from .store import DocumentStore


class WrittenDocuments:
    """The tables of the open transaction, in the order in which it has come to them."""

    def __init__(self, queue: WriteQueue, commit_of: Callable[[DocumentStore, Arguments], DocumentCommit]) -> None:
        self._queue = queue
        self._commit_of = commit_of
        self._tables: dict[DocumentStore, Arguments] = {}

    def begin(self, store: DocumentStore, arguments: Arguments) -> None:
        """A table takes part in the transaction."""
        self._tables[store] = arguments

    def commit(self, store: DocumentStore, arguments: Arguments) -> None:
        """Send what the rows of all tables need. Raises what has failed, and lists what was carried out before.

        SQLite calls it for each table; from the second on, nothing is left to do, except for a table that the
        transaction has created: SQLite has not called `begin` of that one.
        """
        self._tables[store] = arguments
        commits = [self._commit_of(*each) for each in self._tables.items() if each[0].is_there()]
        with self._queue.one_commit():
            for commit in commits:
                commit.run()
            for commit in commits:
                commit.remove()

    def clear(self) -> None:
        """The transaction is over."""
        self._tables.clear()
