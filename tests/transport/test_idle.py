"""The idle connections of a pool: which of them is taken, and which are closed."""

from __future__ import annotations

from typing import Any

from openai_vtab.transport.idle import IdleConnections


class Connection:
    """A connection, open until it is closed or its server ends it."""

    def __init__(self) -> None:
        self.is_closed = False
        self.is_connected = True

    def close(self) -> None:
        self.is_closed = True


class Pool:
    """What makes new connections."""

    def _new_conn(self) -> Connection:
        return Connection()


def connections(most: int) -> IdleConnections:
    pool: Any = Pool()
    return IdleConnections(pool, most)


def test_idle_connection_is_taken_before_a_new_one_is_made() -> None:
    idle = connections(2)
    first, second = idle.take(), idle.take()
    assert first is not second
    idle.give_back(first)
    idle.give_back(second)
    assert idle.take() is second
    assert not second.is_closed


def test_idle_connection_that_its_server_has_ended_is_closed() -> None:
    idle = connections(2)
    connection = idle.take()
    idle.give_back(connection)
    connection.is_connected = False
    assert idle.take() is connection
    assert connection.is_closed


def test_idle_connections_beyond_the_most_are_closed() -> None:
    idle = connections(1)
    first, second = idle.take(), idle.take()
    idle.give_back(first)
    idle.give_back(second)
    assert (first.is_closed, second.is_closed) == (False, True)


def test_idle_connections_are_closed_also_when_they_come_back_later() -> None:
    idle = connections(2)
    first, second = idle.take(), idle.take()
    idle.give_back(first)
    idle.close()
    assert (first.is_closed, second.is_closed) == (True, False)
    idle.give_back(second)
    assert second.is_closed
