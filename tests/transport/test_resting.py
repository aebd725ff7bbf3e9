"""Which connections may carry another create, and when."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest

from openai_vtab.transport.resting import IDLE_SECONDS, LONGEST_REST, PAUSE, REST_SECONDS, RestingConnections

from ..support.clock import FakeClock


@dataclass
class Connection:
    """Knows whether it is closed."""

    opening: float = 0.0
    opened: float = 0.0
    is_closed: bool = False

    def close(self) -> None:
        """Close it."""
        self.is_closed = True

    def is_silent(self) -> bool:
        """Nothing arrives."""
        return not self.is_closed


@pytest.mark.parametrize(
    ("opening", "rest"), [(0.0, REST_SECONDS), (0.1, 0.05), (60.0, LONGEST_REST)], ids=["near", "far", "slow"]
)
def test_rest_is_half_of_what_opening_took(opening: float, rest: float) -> None:
    """Within limits."""
    clock = FakeClock()
    resting = RestingConnections(clock)
    resting.add(Connection(opening), 1)
    taken = resting.take(math.inf)
    assert taken is not None
    assert (taken.since, taken.until) == (clock.monotonic(), pytest.approx(clock.monotonic() + rest))


@pytest.mark.parametrize(
    ("numbers", "first_waiting", "taken"),
    [
        ([], math.inf, None),
        ([1, 2], math.inf, 1),
        ([1, 2], 3, 1),
        ([4, 2], 3, 2),
        ([4, 5], 3, None),
        ([3], 3, None),
    ],
    ids=["none", "oldest", "all before", "one before", "all after", "itself"],
)
def test_take_leaves_no_first_create_behind_twice(numbers: list[int], first_waiting: float, taken: int | None) -> None:
    """The connection that has rested longest, of those whose latest create was sent before it."""
    resting = RestingConnections(FakeClock())
    for number in numbers:
        resting.add(Connection(), number)
    found = resting.take(first_waiting)
    assert (found.number if found else None) == taken
    assert len(resting) == len(numbers) - (taken is not None)


@pytest.mark.parametrize(("first_waiting", "is_trusted"), [(math.inf, True), (2, True), (1, False)])
def test_connection_that_is_idle_for_too_long_is_closed(first_waiting: float, is_trusted: bool) -> None:
    """If it could not be used because another create waits, the server may lack workers: none rests for a while."""
    clock = FakeClock()
    resting = RestingConnections(clock)
    old, new = Connection(), Connection()
    resting.add(old, 1 if is_trusted else 2)
    clock.advance(IDLE_SECONDS)
    resting.add(new, 3)
    resting.expire(first_waiting)
    assert not old.is_closed
    clock.advance(0.001)
    resting.expire(first_waiting)
    assert old.is_closed
    assert (resting.may_rest, new.is_closed, len(resting)) == (is_trusted, not is_trusted, int(is_trusted))


def test_distrust_lasts_for_a_while() -> None:
    """It closes all that rest."""
    clock = FakeClock()
    resting = RestingConnections(clock)
    connection = Connection()
    resting.add(connection, 1)
    resting.distrust()
    assert (connection.is_closed, len(resting), resting.may_rest) == (True, 0, False)
    clock.advance(PAUSE)
    assert resting.may_rest
