"""wait_seconds, and reads right after a create: what is asked again, how long, and how it ends."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.sandbox import Answer, Status

from ..support.clock import FakeClock
from ..support.waiting import when

T = "vector_store_file_batches"
Requests = Callable[[], list[str]]


def batches(sandbox: Any, *seconds: float) -> list[str]:
    """Batches that take so long."""
    return [sandbox.add_batch("vs_demo", ["file-new-01"], processing_seconds=s) for s in seconds]


def timed(sandbox: Any, clock: FakeClock, times: list[float]) -> Callable[[], str]:
    """An API key that notes when it is asked for: once for each request."""

    def key() -> str:
        times.append(clock.monotonic())
        return str(sandbox.api_key)

    return key


def waiting(batch: str, seconds: object = 20) -> str:
    return f"SELECT status FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = '{batch}' AND wait_seconds = {seconds}"


@pytest.fixture
def db(connect: Any, clock: FakeClock) -> apsw.Connection:
    """A connection whose pauses take no time."""
    return connect(clock=clock)  # type: ignore[no-any-return]


def test_polling_returns_the_row_once_the_batch_has_finished(
    db: apsw.Connection, sandbox: Any, requests: Requests
) -> None:
    """Asked again until then, and given once, with the seconds as they were written."""
    sandbox.quirks.poll_after_ms = 60
    (batch,) = batches(sandbox, 0.3)
    row = db.execute(waiting(batch).replace("status", "status, wait_seconds, completed_count")).fetchall()
    assert row == [("completed", 20.0, 1)]
    asked = requests()
    assert set(asked) == {f"GET /vector_stores/vs_demo/file_batches/{batch}"}
    assert len(asked) in (6, 7)  # seven where 5 times 0.06 is a little less than 0.3


def test_polling_ends_at_once_for_a_finished_batch(db: apsw.Connection, clock: FakeClock, requests: Requests) -> None:
    """One request."""
    assert db.execute(waiting("vsfb_demo_failures")).get == "completed"
    assert clock.slept == 0
    assert len(requests()) == 1


def test_polling_returns_the_row_as_it_stands_when_the_time_is_over(
    connect: Any, sandbox: Any, clock: FakeClock
) -> None:
    """Asked a last time then; the pauses grow when the API gives no hint."""
    times: list[float] = []
    db = connect(clock=clock, api_key=timed(sandbox, clock, times))
    assert db.execute(waiting("vsfb_demo_running", 1.4)).get == "in_progress"
    assert clock.slept == pytest.approx(1.4)
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert pauses == pytest.approx([0.5, 0.75, 0.15])


def test_polling_follows_the_servers_hint_each_time(connect: Any, sandbox: Any, clock: FakeClock) -> None:
    """Not only the first one, as the SDK does."""
    (batch,) = batches(sandbox, 0.7)
    times: list[float] = []
    hints = itertools.chain([300, 300], itertools.repeat(50))

    def key() -> str:
        sandbox.quirks.poll_after_ms = next(hints)
        times.append(clock.monotonic())
        return str(sandbox.api_key)

    assert connect(clock=clock, api_key=key).execute(waiting(batch)).get == "completed"
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert pauses[:4] == pytest.approx([0.3, 0.3, 0.05, 0.05])


def test_polling_is_off_with_zero_seconds(db: apsw.Connection, requests: Requests) -> None:
    """The row as it is, one request."""
    assert db.execute(waiting("vsfb_demo_running", 0)).get == "in_progress"
    assert len(requests()) == 1


def test_polling_goes_on_while_all_counts_are_zero(db: apsw.Connection, sandbox: Any) -> None:
    """The status decides, which is where the SDK's own wait returns at once."""
    sandbox.quirks.poll_after_ms = 50
    batch = sandbox.add_batch("vs_demo", ["file-new-01"], processing_seconds=0)
    counts = dict.fromkeys(("in_progress", "completed", "failed", "cancelled", "total"), 0)
    answer = {**sandbox.batches["vs_demo", batch], "status": "in_progress", "file_counts": counts}
    sandbox.inject(Answer(answer, headers={"openai-poll-after-ms": "50"}), times=4)
    assert db.execute(waiting(batch)).get == "completed"
    assert len(sandbox.requests) == 5


@pytest.mark.parametrize("in_list", [True, False], ids=["IN", "join"])
def test_polling_waits_for_all_keys_together(connect: Any, sandbox: Any, clock: FakeClock, in_list: bool) -> None:
    """Under one deadline, more of them than threads, in a stable order."""
    db = connect(clock=clock, max_concurrency=4)
    sandbox.quirks.poll_after_ms = 50
    ids = batches(sandbox, *[0.5] * 12)
    db.execute("CREATE TABLE mine (batch_id TEXT PRIMARY KEY)")
    db.executemany("INSERT INTO mine VALUES (?)", [(id,) for id in ids])
    where = "vector_store_id = 'vs_demo' AND {} AND b.wait_seconds = 20"
    if in_list:
        sql = f"SELECT id, status FROM {T} AS b WHERE " + where.format("batch_id IN (SELECT batch_id FROM mine)")
    else:
        sql = (
            f"SELECT id, status FROM mine CROSS JOIN {T} AS b USING (batch_id) WHERE "
            + where.format("true")
            + " ORDER BY mine.rowid"
        )
    rows = db.execute(sql).fetchall()
    assert clock.slept < 12 * 0.5
    assert rows == [(id, "completed") for id in (sorted(ids) if in_list else ids)]


def test_polling_has_one_deadline_for_a_whole_join(db: apsw.Connection, sandbox: Any, clock: FakeClock) -> None:
    """Not one for each row."""
    db.execute("CREATE TABLE mine (batch_id TEXT)")
    db.executemany("INSERT INTO mine VALUES (?)", [(id,) for id in batches(sandbox, 60, 60, 60)])
    sql = f"SELECT status FROM mine JOIN {T} USING (batch_id) WHERE vector_store_id = 'vs_demo' AND wait_seconds = 0.3"
    assert db.execute(sql).fetchall() == [("in_progress",)] * 3
    assert clock.slept == pytest.approx(0.3)


def test_polling_of_the_inserted_batch_by_its_rowid(db: apsw.Connection, sandbox: Any) -> None:
    """Create, wait, look: two statements."""
    sandbox._state.processing_seconds = 0.2
    sandbox.quirks.poll_after_ms = 50
    db.execute(f"INSERT INTO {T} (vector_store_id, file_ids) VALUES ('vs_demo', '[\"file-new-05\"]')")
    sql = f"SELECT status, failed_count FROM {T} WHERE rowid = last_insert_rowid() AND wait_seconds = 10"
    assert db.execute(sql).fetchall() == [("completed", 1)]
    plan = db.execute(f"EXPLAIN QUERY PLAN {sql}").fetchone()
    assert plan[-1].endswith("VIRTUAL TABLE INDEX 1:rowid,wait_seconds")


@pytest.mark.parametrize(
    "value", ["-1", "'soon'", "9e999", "x'00'", "'1_0'", "'\u0661'", "'\uff11'", "'inf'", "'nan'", "''"]
)
def test_wait_seconds_refuses_wrong_values(db: apsw.Connection, requests: Requests, value: str) -> None:
    """Named, and nothing is sent."""
    with pytest.raises(
        openai_vtab.ProgrammingError, match=f"{T}.wait_seconds: .* is not a number of seconds; write a number from 0"
    ):
        db.execute(waiting("vsfb_demo_running", value)).fetchall()
    assert requests() == []


def test_wait_seconds_null_is_as_if_not_given(db: apsw.Connection, requests: Requests) -> None:
    """By = and by IS, and the column is NULL then; text that is a number is one."""
    assert db.execute(waiting("vsfb_demo_running", "NULL")).get == "in_progress"
    assert len(requests()) == 1
    key = "vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_running'"
    assert db.execute(f"SELECT wait_seconds, id FROM {T} WHERE {key} AND wait_seconds IS NULL").fetchall() == [
        (None, "vsfb_demo_running")
    ]
    for text in ("'0'", "' 0.0 '", "'0e3'", "'.0'"):
        assert db.execute(waiting("vsfb_demo_running", text)).get == "in_progress"


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT id FROM {T} AS b CROSS JOIN mine WHERE b.wait_seconds = mine.seconds AND ",
        f"SELECT id FROM {T} AS b WHERE wait_seconds > 5 AND ",
        f"SELECT wait_seconds * 2 FROM {T} AS b WHERE ",
    ],
    ids=["a later table", "another operator", "in an expression"],
)
def test_wait_seconds_that_sqlite_does_not_hand_over_raise(db: apsw.Connection, sql: str) -> None:
    """Not silently no rows."""
    db.execute("CREATE TABLE mine (seconds); INSERT INTO mine VALUES (0)")
    with pytest.raises(
        openai_vtab.ProgrammingError, match=f"{T}.wait_seconds: it has no value of its own .*; write wait_seconds = …"
    ):
        db.execute(sql + "vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_running'").fetchall()


def test_interrupt_ends_polling(connect: Any, sandbox: Any) -> None:
    """Long before the time is over."""
    db = connect()
    began = time.monotonic()
    with when(lambda: sandbox.requests, db.interrupt), pytest.raises(apsw.InterruptError):
        db.execute(waiting("vsfb_demo_running", 60)).fetchall()
    assert time.monotonic() - began < 30


def test_polling_ends_with_an_error(db: apsw.Connection, sandbox: Any) -> None:
    """It is not taken for unfinished."""
    sandbox.quirks.poll_after_ms = 50
    sandbox.inject(Status(403, message="No access."), after=1)
    with pytest.raises(openai_vtab.APIError, match="No access"):
        db.execute(waiting("vsfb_demo_running")).fetchall()


def test_polling_ends_at_once_for_an_absent_batch(db: apsw.Connection, requests: Requests) -> None:
    """No row, one request."""
    assert db.execute(waiting("vsfb_gone")).fetchall() == []
    assert len(requests()) == 1


@pytest.mark.parametrize("and_wait", ["", " AND wait_seconds = 10"])
def test_read_after_write_retries_until_the_api_knows_the_batch(
    db: apsw.Connection, sandbox: Any, requests: Requests, and_wait: str
) -> None:
    """Reads lag behind writes for some seconds."""
    sandbox._state.processing_seconds = 0.1
    sandbox.quirks.not_found_after_create_seconds = 0.8
    db.execute(f"INSERT INTO {T} (vector_store_id, file_ids) VALUES ('vs_demo', '[\"file-new-01\"]')")
    requests()
    sql = f"SELECT status FROM {T} WHERE rowid = last_insert_rowid(){and_wait}"
    assert db.execute(sql).get == "completed"
    assert 2 <= len(requests()) <= 4
    batch = db.execute(f"SELECT id FROM {T} WHERE rowid = last_insert_rowid()").get
    requests()
    sandbox.quirks.not_found_after_create_seconds = 3600
    other = openai_vtab.connect(base_url=sandbox.base_url, api_key=sandbox.api_key)
    sql = f"SELECT status FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = ?"
    assert other.execute(sql, (batch,)).fetchall() == []
    assert len(requests()) == 1
    other.close()
