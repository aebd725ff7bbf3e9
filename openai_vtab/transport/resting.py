"""Connections that have brought the response to a create, and may carry another one.

Theory of operation
-------------------
If the server has closed a connection in the meantime, the outcome of a create on it is unknown. So a connection is
reused only where this is all but excluded, and where opening one takes long (turns.py):

    announced       A server that is going to close a connection says so in its response, as a rule. Such a connection
                    does not rest.
    not announced   A server that closes one without a word does so right after its response. So a connection rests for
                    half the shortest time that opening one took (with TLS, one round trip; what took longer waited for
                    a processor), and at least for REST_SECONDS. It is used only if nothing has arrived in the
                    meantime, neither an end nor a byte.
    idle            Servers close connections that have been idle for seconds. So one that has been idle for
                    IDLE_SECONDS is closed.
    trial           A server may close a connection later than it has rested. So only one is reused at first (the
                    trial), and the others once it has brought a response. This is forgotten TRUST_SECONDS after the
                    last such response.
    distrust        If the server has closed a connection that rested, or one breaks when it is reused, all that
                    rest are closed, and nothing rests for PAUSE seconds.

>>> resting.add(connection)
>>> resting.take()
Resting(connection=…, since=…, until=…)
"""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

from ..clock import REAL, Clock

REST_SECONDS = 0.02
LONGEST_REST = 0.2  # seconds
IDLE_SECONDS = 0.5
TRUST_SECONDS = 60.0
PAUSE = 60.0  # seconds


class Connection(Protocol):
    """A connection, and how many seconds it took to open it."""

    opening_seconds: float

    def close(self) -> None:
        """Close it."""

    def is_silent(self) -> bool:
        """Whether nothing has arrived since the last response: neither an end nor a byte."""


class Resting(NamedTuple):
    """A connection that rests. since: when its response had come. until: when it has rested long enough."""

    connection: Connection
    since: float
    until: float


class RestingConnections:
    """The resting connections to one server, in the order of their responses. Its user has a lock."""

    def __init__(self, clock: Clock = REAL) -> None:
        self._clock = clock
        self._resting: list[Resting] = []
        self._shortest_opening = math.inf  # seconds; of those that have rested since all were closed
        self._is_trial_under_way = False
        self._trial_until = -math.inf  # creates wait for the trial until then
        self._trusted_until = -math.inf
        self._paused_until = -math.inf

    def __len__(self) -> int:
        return len(self._resting)

    @property
    def is_paused(self) -> bool:
        """Whether nothing may rest, because the server is distrusted."""
        return self._clock.monotonic() < self._paused_until

    @property
    def is_trusted(self) -> bool:
        """Whether a trial has succeeded, so that all that rest may be reused."""
        return self._clock.monotonic() < self._trusted_until

    @property
    def usable(self) -> int:
        """How many may be reused: one for the trial, all after it."""
        return len(self._resting) if self.is_trusted else min(len(self._resting), 1 - self._is_trial_under_way)

    @property
    def promised(self) -> int:
        """How many may be reused if the trial succeeds; 0 without a trial, or once it has taken too long."""
        is_awaited = self._is_trial_under_way and not self.is_trusted and self._clock.monotonic() < self._trial_until
        return len(self._resting) if is_awaited else 0

    def add(self, connection: Connection) -> None:
        """Let a connection rest."""
        now = self._clock.monotonic()
        self._shortest_opening = min(self._shortest_opening, connection.opening_seconds)
        rest = min(max(self._shortest_opening / 2, REST_SECONDS), LONGEST_REST)
        self._resting.append(Resting(connection, now, now + rest))

    def take(self) -> Resting | None:
        """The connection that has rested longest, None if none may be used. `end` must follow."""
        if not self.usable:
            return None
        self._is_trial_under_way = True
        resting = self._resting.pop(0)
        self._trial_until = max(resting.until, self._clock.monotonic()) + self._shortest_opening
        return resting

    def end(self, has_response: bool) -> bool:
        """A connection that was taken has its response, or will have none. Returns whether creates wait for that."""
        was_awaited = self.promised > 0
        self._is_trial_under_way = False
        if has_response and not self.is_paused:
            self._trusted_until = self._clock.monotonic() + TRUST_SECONDS
        return was_awaited

    def close_idle(self) -> bool:
        """Close what has been idle for too long. Returns whether no response has come in all that time."""
        before = self._clock.monotonic() - IDLE_SECONDS
        none_has_come = bool(self._resting) and self._resting[-1].since < before
        while self._resting and self._resting[0].since < before:
            self.close_one()
        return none_has_come

    def distrust(self) -> None:
        """Let nothing rest for a while."""
        self._paused_until = self._clock.monotonic() + PAUSE
        self._trusted_until = -math.inf
        self.close()

    def close_one(self) -> None:
        """Close the one that has rested longest, if there is any."""
        if self._resting:
            self._resting.pop(0).connection.close()

    def close(self) -> None:
        """Close all."""
        self._shortest_opening = math.inf
        while self._resting:
            self._resting.pop().connection.close()
