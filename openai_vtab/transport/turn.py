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


class Holds(Enum):
    """Which connection a create has."""

    NONE_YET = auto()  # it may still take one that rests
    NONE = auto()  # no connection rests for it: it opens its own
    BEGUN = auto()  # one that is open, or is being opened
    RESTED = auto()  # one that rested, and has not brought its response yet


class Turn:
    """The turn of one create.

    has_come: whether it is this create's turn.
    holds: which connection it has.
    source: of the connection on which it is sent, None before.
    waits_since: when it was sent, or its connection began to be opened; infinity when it waits for neither.
    """

    __slots__ = ("_coming", "cancelled", "has_come", "holds", "source", "waits_since")

    def __init__(self, cancelled: CancelFlag) -> None:
        self.cancelled = cancelled
        self.has_come = False
        self.holds = Holds.NONE_YET
        self.source: Source | None = None
        self.waits_since = math.inf
        self._coming = threading.Lock()  # held until the turn comes
        self._coming.acquire()

    @property
    def has_connection(self) -> bool:
        """Whether it has a connection that is open, or is being opened."""
        return self.holds in (Holds.BEGUN, Holds.RESTED)

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
        self.holds = Holds.RESTED if has_taken else Holds.NONE

    def connect(self, now: float) -> None:
        """A connection begins to be opened for the create."""
        self.holds = Holds.BEGUN
        self.waits_since = now

    def connected(self) -> None:
        """The connection is open."""
        self.waits_since = math.inf

    def lose(self) -> None:
        """The connection could not be opened ahead, or was closed before the create was sent."""
        self.holds = Holds.NONE if self.holds is Holds.RESTED else Holds.NONE_YET
        self.waits_since = math.inf

    def send(self, source: Source, now: float) -> None:
        """The create is sent next, on such a connection."""
        if self.holds is Holds.RESTED and source is not Source.RESTED:
            self.holds = Holds.NONE
        self.source = source
        self.waits_since = now

    def end(self) -> None:
        """The create waits for no response any more."""
        if self.holds is Holds.RESTED:
            self.holds = Holds.BEGUN
        self.waits_since = math.inf
