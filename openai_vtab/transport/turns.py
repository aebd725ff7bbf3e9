"""Turns: the order in which creates are sent, and which of them may open their connections ahead.

Theory of operation
-------------------
On a connection that has carried a request, and which the server may have closed without notice, the outcome of a
create could be unknown. So a create normally opens a connection of its own. At a distance, this takes longer than the
request. So while `most` creates have their turns, those that come next open their connections, and each finds its own
one open when its turn comes. After its response, a connection may rest and then carry another create (resting.py).

    kept            Two connections for each turn are enough: one carries a create, the other one rests. So `most` are
                    opened ahead. When all have been used, the trial (resting.py) is under way, and creates wait for it.
    not kept        If a connection carries one create, each turn needs three: AHEAD_OF_EACH * `most` are opened ahead.

A connection that is open and silent must do no harm to a server:

    near            Where a connection is open within NEAR_SECONDS, nothing is gained: nothing is opened ahead, and
                    nothing rests. This excludes servers on the same machine, which are often simple.
    single worker   A server may serve one connection after another, in the order in which they were opened: its next
                    one must not be a silent one while a request waits behind it. So turns are taken in the order of
                    the connections: a create joins the line in the moment in which its connection begins to be opened
                    (`connecting`), and only after those that have their turns have begun theirs. The oldest
                    connection then always belongs to a create whose turn it is. A create that joins the line because
                    it expects a resting connection, and then finds none, is the exception: SILENT_SECONDS resolve it.
    few workers     Some servers give each connection a worker until it is closed. A resting connection then keeps a
                    worker from connections that wait for one. If all workers are kept so, no response comes, although
                    creates wait: after IDLE_SECONDS, all connections that rest are closed, and nothing rests for PAUSE
                    seconds. If connections that are reused keep all workers, new ones get no response: once the first
                    create on a connection has waited for `patience` seconds, the same happens. And nothing rests when
                    no further create waits.
    limited         Connections are opened only for creates that are waiting, at most `ahead` of them ahead. With those
                    that rest, they are at most `most_ahead`. After one that cannot be opened, or that the server has
                    ended, nothing is opened ahead for PAUSE seconds.
    slow            Slow servers need few. A connection that was silent for more than two opening times lowers `ahead`
                    by one, and one that was not open when its turn came raises it by one. A silent connection is closed
                    after SILENT_SECONDS. This also resolves what the order has not prevented, for example when a create
                    is retried.

With `most` = 1, nothing is opened ahead and nothing rests: whoever sets it wants one connection. A failure to open
ahead is no error. When its turn comes, the create opens its connection as if nothing had been tried.

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
from .resting import PAUSE, Connection, Resting, RestingConnections
from .turn import Holds, Source, Turn

NEAR_SECONDS = 0.01
AHEAD_OF_EACH = 2  # connections, if none is kept: opening takes two round trips with TLS, a request one
MOST_AHEAD = 64
SILENT_SECONDS = 1.0  # servers wait for a first request for seconds at least
PATIENCE = 2.0  # seconds


class Turns:
    """Up to `most` creates have their turns at once, and up to `ahead` more open their connections."""

    def __init__(self, most: int, clock: Clock = REAL, patience: float = PATIENCE) -> None:
        self.clock = clock
        self.most_ahead = 0 if most == 1 else min(AHEAD_OF_EACH * most, MOST_AHEAD)  # with those that rest
        self.is_near: bool | None = None  # None: not known yet
        self._most = most
        self._patience = patience
        self._ahead = self.most_ahead
        self._are_kept = True  # whether the server keeps connections open, as far as is known
        self._none_before = 0.0
        self._first = math.inf  # when the first connection began to be opened
        self._having: list[Turn] = []  # their turns have come
        self._opening: list[Turn] = []  # ahead of their turns, and not yet in the line
        self._line: deque[Turn] = deque()
        self._entering = 0  # creates that may not even open their connections yet
        self._resting = RestingConnections(clock)
        self._mutex = threading.RLock()  # the garbage collector may close the client within
        self._changed = threading.Condition(self._mutex)

    @property
    def ahead(self) -> int | None:
        """How many connections may be opened ahead now; None until it is known how long opening one takes."""
        now = self.clock.monotonic()
        if self.is_near is None and now - self._first < NEAR_SECONDS:
            return None
        if self.is_near or now < self._none_before:
            return 0
        return min(self._ahead, self.ahead_limit)

    @property
    def ahead_limit(self) -> int:
        """How many connections may be opened ahead at most."""
        are_kept = self._are_kept and not self._resting.is_paused
        return min(self._most, self.most_ahead) if are_kept else self.most_ahead

    def enter(self, cancelled: CancelFlag) -> Turn | None:
        """Wait for a turn that has come, or whose connection may be opened ahead; None if `cancelled` is set."""
        turn = Turn(cancelled)
        with self._mutex:
            self._entering += 1
            try:
                while not cancelled.is_set:
                    self._advance()
                    # if the trial succeeds, a resting connection is there for each create that has not entered
                    awaits_trial = self._entering <= self._resting.promised
                    if not (self._line or self._opening or awaits_trial) and self._has_room():
                        self._having.append(turn)
                        turn.come()
                        return turn
                    ahead = self.ahead
                    may_reuse = self._resting.usable > sum(not each.has_connection for each in self._line)
                    if may_reuse and not self._resting.is_trusted:
                        self._line.appendleft(turn)  # the trial comes first: the others depend on it
                        break
                    if may_reuse or ahead == 0:
                        self._line.append(turn)
                        break
                    if ahead and self._spare < ahead and all(each.has_connection for each in self._having):
                        self._opening.append(turn)
                        return turn
                    self._changed.wait(INTERRUPT_POLL_SECONDS)
            finally:
                self._entering -= 1
            self._advance()
        while not cancelled.is_set:
            if self.wait(turn, INTERRUPT_POLL_SECONDS):
                return turn
        self.leave(turn)
        return None

    def wait(self, turn: Turn, seconds: float) -> bool:
        """Wait up to `seconds` for a turn; True if it has come."""
        if not turn.wait(seconds):
            with self._mutex:
                self._advance()  # a cancelled create may have made room
        return turn.has_come

    @contextmanager
    def connecting(self, turn: Turn) -> Iterator[None]:
        """Begin to connect within the block, which must not wait: no other create can do so at the same time.

        The create joins the line, if its turn has not come yet.
        """
        with self._mutex:
            now = self.clock.monotonic()
            self._first = min(self._first, now)
            turn.connect(now)
            if turn in self._opening:
                self._opening.remove(turn)
                self._line.append(turn)
            yield
            self._advance()
            self._changed.notify_all()

    def leave(self, turn: Turn) -> None:
        """The create is over, or will not be sent."""
        with self._mutex:
            self._end_reuse(turn)
            for turns in (self._having, self._opening, self._line):
                if turn in turns:
                    turns.remove(turn)
            self._advance()
            if not self._create_waits:
                self._resting.close()
            self._changed.notify()

    def take_resting(self, turn: Turn) -> Resting | None:
        """A connection that rests, for the create whose turn has come; None if it has to open one."""
        with self._mutex:
            self._close_idle()
            resting = self._resting.take()
            turn.look(has_taken=resting is not None)
            if resting is None and self._spare > self.most_ahead:
                self._resting.close_one()  # the create opens another one
            if not self._create_waits:
                self._resting.close()
            return resting

    def send(self, turn: Turn, source: Source) -> None:
        """The create is sent next, on a connection of this source."""
        with self._mutex:
            if source is not Source.RESTED:
                self._end_reuse(turn)
            turn.send(source, self.clock.monotonic())

    def lose(self, turn: Turn) -> None:
        """The connection of the create could not be opened ahead, or was closed before the create was sent."""
        with self._mutex:
            self._end_reuse(turn)
            turn.lose()

    @property
    def reuse_pays(self) -> bool:
        """Whether a connection may rest after its create: one that waits for its turn may use it."""
        with self._mutex:
            may_rest = self.is_near is False and self.most_ahead > 0 and not self._resting.is_paused
            return may_rest and self._create_waits

    def end(self, turn: Turn, connection: Connection | None, *, has_response: bool, was_offered: bool) -> bool:
        """The create waits for no response any more. Returns whether its connection rests.

        connection: None if it must not rest. was_offered: whether the server was free to keep it open.
        """
        with self._mutex:
            self._end_reuse(turn, has_response)
            turn.end()
            if has_response and was_offered:
                self._are_kept = connection is not None
            if connection is None or not self.reuse_pays:
                return False
            self._resting.add(connection)
            return True

    def _end_reuse(self, turn: Turn, has_response: bool = False) -> None:
        """If the create holds a connection that rested: this has brought its response, or will bring none."""
        if turn.holds is Holds.RESTED and self._resting.end(has_response):
            self._changed.notify_all()

    def close_resting(self) -> None:
        """Close the connections that rest."""
        with self._mutex:
            self._resting.close()

    def close_idle_resting(self) -> None:
        """As `_close_idle`, for the main thread: all workers may be waiting. A signal may interrupt this."""
        with self._mutex:
            self._close_idle()

    def _close_idle(self) -> None:
        """Close what has been idle for too long, and all if creates wait all this time, or one for `patience`."""
        if not self._resting:
            return
        none_has_come = self._resting.close_idle()
        if self._waits_since(0.0 if none_has_come else self._patience, firsts_only=not none_has_come):
            self._resting.distrust()

    def _advance(self) -> None:
        self._close_idle()
        while self._line and self._has_room():
            turn = self._line.popleft()
            self._having.append(turn)
            turn.come()

    def _has_room(self) -> bool:
        """Creates of a cancelled statement take no turn."""
        return len(self._having) < self._most or sum(not turn.cancelled.is_set for turn in self._having) < self._most

    @property
    def _spare(self) -> int:
        """How many connections are open, or being opened, for creates whose turns have not come."""
        return len(self._opening) + sum(turn.has_connection for turn in self._line) + len(self._resting)

    @property
    def _create_waits(self) -> bool:
        """Whether a create may still want a connection that rests."""
        is_waiting = self._line or self._opening or self._entering
        return bool(is_waiting) or any(turn.holds is Holds.NONE_YET for turn in self._having)

    def _waits_since(self, seconds: float, *, firsts_only: bool) -> bool:
        """Whether a create has waited for the server for so long, or one that is the first on its connection."""
        before = self.clock.monotonic() - seconds
        return any(
            turn.waits_since < before and not turn.cancelled.is_set
            for turn in self._having
            if not firsts_only or turn.source is not Source.RESTED
        )

    def opened(self, seconds: float) -> None:
        """Learn that a connection was opened in this time. Once one was near, a slow one waited for a processor."""
        with self._mutex:
            self.is_near = self.is_near or seconds < NEAR_SECONDS

    def came(self, opening: float, silent: float) -> None:
        """Learn how long a connection took to be opened ahead, and then was silent: 0 if it was not open in time."""
        with self._mutex:
            if not silent:
                self._ahead = min(self._ahead + 1, self.most_ahead)
            elif silent > 2 * opening:
                self._ahead = max(min(self._ahead, self.ahead_limit) - 1, 1)  # one fewer than now

    def distrust(self, source: Source | None) -> None:
        """The server does not take a connection of this source well: have no more of them for a while.

        If it does not even take a new one, it may limit how many there are, and those that rest are in the way.
        """
        with self._mutex:
            if source is Source.RESTED:
                self._resting.distrust()
            else:
                self._none_before = self.clock.monotonic() + PAUSE
            if source is Source.NEW:
                self._resting.close()
            self._changed.notify_all()
