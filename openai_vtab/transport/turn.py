"""The turn of one create, and where its connection comes from.

>>> turn = Turn(cancelled); turn.come(); turn.wait(0.05)
True
"""

from __future__ import annotations

import math
import threading
from enum import Enum

from .limits import CancelFlag


class Source(Enum):
    """Where the connection of a create comes from."""

    NEW = "opened when it was sent"
    AHEAD = "opened ahead"
    RESTED = "has carried another create"


class Turn:
    """The turn of one create.

    has_come: whether it is this create's turn. has_connection: whether a connection has begun to be opened for it, or
    was taken from those that rest, which is has_taken. source: of the connection on which it is sent, None before.
    waits_since: when it was sent, or its connection began to be opened; infinity when it waits for no response.
    """

    __slots__ = ("_coming", "cancelled", "has_come", "has_connection", "has_taken", "source", "waits_since")

    def __init__(self, cancelled: CancelFlag) -> None:
        self.cancelled = cancelled
        self.has_come = False
        self.has_connection = False
        self.has_taken = False
        self.source: Source | None = None
        self.waits_since = math.inf
        self._coming = threading.Lock()  # held until the turn comes
        self._coming.acquire()

    def come(self) -> None:
        """It is this create's turn."""
        if not self.has_come:
            self.has_come = True
            self._coming.release()

    def wait(self, seconds: float) -> bool:
        """Wait up to `seconds` for the turn; True if it has come."""
        return self.has_come or self._coming.acquire(timeout=seconds)

    def take(self) -> None:
        """A resting connection was taken for the create."""
        self.has_connection = self.has_taken = True

    def connect(self, now: float) -> None:
        """A connection begins to be opened for the create."""
        self.has_connection = True
        self.waits_since = now

    def send(self, source: Source, now: float) -> None:
        """The create is sent next, on such a connection."""
        self.source = source
        self.waits_since = now

    def end(self) -> None:
        """The create waits for no response any more."""
        self.waits_since = math.inf
