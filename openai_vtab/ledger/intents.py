"""Intents: what a transaction is about to create, written down durably before the first request leaves.

Theory of operation
-------------------
Between the first byte of a request and SQLite's commit, the process may be killed, or SQLite may fail to commit.
The row in the ledger is then gone with the transaction, although the API has created the object, and the API cannot
list what it has created. So each transaction that creates something through a ledger keeps a file of its own beside
the database (intent_file.py), which a rollback does not touch.

    outcome    event                                          next outcome
    ---------  ---------------------------------------------  ------------
    PLANNED    the request is about to leave                  BEGUN
    BEGUN      the API has confirmed it                       CREATED
    BEGUN      certainly not carried out                      REFUSED
    BEGUN      anything else                                  UNKNOWN

The file is removed once SQLite has committed, or once the ledger has a row for everything that may exist. Whoever
finds such a file while holding the database's write lock knows that its writer is no longer sending: a sender holds
that lock, in both journal modes, because the rows of the ledger belong to its transaction. The row in the ledger has
the intent's id, so that settling an intent twice adds nothing. The exception are requests that an interrupt has left
in flight: their transaction is gone, so that another connection may list them as unknown, until the response comes
and completes the row.

Only the intents are synced to the disk, once for each flush of a transaction. After a power cut the later lines may
be missing, so that the absence of a line proves nothing: an intent of another boot counts as begun. After a mere kill
of the process every line is there, and an intent without "begun" certainly was not sent.

>>> intent_log = IntentLog("my.db")
>>> intent = intent_log.new(["my_batches"], {"vector_store_id": "vs_1"}, {"file_ids": ["file-1"]})
>>> intent_log.write([intent])
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

from ..clock import REAL, Clock
from ..errors import OperationalError
from .intent_file import MARK, IntentFile, Line

log = logging.getLogger("openai_vtab")

SLICE = 500  # intents written between two looks for an interrupt

Object = dict[str, Any]


class Outcome(Enum):
    """The outcome of a create, as far as it is known."""

    PLANNED = "planned"  # nothing has left
    BEGUN = "begun"
    CREATED = "created"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(eq=False)
class Intent:
    """One create. `sent` is what it was given.

    `ledgers` are the names that its ledger has had, of which a rollback may bring back an older one: the ledger's own
    list, which grows when it is renamed.
    """

    id: str
    ledgers: Sequence[str]
    keys: Mapping[str, str]
    sent: Object
    intent_log: IntentLog
    at: int = 0  # when it began, Unix seconds
    outcome: Outcome = Outcome.PLANNED
    answer: Object | None = None
    undone: bool = False  # SQLite has rolled the ledger's row back, and the transaction continues

    def begin(self) -> None:
        """The request is about to leave. Raises OperationalError when that cannot be written down."""
        self.at = int(self.intent_log.clock.time())
        with self.intent_log.beginning({"begun": self.id, "at": self.at}):
            self.outcome = Outcome.BEGUN

    def created(self, answer: Object) -> None:
        """The API has created the object `answer`, which has its keys."""
        self.answer = answer
        self._end(Outcome.CREATED, answer=answer)

    def refused(self) -> None:
        """The API has certainly not created it."""
        self._end(Outcome.REFUSED)

    def unknown(self) -> None:
        """The API may have created it."""
        self._end(Outcome.UNKNOWN)

    def undo(self) -> None:
        """SQLite has rolled the ledger's row back, and the transaction continues."""
        self.undone = True

    def _end(self, outcome: Outcome, **more: Any) -> None:
        self.outcome = outcome
        try:
            self.intent_log.append({outcome.value: self.id, **more})
        except OperationalError as error:  # the file still says "begun": a later reader calls the outcome unknown
            log.debug("%s", error)
        self.intent_log.close_if_left()

    @property
    def description(self) -> str:
        """Its outcome, for a log line."""
        keys = " ".join(f"{name} = {value!r}" for name, value in self.keys.items())
        if self.outcome is Outcome.CREATED and self.answer is not None:
            return f"created: id = {self.answer.get('id')!r} {keys}"
        return f"perhaps created: {keys} {json.dumps(self.sent)[:200]}"

    @property
    def may_exist(self) -> bool:
        """Whether the API has created it, or may have."""
        return self.outcome in (Outcome.BEGUN, Outcome.CREATED, Outcome.UNKNOWN)


class IntentLog:
    """The intents of one transaction in one database.

    file: of the database; "" if it is in none, and then they are in memory alone.
    schema: the name under which such a database is attached; "" if it has a file.

    Many threads call its methods.
    """

    def __init__(self, file: str, path: Path | None = None, *, schema: str = "", clock: Clock = REAL) -> None:
        self.file = file
        self.schema = schema
        self.clock = clock
        self.intents: list[Intent] = []
        self._token = os.urandom(8).hex()
        self._lines = IntentFile(file, self._token, path)
        self._numbers = itertools.count()
        self._settled: dict[str, Outcome] = {}  # what the ledgers have rows for
        self._left = False
        self._over = False
        self._lock = threading.Lock()

    @property
    def path(self) -> Path | None:
        """Where the file is; None when there is none."""
        return self._lines.path

    def new(self, ledgers: Sequence[str], keys: Mapping[str, str], sent: Object) -> Intent:
        """Return an intent for one row; nothing is written yet."""
        intent = Intent(f"{self._token}-{next(self._numbers)}", ledgers, keys, sent, self)
        self.intents.append(intent)
        return intent

    def write(self, intents: Sequence[Intent], tick: Callable[[], None] = lambda: None) -> None:
        """Write intents durably. Raises OperationalError when the file cannot be written, and what `tick` raises.

        `tick` is called between slices: writing 10,000 intents takes a good part of a second.
        """
        if not self.file or not intents:
            return
        try:
            if self.path is None:
                self._lines.create()
            for first in range(0, len(intents), SLICE):
                tick()
                lines = [_line(intent) for intent in intents[first : first + SLICE]]
                with self._lock:
                    self._lines.append(lines)
            self._lines.sync()
        except OSError as error:
            raise OperationalError(f"the rows were not sent: {self._problem(error)}") from None

    @contextmanager
    def beginning(self, line: Line) -> Iterator[None]:
        """Write down that a request is about to leave; `finish` waits for the body of the with statement.

        Raises OperationalError when the line cannot be written, or the transaction is over.
        """
        with self._lock:
            if self._over:
                raise OperationalError("the transaction is over")
            self._append(line)
            yield

    def finish(self) -> bool:
        """Let no request begin any more, unless one is in flight or a ledger lacks a row.

        Returns whether the log is finished.
        """
        with self._lock:
            self._over = self._over or (self.is_final and not self.unsettled())
            return self._over

    def append(self, line: Line) -> None:
        """Append one line, without waiting for the disk. Raises OperationalError."""
        with self._lock:
            self._append(line)

    def _append(self, line: Line) -> None:
        if self._lines.is_open:  # otherwise the response reaches the ledger from memory
            try:
                self._lines.append([line])
            except OSError as error:
                raise OperationalError(self._problem(error)) from None

    def _problem(self, error: OSError) -> str:
        return (
            f"{self.file}{MARK}…: {error.strerror or error}; a ledger writes down here what is about to be created, "
            "so its folder must be writable and not full"
        )

    @property
    def is_final(self) -> bool:
        """Whether no request of it is in flight."""
        return all(intent.outcome is not Outcome.BEGUN for intent in self.intents)

    def unsettled(self) -> list[Intent]:
        """Return snapshots of what may exist, and has no row in its ledger yet, or only one with an older outcome.

        Also of what the API has refused after its ledger has got a row, because the response came late.
        Snapshots, because a worker may record the response while a row is written.
        """
        found = [replace(intent) for intent in self.intents if intent.may_exist or intent.id in self._settled]
        return [i for i in found if self._settled.get(i.id) is not i.outcome]

    def settle(self, snapshots: Sequence[Intent]) -> None:
        """The ledgers have rows for these now."""
        self._settled.update((intent.id, intent.outcome) for intent in snapshots)

    def commit(self) -> bool:
        """SQLite has committed: keep only what ROLLBACK TO has undone. Returns whether nothing is left."""
        self.intents = [intent for intent in self.intents if intent.undone]
        if not self.intents:
            self.remove()
        return not self.intents

    def leave(self) -> None:
        """Leave the file to whoever opens the ledger next; what is in flight is still written down."""
        self._left = True
        self.close_if_left()

    def close_if_left(self) -> None:
        """Close the file when nothing more will be written to it."""
        if self._left and self.is_final:
            with self._lock:
                self._lines.close()

    def remove(self) -> None:
        """Remove the file: the ledger has a row for everything that may exist."""
        with self._lock:
            self._lines.remove()


def _line(intent: Intent) -> Line:
    return {"intent": intent.id, "ledgers": list(intent.ledgers), "keys": dict(intent.keys), "sent": intent.sent}
