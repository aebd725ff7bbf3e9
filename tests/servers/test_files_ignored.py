"""A server that ignores `files`: its batch has no files, and is completed at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

import openai_vtab

from .conftest import changed

T = "vector_store_file_batches"
POST = "POST /vector_stores/vs_demo/file_batches"
FILES = '[{"file_id": "file-new-01"}, {"file_id": "file-new-02"}]'
INSERT = f"INSERT INTO {T} (vector_store_id, files) VALUES ('vs_demo', '{FILES}')"
REASON = (
    "was created, but without all of its files: vector_store_file_batches.files: the response counts 0 of the 2 files "
    "that were sent; a server that ignores files may take file_ids"
)

Requests = Callable[[], list[str]]


@pytest.fixture(autouse=True)
def _ignores_files(serve_by: Any, ignoring: Any) -> None:
    serve_by(ignoring("files"))


def empty(sandbox: Any) -> list[str]:
    """The ids of the batches without files."""
    return [id for _, id in sandbox.batches if id.startswith("vsfb_empty")]


def test_ignored_files_raise_and_name_the_batch(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """What was created is said, and nothing is sent twice."""
    with pytest.raises(openai_vtab.WriteError) as caught:
        db.execute(INSERT)
    (batch,) = empty(sandbox)
    assert requests() == [POST]
    error = caught.value
    ((_, reason),) = error.partial
    assert (error.done, error.not_done, error.unknown) == ([], [], [])
    assert reason == f"POST {sandbox.base_url}/vector_stores/vs_demo/file_batches: {batch} {REASON}"
    assert "do not repeat the statement" in str(error)
    assert str(error).count(REASON) == 1
    assert isinstance(error.__cause__, openai_vtab.APIError)
    assert error.__cause__.status == 200
    assert db.execute("SELECT status, error, warning LIKE '%counts 0 of the 2 files%' FROM openai_requests").get == (
        200,
        None,
        1,
    )


def test_ignored_files_stay_in_the_ledger(connect: Any, sandbox: Any, tmp_path: Path, requests: Requests) -> None:
    """With the batch's id, what was sent, and the counts of the response; also after reopening."""
    path = str(tmp_path / "my.db")
    db = connect(path)
    db.execute(f"CREATE VIRTUAL TABLE mine USING {T}")
    with pytest.raises(openai_vtab.WriteError):
        db.execute(f"INSERT INTO mine (vector_store_id, files) VALUES ('vs_demo', '{FILES}')")
    (batch,) = empty(sandbox)
    for connection in (db, connect(path)):
        row = connection.execute("SELECT id, status, total_count, files FROM mine").get
        assert (*row[:3], json.loads(row[3])) == (batch, "completed", 0, json.loads(FILES))
    assert requests() == [POST]


def test_ignored_files_end_a_transaction(connect: Any, sandbox: Any, requests: Requests) -> None:
    """What came before is done, what comes later is not begun, and the local rows are rolled back."""
    db = connect(max_concurrency=1)
    db.execute("CREATE TABLE notes (text)")
    db.execute("BEGIN; INSERT INTO notes VALUES ('a')")
    db.execute(f"INSERT INTO {T} (vector_store_id, file_ids) VALUES ('vs_demo', '[\"file-new-01\"]')")
    db.execute(INSERT)
    db.execute(INSERT)
    with pytest.raises(openai_vtab.WriteError, match=r"2 of 3 rows were not written.*do not repeat") as caught:
        db.execute("COMMIT")
    error = caught.value
    assert [len(rows) for rows in (error.done, error.partial, error.unknown)] == [1, 1, 0]
    assert [reason for _, reason in error.not_done] == ["not sent"]
    assert str(error).endswith("in all: 1 done, 1 not done, 0 unknown, 1 partial")
    assert requests() == [POST] * 2
    assert db.execute("SELECT count(*) FROM notes").get == 0


def test_ignored_files_of_a_row_that_is_read_first(db: apsw.Connection, sandbox: Any, caplog: Any) -> None:
    """A SELECT sends the row and raises; COMMIT refuses the rest, and the batch is named."""
    db.execute("BEGIN")
    db.execute(INSERT)
    with pytest.raises(openai_vtab.WriteError, match="counts 0 of the 2 files"):
        db.execute(
            f"SELECT id FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_finished'"
        ).fetchall()
    with pytest.raises(openai_vtab.WriteError, match="cannot be committed") as caught:
        db.execute("COMMIT")
    (batch,) = empty(sandbox)
    assert batch in caught.value.partial[0][1]


@pytest.mark.parametrize(
    ("counts", "raises"),
    [
        ({"total": 1}, True),
        ({"in_progress": 1, "completed": 1, "failed": 0, "cancelled": 0, "total": 0}, False),
        ({"total": 3}, False),
        ({"total": None}, False),
        ({}, False),
        (None, False),
        ("2", False),
    ],
    ids=str,
)
def test_counts_of_a_new_batch(db: apsw.Connection, serve_by: Any, counts: Any, raises: bool) -> None:
    """Fewer than were sent is an error; what a response does not count is not checked."""
    serve_by(lambda received, carry_out: changed(carry_out(received), lambda body: body.update(file_counts=counts)))
    if raises:
        with pytest.raises(openai_vtab.WriteError, match=r"counts 1 of the 2 files that were sent$|1 of the 2 files"):
            db.execute(INSERT)
    else:
        db.execute(INSERT)
    assert (db.execute("SELECT warning FROM openai_requests WHERE method = 'POST'").get is not None) is raises


def test_counts_of_files_that_are_named_twice(db: apsw.Connection, serve_by: Any) -> None:
    """A server may attach each once."""
    one = {"in_progress": 1, "completed": 0, "failed": 0, "cancelled": 0, "total": 1}
    serve_by(lambda received, carry_out: changed(carry_out(received), lambda body: body.update(file_counts=one)))
    db.execute(f"INSERT INTO {T} (vector_store_id, file_ids) VALUES ('vs_demo', '[\"file-new-01\", \"file-new-01\"]')")


@pytest.mark.parametrize("status", ["in_progress", "completed"])
def test_counts_of_a_new_store(
    db: apsw.Connection, serve_by: Any, warned: Callable[[], list[str]], status: str
) -> None:
    """While it is in progress its files may not be counted yet: a warning. An empty store is completed: an error."""
    none = dict.fromkeys(("in_progress", "completed", "failed", "cancelled", "total"), 0)
    serve_by(
        lambda received, carry_out: changed(
            carry_out(received), lambda body: body.update(file_counts=none, status=status)
        )
    )
    sql = "INSERT INTO vector_stores (name, file_ids) VALUES ('a', '[\"file-new-01\"]')"
    problem = "vector_stores.file_ids: the response counts 0 of the 1 files that were sent"
    if status == "completed":
        with pytest.raises(openai_vtab.WriteError, match=problem):
            db.execute(sql)
    else:
        db.execute(sql)
        assert warned() == [problem]
