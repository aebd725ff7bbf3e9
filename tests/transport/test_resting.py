"""Which connections may carry another create, and when."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from openai_vtab.transport.resting import (
    IDLE_SECONDS,
    LONGEST_REST,
    PAUSE,
    REST_SECONDS,
    TRUST_SECONDS,
    RestingConnections,
)

from ..support.clock import FakeClock


@dataclass
class Connection:
    """Knows whether it is closed."""

    opening_seconds: float = 0.0
    is_closed: bool = False

    def close(self) -> None:
        """Close it."""
        self.is_closed = True

    def is_silent(self) -> bool:
        """Nothing arrives."""
        return not self.is_closed


def resting(count: int, clock: FakeClock | None = None) -> tuple[RestingConnections, list[Connection]]:
    """So many connections that rest."""
    found = RestingConnections(clock or FakeClock())
    connections = [Connection() for _ in range(count)]
    for connection in connections:
        found.add(connection)
    return found, connections


@pytest.mark.parametrize(
    ("opening", "rest"), [(0.0, REST_SECONDS), (0.1, 0.05), (60.0, LONGEST_REST)], ids=["near", "far", "slow"]
)
def test_rest_is_half_of_what_opening_took(opening: float, rest: float) -> None:
    """Within limits."""
    clock = FakeClock()
    found, _ = resting(0, clock)
    found.add(Connection(opening))
    taken = found.take()
    assert taken is not None
    assert (taken.since, taken.until) == (clock.monotonic(), pytest.approx(clock.monotonic() + rest))


def test_rest_is_as_long_as_the_shortest_opening_asks_for() -> None:
    """What took longer has waited for a processor. It is forgotten when all are closed: the server may be another."""
    clock = FakeClock()
    found, _ = resting(0, clock)
    for opening, rest in ((0.2, 0.1), (0.1, 0.05), (0.2, 0.05)):
        found.add(Connection(opening))
        assert found._resting[-1].until - clock.monotonic() == pytest.approx(rest)
    found.close()
    found.add(Connection(0.2))
    assert found._resting[-1].until - clock.monotonic() == pytest.approx(0.1)


def test_trial_promises_the_others_as_long_as_opening_one_takes() -> None:
    """After the trial's connection has rested. What has been trusted is promised no more: it may be used."""
    clock = FakeClock()
    found, _ = resting(0, clock)
    for _ in range(3):
        found.add(Connection(0.1))
    assert found.promised == 0
    found.take()
    assert found.promised == 2
    clock.advance(0.16)
    assert found.promised == 0
    found.end(has_response=False)
    found.take()
    assert found.promised == 1
    found.end(has_response=True)
    assert (found.promised, found.usable) == (0, 1)


def test_take_begins_with_a_trial() -> None:
    """One connection; all others after it has brought a response, in the order of their responses."""
    found, connections = resting(3)
    assert found.usable == 1
    taken = found.take()
    assert taken is not None
    assert taken.connection is connections[0]
    assert (found.usable, found.take()) == (0, None)
    found.end(has_response=True)
    assert found.usable == 2
    assert [taken.connection for taken in (found.take(), found.take()) if taken] == connections[1:]


def test_trial_that_fails_is_followed_by_another() -> None:
    """One at a time."""
    found, _ = resting(3)
    assert found.take() is not None
    found.end(has_response=False)
    assert found.usable == 1
    assert found.take() is not None
    assert found.take() is None


def test_trust_ends_some_time_after_the_last_response() -> None:
    """Then there is another trial."""
    clock = FakeClock()
    found, _ = resting(1, clock)
    found.take()
    found.end(has_response=True)
    clock.advance(TRUST_SECONDS / 2)
    found.end(has_response=True)
    clock.advance(TRUST_SECONDS - 1)
    assert found.is_trusted
    clock.advance(1)
    for _ in range(2):
        found.add(Connection())
    assert (found.is_trusted, found.usable) == (False, 1)


def test_connection_that_is_idle_for_too_long_is_closed() -> None:
    """The others stay. Whether no response has come in all that time is told."""
    clock = FakeClock()
    found, (old,) = resting(1, clock)
    clock.advance(IDLE_SECONDS)
    new = Connection()
    found.add(new)
    assert not found.close_idle()
    assert not old.is_closed
    clock.advance(0.001)
    assert not found.close_idle()
    assert (old.is_closed, new.is_closed, len(found)) == (True, False, 1)
    clock.advance(IDLE_SECONDS)
    assert found.close_idle()
    assert (new.is_closed, len(found)) == (True, 0)


def test_distrust_lasts_for_a_while() -> None:
    """It closes all that rest, and a response that comes later does not end it."""
    clock = FakeClock()
    found, connections = resting(2, clock)
    found.take()
    found.distrust()
    found.end(has_response=True)
    assert (connections[1].is_closed, len(found), found.is_paused, found.is_trusted) == (True, 0, True, False)
    clock.advance(PAUSE)
    assert (found.is_paused, found.is_trusted) == (False, False)
