"""Turns: whose create may be sent, and whose connection may be opened ahead."""

from __future__ import annotations

import threading

import pytest

from openai_vtab.transport.limits import INTERRUPT_POLL_SECONDS, CancelFlag
from openai_vtab.transport.resting import IDLE_SECONDS
from openai_vtab.transport.turn import Holds, Source, Turn
from openai_vtab.transport.turns import MOST_AHEAD, NEAR_SECONDS, PATIENCE, PAUSE, Turns

from ..support.clock import FakeClock
from ..support.waiting import until

FAR = NEAR_SECONDS * 10


class Connection:
    """Knows whether it is closed."""

    opening_seconds = FAR
    is_closed = False

    def close(self) -> None:
        """Close it."""
        self.is_closed = True

    def is_silent(self) -> bool:
        """Nothing arrives."""
        return not self.is_closed


def far(most: int, clock: FakeClock | None = None) -> Turns:
    """Turns for a server to which it takes long to open a connection."""
    turns = Turns(most, clock or FakeClock())
    turns.opened(FAR)
    return turns


def entered(turns: Turns, cancelled: CancelFlag | None = None) -> Turn:
    turn = turns.enter(cancelled or CancelFlag())
    assert turn is not None
    return turn


def entered_later(turns: Turns) -> Turn:
    """The turn of a create that has to wait for it, in a thread of its own."""
    found: list[Turn] = []
    known = list(turns._line)
    threading.Thread(target=lambda: found.append(entered(turns)), daemon=True).start()
    until(lambda: len(turns._line) > len(known))
    return turns._line[-1]


def over(turns: Turns, turn: Turn) -> Connection:
    """The connection of a create that has its response; it rests."""
    connection = Connection()
    assert turns.end(turn, connection, has_response=True, was_offered=True)
    turns.leave(turn)
    return connection


def two_and_one_that_waits(clock: FakeClock) -> tuple[Turns, Turn, Turn, Turn]:
    """Two creates have their turns and their connections, and a third waits for its turn."""
    turns = far(2, clock)
    return turns, connected(turns), connected(turns), entered(turns)


def connected(turns: Turns) -> Turn:
    """A turn whose connection has begun to be opened."""
    turn = entered(turns)
    with turns.connecting(turn):
        pass
    return turn


@pytest.mark.parametrize(
    ("most", "ahead", "ahead_if_not_kept"),
    [(1, 0, 0), (2, 2, 4), (16, 16, 32), (32, 32, MOST_AHEAD), (1000, MOST_AHEAD, MOST_AHEAD)],
)
def test_turns_limit_what_is_opened_ahead(most: int, ahead: int, ahead_if_not_kept: int) -> None:
    """As many as may be under way, or twice as many if none rests, up to a limit; none if one connection is wanted."""
    turns = far(most)
    assert turns.ahead == ahead
    turns.distrust(Source.RESTED)
    assert turns.ahead == ahead_if_not_kept


def test_turns_open_more_ahead_if_the_server_keeps_no_connection() -> None:
    """The first response tells, and each later one."""
    turns, first, second, _ = two_and_one_that_waits(FakeClock())
    assert not turns.end(first, None, has_response=False, was_offered=True)
    assert turns.ahead == 2
    assert not turns.end(first, None, has_response=True, was_offered=True)
    assert turns.ahead == 4
    assert turns.end(second, Connection(), has_response=True, was_offered=True)
    assert turns.ahead == 2


def test_turns_learn_nothing_from_a_connection_that_the_create_itself_has_ended() -> None:
    """Its request said that nothing follows, because no other create waited yet."""
    turns, first, *_ = two_and_one_that_waits(FakeClock())
    assert not turns.end(first, None, has_response=True, was_offered=False)
    assert turns.ahead == 2


def test_turns_open_nothing_ahead_before_they_know_that_it_is_of_use() -> None:
    """A connection that takes longer than NEAR_SECONDS tells it, before it is open."""
    clock = FakeClock()
    turns = Turns(2, clock)
    assert turns.ahead is None
    connected(turns)
    assert turns.ahead is None
    clock.advance(NEAR_SECONDS * 2)
    assert turns.ahead == 2
    turns.opened(NEAR_SECONDS / 2)
    assert turns.ahead == 0


def test_turns_come_in_the_order_of_the_connections() -> None:
    """The second of those that wait has begun to connect first."""
    turns = far(2)
    first, second = connected(turns), connected(turns)
    assert first.has_come
    assert second.has_come
    third, fourth = entered(turns), entered(turns)
    assert not third.has_come
    for turn in (fourth, third):
        with turns.connecting(turn):
            pass
    turns.leave(second)
    assert (fourth.wait(0), third.wait(0)) == (True, False)
    turns.leave(first)
    assert third.wait(0)


def test_turns_let_nothing_be_opened_ahead_of_those_that_have_come() -> None:
    """Their connections are first in the server's queue."""
    turns = far(2)
    connected(turns)
    late = entered(turns)
    cancelled = CancelFlag()
    cancelled.set()
    assert turns.enter(cancelled) is None
    with turns.connecting(late):
        pass
    assert not entered(turns).has_come


def test_turns_pass_over_a_cancelled_statement() -> None:
    """Its create, which the server does not answer, holds up no other statement."""
    turns = far(1)
    cancelled = CancelFlag()
    entered(turns, cancelled)
    cancelled.set()
    assert entered(turns).has_come


def test_turns_adapt_to_the_server() -> None:
    """Fewer ahead when they wait long, more when they are late."""
    turns = far(4)
    for expected in (3, 2, 1, 1):
        turns.came(FAR, FAR * 3)
        assert turns.ahead == expected
    turns.came(FAR, FAR)
    assert turns.ahead == 1
    for expected in (2, 3, 4, 4):
        turns.came(FAR, 0.0)
        assert turns.ahead == expected


def test_turns_open_nothing_ahead_for_a_while_after_a_bad_experience() -> None:
    """Then it is tried again."""
    clock = FakeClock()
    turns = far(2, clock)
    turns.distrust(Source.AHEAD)
    assert turns.ahead == 0
    clock.advance(PAUSE)
    assert turns.ahead == 2


def test_server_that_was_near_stays_near() -> None:
    """A later connection that takes long has waited for a processor, not for the network."""
    turns = Turns(1 + 1)
    turns.opened(NEAR_SECONDS / 2)
    turns.opened(FAR)
    assert turns.ahead == 0


def test_new_connection_that_is_refused_closes_those_that_rest() -> None:
    """The server may limit how many there are; nothing is opened ahead for a while either."""
    clock = FakeClock()
    turns, first, second, _ = two_and_one_that_waits(clock)
    connection = over(turns, first)
    turns.send(second, Source.NEW)
    turns.distrust(second.source)
    assert connection.is_closed
    assert turns.ahead == 0
    clock.advance(PAUSE)
    assert turns.ahead == 2


def test_new_connection_is_never_one_too_many() -> None:
    """While a trial is under way, a create cannot use those that rest: one of them makes room for its own."""
    turns, *first, waiting = two_and_one_that_waits(FakeClock())
    turns.end(first[0], None, has_response=True, was_offered=True)  # so that more are opened ahead
    with turns.connecting(waiting):
        pass
    first += [waiting, *(connected(turns) for _ in range(3))]
    turns.distrust(Source.AHEAD)
    trial, late, last = entered_later(turns), entered_later(turns), entered_later(turns)
    connections = [over(turns, turn) for turn in first[:5]]
    assert trial.wait(0)
    taken = turns.take_resting(trial)
    assert taken is not None
    assert taken.connection is connections[0]
    connections.append(over(turns, first[5]))
    assert late.wait(0)
    assert turns.take_resting(late) is None
    assert last.holds is Holds.NONE_YET
    assert [connection.is_closed for connection in connections] == [False, True, False, False, False, False]


@pytest.mark.parametrize("succeeds", [True, False])
def test_create_waits_for_the_trial_rather_than_opening_a_connection(succeeds: bool) -> None:
    """It has its turn once the trial has succeeded, or has taken longer than to open a connection."""
    clock = FakeClock()
    turns = far(2, clock)
    first, second, third, fourth = (connected(turns) for _ in range(4))
    over(turns, first)
    entered_later(turns)
    trial = turns._line[0]  # before the fourth
    found: list[Turn] = []
    waiting = threading.Thread(target=lambda: found.append(entered(turns)), daemon=True)
    waiting.start()
    until(lambda: turns._entering)
    over(turns, second)
    assert trial.wait(0)
    assert turns.take_resting(trial)
    turns.send(trial, Source.RESTED)
    over(turns, third)
    over(turns, fourth)
    assert turns._entering == 1 <= turns._resting.promised
    waiting.join(INTERRUPT_POLL_SECONDS * 2)
    assert not found
    if succeeds:
        over(turns, trial)
    else:
        clock.advance(FAR * 2)
    until(lambda: found)
    assert found[0].has_come
    assert (turns.take_resting(found[0]) is not None) is succeeds


def test_connections_that_rest_too_long_are_closed_by_one_that_only_looks() -> None:
    """All threads that send may be waiting for the server, whose workers belong to these connections."""
    clock = FakeClock()
    turns, first, *_ = two_and_one_that_waits(clock)
    connection = over(turns, first)
    clock.advance(IDLE_SECONDS)
    turns.close_idle_resting()
    assert not connection.is_closed
    clock.advance(IDLE_SECONDS)
    turns.close_idle_resting()
    assert connection.is_closed


def test_connections_that_rest_while_nothing_is_sent_are_closed_without_distrust() -> None:
    """All creates wait for a rate limit: that no response comes says nothing about the server."""
    clock = FakeClock()
    turns, first, second, _ = two_and_one_that_waits(clock)
    second.end()
    connection = over(turns, first)
    clock.advance(IDLE_SECONDS * 2)
    turns.close_idle_resting()
    assert connection.is_closed
    assert turns.reuse_pays


def test_connections_that_rest_while_no_response_comes_are_distrusted() -> None:
    """A create has been sent, and the server may have no worker left for it."""
    clock = FakeClock()
    turns, first, second, _ = two_and_one_that_waits(clock)
    turns.send(second, Source.NEW)
    over(turns, first)
    clock.advance(IDLE_SECONDS * 2)
    turns.close_idle_resting()
    assert not turns.reuse_pays
    clock.advance(PAUSE)
    assert turns.reuse_pays


@pytest.mark.parametrize(("source", "is_trusted"), [(Source.NEW, False), (Source.AHEAD, False), (Source.RESTED, True)])
def test_connections_that_rest_are_distrusted_once_a_first_create_has_waited(source: Source, is_trusted: bool) -> None:
    """It may wait for a worker that reused connections keep. Those that were reused have one."""
    clock = FakeClock()
    turns, first, second, _ = two_and_one_that_waits(clock)
    turns.send(second, source)
    clock.advance(PATIENCE + 1)
    over(turns, first)
    turns.close_idle_resting()
    assert turns.reuse_pays is is_trusted


def test_create_that_lost_its_connection_does_not_wait_for_the_server() -> None:
    """It was opened ahead, and was silent for too long: it was not sent."""
    clock = FakeClock()
    turns, first, second, _ = two_and_one_that_waits(clock)
    clock.advance(PATIENCE + 1)
    turns.lose(second)
    over(turns, first)
    turns.close_idle_resting()
    assert turns.reuse_pays


def test_connection_rests_only_for_a_create_that_may_still_take_it() -> None:
    """One that has looked and opens its own does not."""
    turns = far(2)
    first, second = connected(turns), entered(turns)
    assert turns.reuse_pays
    assert turns.take_resting(second) is None
    assert not turns.reuse_pays
    assert not turns.end(first, Connection(), has_response=True, was_offered=True)


def test_client_may_be_closed_by_the_garbage_collector_within_a_turn() -> None:
    """The collector runs in any thread that makes an object, and may hold the turns' lock."""
    turns = far(2)
    turn = entered(turns)
    with turns.connecting(turn):
        turns.close_resting()


@pytest.mark.parametrize("is_closed_while_waiting", [False, True])
def test_trial_that_was_not_sent_is_followed_by_another(is_closed_while_waiting: bool) -> None:
    """Its connection had ended, or waited for a rate limit for too long: its create opens one instead."""
    turns, first, second, third = two_and_one_that_waits(FakeClock())
    over(turns, first)
    assert turns.take_resting(third)
    if is_closed_while_waiting:
        turns.lose(third)
    turns.send(third, Source.NEW)
    waiting = entered(turns)
    turns.end(third, None, has_response=True, was_offered=False)
    turns.leave(third)
    over(turns, second)
    assert turns.take_resting(waiting)
