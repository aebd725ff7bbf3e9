"""The idle connections of a pool: which of them is taken, and which are closed."""

from __future__ import annotations

from typing import Any

from openai_vtab.clock import REAL, Clock
from openai_vtab.transport.idle import IdleConnections
from openai_vtab.transport.turns import NEAR_SECONDS

from ..support.clock import FakeClock


class Connection:
    """A connection, open until it is closed or its server ends it. Opening it takes `opening` seconds."""

    def __init__(self, opening: float) -> None:
        self.opening_seconds = opening
        self.is_closed = False
        self.is_connected = True
        self.sock: object = None

    def connect(self) -> None:
        self.sock = object()

    def is_silent(self) -> bool:
        return self.is_connected

    def close(self) -> None:
        self.is_closed = True
        self.sock = None


class Pool:
    """What makes new connections."""

    proxy = None

    def __init__(self, opening: float) -> None:
        self.made: list[Connection] = []
        self.opening = opening

    def _new_conn(self) -> Connection:
        self.made.append(Connection(self.opening))
        return self.made[-1]


def connections(most: int, opening: float = 0.0, clock: Clock = REAL) -> IdleConnections:
    pool: Any = Pool(opening)
    return IdleConnections(pool, most, clock)


def taken(idle: IdleConnections) -> Any:
    """A connection that was idle or is new, and open in any case."""
    connection = idle.take()
    connection.connect()
    return connection


def test_idle_connection_is_taken_before_a_new_one_is_made() -> None:
    idle = connections(2)
    first, second = taken(idle), taken(idle)
    assert first is not second
    idle.give_back(first)
    idle.give_back(second)
    assert idle.take() is second
    assert not second.is_closed


def test_idle_connection_that_its_server_has_ended_is_closed() -> None:
    """The one that was given back before it is taken instead."""
    idle = connections(2)
    first, second = taken(idle), taken(idle)
    idle.give_back(first)
    idle.give_back(second)
    second.is_connected = False
    assert idle.take() is first
    assert (first.is_closed, second.is_closed) == (False, True)


def test_connection_that_is_closed_is_not_idle() -> None:
    """It would hide those that are open."""
    idle = connections(2)
    first, second = taken(idle), idle.take()
    idle.give_back(first)
    idle.give_back(second)
    assert idle.take() is first


def test_idle_connections_beyond_the_most_are_closed() -> None:
    idle = connections(1)
    first, second = taken(idle), taken(idle)
    idle.give_back(first)
    idle.give_back(second)
    assert (first.is_closed, second.is_closed) == (False, True)


def test_idle_connections_are_closed_also_when_they_come_back_later() -> None:
    idle = connections(2)
    first, second = taken(idle), taken(idle)
    idle.give_back(first)
    idle.close()
    assert (first.is_closed, second.is_closed) == (True, False)
    idle.give_back(second)
    assert second.is_closed


def test_connections_are_missing_where_opening_them_takes_time() -> None:
    """Nothing is known before the first one; a server that was near stays near."""
    idle = connections(4, NEAR_SECONDS)
    assert idle.missing(3, 0) == 0
    idle.give_back(taken(idle))
    assert [idle.missing(count, 0) for count in (-1, 0, 1, 3)] == [0, 0, 0, 2]
    idle.open_one(30.0)
    assert idle.missing(3, 0) == 1
    near: Any = Connection(NEAR_SECONDS / 2)
    near.connect()
    idle.give_back(near)
    assert idle.missing(4, 0) == 0


def test_first_connection_tells_before_its_response_whether_the_server_is_far() -> None:
    """By how long it took to open, or has been opening so far; no other does, because this server closes them."""
    clock = FakeClock()
    idle = connections(4, clock=clock)
    first = idle.take()
    clock.sleep(NEAR_SECONDS / 2)
    assert idle.missing(4, 1) == 0
    clock.sleep(NEAR_SECONDS)
    assert idle.missing(4, 1) == 3
    first.connect()
    first.opening_seconds = NEAR_SECONDS / 2
    assert idle.missing(4, 1) == 0
    first.opening_seconds = 2 * NEAR_SECONDS
    assert idle.missing(4, 1) == 3
    first.close()
    idle.give_back(first)
    assert idle.missing(4, 1) == 0
    idle.take()
    assert idle.missing(4, 1) == 0


def test_silent_connections_are_closed_where_the_first_one_was() -> None:
    """Also one that is open only then: a server that closes each connection may wait for the next one's request."""
    idle = connections(4)
    pool: Any = idle.pool
    first = taken(idle)
    idle.open_one(30.0)
    first.close()
    idle.give_back(first)
    idle.open_one(30.0)
    assert [connection.is_closed for connection in pool.made] == [True, True, True]
    kept = taken(idle)
    idle.give_back(kept)
    idle.open_one(30.0)
    assert [connection.is_closed for connection in pool.made[3:]] == [False, False]


def test_connections_are_missing_also_when_requests_are_about_to_take_the_idle_ones() -> None:
    """A request that has a connection, or is going to take an idle one, needs no other; each is counted once."""
    idle = connections(8, NEAR_SECONDS)
    first, second = taken(idle), taken(idle)
    idle.give_back(first)
    idle.give_back(second)
    assert [idle.missing(8, requests) for requests in (0, 2, 3)] == [6, 6, 5]
    idle.take()
    assert [idle.missing(8, requests) for requests in (0, 2, 3)] == [6, 6, 5]


def test_connections_that_are_closed_are_missing() -> None:
    """By their server, by a request that failed, and together with all that are idle."""
    idle = connections(2, NEAR_SECONDS)
    first, second, third = taken(idle), taken(idle), taken(idle)
    idle.give_back(first)
    assert idle.missing(3, 0) == 0
    second.close()
    idle.give_back(second)
    assert idle.missing(3, 0) == 1
    first.is_connected = False
    assert idle.take() not in (first, second, third)
    assert idle.missing(3, 0) == 1
    idle.give_back(third)
    idle.close()
    assert idle.missing(3, 0) == 2


def test_connection_that_is_opened_early_is_taken_next() -> None:
    """After those that have carried a request, and unless the server has ended it."""
    idle = connections(4, NEAR_SECONDS)
    used = taken(idle)
    for _ in range(2):
        idle.open_one(30.0)
    idle.give_back(used)
    assert idle.take() is used
    early = idle.take()
    assert (early.sock is None, early.is_closed) == (False, False)
    for connection in idle.pool.made:  # type: ignore[attr-defined]
        connection.is_connected = False
    assert idle.take().sock is None
