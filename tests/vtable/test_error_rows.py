"""errors="row": what the API did not give is a row with its keys and the reason, and the others are not lost."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

import openai_vtab
from openai_vtab.sandbox import Answer, Cut, Status

T = "vector_store_file_batches"
FINISHED, FAILURES, RUNNING = "vsfb_demo_finished", "vsfb_demo_failures", "vsfb_demo_running"
BOOM = Status(500, message="boom", code="server_error", headers={"x-request-id": "req_1"})
WHY = {"status": 500, "code": "server_error", "message": "boom", "request_id": "req_1"}
KEYS = f"vector_store_id = 'vs_demo' AND batch_id IN ('{FINISHED}', '{FAILURES}', '{RUNNING}')"


@pytest.fixture
def db(connect: Any, sandbox: Any) -> Any:
    """A connection that tolerates, to a sandbox on which one batch cannot be read."""
    sandbox.inject(BOOM, times=None, path=FAILURES)
    return connect(errors="row", max_retries=0)


def test_error_rows_do_not_lose_the_others(db: Any, caplog: pytest.LogCaptureFixture) -> None:
    """All columns but its keys and the reason are NULL; `raw`, too. The log says that there was one."""
    rows = db.execute(f"SELECT id, vector_store_id, status, error FROM {T} WHERE {KEYS} ORDER BY id").fetchall()
    assert rows[1:] == [(FINISHED, "vs_demo", "completed", None), (RUNNING, "vs_demo", "in_progress", None)]
    assert rows[0][:3] == (FAILURES, "vs_demo", None)
    assert json.loads(rows[0][3]) == WHY
    assert caplog.messages == ["1 keys or lists could not be read: look at the column error of their rows"]
    whole = f"SELECT * FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = '{FAILURES}'"
    assert db.execute(whole).get == (FAILURES, None, None, None, None, "vs_demo")
    counts = f"SELECT raw, total_count, batch_id FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = '{FAILURES}'"
    assert db.execute(counts).get == (None, None, FAILURES)


def test_error_rows_are_off_by_default(connect: Any, sandbox: Any) -> None:
    """And the setting has two values."""
    sandbox.inject(BOOM, times=None, path=FAILURES)
    with pytest.raises(openai_vtab.APIError, match="boom"):
        connect(max_retries=0).execute(f"SELECT * FROM {T} WHERE {KEYS}").fetchall()
    with pytest.raises(openai_vtab.InterfaceError, match="errors is 'rows'; write 'raise' or 'row'"):
        connect(errors="rows")


def test_error_rows_in_joins_and_conditions(db: Any) -> None:
    """A join goes on; what SQLite compares with NULL is dropped, as NULL is."""
    db.execute("CREATE TABLE mine (batch TEXT, title TEXT)")
    db.executemany("INSERT INTO mine VALUES (?, ?)", [(b, b[10:]) for b in (FINISHED, FAILURES, RUNNING)])
    join = f"SELECT title, status, error ->> 'message' FROM mine JOIN {T} ON vector_store_id = 'vs_demo' AND batch_id = batch"
    assert db.execute(join).fetchall() == [
        ("finished", "completed", None),
        ("failures", None, "boom"),
        ("running", "in_progress", None),
    ]
    assert db.execute(f"SELECT id FROM {T} WHERE {KEYS} AND status = 'completed'").fetchall() == [(FINISHED,)]
    assert db.execute(f"SELECT id FROM {T} WHERE {KEYS} AND error IS NOT NULL").fetchall() == [(FAILURES,)]


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        (Cut("answer"), None, "the connection broke"),
        (Answer([1]), 200, "the response is not a JSON object"),
        (Answer({"id": "another", "status": "completed"}), 200, f"asked for id '{RUNNING}', but the response is about"),
    ],
    ids=["cut", "no object", "another id"],
)
def test_error_rows_for_every_reason(db: Any, sandbox: Any, fault: Any, status: int | None, words: str) -> None:
    """No answer, or one that is none."""
    sandbox.inject(fault, path=RUNNING)
    (row,) = db.execute(
        f"SELECT error FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = '{RUNNING}'"
    ).fetchall()
    why = json.loads(row[0])
    assert why["status"] == status
    assert words in why["message"]


def test_error_rows_do_not_end_polling_of_the_others(db: Any) -> None:
    """One that cannot be looked at is not waited for."""
    rows = db.execute(f"SELECT id, error IS NULL FROM {T} WHERE {KEYS} AND wait_seconds = 0.1 ORDER BY id").fetchall()
    assert rows == [(FAILURES, 0), (FINISHED, 1), (RUNNING, 1)]


def test_error_rows_for_a_list_that_cannot_be_read(db: Any, sandbox: Any) -> None:
    """With what it was asked by, also where the query narrows it."""
    listing = f"FROM vector_store_file_batch_files WHERE vector_store_id = 'vs_demo' AND batch_id IN ('{FINISHED}', '{FAILURES}')"
    rows = db.execute(f"SELECT batch_id, id, status, error {listing} AND status = 'completed'").fetchall()
    bad = [row for row in rows if row[3] is not None]
    assert [row[:3] for row in bad] == [(FAILURES, None, "completed")]
    assert json.loads(bad[0][3]) == WHY
    assert {row[0] for row in rows if row[3] is None} == {FINISHED}
    sandbox.inject(BOOM, path="/vector_stores?")
    assert json.loads(db.execute("SELECT error FROM vector_stores").get) == WHY


def test_error_rows_end_a_list_that_breaks_off(connect: Any, sandbox: Any) -> None:
    """What was read before it is there; it does not look as if it were whole."""
    for number in range(150):
        sandbox.add_store(f"vs_more_{number}")
    db = connect(errors="row", max_retries=0)
    sandbox.inject(BOOM, path="/vector_stores", after=1)
    rows = db.execute("SELECT id, error FROM vector_stores ORDER BY created_at").fetchall()
    assert len(rows) == 101
    assert all(id and error is None for id, error in rows[:-1])
    assert rows[-1][0] is None
    assert json.loads(rows[-1][1]) == WHY
    assert len(db.execute("SELECT id FROM vector_stores").fetchall()) > 150


def test_error_rows_when_polling_a_list(connect: Any, sandbox: Any) -> None:
    """A file that cannot be looked at again is a row with its keys."""
    db = connect(errors="row", max_retries=0)
    batch = sandbox.add_batch("vs_demo", ["file-new-01", "file-new-02"])
    assert batch
    sandbox.inject(BOOM, times=None, path="files/file-new-01")
    rows = db.execute(
        "SELECT file_id, vector_store_id, error ->> 'message' FROM vector_store_files "
        "WHERE vector_store_id = 'vs_demo' AND wait_seconds = 0.1 AND (status IS NULL OR status = 'in_progress')"
    ).fetchall()
    assert ("file-new-01", "vs_demo", "boom") in rows
    assert ("file-new-02", "vs_demo", None) in rows


def test_error_rows_never_in_a_statement_that_writes(db: Any, sandbox: Any) -> None:
    """Nothing is written of a row that was not read, and nothing from a table of which rows are missing."""
    for sql in (
        f"UPDATE {T} SET status = 'cancelled' WHERE {KEYS}",
        f"CREATE TABLE copy AS SELECT * FROM {T} WHERE {KEYS}",
        f"INSERT INTO {T} (vector_store_id, file_ids) SELECT vector_store_id, '[\"file-new-01\"]' FROM {T} WHERE {KEYS}",
    ):
        with pytest.raises(openai_vtab.APIError, match="boom"):
            db.execute(sql)
    assert [request for request in sandbox.requests if request.method != "GET"] == []


def test_error_rows_in_a_ledger(sandbox: Any, connect: Any, tmp_path: Path, caplog: Any) -> None:
    """And its own row comes back when the API does."""
    db = connect(str(tmp_path / "my.db"), errors="row", max_retries=0)
    db.execute(f"CREATE VIRTUAL TABLE b USING {T}")
    db.execute(f"INSERT INTO b (id, vector_store_id) VALUES ('{RUNNING}', 'vs_demo')")
    db.execute("INSERT INTO b (vector_store_id, file_ids) VALUES ('vs_demo', '[\"file-new-01\"]')")
    sandbox.inject(BOOM, path=RUNNING)
    listed = "SELECT id, status, error ->> 'code' FROM b ORDER BY id = 'vsfb_demo_running' DESC"
    with caplog.at_level(logging.WARNING, "openai_vtab"):
        rows = db.execute(listed).fetchall()
    assert rows[0] == (RUNNING, None, "server_error")
    assert [row[1:] for row in rows[1:]] == [("in_progress", None)]
    assert db.execute(listed).fetchall()[0] == (RUNNING, "in_progress", None)


def test_error_rows_never_for_a_missing_key(connect: Any) -> None:
    """What is wrong with the statement or the settings is no key's fault."""
    db = connect(api_key=None, errors="row")
    with pytest.raises(openai_vtab.ConfigurationError):
        db.execute(f"SELECT * FROM {T} WHERE {KEYS}").fetchall()
    with pytest.raises(openai_vtab.MissingColumnsError):
        db.execute(f"SELECT * FROM {T}").fetchall()
