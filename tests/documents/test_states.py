"""The states of a file: the table in states.py, walked."""

from __future__ import annotations

import re

from openai_vtab.documents import states
from openai_vtab.documents.states import NEXT_STATES, State

ANY = {State.UNSURE, State.LEAVING}  # of these the table speaks once, for any state


def test_states_of_the_docstring_are_those_of_the_code() -> None:
    """It shows every transition, and no other."""
    lines = re.findall(r"^    (\w+) +\S.*?  +([a-z_]+(?:, [a-z_]+)*)$", states.__doc__ or "", re.MULTILINE)
    shown = {(before, State(after)) for before, follow in lines for after in follow.split(", ") if before != "state"}
    assert {after for before, after in shown if before == "any"} == ANY
    named = {(before, after) for before, after in shown if before != "any"}
    pairs = {(str(before), after) for before, follow in NEXT_STATES.items() for after in follow}
    assert named <= pairs
    assert {(before, after) for before, after in pairs if after not in ANY} <= named
