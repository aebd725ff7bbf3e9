"""One checked row of the open transaction, and how far its request has got.

Theory of operation
-------------------
A write is queued when SQLite hands over a row. Nothing has been sent then, and a rollback simply drops it. COMMIT
(or a SELECT that must see the row) delivers it. From the moment at which its first byte may have left, the API may
carry it out, whatever becomes of the transaction, of the connection, or of this process. So its state is recorded
where it changes, by the thread that sends it, and never by the thread that runs the statement: only the latter
receives signals, and a KeyboardInterrupt may end its bookkeeping anywhere, even in a finally block. What the main
thread does with the states can be done again.

    state       event                           next state
    ----------  ------------------------------  ----------
    QUEUED      the first byte is about to go   BEGUN
    QUEUED      it fails before that            NOT_DONE
    QUEUED      a dry run has shown it          SHOWN
    BEGUN       the response confirms it        DONE
    BEGUN       the response shows a part       PARTIAL
    BEGUN       the response denies it          NOT_DONE
    BEGUN       nothing left after all          NOT_DONE
    BEGUN       anything else                   UNKNOWN

DONE, PARTIAL, NOT_DONE, SHOWN and UNKNOWN are final. PARTIAL is a failure: the API has created the object, without
its files. A request that may be repeated is never UNKNOWN: it counts as NOT_DONE,
because a retry is harmless. BEGUN lasts as long as the request: a statement that is interrupted reports
such a write as unknown, and the answer that comes later is still recorded.

>>> write = Write(request, rowid=1, parse=parse_object)
>>> write.state, write.result
(<State.QUEUED: 'queued'>, None)
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from ..ledger.intents import Intent
from ..protocol import NOTHING_CREATED, Object, Request, Response
from .order import NOTHING, Affected

log = logging.getLogger("openai_vtab")


class State(Enum):
    """How far a write has got."""

    QUEUED = "queued"
    BEGUN = "begun"
    DONE = "done"
    PARTIAL = "partial"
    NOT_DONE = "not done"
    SHOWN = "shown"
    UNKNOWN = "unknown"


NEXT_STATES = {
    State.QUEUED: frozenset({State.BEGUN, State.NOT_DONE, State.SHOWN}),
    State.BEGUN: frozenset({State.DONE, State.PARTIAL, State.NOT_DONE, State.UNKNOWN}),
    State.DONE: frozenset(),
    State.PARTIAL: frozenset(),
    State.NOT_DONE: frozenset(),
    State.SHOWN: frozenset(),
    State.UNKNOWN: frozenset(),
}


class Ledger(Protocol):
    """The ledger that a row is written to, as far as its write needs it."""

    @property
    def name(self) -> str:
        """The table's current name."""

    def is_there(self) -> bool:
        """Whether it has not been dropped."""


@dataclass(eq=False)
class Write:
    """One row.

    `parse` takes the response and returns the object with its keys, or NOTHING_CREATED if `on_done` sees to that; it
    runs in a worker thread, and raises when the response does not confirm the write. `session` is that of the statement
    that wrote the row: its own reads do not send it.
    `table` is the table that was written to, `affected` the objects that the request changes and uses. `on_done`
    writes the object into `ledger`, within the transaction. `intent` is the durable trace of a request that a ledger
    remembers. `label` names the row for an error message. `reusable`: when the transaction is written again, what the
    request has done is used, and not done twice. `may_be_empty`: if the new object counts none of the files that it was
    sent, `on_done` sees to that.
    """

    request: Request
    rowid: int
    parse: Callable[[Response], Object]
    session: object = None
    table: object = None
    affected: Affected = NOTHING
    intent: Intent | None = None
    ledger: Ledger | None = None
    on_done: Callable[[Object], None] | None = None
    label: str = ""
    reusable: bool = False
    may_be_empty: bool = False
    number: int = field(default=0, init=False)
    state: State = field(default=State.QUEUED, init=False)
    result: Object | None = field(default=None, init=False)
    error: BaseException | None = field(default=None, init=False)
    recorded: int | None = field(default=None, init=False)

    @property
    def changes_something(self) -> bool:
        """Whether the API carries something out: not for a read, nor for a create that has created nothing."""
        is_create = not self.request.idempotent  # a DELETE may have an empty response
        has_created_nothing = is_create and self.state is State.DONE and self.result == NOTHING_CREATED
        return self.request.method != "GET" and not has_created_nothing

    def move_to(self, state: State, result: Object | None = None, error: BaseException | None = None) -> None:
        """Record what has happened to the request, here and in the intent.

        Raises what `Intent.begin` raises: a create whose trace cannot be written must not begin.
        """
        assert state in NEXT_STATES[self.state], (self.state, state)  # noqa: S101
        if self.intent is not None:
            if state is State.BEGUN:
                self.intent.begin()
            elif state in (State.DONE, State.PARTIAL) and result is not None:
                self.intent.created(result)
            elif state is State.UNKNOWN:
                self.intent.unknown()
            elif state is State.NOT_DONE and self.state is State.BEGUN:
                # what may be repeated counts as not done here; the ledger must know that it may have been done
                if self.request.idempotent:
                    self.intent.unknown()
                else:
                    self.intent.refused()
        # the state last: who sees it finds the rest
        self.result, self.error = result, error
        self.state = state

    def queue_as(self, number: int) -> None:
        """Take a number: writes are in the order of their numbers."""
        self.number = number

    def record(self, next_number: int, into_ledger: bool) -> None:
        """Write the result into the ledger, unless it was dropped; `recorded` is the number of the next write then.

        Raises what SQLite raises.
        """
        if self.on_done is not None and self.result is not None and into_ledger:
            self.on_done(self.result)
        self.recorded = next_number

    def unrecord(self) -> None:
        """SQLite has undone the row of the ledger."""
        self.recorded = None

    def roll_back(self) -> None:
        """SQLite has undone the row for good: say what the API has carried out, and have the intent keep it."""
        if self.intent is not None:
            self.intent.undo()
        if self.state in (State.DONE, State.PARTIAL) and self.changes_something:
            log.warning(
                "rolled back here, but already carried out by the API: %s %s (%s)",
                self.request.method,
                self.request.target,
                (self.result or {}).get("id"),
            )
