"""How many requests are under way when the server says that there are too many."""

from __future__ import annotations

import json
import logging
import threading
import time
from typing import Any

import pytest

import openai_vtab
from openai_vtab.protocol import Request
from openai_vtab.protocol.multipart import form
from openai_vtab.sandbox import Cut, Status
from openai_vtab.schema.file_to_upload import FileToUpload
from openai_vtab.settings import Settings
from openai_vtab.transport.client import Client
from openai_vtab.transport.failures import Failure
from openai_vtab.transport.limits import CancelFlag, ConcurrencyLimiter, MinuteQuota, WaitBudget

from ..support.clock import FakeClock
from ..support.meeting import meeting

T = "vector_store_file_batches"
GOING_ON = CancelFlag()


def one(limiter: ConcurrencyLimiter, wait: float | None = None) -> None:
    """A request from its beginning to what its answer said."""
    began = limiter.acquire(GOING_ON)
    assert began is not None
    limiter.release(GOING_ON)
    limiter.record(began, wait)


def test_concurrency_is_halved_by_a_429_and_grows_by_one_each_round() -> None:
    """Down to one, and back to all."""
    limiter = ConcurrencyLimiter(8)
    seen = []
    for _ in range(5):
        one(limiter, wait=0)
        seen.append(limiter.allowed)
    assert seen == [4, 2, 1, 1, 1]
    one(limiter)
    assert limiter.allowed == 2
    one(limiter)
    one(limiter)
    assert limiter.allowed == pytest.approx(2.9)
    for _ in range(40):
        one(limiter)
    assert limiter.allowed == 8


def test_concurrency_is_halved_once_by_one_rounds_responses() -> None:
    """Eight that were under way together are one limit."""
    limiter = ConcurrencyLimiter(8)
    began = [limiter.acquire(GOING_ON) for _ in range(8)]
    for when in began:
        assert when is not None
        limiter.release(GOING_ON)
        limiter.record(when, 0)
    assert limiter.allowed == 4


def test_rate_limit_holds_all_as_long_as_one_is_told_to_wait() -> None:
    """And no longer once the statement is gone."""
    clock = FakeClock()
    limiter = ConcurrencyLimiter(8, clock)
    one(limiter, wait=15)
    limiter.acquire(GOING_ON)
    assert clock.slept == pytest.approx(15)
    one_that_waits = ConcurrencyLimiter(8)
    one(one_that_waits, wait=60)
    gone = CancelFlag()
    threading.Timer(0.05, gone.set).start()
    started = time.monotonic()
    assert one_that_waits.acquire(gone) is None
    assert time.monotonic() - started < 30


def test_concurrency_slot_that_becomes_free_is_taken() -> None:
    """At most as many as are allowed are under way."""
    limiter = ConcurrencyLimiter(1)
    limiter.acquire(GOING_ON)
    released = threading.Event()

    def release() -> None:
        released.set()
        limiter.release(GOING_ON)

    threading.Timer(0.05, release).start()
    limiter.acquire(GOING_ON)
    assert released.is_set()


def test_concurrency_slot_is_waited_for_with_a_call_in_each_round() -> None:
    """Whoever waits can look after something else."""
    limiter = ConcurrencyLimiter(1)
    limiter.acquire(GOING_ON)
    calls: list[bool] = []

    def release() -> None:
        calls.append(True)
        limiter.release(GOING_ON)

    limiter.acquire(GOING_ON, release)
    assert len(calls) == 1


def test_concurrency_falls_for_a_limited_server(connect: Any, sandbox: Any) -> None:
    """Every key is answered in the end, nothing is sent while the server wants to be left alone."""
    ids = [sandbox.add_batch("vs_demo", ["file-new-01"]) for _ in range(40)]
    db = connect(max_concurrency=8)
    sandbox.inject(Status(429, code="rate_limit_exceeded", headers={"retry-after": "0.3"}), times=8, after=8)
    marks = ", ".join("?" * len(ids))
    sql = f"SELECT count(*) FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id IN ({marks})"
    sandbox.reset_counters()
    with meeting(sandbox, 8, after=8):
        assert db.execute(sql, ids).get == 40
    times = sorted(request.at for request in sandbox.requests)
    assert len(times) == 8 + 8 + 32
    assert times[16] - times[15] > 0.2


def test_concurrency_grows_back(connect: Any, sandbox: Any) -> None:
    """After a limit, more and more are under way again."""
    db = connect(max_concurrency=8)

    def read(count: int) -> None:
        ids = [sandbox.add_batch("vs_demo", ["file-new-01"]) for _ in range(count)]
        marks = ", ".join("?" * len(ids))
        db.execute(f"SELECT id FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id IN ({marks})", ids).fetchall()

    sandbox.inject(Status(429, code="rate_limit_exceeded", headers={"retry-after": "0"}), times=3)
    for batch in ("vsfb_demo_finished", "vsfb_demo_failures", "vsfb_demo_running"):
        db.execute(f"SELECT id FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = '{batch}'").fetchall()
    sandbox.reset_counters()
    read(6)
    assert sandbox.max_in_flight < 6
    read(60)
    with meeting(sandbox, 8):
        read(20)


def test_rate_limit_waits_that_overlap_count_once() -> None:
    """Sixteen that wait two seconds at the same time have waited two seconds."""
    clock = FakeClock()
    patience = WaitBudget(5, clock)
    assert all(patience.allows(2) for _ in range(16))
    assert patience.waited == 2
    clock.advance(1)
    assert patience.allows(2)
    assert patience.waited == 3
    clock.advance(10)
    assert not patience.allows(2.5)
    assert patience.allows(2)
    assert patience.waited == 5
    assert patience.allows(1)  # within what is waited for anyway
    assert not patience.allows(3)


ONE = f"SELECT status FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_finished'"
LIMIT = Status(429, code="rate_limit_exceeded", message="Slow down.", headers={"retry-after": "0.2"})


def test_rate_limit_is_waited_for_as_long_as_the_statement_may(
    connect: Any, sandbox: Any, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """More often than other failures are repeated. The log tells of each wait."""
    caplog.set_level(logging.INFO, "openai_vtab")
    db = connect(clock=clock, max_retries=1)
    sandbox.inject(LIMIT, times=3)
    assert db.execute(ONE).get == "completed"
    assert len(sandbox.requests) == 4
    assert caplog.messages[0].endswith("/vsfb_demo_finished: answered 429; retrying for up to 300 s, next in 0.2 s")
    assert len(caplog.messages) == 3


def test_rate_limit_that_stays_raises_and_says_the_wait(connect: Any, sandbox: Any) -> None:
    """And how much of the statement was done before it."""
    db = connect(rate_limit_wait=0.5, max_concurrency=2)
    sandbox.inject(LIMIT, times=None, after=3)
    ids = [sandbox.add_batch("vs_demo", ["file-new-01"]) for _ in range(20)]
    sql = f"SELECT id FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id IN ({', '.join('?' * 20)})"
    sandbox.reset_counters()
    with pytest.raises(openai_vtab.APIError) as caught:
        db.execute(sql, ids).fetchall()
    assert caught.value.status == 429
    assert "Slow down.; the statement has waited 0 s for rate limits" in str(caught.value)
    assert "raise rate_limit_wait, which is 0.5 s for a statement; 3 earlier requests had a response" in str(
        caught.value
    )
    assert len(sandbox.requests) < 20  # it ends long before each of the 20 keys was asked for
    with pytest.raises(openai_vtab.APIError, match="rate_limit_wait"):  # a statement has a patience of its own
        db.execute(ONE).fetchall()


def test_rate_limit_raises_at_once_without_a_wait_budget(connect: Any, sandbox: Any, clock: FakeClock) -> None:
    """Also when less is left than is asked for."""
    for setting, sent in ((0, 1), (0.3, 2)):
        db = connect(clock=clock, rate_limit_wait=setting)
        sandbox.inject(LIMIT, times=sent)
        sandbox.reset_counters()
        with pytest.raises(openai_vtab.APIError, match=f"rate_limit_wait, which is {setting:g} s"):
            db.execute(ONE).fetchall()
        assert len(sandbox.requests) == sent
        assert db.execute(ONE).get == "completed"


def test_rate_limit_within_a_commit_names_what_is_done(connect: Any, sandbox: Any) -> None:
    """Each row that was created, and each that was not."""
    db = connect(rate_limit_wait=0.3, max_concurrency=1)
    sandbox.inject(LIMIT, times=None, method="POST", after=2)
    rows = ", ".join(["('vs_demo', '[\"file-new-01\"]')"] * 5)
    with pytest.raises(openai_vtab.WriteError) as caught:
        db.execute(f"INSERT INTO {T} (vector_store_id, file_ids) VALUES {rows}")
    error = caught.value
    assert len(error.done) == 2
    assert len(error.not_done) == 3
    assert error.unknown == []
    assert "rate_limit_wait, which is 0.3 s" in error.not_done[0][1]
    assert [what for _, what in error.not_done[1:]] == ["not sent", "not sent"]


def wait_of(clock: FakeClock, quota: MinuteQuota, **amounts: int) -> float:
    """The seconds that a request waits, which then begins: its amounts by limit, or by limit__store."""
    waits: list[float] = []
    parts = {name.partition("__"): amount for name, amount in amounts.items()}
    shared = {(limit, store): amount for (limit, _, store), amount in parts.items()}
    assert quota.acquire(shared, CancelFlag(clock), waits.append) is not None
    return sum(waits)


def test_quota_limits_what_begins_in_any_minute() -> None:
    """Whatever the minute's beginning, and as soon as it is possible; vector stores do not share their requests."""
    clock = FakeClock()
    quota = MinuteQuota({"requests": 3, "files": 10}, clock)
    assert [wait_of(clock, quota, requests__a=1, files=1) for _ in range(3)] == [0, 0, 0]
    assert wait_of(clock, quota, requests__b=1, files=6) == 0
    clock.advance(30)
    assert wait_of(clock, quota, requests__b=1, files=1) == 0
    assert wait_of(clock, quota, requests__b=1, files=1) == pytest.approx(31)  # ten files
    assert wait_of(clock, quota, requests__a=1, files=8) == 0
    assert wait_of(clock, quota, requests__a=1, files=50) == pytest.approx(
        61
    )  # more than is allowed at once goes alone
    assert wait_of(clock, quota, requests__b=1, files=1) == pytest.approx(61)


def test_quota_of_zero_is_no_limit() -> None:
    """Of either."""
    clock = FakeClock()
    unlimited = MinuteQuota({"requests": 0, "files": 0}, clock)
    assert not any(wait_of(clock, unlimited, requests=1, files=2000) for _ in range(1000))
    files_only = MinuteQuota({"requests": 0, "files": 2}, clock)
    assert [wait_of(clock, files_only, requests=1, files=1) for _ in range(3)] == pytest.approx([0, 0, 61])


def test_quota_counts_nothing_of_a_request_that_never_left() -> None:
    """Its own amount is taken back, not that of another request; a minute later nothing is."""
    clock = FakeClock()
    quota = MinuteQuota({"uploads": 2}, clock)
    shared = {("uploads", ""): 1}
    counted = quota.acquire(shared, GOING_ON, lambda wait: None)
    assert counted is not None
    clock.advance(40)
    assert wait_of(clock, quota, uploads=1) == 0
    quota.release(shared, counted)
    assert wait_of(clock, quota, uploads=1) == 0
    assert wait_of(clock, quota, uploads=1) == pytest.approx(61)
    quota.release(shared, counted)
    assert wait_of(clock, quota, uploads=1) == 0  # the second of those that began together
    assert wait_of(clock, quota, uploads=1) == pytest.approx(61)


def test_quota_wait_ends_when_the_statement_is_cancelled() -> None:
    """Nothing is counted then."""
    clock = FakeClock()
    quota = MinuteQuota({"uploads": 1}, clock)
    gone = CancelFlag(clock)
    assert wait_of(clock, quota, uploads=1) == 0
    assert quota.acquire({("uploads", ""): 1}, gone, lambda wait: gone.set()) is None
    assert wait_of(clock, quota, uploads=1) == pytest.approx(61)


UPLOADS = "INSERT INTO files (filename, content, purpose) SELECT value, 'x', 'assistants' FROM json_each(?)"


def test_quota_of_uploads_keeps_a_large_insert_below_openais_limit(
    connect: Any, sandbox: Any, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """The second minute's uploads wait for it; 0 switches the limit off."""
    caplog.set_level(logging.INFO, "openai_vtab")
    db = connect(clock=clock, uploads_per_minute=4)
    db.execute(UPLOADS, (json.dumps(["a.md"] * 4),))
    assert clock.slept == 0
    db.execute(UPLOADS, (json.dumps(["b.md"] * 4),))
    assert 61 <= clock.slept <= 4 * 61  # the four wait at the same time, and each moves the clock
    assert any("to upload: at most 4 files in a minute (uploads_per_minute)" in text for text in caplog.messages)
    before = clock.slept
    connect(clock=clock, uploads_per_minute=0).execute(UPLOADS, (json.dumps(["c.md"] * 20),))
    assert clock.slept == before
    assert [request.status for request in sandbox.requests] == [200] * 28


def test_quota_of_uploads_allows_a_thousand_at_once() -> None:
    """The default holds none of 1,000 uploads."""
    clock = FakeClock()
    quota = MinuteQuota({"uploads": Settings().uploads_per_minute}, clock)
    assert [wait_of(clock, quota, uploads=1) for _ in range(1001)] == pytest.approx([0.0] * 1000 + [61])


@pytest.mark.parametrize(
    "status", [Failure("refused", sent=False), Failure("reset", sent=True)], ids=["unsent", "sent"]
)
def test_quota_counts_uploads_that_may_have_left(clock: FakeClock, status: Failure) -> None:
    """Without a connection nothing is counted, after a broken one the upload is."""
    settings = Settings(api_key="k", uploads_per_minute=1, max_retries=1)
    client = Client(settings, transport=lambda *_: status, clock=clock)
    upload = Request("POST", "/files", form({"file": FileToUpload("a.md", b"x")}), idempotent=False, changes=True)
    for _ in range(2):
        before = clock.slept
        with pytest.raises(openai_vtab.APIConnectionError):
            client.send(upload, WaitBudget(300, clock))
    assert (clock.slept - before >= 60) is status.sent


ROWS = "INSERT INTO {} (vector_store_id, {}) SELECT value ->> 0, value ->> 1 FROM json_each(?)"


@pytest.mark.parametrize("limit", [{"attach_requests_per_minute": 4}, {"attach_files_per_minute": 4}])
def test_quota_keeps_a_large_insert_below_openais_limit(
    connect: Any, sandbox: Any, clock: FakeClock, caplog: pytest.LogCaptureFixture, limit: Any
) -> None:
    """It goes on when the minute is over, instead of being refused; and says what it waits for."""
    times: list[float] = []

    def key() -> str:
        times.append(clock.monotonic())
        return str(sandbox.api_key)

    caplog.set_level(logging.INFO, "openai_vtab")
    db = connect(clock=clock, api_key=key, max_concurrency=1, **limit)
    rows = [["vs_demo", '["file-new-01"]']] * 10
    db.execute(ROWS.format(T, "file_ids"), (json.dumps(rows),))
    assert len(times) == len(sandbox.requests) == 10
    assert all(later - earlier >= 60 for earlier, later in zip(times, times[4:], strict=False))
    assert any("to attach 1 more files to vs_demo: at most" in message for message in caplog.messages)


@pytest.mark.slow
@pytest.mark.parametrize("kept", [True, False])
def test_quota_is_never_exceeded(connect: Any, sandbox: Any, monkeypatch: pytest.MonkeyPatch, kept: bool) -> None:
    """By a server that counts as OpenAI does; without the limits here it refuses, and all is created all the same."""
    monkeypatch.setattr("openai_vtab.transport.limits.MINUTE", 1.5)
    sandbox.rate_limit(15, 0.5)
    db = connect(attach_requests_per_minute=15 if kept else 0)
    db.execute(ROWS.format(T, "file_ids"), (json.dumps([["vs_demo", '["file-new-01"]']] * 40),))
    statuses = [request.status for request in sandbox.requests]
    assert statuses.count(200) == 40
    assert (statuses.count(429) == 0) is kept


def test_quota_counts_stores_and_files(connect: Any, clock: FakeClock) -> None:
    """Whichever table attaches them: the organisation's minute is one."""
    db = connect(clock=clock, attach_files_per_minute=4)
    db.execute("INSERT INTO vector_stores (name, file_ids) VALUES ('three', ?)", (json.dumps(["file-new-01"] * 1),))
    db.execute("INSERT INTO vector_store_files (vector_store_id, file_id) VALUES ('vs_demo', 'file-new-02')")
    db.execute(
        f"INSERT INTO {T} (vector_store_id, files) VALUES ('vs_demo', ?)",
        (json.dumps([{"file_id": "file-new-03"}, {"file_id": "file-new-04"}]),),
    )
    assert clock.slept == 0
    db.execute("INSERT INTO vector_store_files (vector_store_id, file_id) VALUES ('vs_demo', 'file-new-05')")
    assert clock.slept >= 60


def test_interrupt_ends_the_wait_for_the_quota(connect: Any, sandbox: Any) -> None:
    """What waited was not sent, and the error says so."""
    db = connect(attach_requests_per_minute=1, progress=lambda progress: progress.done == 1 and db.interrupt())
    started = time.monotonic()
    with pytest.raises(openai_vtab.WriteError) as caught:
        db.execute(ROWS.format(T, "file_ids"), (json.dumps([["vs_demo", '["file-new-01"]']] * 3),))
    assert time.monotonic() - started < 20
    assert len(caught.value.done) == 1
    assert [what for _, what in caught.value.not_done] == ["not sent"] * 2
    assert len([request for request in sandbox.requests if request.method == "POST"]) == 1


def test_rate_limit_that_needs_a_person_is_not_waited_for(connect: Any, sandbox: Any, clock: FakeClock) -> None:
    """An account without money is not slow, it is empty."""
    db = connect(clock=clock)
    sandbox.inject(Status(429, code="insufficient_quota"), times=None)
    with pytest.raises(openai_vtab.APIError, match="insufficient_quota"):
        db.execute(
            f"SELECT id FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_running'"
        ).fetchall()
    assert clock.slept == 0


def test_rate_limit_wait_ends_when_another_row_has_failed(connect: Any, sandbox: Any) -> None:
    """Of a transaction that fails, no further row is begun, also when it only waits for its turn."""
    db = connect(max_concurrency=2)
    sandbox.inject(Status(429, code="rate_limit_exceeded", headers={"retry-after": "60"}), times=1, method="POST")
    sandbox.inject(Status(400, message="no such luck"), times=1, method="POST")
    rows = ", ".join(["('vs_demo', '[\"file-new-01\"]')"] * 6)
    with meeting(sandbox, 2), pytest.raises(openai_vtab.WriteError) as caught:
        db.execute(f"INSERT INTO {T} (vector_store_id, file_ids) VALUES {rows}")
    assert caught.value.done == []
    assert len([request for request in sandbox.requests if request.method == "POST"]) == 2


def test_retry_of_a_delete_that_finds_nothing_is_done(db: Any, sandbox: Any) -> None:
    """Its first answer was lost; what was never there is an error all the same."""
    sandbox.inject(Cut("answer"), method="DELETE")
    db.execute("DELETE FROM files WHERE id = 'file-new-06'")
    assert [request.status for request in sandbox.requests if request.method == "DELETE"][1:] == [404]
    assert db.execute("SELECT count(*) FROM files WHERE id = 'file-new-06'").get == 0
    sandbox.inject(Status(404, message="No such File object"), method="DELETE")
    with pytest.raises(openai_vtab.APIError, match="No such File object"):
        db.execute("DELETE FROM files WHERE id = 'file-new-05'")


@pytest.mark.parametrize("asked", ["86400", "inf", "1e400", "nan"])
def test_rate_limit_beyond_the_budget_does_not_stop_the_next_statement(
    connect: Any, sandbox: Any, clock: FakeClock, asked: str
) -> None:
    """It asks again by itself, and hears whether the limit is still there."""
    db = connect(clock=clock, rate_limit_wait=0.1)
    sql = f"SELECT status FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_finished'"
    sandbox.inject(Status(429, headers={"retry-after": asked}))
    with pytest.raises(openai_vtab.APIError, match="rate_limit_wait"):
        db.execute(sql).fetchall()
    assert db.execute(sql).get == "completed"
    assert clock.slept < 60
