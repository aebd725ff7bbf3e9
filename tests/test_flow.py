"""How many requests are under way when the server says that there are too many."""

from __future__ import annotations

import itertools
import threading
import time
from typing import Any

import pytest

import openai_vtab
from openai_vtab.flow import Flow
from openai_vtab.sandbox import Cut, Status

T = "vector_store_file_batches"
GOING_ON = threading.Event()


def one(flow: Flow, wait: float | None = None) -> None:
    """A request from its beginning to what its answer said."""
    began = flow.begin(GOING_ON)
    assert began is not None
    flow.end()
    flow.learn(began, wait)


def test_a_limit_halves_it_and_each_round_without_one_adds_one() -> None:
    """Down to one, and back to all."""
    flow = Flow(8)
    seen = []
    for _ in range(5):
        one(flow, wait=0)
        seen.append(flow.allowed)
    assert seen == [4, 2, 1, 1, 1]
    one(flow)
    assert flow.allowed == 2
    one(flow)
    one(flow)
    assert flow.allowed == pytest.approx(2.9)
    for _ in range(40):
        one(flow)
    assert flow.allowed == 8


def test_the_answers_of_one_round_halve_it_once() -> None:
    """Eight that were under way together are one limit."""
    flow = Flow(8)
    began = [flow.begin(GOING_ON) for _ in range(8)]
    for when in began:
        assert when is not None
        flow.end()
        flow.learn(when, 0)
    assert flow.allowed == 4


def test_all_wait_as_long_as_one_is_told_to() -> None:
    """And no longer once the statement is gone."""
    flow = Flow(8)
    one(flow, wait=0.15)
    started = time.monotonic()
    flow.begin(GOING_ON)
    assert 0.1 < time.monotonic() - started < 0.4
    one_that_waits = Flow(8)
    one(one_that_waits, wait=60)
    gone = threading.Event()
    threading.Timer(0.1, gone.set).start()
    started = time.monotonic()
    assert one_that_waits.begin(gone) is None
    assert time.monotonic() - started < 0.5


def test_a_place_becomes_free() -> None:
    """At most as many as are allowed are under way."""
    flow = Flow(1)
    flow.begin(GOING_ON)
    threading.Timer(0.1, flow.end).start()
    started = time.monotonic()
    flow.begin(GOING_ON)
    assert 0.05 < time.monotonic() - started < 0.3


def test_a_limited_server_gets_fewer_requests_at_once(connect: Any, sandbox: Any) -> None:
    """Every key is answered in the end, nothing is sent while the server wants to be left alone."""
    ids = [sandbox.add_batch("vs_demo", ["file-new-01"]) for _ in range(40)]
    db = connect(max_concurrency=8)
    sandbox.latency = 0.01
    sandbox.inject(Status(429, code="rate_limit_exceeded", headers={"retry-after": "0.3"}), times=8, after=8)
    marks = ", ".join("?" * len(ids))
    sql = f"SELECT count(*) FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id IN ({marks})"
    sandbox.reset_counters()
    assert db.execute(sql, ids).get == 40
    assert sandbox.max_in_flight == 8
    times = sorted(request.at for request in sandbox.requests)
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert max(pauses) > 0.2
    late = [request for request in sandbox.requests if request.at > times[0] + 0.2]
    assert len(late) >= 20
    sandbox.reset_counters()


def test_it_grows_back(connect: Any, sandbox: Any) -> None:
    """After a limit, more and more are under way again."""
    db = connect(max_concurrency=8)
    sandbox.latency = 0.01

    def most_in_flight(count: int) -> int:
        ids = [sandbox.add_batch("vs_demo", ["file-new-01"]) for _ in range(count)]
        sandbox.reset_counters()
        marks = ", ".join("?" * len(ids))
        db.execute(f"SELECT id FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id IN ({marks})", ids).fetchall()
        return int(sandbox.max_in_flight)

    sandbox.inject(Status(429, code="rate_limit_exceeded", headers={"retry-after": "0"}), times=3)
    for batch in ("vsfb_demo_finished", "vsfb_demo_failures", "vsfb_demo_running"):
        db.execute(f"SELECT id FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = '{batch}'").fetchall()
    assert most_in_flight(6) < 8
    most_in_flight(60)
    assert most_in_flight(20) == 8


def test_what_needs_a_person_is_not_waited_for(connect: Any, sandbox: Any) -> None:
    """An account without money is not slow, it is empty."""
    db = connect()
    sandbox.inject(Status(429, code="insufficient_quota"), times=None)
    started = time.monotonic()
    with pytest.raises(openai_vtab.APIError, match="insufficient_quota"):
        db.execute(
            f"SELECT id FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_running'"
        ).fetchall()
    assert time.monotonic() - started < 0.4


def test_what_waits_for_a_limit_is_not_sent_once_another_row_has_failed(connect: Any, sandbox: Any) -> None:
    """Of a transaction that fails, no further row is begun, also when it only waits for its turn."""
    db = connect(max_concurrency=2)
    sandbox.latency = 0.05
    sandbox.inject(Status(429, code="rate_limit_exceeded", headers={"retry-after": "0.3"}), times=1, method="POST")
    sandbox.inject(Status(400, message="no such luck"), times=1, method="POST")
    rows = ", ".join(["('vs_demo', '[\"file-new-01\"]')"] * 6)
    with pytest.raises(openai_vtab.WriteError) as caught:
        db.execute(f"INSERT INTO {T} (vector_store_id, file_ids) VALUES {rows}")
    assert caught.value.done == []
    assert len([request for request in sandbox.requests if request.method == "POST"]) == 2


def test_a_delete_that_is_repeated_and_finds_nothing_is_done(db: Any, sandbox: Any) -> None:
    """Its first answer was lost; what was never there is an error all the same."""
    sandbox.inject(Cut("answer"), method="DELETE")
    db.execute("DELETE FROM files WHERE id = 'file-new-06'")
    assert [request.status for request in sandbox.requests if request.method == "DELETE"][1:] == [404]
    assert db.execute("SELECT count(*) FROM files WHERE id = 'file-new-06'").get == 0
    sandbox.inject(Status(404, message="No such File object"), method="DELETE")
    with pytest.raises(openai_vtab.APIError, match="No such File object"):
        db.execute("DELETE FROM files WHERE id = 'file-new-05'")
