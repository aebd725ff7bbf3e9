"""Connections that have carried a create and may carry the next one: when they may, and when not.

Theory of operation
-------------------
The outcome of a create is unknown if the server has closed its connection in the meantime. So a create is sent on a
connection that has carried another only where this is all but excluded, and where opening one takes long (turns.py):

    announced       A server that closes a connection says so with its response, as a rule: that connection never rests.
    without notice  A server that closes one without a word does so right after its response. So a connection rests,
                    for half the time in which it was opened (with TLS, one round trip) and at least for REST_SECONDS,
                    and is then used only if nothing has arrived, neither an end nor a byte.
    idle            Servers close connections that have been idle for seconds. After IDLE_SECONDS it is not used.
    trust           At first only one connection is used again, and the others once it has brought a response: a server
                    may close them without notice, and later than they rest. If it has ended a resting connection, or
                    one breaks when it is used again, nothing is used again for PAUSE seconds.
    few workers     Where a worker of the server belongs to one connection at a time, a resting connection keeps it
                    from those that wait for one. They have had no response yet. So a connection is not used again while
                    a create that was the first on its own connection, and was sent before this one's latest, waits for
                    its response: each is overtaken once. If a connection has been idle for IDLE_SECONDS because of
                    this, all that rest are closed, which gives their workers to the others, and nothing is used again
                    for PAUSE seconds.
    nobody waits    Where no further create waits, no connection rests.

A create is sent with "Connection: close" unless its connection may rest.

>>> resting.add(connection, number=7)
>>> resting.take(first_waiting=9)
Resting(connection=…, number=7, since=…, until=…)
"""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

from ..clock import REAL, Clock

REST_SECONDS = 0.02
LONGEST_REST = 0.2  # seconds
IDLE_SECONDS = 0.5
PAUSE = 60.0  # seconds


class Connection(Protocol):
    """A connection that was opened at `opened`, on the clock of time.monotonic(), within `opening` seconds."""

    opened: float
    opening: float

    def close(self) -> None:
        """Close it."""

    def is_silent(self) -> bool:
        """Whether nothing has arrived since the last response: neither an end nor a byte."""


class Resting(NamedTuple):
    """A connection that rests.

    number: of its latest create, in the order in which they were sent. since: when its response had come. until: when
    it has rested long enough.
    """

    connection: Connection
    number: int
    since: float
    until: float


class RestingConnections:
    """The resting connections to one server. Its user has a lock.

    `first_waiting` is the number of the first create that waits for the first response on its connection, and infinity
    if none does.
    """

    def __init__(self, clock: Clock = REAL) -> None:
        self._clock = clock
        self._resting: list[Resting] = []
        self._is_tried = False  # one connection has been taken
        self.is_trusted = False  # it has brought a response
        self._not_before = -math.inf

    def __len__(self) -> int:
        return len(self._resting)

    @property
    def may_rest(self) -> bool:
        """Whether the server is not distrusted."""
        return self._clock.monotonic() >= self._not_before

    @property
    def ready(self) -> int:
        """How many connections further creates can count on."""
        return len(self._resting) if self.is_trusted else min(len(self._resting), 1 - self._is_tried)

    def add(self, connection: Connection, number: int) -> None:
        """Let the connection of this create rest."""
        now = self._clock.monotonic()
        rest = min(max(connection.opening / 2, REST_SECONDS), LONGEST_REST)
        self._resting.append(Resting(connection, number, now, now + rest))

    def take(self, first_waiting: float) -> Resting | None:
        """The connection that has rested longest, None if none may be used."""
        self.expire(first_waiting)
        if self._is_tried and not self.is_trusted:
            return None
        for place, resting in enumerate(self._resting):
            if resting.number < first_waiting:
                self._is_tried = True
                return self._resting.pop(place)
        return None

    def trust(self) -> None:
        """A connection that was used again has brought a response, unless the server is distrusted."""
        self.is_trusted = self.may_rest

    def expire(self, first_waiting: float) -> None:
        """Close what has been idle for too long."""
        before = self._clock.monotonic() - IDLE_SECONDS
        while self._resting and self._resting[0].since < before:
            resting = self._resting.pop(0)
            resting.connection.close()
            if resting.number > first_waiting:
                self.distrust()

    def distrust(self) -> None:
        """Let nothing rest for a while."""
        self._not_before = self._clock.monotonic() + PAUSE
        self._is_tried = self.is_trusted = False
        self.close()

    def close(self) -> None:
        """Close all."""
        while self._resting:
            self._resting.pop().connection.close()
