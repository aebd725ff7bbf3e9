"""dry_run: nothing leaves, everything is shown. read_only: nothing is changed at the API."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.tables import TABLES

T = "vector_store_file_batches"
STORE = "/vector_stores/vs_demo"
RUNNING = "vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_running'"
INSERT = "(vector_store_id, file_ids) VALUES ('vs_demo', json_array('file-new-01'))"


@pytest.mark.parametrize(
    ("sql", "shown"),
    [
        (f"SELECT * FROM {T} WHERE {RUNNING}", [f"GET {STORE}/file_batches/vsfb_demo_running"]),
        (f"SELECT * FROM {T} WHERE {RUNNING} AND wait_seconds = 60", [f"GET {STORE}/file_batches/vsfb_demo_running"]),
        ("SELECT * FROM vector_stores", ["GET /vector_stores?limit=100&order=desc"]),
        ("SELECT * FROM vector_store_search('vs_demo', 'a')", [f'POST {STORE}/search\n{{\n  "query": "a"\n}}']),
        (
            f"INSERT INTO {T} {INSERT}",
            [f'POST {STORE}/file_batches\n{{\n  "file_ids": [\n    "file-new-01"\n  ]\n}}'],
        ),
        (
            "INSERT INTO files (filename, content, purpose) VALUES ('a.txt', 'hello', 'assistants')",
            ["POST /files\n(284 bytes of multipart/form-data)"],
        ),
        (
            f"UPDATE {T} SET status = 'cancelled' WHERE {RUNNING}",
            [f"GET {STORE}/file_batches/vsfb_demo_running", f"POST {STORE}/file_batches/vsfb_demo_running/cancel"],
        ),
        ("DELETE FROM vector_stores WHERE vector_store_id = 'vs_demo'", [f"GET {STORE}", f"DELETE {STORE}"]),
        ("SELECT cancel_vector_store_file_batch('vs_demo', 'x')", [f"POST {STORE}/file_batches/x/cancel"]),
    ],
)
def test_dry_run_shows_what_would_be_sent(
    connect: Callable[..., apsw.Connection], requests: Any, caplog: pytest.LogCaptureFixture, sql: str, shown: list[str]
) -> None:
    """In the order of sending, without a key; no rows come, and openai_requests lists it."""
    db = connect(dry_run=True, api_key=None)
    rows = db.execute(sql).fetchall()
    assert rows in ([], [(None,)])
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == shown
    log = db.execute("SELECT method || ' ' || path, status, error FROM openai_requests").fetchall()
    assert log == [(text.partition("\n")[0], None, "not sent: dry run") for text in shown]
    assert requests() == []


def test_dry_run_leaves_the_ledger_as_it_is(
    connect: Callable[..., apsw.Connection], requests: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What it remembers is listed, so that it is seen what would be cancelled; nothing is added or forgotten."""
    file = str(tmp_path / "my.db")
    with connect(file) as db:
        db.execute(f"CREATE VIRTUAL TABLE mine USING {T}; INSERT INTO mine {INSERT}")
    before = db.execute("SELECT * FROM mine_ledger").fetchall()
    db.close()
    requests()
    dry = connect(file, dry_run=True)
    with dry:
        dry.execute(f"INSERT INTO mine {INSERT}; INSERT INTO mine (id, vector_store_id) VALUES ('b', 'vs_demo')")
        assert dry.execute("SELECT * FROM mine WHERE rowid = last_insert_rowid()").fetchall() == []
        assert dry.execute("SELECT status FROM mine").fetchall() == [("in_progress",)]
        caplog.clear()
        dry.execute("UPDATE mine SET status = 'cancelled' WHERE status = 'in_progress'")
    assert caplog.records[-1].getMessage().endswith("/cancel")
    caplog.clear()
    dry.execute("BEGIN")
    dry.execute(f"INSERT INTO {T} {INSERT}")
    dry.execute(f"SELECT * FROM {T} WHERE {RUNNING}").fetchall()
    dry.execute("ROLLBACK")
    assert "carried out" not in caplog.text
    dry.execute("DELETE FROM mine")
    assert dry.execute("SELECT * FROM mine_ledger").fetchall() == before
    assert requests() == []


@pytest.mark.parametrize(
    "sql",
    [
        f"INSERT INTO {T} {INSERT}",
        f"INSERT INTO mine {INSERT}",
        f"WITH x AS (SELECT 1) INSERT INTO openai.{T} {INSERT} RETURNING id",
        f"UPDATE {T} SET status = 'cancelled' WHERE {RUNNING}",
        "UPDATE mine SET status = 'cancelled'",
        "INSERT INTO vector_stores (name) VALUES ('x')",
        "UPDATE vector_stores SET name = 'x' WHERE vector_store_id = 'vs_demo'",
        "DELETE FROM vector_stores WHERE vector_store_id = 'vs_demo'",
        "DELETE FROM files WHERE file_id = 'file-demo-01'",
        "INSERT INTO files (content, filename, purpose) VALUES ('x', 'x.md', 'assistants')",
        "SELECT cancel_vector_store_file_batch('vs_demo', 'vsfb_demo_running')",
        "CREATE TABLE copy AS SELECT cancel_vector_store_file_batch('vs_demo', 'vsfb_demo_running')",
        "INSERT INTO view_of_stores VALUES ('x')",
    ],
)
def test_read_only_refuses_every_write(connect: Callable[..., apsw.Connection], requests: Any, sql: str) -> None:
    """Before anything is queued or remembered, within a transaction, too; what is read stays possible."""
    db = connect(read_only=True)
    db.execute(f"CREATE VIRTUAL TABLE mine USING {T}")
    db.execute("INSERT INTO mine (id, vector_store_id) VALUES ('vsfb_demo_running', 'vs_demo')")
    db.execute("CREATE TABLE documents (title)")
    db.execute("CREATE TEMP VIEW view_of_stores AS SELECT name FROM vector_stores")
    db.execute(
        "CREATE TEMP TRIGGER t INSTEAD OF INSERT ON view_of_stores BEGIN "
        "INSERT INTO vector_stores (name) VALUES (new.name); END"
    )
    before = db.execute("SELECT * FROM mine_ledger").fetchall()
    db.execute("BEGIN; INSERT INTO documents VALUES ('x')")
    with pytest.raises((openai_vtab.UnsupportedWriteError, apsw.SQLError)) as caught:
        db.execute(sql).fetchall()
    if "view" not in sql:
        assert "this connection is read_only, and " in str(caught.value)
    db.execute("COMMIT")
    assert db.execute("SELECT * FROM mine_ledger").fetchall() == before
    assert db.execute("SELECT title FROM documents").get == "x"
    assert {request.partition(" ")[0] for request in requests()} <= {"GET"}


def test_read_only_keeps_what_is_local(connect: Callable[..., apsw.Connection], requests: Any) -> None:
    """A ledger adopts and forgets: the API is only asked. A search is a POST, and reads."""
    db = connect(read_only=True)
    db.execute(f"CREATE VIRTUAL TABLE mine USING {T}")
    db.execute("INSERT INTO mine (id, vector_store_id) VALUES ('vsfb_demo_finished', 'vs_demo')")
    assert db.execute("SELECT status FROM mine").get == "completed"
    db.execute("DELETE FROM mine")
    assert db.execute("SELECT count(*) FROM mine").get == 0
    assert db.execute("SELECT count(*) > 0 FROM vector_store_search('vs_demo', 'returns')").get
    assert [r.partition(" ")[0] for r in requests()] == ["GET", "POST"]


def test_read_only_has_a_refusal_for_every_write() -> None:
    """The list above names every table that can be written."""
    listed = test_read_only_refuses_every_write.pytestmark[0].args[1]
    for table in TABLES:
        writes = {method.verb for method in table.methods} - {"SELECT", "EXEC"}
        assert not writes or any(table.name in sql for sql in listed) or table.name == "vector_store_files"
