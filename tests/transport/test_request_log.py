"""openai_requests: what was sent, what it took, and never the key."""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import apsw
import pytest

import openai_vtab
from openai_vtab.sandbox import Answer, Status
from openai_vtab.transport.request_log import COLUMNS, KEPT, RequestLog

T = "vector_store_file_batches"
ONE = f"SELECT status FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = ?"
KEY = "sk-a+secret/key=="


def test_request_log_has_a_row_for_each_request(db: apsw.Connection, sandbox: Any) -> None:
    """With when it was, what came, and how long it took."""
    sandbox.latency = 0.02
    db.execute(ONE, ("vsfb_demo_finished",)).fetchall()
    sql = "SELECT number, method, path, status, retries, predicted, error FROM openai_requests"
    path = "/vector_stores/vs_demo/file_batches/vsfb_demo_finished"
    assert db.execute(sql).fetchall() == [(1, "GET", path, 200, 0, 0, None)]
    sql = "SELECT abs(at - unixepoch('subsec')) < 10, milliseconds BETWEEN 20 AND 5000, bytes > 100, request_id LIKE 'req_%'"
    assert db.execute(f"{sql} FROM openai_requests").fetchall() == [(1, 1, 1, 1)]


def test_request_log_says_what_went_wrong(db: apsw.Connection, sandbox: Any) -> None:
    """An answer that is an error, its repetitions, and no answer at all."""
    sandbox.inject(Status(429, headers={"retry-after": "0"}), times=2)
    db.execute(ONE, ("vsfb_demo_finished",)).fetchall()
    db.execute(ONE, ("vsfb_nobody",)).fetchall()
    lost = openai_vtab.connect(base_url="http://127.0.0.1:9/v1", api_key="k", max_retries=0)
    with pytest.raises(openai_vtab.APIConnectionError):
        lost.execute(ONE, ("x",)).fetchall()
    sql = "SELECT status, retries, bytes IS NULL, coalesce(error, '') FROM openai_requests"
    assert [row[:3] for row in db.execute(sql)] == [(200, 2, 0), (404, 0, 0)]
    assert "vsfb_nobody" in db.execute(sql).fetchall()[1][3]
    assert "cannot connect" in lost.execute(sql).fetchall()[0][3]
    assert lost.execute(sql).fetchall()[0][:3] == (None, 0, 1)
    lost.close()


def test_request_log_marks_what_was_prefetched(db: apsw.Connection, requests: Any) -> None:
    """1 for those, 0 for what the statement asked for itself; together all that the server saw."""
    db.execute("CREATE TABLE k AS WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40) SELECT i FROM n")
    db.execute(
        f"SELECT count(*) FROM k JOIN {T} ON batch_id = 'vsfb_' || i WHERE vector_store_id = 'vs_demo'"
    ).fetchall()
    sql = "SELECT count(*), min(predicted), max(predicted), count(DISTINCT path) FROM openai_requests"
    assert db.execute(sql).fetchall() == [(40, 0, 1, 40)]
    assert len(requests()) == 40


@pytest.mark.parametrize(
    "spelled", [KEY, quote(KEY, safe=""), base64.b64encode(KEY.encode()).decode()], ids=["raw", "percent", "base64"]
)
def test_request_log_never_has_the_key(
    connect: Callable[..., apsw.Connection], sandbox: Any, spelled: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Not when it is taken for an id, nor when the server says it: in no spelling."""
    headers = {"x-request-id": spelled}
    sandbox.inject(Answer({"error": {"message": f"who is {spelled}?"}}, status=401, headers=headers), times=2)
    sql = f"SELECT * FROM {T} WHERE vector_store_id = ? AND batch_id = 'b'"
    for key in (KEY, lambda: KEY):
        db = connect(api_key=key)
        with pytest.raises(openai_vtab.APIError):
            db.execute(sql, (spelled,)).fetchall()
        row = db.execute("SELECT * FROM openai_requests").fetchall()[0]
        assert row[2:5] == ("GET", "/vector_stores/[key]/file_batches/b", 401)
        assert row[8] == "[key]"
        assert row[10] == "who is [key]?"
        db.close()
    dry = connect(api_key=KEY, dry_run=True)
    dry.execute(sql, (spelled,)).fetchall()
    assert "/vector_stores/[key]/file_batches/b" in caplog.text
    assert "/vector_stores/[key]/file_batches/b" in str(dry.execute("SELECT * FROM openai_requests").fetchall())


def test_request_log_keeps_the_latest_and_counts_all() -> None:
    """Whatever the threads do; one under way has no answer yet."""
    log = RequestLog()

    def work() -> None:
        for number in range(KEPT):
            log.begin("GET", "/x").end(status=200)
            if number % 50 == 0:
                log.rows()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.begin("GET", "/y")
    numbers = [row[0] for row in log.rows()]
    assert numbers == list(range(2 * KEPT + 2, 3 * KEPT + 2))
    assert dict(zip(COLUMNS, log.rows()[-1], strict=True))["milliseconds"] is None


def test_request_log_columns_are_described() -> None:
    """In the page of docs/, in the words of the table."""
    page = (Path(__file__).parents[2] / "docs" / "guides" / "requests.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \| (.*) \|$", page, re.MULTILINE) == list(COLUMNS.items())


def test_control_characters_in_warnings_are_escaped(
    connect: Callable[..., apsw.Connection], sandbox: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A batch's id is the server's; logging prints to the terminal where nothing else is set up."""
    sandbox.inject(
        Answer({"id": "vsfb_\x1b[2J\x9b\u202e", "vector_store_id": "vs_demo", "status": "in_progress"}), method="POST"
    )
    db = connect()
    db.execute("BEGIN")
    db.execute(f"INSERT INTO {T} (vector_store_id, file_ids) VALUES ('vs_demo', '[\"file-new-01\"]')")
    assert (
        db.execute(
            f"SELECT count(*) FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_finished'"
        ).get
        == 1
    )
    db.execute("ROLLBACK")
    assert "already carried out by the API: POST" in caplog.text
    assert "(vsfb_\\x1b[2J\\x9b\\u202e)" in caplog.text
