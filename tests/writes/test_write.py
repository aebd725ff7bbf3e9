"""The life of a write: the table of states in write.py, walked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product

import pytest

from openai_vtab.ledger.intents import IntentLog, Outcome
from openai_vtab.protocol import Request
from openai_vtab.writes import write as module
from openai_vtab.writes.write import NEXT_STATES, State, Write

PATHS: dict[State, Sequence[State]] = {
    State.QUEUED: [],
    State.BEGUN: [State.BEGUN],
    State.DONE: [State.BEGUN, State.DONE],
    State.PARTIAL: [State.BEGUN, State.PARTIAL],
    State.NOT_DONE: [State.NOT_DONE],
    State.SHOWN: [State.SHOWN],
    State.UNKNOWN: [State.BEGUN, State.UNKNOWN],
}


def write_in(state: State, idempotent: bool = False) -> Write:
    request = Request("POST", "/files", idempotent=idempotent)
    write = Write(request, 1, lambda _: {}, intent=IntentLog("").new(["led"], {}, {}))
    for step in PATHS[state]:
        write.move_to(step, result={"id": "x"} if step in (State.DONE, State.PARTIAL) else None)
    return write


@pytest.mark.parametrize(("before", "after"), list(product(State, State)), ids=lambda state: state.name)
def test_states_follow_the_table(before: State, after: State) -> None:
    """Every pair: what the table has not is refused."""
    write = write_in(before)
    if after in NEXT_STATES[before]:
        write.move_to(after, result={"id": "x"})
        assert write.state is after
    else:
        with pytest.raises(AssertionError):
            write.move_to(after)
        assert write.state is before


def test_states_of_the_docstring_are_those_of_the_code() -> None:
    """The theory of operation shows every transition, and no other."""
    lines = re.findall(r"^    ([A-Z_]+) +.*?([A-Z_]+)$", module.__doc__ or "", re.MULTILINE)
    shown = {(State[before], State[after]) for before, after in lines}
    assert shown == {(before, after) for before, follow in NEXT_STATES.items() for after in follow}


@pytest.mark.parametrize(
    ("state", "outcome", "may_exist"),
    [
        (State.QUEUED, Outcome.PLANNED, False),
        (State.BEGUN, Outcome.BEGUN, True),
        (State.DONE, Outcome.CREATED, True),
        (State.PARTIAL, Outcome.CREATED, True),
        (State.NOT_DONE, Outcome.PLANNED, False),
        (State.UNKNOWN, Outcome.UNKNOWN, True),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_states_are_written_down_in_the_intent(state: State, outcome: Outcome, may_exist: bool) -> None:
    """The durable trace says the same."""
    intent = write_in(state).intent
    assert intent is not None
    assert (intent.outcome, intent.may_exist) == (outcome, may_exist)


def test_states_of_a_begun_write_that_was_refused() -> None:
    """The response denies it: no ledger need have a row."""
    write = write_in(State.BEGUN)
    write.move_to(State.NOT_DONE)
    assert write.intent is not None
    assert write.intent.outcome is Outcome.REFUSED
    assert not write.intent.may_exist


def test_states_of_a_begun_write_that_may_be_repeated() -> None:
    """It counts as not done, because a retry is harmless; but the ledger must know that it may have been done."""
    write = write_in(State.BEGUN, idempotent=True)
    write.move_to(State.NOT_DONE)
    assert write.intent is not None
    assert write.intent.outcome is Outcome.UNKNOWN
