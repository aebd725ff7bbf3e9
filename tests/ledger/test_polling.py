"""wait_seconds on a listing, and batches that the API does not know (yet, or any more)."""

from __future__ import annotations

import time
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.sandbox import Answer, Cut, Slow, Status

from ..support.clock import FakeClock
from ..support.waiting import when
from .batches import FINISHED, MODULE, ONE, RUNNING, Requests, adopt, listed, look_up

DEMO = "/vector_stores/vs_demo/file_batches/"


def test_polling_of_a_listing_has_one_deadline(
    connect: Any, clock: FakeClock, sandbox: Any, requests: Requests
) -> None:
    """Together; the finished ones are not asked for."""
    db = connect(clock=clock)
    db.execute(f"CREATE VIRTUAL TABLE my_batches USING {MODULE}")
    sandbox.quirks.poll_after_ms = 50
    ids = [sandbox.add_batch("vs_demo", ["file-new-01"], processing_seconds=s) for s in (0.3, 0.4, 3600)]
    for id in [FINISHED, *ids]:
        adopt(db, id)
    requests()
    rows = db.execute("SELECT id, status FROM my_batches WHERE wait_seconds = 0.8").fetchall()
    assert clock.slept == pytest.approx(0.8)
    assert rows == list(zip([FINISHED, *ids], ["completed", "completed", "completed", "in_progress"], strict=True))
    asked = requests()
    assert f"GET {DEMO}{FINISHED}" not in asked
    assert set(asked) == {f"GET {DEMO}{id}" for id in ids}
    assert db.execute("SELECT status FROM my_batches").fetchall() == [(status,) for _, status in rows]
    assert requests() == [f"GET {DEMO}{ids[2]}"]


def test_interrupt_ends_polling_of_a_listing(filled: apsw.Connection, sandbox: Any) -> None:
    """Long before the time is over, and the next statement works."""
    sandbox.reset_counters()
    began = time.monotonic()
    with when(lambda: sandbox.requests, filled.interrupt), pytest.raises(apsw.InterruptError):
        filled.execute("SELECT status FROM my_batches WHERE wait_seconds = 60").fetchall()
    assert time.monotonic() - began < 30
    assert len(listed(filled)) == 3


def test_listing_that_failed_is_not_held_by_its_exception(connect: Any, sandbox: Any) -> None:
    """Half read, it would keep ROLLBACK from working after an interrupt, and the connection from being closed."""
    db = connect(max_concurrency=1)
    db.execute(f"CREATE VIRTUAL TABLE my_batches USING {MODULE}")
    for number in range(6):
        adopt(db, sandbox.add_batch("vs_demo", ["file-new-01"], id=f"vsfb_{number}"))
    sandbox.inject(Slow(30), times=None, method="GET")
    db.execute("BEGIN")
    with when(lambda: sandbox.in_flight, db.interrupt), pytest.raises(apsw.InterruptError) as caught:
        db.execute("SELECT id, status FROM my_batches").fetchall()
    db.execute("ROLLBACK")
    db.close()
    assert caught.traceback


def test_read_after_write_of_a_batch_that_the_api_does_not_know_yet(
    connect: Any, clock: FakeClock, sandbox: Any
) -> None:
    """Asked for again for some seconds before a listing calls it unknown."""
    db = connect(clock=clock)
    db.execute(f"CREATE VIRTUAL TABLE my_batches USING {MODULE}")
    sandbox.quirks.not_found_after_create_seconds = 0.6
    db.execute(ONE)
    assert db.execute("SELECT status FROM my_batches WHERE rowid = last_insert_rowid()").get == "in_progress"


def test_unknown_status_for_a_batch_the_api_no_longer_knows(
    filled: apsw.Connection, sandbox: Any, requests: Requests
) -> None:
    """With what was remembered; by keys and by rowid, too; when it comes back, it is what it is."""
    sandbox.inject(Status(404), times=3, path=RUNNING)
    sql = "SELECT id, status, total_count FROM my_batches"
    assert filled.execute(sql).fetchall()[1] == (RUNNING, "unknown", 2)
    assert look_up(filled, RUNNING) == [("unknown",)]
    assert filled.execute("SELECT status FROM my_batches WHERE rowid = 2").get == "unknown"
    assert filled.execute(sql).fetchall()[1] == (RUNNING, "in_progress", 2)
    assert len([r for r in requests() if r.endswith(RUNNING)]) == 4


def test_listing_fails_with_any_other_error_of_one_batch(filled: apsw.Connection, sandbox: Any) -> None:
    """It is not taken for absence, and the next listing works."""
    sandbox.inject(Status(403, message="No access."), path=RUNNING)
    with pytest.raises(openai_vtab.APIError, match="No access"):
        filled.execute("SELECT status FROM my_batches").fetchall()
    assert len(filled.execute("SELECT status FROM my_batches").fetchall()) == 3


@pytest.mark.parametrize("fault", [Status(500), Cut("answer"), Answer({"object": "x"})], ids=str)
def test_unknown_outcome_of_a_create_is_listed(
    filled: apsw.Connection, sandbox: Any, requests: Requests, fault: Any
) -> None:
    """Without an id, with the files and when it was sent; nothing is asked for it."""
    sandbox.inject(fault, method="POST", times=None)
    began = int(time.time())
    with pytest.raises(openai_vtab.Error, match="may have been carried out all the same"):
        filled.execute(
            "INSERT INTO my_batches (vector_store_id, file_ids, attributes) VALUES ('vs_demo', '[\"f\"]', '{\"n\":1}')"
        )
    requests()
    sql = "SELECT id, status, created_at - ?, vector_store_id, file_ids, attributes FROM my_batches"
    row = filled.execute(sql, (began,)).fetchall()[-1]
    assert row[:2] + row[3:] == (None, "unknown", "vs_demo", '["f"]', '{"n":1}')
    assert 0 <= row[2] <= 2
    assert len(requests()) == 2
    assert filled.execute("SELECT count(*) FROM my_batches WHERE status = 'unknown' AND refresh = 1").get == 1
    with pytest.raises(openai_vtab.RowError, match="the id of the row is not known"):
        filled.execute("UPDATE my_batches SET status = 'cancelled' WHERE id IS NULL")
    filled.execute("DELETE FROM my_batches WHERE id IS NULL")
    assert len(listed(filled)) == 3


def test_unknown_outcome_is_not_recorded_for_a_400(filled: apsw.Connection, sandbox: Any) -> None:
    """It was certainly not carried out."""
    sandbox.inject(Status(400, message="no"), method="POST")
    with pytest.raises(openai_vtab.APIError):
        filled.execute(ONE)
    assert len(listed(filled)) == 3


@pytest.mark.parametrize(
    "text", ['"\\ud800"', '"a\\u0000b"', "7", "null", '"queued"', '{"a": 1}', '"' + "x" * 5000 + '"']
)
def test_status_that_is_not_known_does_no_harm(db: apsw.Connection, sandbox: Any, text: str) -> None:
    """What a server says is remembered without breaking the table."""
    body = f'{{"id": "{FINISHED}", "status": {text}, "object": {text}}}'.encode()
    sandbox.inject(Answer(body))
    look_up(db, FINISHED)
    assert listed(db) == [FINISHED]
    assert db.execute("SELECT id, status FROM my_batches").fetchall() == [(FINISHED, "completed")]


def test_id_that_is_strange_does_no_harm(connect: Any, clock: FakeClock, sandbox: Any) -> None:
    """Half a character is none; an id that is there already is one object."""
    db = connect(clock=clock)
    db.execute(f"CREATE VIRTUAL TABLE my_batches USING {MODULE}")
    sandbox.inject(Answer(b'{"id": "vsfb_\\ud800", "status": "\\ud800"}'), method="POST")
    db.execute(ONE)
    assert listed(db) == ["vsfb_?"]
    for _ in range(2):
        sandbox.inject(Answer({"id": FINISHED, "status": "in_progress"}), method="POST")
        db.execute(ONE)
    assert db.execute("SELECT id, status FROM my_batches WHERE id > 'vsfb_?'").fetchall() == [(FINISHED, "completed")]
