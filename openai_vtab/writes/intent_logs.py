"""The intents of one connection: of the open transaction, and of those that are over.

>>> logs = IntentLogs(REAL)
>>> logs.of("/data/my.db", "main").new(["my_batches"], {"vector_store_id": "vs_1"}, {"file_ids": ["file-1"]})
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..clock import Clock
from ..ledger.intents import IntentLog


class IntentLogs:
    """One IntentLog for each database that the open transaction creates something for.

    open: by the file, or without one by the schema, those of the open transaction.
    unsettled: those of transactions that are over, for which ledgers may lack rows.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.unsettled: list[IntentLog] = []
        self.open: dict[str, IntentLog] = {}

    def of(self, file: str, schema: str) -> IntentLog:
        """Where the open transaction writes down what it creates for ledgers in this database; file "" is none."""
        database = file or schema
        if database not in self.open:
            self.open[database] = IntentLog(file, schema="" if file else schema, clock=self._clock)
        return self.open[database]

    @property
    def paths(self) -> set[Path]:
        """The files of all of them."""
        return {log.path for log in [*self.open.values(), *self.unsettled] if log.path is not None}

    def take_over(self, logs: Iterable[IntentLog]) -> None:
        """Count what dead processes have left as transactions of this connection that are over."""
        self.unsettled += list(logs)

    def commit(self) -> None:
        """SQLite has committed: only creates that ROLLBACK TO has undone still lack a row in their ledger."""
        for database, intents in list(self.open.items()):
            if intents.commit():
                del self.open[database]

    def end(self) -> None:
        """The transaction is over: what is open is not settled."""
        self.unsettled += [intents for intents in self.open.values() if intents not in self.unsettled]
        self.open.clear()
