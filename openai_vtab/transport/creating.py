"""The create that a thread is about to send: its turn, and the connection that is opened ahead for it.

>>> with turn_of_create(turns, pool, cancelled, seconds=30.0): creating.turn
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager

import urllib3

from .idle import opened
from .limits import INTERRUPT_POLL_SECONDS, CancelFlag
from .resting import Connection
from .turns import SILENT_SECONDS, Turn, Turns

LONGEST_OPENING = 5.0  # seconds; what takes longer to open is not ahead of anything


class CreatingState(threading.local):
    """The turn of the thread's create, its connection if that was opened ahead, and what to do if this one breaks.

    Thread-local, because urllib3 passes nothing of ours to a connection, and a thread sends one request at a time.
    """

    turn: Turn
    opened: Connection | None = None
    on_break: Callable[[], None] | None = None

    def begin(self, turn: Turn) -> None:
        """Begin the turn."""
        self.turn = turn
        self.use(on_break=None)

    def keep(self, opened: Connection | None) -> None:
        """Keep the connection that was opened ahead for when the turn comes; None if that failed."""
        self.opened = opened

    def take(self) -> Connection | None:
        """The connection that was opened ahead; None once it was taken or closed."""
        opened, self.opened = self.opened, None
        return opened

    def close_unused(self) -> None:
        """Close the connection that was opened ahead and not taken."""
        if (opened := self.take()) is not None:
            opened.close()

    def use(self, on_break: Callable[[], None] | None) -> None:
        """`on_break` is called if the connection that is used next breaks."""
        self.on_break = on_break

    def broke(self) -> None:
        """Learn that the connection has broken after the first byte of the create."""
        if self.on_break is not None:
            self.on_break()


creating = CreatingState()


@contextmanager
def turn_of_create(
    turns: Turns, pool: urllib3.HTTPConnectionPool, cancelled: CancelFlag, seconds: float
) -> Iterator[None]:
    """Wait for the turn of the thread's create, and meanwhile open its connection, which its first attempt uses.

    Raises CancelledError if `cancelled` is set before the turn comes.
    """
    turn = turns.enter(cancelled)
    if turn is None:
        raise CancelledError
    try:
        creating.begin(turn)
        if not turn.has_come:
            creating.keep(opened(pool, min(seconds, LONGEST_OPENING)))
            _wait_for(turn)
        yield
    finally:
        creating.close_unused()
        turns.leave(turn)


def _wait_for(turn: Turn) -> None:
    """Wait for a turn, whose connection is closed if it has to be silent for too long. Raises CancelledError."""
    opened = creating.opened
    if opened is None:
        turn.turns.distrust()
        with turn.connecting():  # where it could not even begin to be opened, it joins the line here
            pass
    was_late = turn.has_come
    while not turn.wait(INTERRUPT_POLL_SECONDS):
        if turn.cancelled.is_set:
            raise CancelledError
        if opened is not None and time.monotonic() - opened.opened > SILENT_SECONDS:
            creating.close_unused()
    if opened is not None:
        turn.turns.came(opened.opening, 0.0 if was_late else time.monotonic() - opened.opened)
