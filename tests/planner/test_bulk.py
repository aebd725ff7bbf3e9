"""The rule of bulk reading: when a page of a list is requested, and what it costs at most.

A list is simulated: it has objects of which the statement needs some. The property counts requests and seconds.
"""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openai_vtab.planner import BulkState, Seconds, next_page_pays

NEAR = Seconds(look_up=0.05, page=0.05)


def after(missing: int, *found: int) -> BulkState:
    """The state after pages that found so many keys."""
    state = BulkState(missing)
    for count in found:
        state.add_page(count)
    return state


@pytest.mark.parametrize(
    ("state", "observed", "concurrency", "pays"),
    [
        (after(9), Seconds(0.05, 0.001), 1, False),
        (after(10), NEAR, 1, True),
        (after(32), NEAR, 16, True),
        (after(16), NEAR, 16, False),
        (after(958), Seconds(0.05, 0.5), 16, True),
        (after(300), Seconds(0.05, 0.5), 16, False),
        (after(958), Seconds(), 32, True),
        (after(958), Seconds(0.05, math.inf), 16, False),
        (after(958, 50), NEAR, 32, True),
        (after(300, 16), NEAR, 32, False),
        (after(958, 0), NEAR, 32, False),
        (after(958, 50, 0), NEAR, 32, False),
        (after(958, 100, 100, 0), NEAR, 32, True),
        (after(958, 100, 100, 0, 0, 0), NEAR, 32, False),
        (after(958, 958), NEAR, 32, False),
        (after(108, 100), NEAR, 32, True),
        (after(101, 100), NEAR, 32, False),
        (after(19, 0), Seconds(1, 0.001), 1, False),
        (after(25, 2), Seconds(1, 0.001), 1, True),
    ],
    ids=[
        "below 10 keys never a list",
        "ten rounds for one page",
        "two rounds: the bet on a first page",
        "one round: a page saves no time",
        "large pages, many keys",
        "large pages, few keys",
        "nothing observed yet",
        "a list that cannot be read",
        "half of the objects are needed",
        "the pages bring less than the look-ups would",
        "a first page in vain",
        "a second page in vain: no credit left",
        "an empty page after two full ones",
        "three empty pages after two full ones",
        "nothing is missing",
        "the rest takes one page or one round: fewer requests",
        "one key is left: its look-up is as good",
        "at most a tenth more requests",
        "a tenth of the requests is saved already",
    ],
)
def test_bulk_rule(state: BulkState, observed: Seconds, concurrency: int, pays: bool) -> None:
    assert next_page_pays(state, observed, concurrency) is pays


@settings(max_examples=200, deadline=None)
@given(
    keys=st.integers(1, 5_000),
    files=st.integers(10, 50_000),
    absent=st.floats(0, 1),
    recent=st.booleans(),
    page_size=st.sampled_from([100, 10_000]),
    concurrency=st.integers(1, 64),
    look_up=st.floats(0.001, 1),
    page=st.floats(0.001, 10),
    seed=st.integers(0, 2**32),
)
def test_bulk_requests_and_seconds_are_bounded(
    keys: int,
    files: int,
    absent: float,
    recent: bool,
    page_size: int,
    concurrency: int,
    look_up: float,
    page: float,
    seed: int,
) -> None:
    """At most a tenth more requests than one by one, and later by about one page; below 10 keys never a list."""
    present = min(files, round(keys * (1 - absent)))
    places = range(present) if recent else random.Random(seed).sample(range(files), present)  # noqa: S311
    state, observed = BulkState(keys), Seconds(look_up, page)
    per_page = [0] * -(-files // page_size)
    for place in places:
        per_page[place // page_size] += 1
    for found in per_page:
        if not next_page_pays(state, observed, concurrency):
            break
        state.add_page(found)
    one_by_one = math.ceil(keys / concurrency) * look_up
    seconds = state.pages * page + math.ceil(state.missing / concurrency) * look_up
    assert state.pages + state.missing <= keys * 1.1
    assert keys >= 10 or state.pages == 0
    assert seconds <= one_by_one + 1.25 * page + look_up
