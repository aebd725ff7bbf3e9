"""The turn of one create, and where its connection comes from.

>>> turn = Turn(cancelled); turn.come(); turn.wait(0.05)
True
"""

from __future__ import annotations

import math
import threading
from enum import Enum, auto

from .limits import CancelFlag


class Source(Enum):
    """Where the connection of a create comes from."""

    NEW = auto()  # opened when the create is sent
    AHEAD = auto()  # opened before
    RESTED = auto()  # it has brought the response to another create


class Turn:
    """The turn of one create.

    has_come: whether it is this create's turn.
    has_connection: whether it has a connection that is open, or is being opened.
    has_looked: whether it wants no resting connection any more: it has one, or looked for one, or opens its own.
    has_taken: whether it has taken a resting connection that it was not sent on.
    source: of the connection on which it is sent, None before.
    waits_since: when it was sent, or its connection began to be opened; infinity when it waits for neither.
    """

    __slots__ = (
        "_coming", "cancelled", "has_come", "has_connection", "has_looked", "has_taken", "source", "waits_since"
    )  # fmt: skip

    def __init__(self, cancelled: CancelFlag) -> None:
        self.cancelled = cancelled
        self.has_come = False
        self.has_connection = False
        self.has_looked = False
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

    def look(self, *, has_taken: bool) -> None:
        """The create has looked for a resting connection, and perhaps taken one."""
        self.has_looked = True
        self.has_taken = self.has_connection = has_taken

    def connect(self, now: float) -> None:
        """A connection begins to be opened for the create."""
        self.has_connection = self.has_looked = True
        self.waits_since = now

    def connected(self) -> None:
        """The connection is open."""
        self.waits_since = math.inf

    def lose(self) -> None:
        """The connection that was opened ahead could not be opened, or was closed."""
        self.has_connection = self.has_looked = False
        self.waits_since = math.inf

    def send(self, source: Source, now: float) -> None:
        """The create is sent next, on such a connection."""
        self.source = source
        self.waits_since = now

    def end(self) -> None:
        """The create waits for no response any more."""
        self.has_taken = False
        self.waits_since = math.inf
