"""The create that a thread is about to send: its turn, and the connection that is ready for it.

>>> with turn_of_create(turns, pool, cancelled, seconds=30.0): creating.turn
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple

import urllib3

from .idle import open_now
from .limits import INTERRUPT_POLL_SECONDS, CancelFlag
from .resting import IDLE_SECONDS, Connection
from .turn import Source, Turn
from .turns import SILENT_SECONDS, Turns


class Ready(NamedTuple):
    """A connection that was opened ahead or has rested. until: how long it may be used, on the clock of the turns."""

    connection: Connection
    source: Source
    until: float


class CreatingState(threading.local):
    """The turn of the thread's create, and the connection that is ready for it.

    Thread-local, because urllib3 passes nothing of ours to a connection, and a thread sends one request at a time.
    """

    turns: Turns
    turn: Turn
    ready: Ready | None = None

    def begin(self, turns: Turns, turn: Turn) -> None:
        """Begin the turn."""
        self.turns = turns
        self.turn = turn

    def connecting(self) -> AbstractContextManager[None]:
        """A block in which a connection begins to be opened for the create."""
        return self.turns.connecting(self.turn)

    def fail(self) -> None:
        """The create has no response: the server may have ended the connection."""
        self.turns.distrust(self.turn.source)

    def keep(self, ready: Ready) -> None:
        """Keep a connection for the create."""
        self.ready = ready

    def take(self) -> Ready | None:
        """The connection that is ready; None once it was taken or closed."""
        ready, self.ready = self.ready, None
        return ready

    def close_late(self) -> None:
        """Close the connection that is ready if it may not be used any more: it may keep a worker of the server."""
        if self.ready is not None and self.turns.clock.monotonic() > self.ready.until:
            self.close_unused()
            self.turns.lose(self.turn)

    def close_unused(self) -> None:
        """Close the connection that is ready and was not taken."""
        if (ready := self.take()) is not None:
            ready.connection.close()


creating = CreatingState()


@contextmanager
def turn_of_create(
    turns: Turns, pool: urllib3.HTTPConnectionPool, cancelled: CancelFlag, seconds: float
) -> Iterator[Callable[[], None]]:
    """Wait for the turn of the thread's create, and have a connection ready, which its first attempt uses.

    Yields what to call again and again while the create waits for something else, such as a rate limit.
    Raises CancelledError if `cancelled` is set before the create may be sent.
    """
    turn = turns.enter(cancelled)
    if turn is None:
        raise CancelledError
    try:
        creating.begin(turns, turn)
        if not turn.has_come:
            _open_ahead(turns, turn, pool, seconds)
        if creating.ready is None:
            _wait_for_rest(turns, turn)
        yield creating.close_late
    finally:
        creating.close_unused()
        turns.leave(turn)


def _open_ahead(turns: Turns, turn: Turn, pool: urllib3.HTTPConnectionPool, seconds: float) -> None:
    """Open a connection and wait for the turn, with the connection closed if it has to be silent for too long.

    Raises CancelledError.
    """
    clock = turns.clock
    connection = open_now(pool, seconds)
    opened = clock.monotonic()
    if connection is None:
        turns.distrust(Source.AHEAD)
        with turns.connecting(turn):  # where it could not even begin to be opened, it joins the line here
            pass
        turns.lose(turn)
    else:
        turn.connected()
        creating.keep(Ready(connection, Source.AHEAD, opened + SILENT_SECONDS))
    was_late = turn.has_come
    while not turns.wait(turn, INTERRUPT_POLL_SECONDS):
        if turn.cancelled.is_set:
            raise CancelledError
        creating.close_late()
    if connection is not None:
        turns.came(connection.opening_seconds, 0.0 if was_late else clock.monotonic() - opened)


def _wait_for_rest(turns: Turns, turn: Turn) -> None:
    """Take a resting connection, if there is one, and wait until it has rested. Raises CancelledError."""
    resting = turns.take_resting(turn)
    if resting is None:
        return
    creating.keep(Ready(resting.connection, Source.RESTED, resting.since + IDLE_SECONDS))
    clock = turns.clock
    while (remaining := resting.until - clock.monotonic()) > 0:
        clock.sleep(min(remaining, INTERRUPT_POLL_SECONDS))
        if turn.cancelled.is_set:
            raise CancelledError
