"""The turn of a create: what it waits for before it is sent."""

from __future__ import annotations

from concurrent.futures import CancelledError
from typing import Any

import pytest

from openai_vtab.transport.create_connections import CreateConnections
from openai_vtab.transport.creating import creating, turn_of_create
from openai_vtab.transport.limits import CancelFlag
from openai_vtab.transport.resting import IDLE_SECONDS, LONGEST_REST
from openai_vtab.transport.turn import Source
from openai_vtab.transport.turns import NEAR_SECONDS, Turns

from ..support.clock import FakeClock


class Connection:
    """Knows whether it is closed."""

    opening_seconds = 1.0
    is_closed = False

    def close(self) -> None:
        """Close it."""
        self.is_closed = True

    def is_silent(self) -> bool:
        """Nothing arrives."""
        return not self.is_closed


class Cancelling(FakeClock):
    """Cancels the statement while it sleeps."""

    def __init__(self, cancelled: CancelFlag) -> None:
        super().__init__()
        self.cancelled = cancelled

    def sleep(self, seconds: float, /) -> None:
        """Sleep, and be cancelled."""
        super().sleep(seconds)
        self.cancelled.set()


def turns_with_a_resting_connection(clock: FakeClock, connection: Connection) -> Turns:
    """One create has its turn, another waits, and the connection of a third rests, which is over."""
    turns = Turns(2, clock)
    turns.opened(NEAR_SECONDS)
    having = [turns.enter(CancelFlag()) for _ in range(2)]
    for turn in having:
        assert turn is not None
        with turns.connecting(turn):
            pass
        turns.send(turn, Source.NEW)
    turns.enter(CancelFlag())
    assert having[0] is not None
    assert turns.end(having[0], connection, has_response=True, was_offered=True)
    turns.leave(having[0])
    return turns


def test_create_waits_until_its_connection_has_rested() -> None:
    """Before it is sent; the connection is ready then, and closed if it is not used."""
    clock, connection = FakeClock(), Connection()
    turns = turns_with_a_resting_connection(clock, connection)
    began = clock.monotonic()
    pool: Any = None
    with turn_of_create(turns, pool, CancelFlag(), 30.0):
        assert clock.monotonic() - began == pytest.approx(LONGEST_REST)
        assert creating.ready is not None
        assert (creating.ready.connection, creating.ready.source) == (connection, Source.RESTED)
    assert connection.is_closed


def test_create_that_is_cancelled_while_its_connection_rests_is_not_sent() -> None:
    """And the connection is closed."""
    cancelled, connection = CancelFlag(), Connection()
    turns = turns_with_a_resting_connection(Cancelling(cancelled), connection)
    pool: Any = None
    with pytest.raises(CancelledError), turn_of_create(turns, pool, cancelled, 30.0):
        pytest.fail("it may not be sent")
    assert connection.is_closed


def test_create_that_waits_for_a_limit_keeps_no_connection_for_long() -> None:
    """The server may have no other worker for the request that the limit lets through."""
    clock, connection = FakeClock(), Connection()
    turns = turns_with_a_resting_connection(clock, connection)
    pool: Any = None
    with turn_of_create(turns, pool, CancelFlag(), 30.0) as on_wait:
        on_wait()
        assert not connection.is_closed
        clock.advance(IDLE_SECONDS)
        on_wait()
        assert connection.is_closed
        assert creating.ready is None


@pytest.mark.parametrize(
    ("is_last", "is_forwarded", "ahead"),
    [(False, False, 4), (True, False, 2), (True, True, 4)],
    ids=["the server closed it", "its request said that nothing follows", "a proxy forwards"],
)
def test_connection_that_is_closed_tells_what_the_server_keeps(is_last: bool, is_forwarded: bool, ahead: int) -> None:
    """Unless the create itself has ended it. A proxy that forwards never keeps one for the next create."""
    turns = Turns(2, FakeClock())
    turns.opened(NEAR_SECONDS)
    turn = turns.enter(CancelFlag())
    assert turn is not None
    creating.begin(turns, turn)
    connection: Any = Connection()
    connection.is_reusable, connection.is_last, connection.is_forwarded = False, is_last, is_forwarded
    pool: Any = None
    connections = CreateConnections(pool, turns)
    assert turns.ahead == 2
    connections.give_back(connection, has_response=True)
    assert connection.is_closed
    assert turns.ahead == ahead
