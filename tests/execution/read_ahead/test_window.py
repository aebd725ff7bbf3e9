"""Read-ahead by itself: how many keys it requests before they are read, and when it replays the statement."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable

import pytest

from openai_vtab.execution import read_ahead
from openai_vtab.execution.read_ahead import ReadAhead, Record
from openai_vtab.protocol import Request

from ...support.clock import FakeClock


class Statement:
    """Asks by ReadAhead for `keys` one after another; replays say they are going to be `coming`."""

    def __init__(
        self, coming: Iterable[str], most: int = 64, known: Iterable[str] = (), can_prepare: bool = True
    ) -> None:
        self.coming = [Request("GET", key) for key in coming]
        self.asked = dict.fromkeys(known, True)
        self.replays = 0
        self.patience: list[float] = []
        self.complete = True
        self.clock = FakeClock()
        self.answered: set[str] = set()
        self.pages: list[str] = []  # at which a replay ends
        self.connections: list[int] = []  # that it has had opened
        self.ahead = ReadAhead(
            self.start,
            self.is_answered,
            most,
            self.replay,
            prepare=self.connections.append,
            can_prepare=lambda _: can_prepare,
            clock=self.clock,
        )

    def start(self, request: Request) -> bool:
        new = request.target not in self.asked
        self.asked[request.target] = True
        return new

    def is_answered(self, request: Request) -> bool:
        return request.target in self.answered

    def replay(self, note: Record, patience: float) -> bool:
        self.replays += 1
        self.patience.append(patience)
        self.clock.sleep(0 if self.complete else patience)
        for request in self.coming:
            note(request, False)
        for page in self.pages:
            note(Request("GET", page), True)
        return self.complete and not self.pages

    def look_up(self, *keys: str) -> list[str]:
        """What has been asked for beside these keys."""
        before = len(self.asked)
        for key in keys:
            request = Request("GET", key)
            self.start(request)
            self.ahead.looked_up(request)
        return [key for key in list(self.asked)[before:] if key not in keys]


def keys(count: int) -> list[str]:
    return [f"/{number}" for number in range(count)]


def test_prefetch_window_is_what_has_been_used() -> None:
    """Nothing at the first look-up; then as many unused as used, to the most."""
    statement = Statement(keys(100), most=8)
    unused = []
    for used, key in enumerate(keys(60), start=1):
        statement.look_up(key)
        unused.append(len(statement.asked) - used)
    assert unused == [0, 2, 3, 4, 5, 6, 7, *[8] * 53]
    assert statement.replays == 1


@pytest.mark.parametrize(
    ("coming", "most", "used", "connections"),
    [(1000, 64, 2, [12]), (1000, 64, 1000, [*range(12, 64, 6), 64]), (5, 64, 5, [3]), (100, 4, 100, [4])],
    ids=["two used", "all used", "few coming", "few allowed"],
)
def test_prefetch_has_connections_opened_for_what_comes_next(
    coming: int, most: int, used: int, connections: list[int]
) -> None:
    """Six times as many as there are requests due, as far as there are keys; each number once."""
    statement = Statement(keys(coming), most)
    statement.look_up(*keys(used))
    assert statement.connections == connections


@pytest.mark.parametrize(("coming", "connections"), [(1000, [6]), (4, [3]), (1, [])])
def test_first_lookup_that_waits_has_connections_opened(coming: int, connections: list[int]) -> None:
    """As many as there are keys that follow, up to six; and nothing is sent before the second look-up."""
    statement = Statement(keys(coming))
    statement.look_up("/0")
    statement.ahead.waits()
    statement.ahead.waits()
    assert (statement.connections, len(statement.asked), statement.replays) == (connections, 1, 1)
    assert statement.look_up("/1") == keys(coming)[2:4]
    statement.ahead.waits()
    assert statement.replays == 1, "what was recorded is used"


def test_first_lookup_that_waits_is_not_replayed_where_no_connection_would_be_opened() -> None:
    """The server is near, or there are enough connections."""
    statement = Statement(keys(1000), can_prepare=False)
    statement.look_up("/0")
    statement.ahead.waits()
    assert (statement.connections, statement.replays) == ([], 0)


def test_replay_during_the_first_lookup_takes_little_time() -> None:
    """It may be the only look-up, however long the statement has taken to come so far. The second one replays again."""
    statement = Statement(keys(1000))
    statement.complete = False
    statement.clock.sleep(10)
    statement.look_up("/0")
    statement.ahead.waits()
    assert statement.patience == [0.05]
    assert statement.look_up("/1") == keys(1000)[2:4]
    assert statement.replays == 2


def test_prefetch_begins_after_the_first_lookup() -> None:
    """One look-up alone costs what it has always cost."""
    statement = Statement(keys(10))
    assert statement.look_up("/0") == []
    assert statement.replays == 0
    assert statement.look_up("/0", "/0") == [], "the same key again is no second look-up"
    assert statement.replays == 0


@pytest.mark.parametrize("stop", range(1, 20))
def test_prefetch_of_a_stopped_statement_is_at_most_twice_what_it_used(stop: int) -> None:
    """LIMIT."""
    statement = Statement(keys(1000))
    statement.look_up(*keys(stop))
    assert len(statement.asked) <= 2 * stop


@pytest.mark.parametrize(
    "real",
    [
        [f"/other{number}" for number in range(50)],
        keys(100)[::-1],
        keys(100)[::7],
        [key for pair in zip(keys(50), [f"/other{n}" for n in range(50)], strict=True) for key in pair],
        [*keys(3), *keys(100)[50:], *keys(50)],
    ],
    ids=["all wrong", "backwards", "few", "every second", "jumps"],
)
def test_prefetch_mispredictions_are_never_more_than_what_was_used(real: list[str]) -> None:
    """At each moment, however wrong they are."""
    statement = Statement(keys(100), most=1000)
    for used, key in enumerate(real, start=1):
        statement.look_up(key)
        wrong = statement.asked.keys() - set(real[:used])
        assert len(wrong) <= used


def test_prefetch_does_not_count_other_requests(caplog: pytest.LogCaptureFixture) -> None:
    """A key of an IN list in the same statement, for example, is no prediction."""
    statement = Statement(keys(6), known=keys(6))
    with caplog.at_level(logging.DEBUG, "openai_vtab"):
        assert statement.look_up(*keys(6)) == []
        statement.ahead.close()
    assert caplog.messages == []


def test_prefetch_logs_the_end_of_a_statement(caplog: pytest.LogCaptureFixture) -> None:
    """How many were predicted, used and wasted."""
    statement = Statement(keys(10))
    with caplog.at_level(logging.DEBUG, "openai_vtab"):
        statement.look_up("/0", "/1", "/3", "/4")
        statement.ahead.close()
    assert [record.levelname for record in caplog.records] == ["DEBUG"]
    assert caplog.messages == ["read-ahead: 6 keys predicted, 2 used, 4 wasted"]


def test_replay_records_more_keys_than_fit_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next are noted before the first are used up; each is predicted once, in order.

    No replay notes more than ten, or half as many as were used; so a thousand keys do not need a hundred replays.
    """
    monkeypatch.setattr(read_ahead, "MOST_RECORDED", 10)
    statement = Statement(keys(1000), most=4)
    for used, key in enumerate(keys(1000), start=1):
        statement.look_up(key)
        assert len(statement.ahead._coming) <= max(10, used // 2)
    assert list(statement.asked) == keys(1000)
    assert statement.replays <= 16


def test_replay_waits_for_the_page_where_it_ended() -> None:
    """The page is requested before the keys that precede it; until it has come, a replay would record nothing new."""
    statement = Statement(keys(100))
    statement.pages = ["/list"]
    assert statement.look_up("/0", "/1")[0] == "/list"
    statement.look_up(*keys(20))
    assert statement.replays == 1
    statement.answered.add("/list")
    statement.pages = []
    statement.look_up("/20")
    assert statement.replays == 2


def test_replay_that_is_complete_is_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even when it told nothing."""
    statement = Statement([])
    statement.look_up(*keys(50))
    assert statement.replays == 1


def test_replay_that_was_cut_short_runs_again_only_with_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """It begins anew each time: with no more time than before it would come no farther."""
    monkeypatch.setattr(read_ahead, "SHORT_REPLAY_SECONDS", 0.02)
    statement = Statement([])
    statement.complete = False
    for number in itertools.count():
        statement.look_up(f"/{number}")
        statement.clock.advance(0.001)
        if statement.clock.slept > 0.5:
            break
    assert 2 <= statement.replays <= 5
    assert all(later >= 2 * before for before, later in itertools.pairwise(statement.patience))
    assert sum(statement.patience) < 0.3, "it is never more than half of the time"


def test_replay_that_fails_in_python_leaves_the_rest_as_it_was() -> None:
    """Ctrl-C comes through; the next look-up can go on."""
    statement = Statement(keys(5))
    statement.look_up("/0")

    def interrupted(note: Record, patience: float) -> bool:
        raise KeyboardInterrupt

    statement.ahead._replay = interrupted
    with pytest.raises(KeyboardInterrupt):
        statement.look_up("/1")
    statement.ahead._replay = statement.replay
    assert statement.look_up("/2") == ["/3", "/4"]
