"""Turns: the order in which creates are sent, and which of them may open their connections ahead.

Theory of operation
-------------------
Each create has a connection of its own: on one that has carried a request, which the server may have closed without
notice, its outcome could be unknown. At a distance, opening it takes longer than the request. So while `most` creates
have their turns, those that come next open their connections, and each finds its own one open when its turn comes.
After its response, the connection may rest and carry another create (resting.py). It then counts as one of those that
are opened ahead. With it, `most` of them are enough: none rests for longer than a response takes.

A connection that is open and silent must do no harm to a server:

    near            Where a connection is open within NEAR_SECONDS, nothing is gained, and nothing is opened ahead. This
                    excludes servers on the same machine, which are often simple.
    single worker   A server may serve one connection after another, in the order in which they were opened: its next
                    one must not be a silent one while a request waits behind it. So turns are taken in the order of
                    the connections: a create joins the line in the moment in which its connection begins to be opened
                    (`Turn.connecting`), and only after those that have their turns have begun theirs. The oldest
                    connection then always belongs to a create whose turn it is.
    limited         Nothing is opened for a create that may not come, and no more than `ahead`. After one that cannot
                    be opened, or that the server has ended, nothing is opened ahead for PAUSE seconds.
    slow            Where responses take long, few are enough: each that has been silent for longer than two openings
                    take makes them one fewer, and each that was not open yet when its turn came makes them one more.
                    A silent connection is closed after SILENT_SECONDS. This also resolves what the order has not
                    prevented, for example when a create is retried.

With `most` = 1, nothing is opened ahead: whoever sets it wants one connection.

A failure to open ahead is no error. When its turn comes, the create opens its connection as if nothing had been tried.

>>> turn = turns.enter(cancelled); ...; turns.leave(turn)
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from ..clock import REAL, Clock
from .limits import INTERRUPT_POLL_SECONDS, CancelFlag
from .resting import Connection, Resting, RestingConnections

NEAR_SECONDS = 0.01
AHEAD_OF_EACH = 2  # connections: opening takes two round trips with TLS, a request one
MOST_AHEAD = 64
SILENT_SECONDS = 1.0  # servers wait for a first request for seconds at least
PAUSE = 60.0  # seconds


class Turn:
    """The turn of one create.

    has_come: whether it is this create's turn. has_connected: whether its connection has begun to be opened.
    number: of the create in the order in which they are sent, 0 while it waits for no response. is_first: whether it is
    the first on its connection, None before there is one.
    """

    __slots__ = ("_coming", "cancelled", "has_come", "has_connected", "is_first", "number", "turns")

    def __init__(self, turns: Turns, cancelled: CancelFlag) -> None:
        self.cancelled = cancelled
        self.has_come = False
        self.has_connected = False
        self.is_first: bool | None = None
        self.number = 0
        self.turns = turns
        self._coming = threading.Lock()  # held until the turn comes
        self._coming.acquire()

    def wait(self, seconds: float) -> bool:
        """Wait up to `seconds` for the turn; True if it has come."""
        if not self.has_come and not self._coming.acquire(timeout=seconds):
            self.turns.advance()  # a cancelled create may have made room
        return self.has_come

    def come(self) -> None:
        """It is this create's turn."""
        if not self.has_come:
            self.has_come = True
            self._coming.release()

    def send(self, number: int, *, is_first: bool) -> None:
        """The create is sent next."""
        self.number = number
        self.is_first = is_first
        self.has_connected |= not is_first

    def answered(self) -> None:
        """The create waits for no response any more."""
        self.number = 0

    @contextmanager
    def connecting(self) -> Iterator[None]:
        """Begin to connect within the block, which must not wait: no other create can do so at the same time."""
        with self.turns.joining(self):
            self.has_connected = True
            yield


class Turns:
    """Up to `most` creates have their turns at once; up to `ahead` more open their connections."""

    def __init__(self, most: int, clock: Clock = REAL) -> None:
        self._most = most
        self._clock = clock
        self.most_ahead = 0 if most == 1 else min(AHEAD_OF_EACH * most, MOST_AHEAD)
        self._ahead = self.most_ahead
        self._none_before = 0.0
        self._first = math.inf  # when the first connection began to be opened
        self._is_near: bool | None = None  # None: no connection is open yet
        self._having: list[Turn] = []
        self._opening: list[Turn] = []  # ahead of their turns, and not yet in the line
        self._line: deque[Turn] = deque()
        self._entering = 0  # creates that may not even open their connections yet
        self._sent = 0
        self._resting = RestingConnections(clock)
        self._mutex = threading.Lock()
        self._changed = threading.Condition(self._mutex)

    @property
    def ahead(self) -> int | None:
        """How many connections may be opened ahead now; None until it is known how long opening one takes."""
        now = self._clock.monotonic()
        if self._is_near is None and now - self._first < NEAR_SECONDS:
            return None
        if self._is_near or now < self._none_before:
            return 0
        return min(self._ahead, self._most) if self._resting.is_trusted else self._ahead

    def enter(self, cancelled: CancelFlag) -> Turn | None:
        """Return a turn that has come, or one whose connection may be opened ahead; None if `cancelled` is set.

        Waits as long as neither is the case.
        """
        turn = Turn(self, cancelled)
        with self._mutex:
            self._entering += 1
            try:
                while not cancelled.is_set:
                    self._advance()
                    if not self._line and not self._opening and self._has_room():
                        self._having.append(turn)
                        turn.come()
                        return turn
                    ahead = self.ahead
                    if ahead == 0 or self._resting.ready > sum(not each.has_connected for each in self._line):
                        self._line.append(turn)
                        break
                    waiting = len(self._line) + len(self._opening)
                    if ahead and waiting < ahead and all(each.has_connected for each in self._having):
                        self._opening.append(turn)
                        return turn
                    self._changed.wait(INTERRUPT_POLL_SECONDS)
            finally:
                self._entering -= 1
        while not cancelled.is_set:
            if turn.wait(INTERRUPT_POLL_SECONDS):
                return turn
        self.leave(turn)
        return None

    @contextmanager
    def joining(self, turn: Turn) -> Iterator[None]:
        """Join the line, if the turn has not come yet, and hold the line within the block."""
        with self._mutex:
            self._first = min(self._first, self._clock.monotonic())
            if turn in self._opening:
                self._opening.remove(turn)
                self._line.append(turn)
            yield
            self._advance()
            self._changed.notify_all()

    def leave(self, turn: Turn) -> None:
        """The create is over, or will not be sent."""
        with self._mutex:
            if turn.is_first is False:
                self._resting.trust()
            for turns in (self._having, self._opening, self._line):
                if turn in turns:
                    turns.remove(turn)
            self._advance()
            self._close_if_none_waits()
            self._changed.notify()

    def take_rested(self, turn: Turn) -> Resting | None:
        """A connection that has rested, for the create that is sent next; None if it has to open one."""
        with self._mutex:
            rested = self._resting.take(self._first_waiting())
            self._send(turn, is_first=rested is None)
            return rested

    def send(self, turn: Turn) -> None:
        """The create is sent next, on the connection that was opened ahead for it."""
        with self._mutex:
            self._send(turn, is_first=True)

    def _send(self, turn: Turn, is_first: bool) -> None:
        self._sent += 1
        turn.send(self._sent, is_first=is_first)
        self._close_if_none_waits()

    @property
    def may_rest(self) -> bool:
        """Whether the connection of a create may rest after it."""
        with self._mutex:
            return self._is_near is False and self._create_waits and self._resting.may_rest

    def answered(self, turn: Turn, connection: Connection | None) -> None:
        """The create waits for nothing more. Its connection is to rest, unless it is None."""
        with self._mutex:
            if connection is not None:
                self._resting.add(connection, turn.number)
            turn.answered()

    def close_resting(self) -> None:
        """Close the connections that rest."""
        with self._mutex:
            self._resting.close()

    @property
    def _create_waits(self) -> bool:
        return bool(self._line or self._opening or self._entering)

    def _close_if_none_waits(self) -> None:
        if not self._create_waits:
            self._resting.close()

    def _first_waiting(self) -> float:
        return min((turn.number for turn in self._having if turn.number and turn.is_first), default=math.inf)

    def advance(self) -> None:
        """Give turns to the first of the line, as far as there is room."""
        with self._mutex:
            self._advance()

    def _advance(self) -> None:
        if self._resting:
            self._resting.expire(self._first_waiting())
        while self._line and self._has_room():
            turn = self._line.popleft()
            self._having.append(turn)
            turn.come()

    def _has_room(self) -> bool:
        """Creates of a cancelled statement take no turn."""
        return len(self._having) < self._most or sum(not turn.cancelled.is_set for turn in self._having) < self._most

    def opened(self, seconds: float) -> None:
        """Learn that a connection was opened in this time. Once one was near, a slow one waited for a processor."""
        self._is_near = self._is_near or seconds < NEAR_SECONDS

    def came(self, opening: float, silent: float) -> None:
        """Learn from a turn that has come, and whose connection was opened ahead.

        It took `opening` seconds to be opened, and then was silent for `silent` seconds, 0 if it was not open in time.
        """
        with self._mutex:
            if not silent:
                self._ahead = min(self._ahead + 1, self.most_ahead)
            elif silent > 2 * opening:
                self._ahead = max(self._ahead - 1, 1)

    def distrust_resting(self) -> None:
        """Let no connection rest for a while: the server has ended one without notice."""
        with self._mutex:
            self._resting.distrust()

    def distrust(self) -> None:
        """Open nothing ahead for a while: the server does not take it well."""
        with self._mutex:
            self._none_before = self._clock.monotonic() + PAUSE
            self._changed.notify_all()
