"""The documents tables that the open transaction of one connection writes to: COMMIT is one for all of them.

What a table has removed at the API could not be undone if another table failed afterwards. So each takes all other
steps before the first removes anything.

They outlive SQLite's objects for the tables. A table that is renamed gets another object within the transaction, and
one that is dropped has none any more, although ROLLBACK TO may bring it back.

>>> written = WrittenDocuments(queue, sender, lambda store, arguments: DocumentCommit(store, arguments, …), …)
>>> written.begin(store, arguments)
>>> written.commit()
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..writes.queue import WriteQueue
from ..writes.write_sender import WriteSender
from .arguments import Arguments
from .shadow import ShadowRows
from .store import DocumentStore

if TYPE_CHECKING:
    from .commit import DocumentCommit


class WrittenDocuments:
    """The tables of the open transaction, in the order in which it has come to them.

    sender: asks whether documents may be deleted; in its dry run, COMMIT puts their rows back.
    """

    def __init__(
        self,
        queue: WriteQueue,
        sender: WriteSender,
        commit_of: Callable[[DocumentStore, Arguments], DocumentCommit],
    ) -> None:
        self._queue = queue
        self._commit_of = commit_of
        self._sender = sender
        self._tables: dict[DocumentStore, Arguments] = {}
        self._before: dict[DocumentStore, ShadowRows] = {}

    def __contains__(self, store: object) -> bool:
        return store in self._tables

    def begin(self, store: DocumentStore, arguments: Arguments) -> None:
        """A table takes part in the transaction. It may say so several times."""
        if self._sender.is_dry_run and store not in self._tables:
            self._before[store] = store.shadow.copy()
        self._tables[store] = arguments

    def commit(self) -> None:
        """Send what the rows of all tables need. Raises what has failed, and lists what was carried out before.

        SQLite has it called once for each virtual table of the transaction; from the second call on, nothing is left to
        do.
        """
        commits = {store: self._commit_of(store, how) for store, how in self._tables.items() if store.is_there()}
        if not commits:
            return
        self._sender.confirm(sum(len(commit.leaving()) for commit in commits.values()))
        with self._queue.one_commit():
            for commit in commits.values():
                commit.run()
            for commit in commits.values():
                commit.remove()
        for store in commits.keys() & self._before.keys():
            store.shadow.put_back(self._before[store])

    def end(self) -> None:
        """The transaction is over."""
        for store in self._tables:
            store.contents.clear()
            store.deleted.clear()
        self._tables.clear()
        self._before.clear()
