"""What a documents table shows of its documents, and which requests that takes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.sandbox import Status

from ..documents.rows import CREATE, STORE, add, attach
from ..support.clock import FakeClock
from ..support.meeting import meeting

Requests = Callable[[], list[str]]


@pytest.fixture
def table(sandbox: Any, connect: Callable[..., apsw.Connection], clock: FakeClock) -> apsw.Connection:
    """A connection with the table `handbook`, and its empty vector store."""
    sandbox.add_store(STORE)
    db = connect(clock=clock)
    db.execute(CREATE)
    return db


PAGE = "?limit=100&order=desc"


def rows(db: apsw.Connection, sql: str, *bindings: Any) -> list[Any]:
    return db.execute(sql, bindings).fetchall()


def test_columns_of_a_document(table: apsw.Connection, requests: Requests) -> None:
    """From the table itself."""
    add(table, "docs/a.md", "file-a", attributes='{"lang":"en"}', created_at=5, batch_id="vsfb_1")
    sql = "SELECT rowid, * FROM handbook"
    assert rows(table, sql) == [
        (1, "docs/a.md", "completed", '{"lang":"en"}', "a.md", 9, "sha of docs/a.md", 5, None, None, "file-a", "vsfb_1",
         STORE)
    ]  # fmt: skip
    hidden = "rank, score, passage, path, chunking_strategy, error"
    assert rows(table, f"SELECT {hidden} FROM handbook") == [(None,) * 6]
    assert requests() == []


@pytest.mark.parametrize(
    ("state", "status", "message"),
    [
        ("wanted", "pending", None),
        ("uploaded", "pending", None),
        ("unknown", "unknown", None),
        ("completed", "completed", None),
        ("failed", "failed", None),
        ("cancelled", "cancelled", None),
        ("missing", "missing", "another program has taken the file out"),
    ],
)
def test_status_of_a_document(
    table: apsw.Connection, requests: Requests, state: str, status: str, message: str | None
) -> None:
    """Without a request, unless the file is unfinished."""
    add(table, "a", None if state in ("wanted", "unknown") else "file-a", state=state)
    ((found, text),) = rows(table, "SELECT status, last_error_message FROM handbook")
    assert found == status
    assert text is None if message is None else message in text
    assert requests() == []


def test_status_of_a_document_without_a_file(table: apsw.Connection) -> None:
    """Nothing of it is at the API."""
    table.execute("INSERT INTO handbook_documents (key, attributes) VALUES ('a', '{}')")
    assert rows(table, "SELECT status, file_id, raw FROM handbook") == [("pending", None, None)]


def test_status_of_changed_attributes_is_pending(table: apsw.Connection) -> None:
    """Until COMMIT has sent them."""
    add(table, "a", "file-a")
    table.execute("UPDATE handbook_documents SET attributes = '{\"n\":1}'")
    assert rows(table, "SELECT status FROM handbook") == [("pending",)]


def test_status_is_that_of_the_newest_file(table: apsw.Connection) -> None:
    """An older one stays until the newest is completed."""
    add(table, "a", "file-1")
    add(table, "a", "file-2", state="failed", answer='{"last_error": {"code": "server_error", "message": "Oh."}}')
    assert rows(table, "SELECT status, last_error_code, last_error_message, file_id FROM handbook") == [
        ("failed", "server_error", "Oh.", "file-2")
    ]


def test_status_tells_the_candidates_of_an_unknown_upload(table: apsw.Connection) -> None:
    """What COMMIT has found."""
    add(table, "a", state="unknown", answer='{"last_error": {"code": "ambiguous", "message": "file-1 or file-2"}}')
    assert rows(table, "SELECT last_error_message FROM handbook") == [("file-1 or file-2",)]


@pytest.mark.parametrize("answer", ["", "x", "[]", '{"last_error": 5}', None])
def test_status_of_a_row_that_was_edited_by_hand(table: apsw.Connection, answer: str | None) -> None:
    """No answer is none."""
    add(table, "a", "file-a", state="failed", answer=answer)
    assert rows(table, "SELECT status, last_error_message FROM handbook") == [("failed", None)]


def test_requests_are_sent_for_what_the_api_knows_alone(
    table: apsw.Connection, sandbox: Any, requests: Requests
) -> None:
    """Only when a column is read that needs them."""
    batch = attach(sandbox, {f"file-{n}": "x" for n in range(5)})
    for n in range(5):
        add(table, f"{n}", f"file-{n}", state="in_progress", batch_id=batch)
    rows(table, "SELECT key, attributes, filename, bytes, sha256, created_at, file_id, batch_id FROM handbook")
    rows(table, "SELECT status FROM handbook WHERE key = 'none'")
    rows(table, "SELECT count(*) FROM handbook")
    assert requests() == []
    assert rows(table, "SELECT DISTINCT status FROM handbook WHERE bytes > 0") == [("completed",)]
    assert sorted(requests()) == [
        f"GET /vector_stores/{STORE}/file_batches/{batch}",
        f"GET /vector_stores/{STORE}/file_batches/{batch}/files{PAGE}",
    ]
    rows(table, "SELECT status, raw FROM handbook")
    assert requests() == []


def test_requests_of_two_thousand_documents(table: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """At most twelve for each thousand; the same statement asks once."""
    for batch in range(2):
        ids = [f"file-{batch}-{n}" for n in range(1000)]
        id = attach(sandbox, dict.fromkeys(ids, "x"))
        with table:
            for file_id in ids:
                add(table, file_id, file_id, state="in_progress", batch_id=id)
    assert len(rows(table, "SELECT status FROM handbook LIMIT 10")) == 10
    assert len(requests()) == 11
    assert rows(table, "SELECT count(*) FROM handbook WHERE status = 'completed'") == [(2000,)]
    assert len(requests()) == 11


def test_requests_of_a_join_ask_the_batch_after_the_first_document(
    table: apsw.Connection, sandbox: Any, requests: Requests
) -> None:
    """Not each of its files."""
    batch = attach(sandbox, {f"file-{n}": "x" for n in range(30)})
    table.execute("CREATE TABLE local (key TEXT)")
    for n in range(30):
        add(table, f"{n}", f"file-{n}", state="in_progress", batch_id=batch)
        table.execute("INSERT INTO local VALUES (?)", (str(n),))
    sql = "SELECT count(*) FROM local AS l CROSS JOIN handbook AS h ON h.key = l.key WHERE h.status = 'completed'"
    assert rows(table, sql) == [(30,)]
    assert len(requests()) == 3


def test_status_of_a_document_that_adopts_a_file(table: apsw.Connection, sandbox: Any) -> None:
    """It is pending until COMMIT has read what the file has."""
    attach(sandbox, {"file-a": "x"})
    table.execute("BEGIN; INSERT INTO handbook (key, file_id) VALUES ('a', 'file-a')")
    assert rows(table, "SELECT status, attributes, filename FROM handbook") == [("pending", None, None)]
    table.execute("COMMIT")
    assert rows(table, "SELECT status, attributes, filename FROM handbook") == [("completed", "{}", "a.md")]


def test_requests_of_unsure_documents(table: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """Attached, or not."""
    attach(sandbox, {"file-a": "x"})
    sandbox.add_file("b", id="file-b")
    add(table, "a", "file-a", state="unsure")
    add(table, "b", "file-b", state="unsure")
    add(table, "c", "file-c", state="unsure")
    assert rows(table, "SELECT status FROM handbook") == [("completed",), ("pending",), ("missing",)]


def test_requests_are_not_sent_without_a_vector_store(table: apsw.Connection, requests: Requests) -> None:
    """It is created with the first documents."""
    table.execute("CREATE VIRTUAL TABLE later USING vector_store_documents(name = 'Later')")
    assert rows(table, "SELECT * FROM later WHERE wait_seconds = 5 AND refresh = 1") == []
    assert rows(table, "SELECT * FROM later('text')") == []
    table.execute("INSERT INTO later_documents (key, attributes) VALUES ('a', '{}')")
    table.execute("INSERT INTO later_files (document, owned, state) VALUES (1, 1, 'unsure')")
    assert rows(table, "SELECT key, vector_store_id FROM later WHERE wait_seconds = 5 AND refresh = 1") == [("a", None)]
    assert requests() == []


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("key = 'b'", ["b"]),
        ("key = '7'", ["7"]),
        ("key = 7", ["7"]),
        ("key = 7.0", []),
        ("key IN ('a', 'b', 'none', NULL)", ["a", "b"]),
        ("key IN (7, x'61', 'a')", ["7", "a"]),
        ("key = NULL", []),
        ("key = x'61'", []),
        ("key IS 'a'", ["a"]),
        ("file_id = 'file-b'", ["b"]),
        ("file_id IN ('file-b', 'file-7')", ["7", "b"]),
        ("file_id IS NULL", ["none yet"]),
        ("rowid = 2", ["b"]),
        ("rowid = '2'", ["b"]),
        ("rowid = 2.5", []),
        ("rowid IN (1, 2, '3', 99)", ["7", "a", "b"]),
        ("rowid > 2", ["7", "none yet"]),
        ("key = 'a' AND rowid = 2", []),
        ("key > 'a' AND key < 'c'", ["b"]),
        ("key = 'A' COLLATE NOCASE", ["a"]),
        ("key IN (SELECT 'a' UNION SELECT 'b')", ["a", "b"]),
        ("+key = 'a' OR file_id = 'file-7'", ["7", "a"]),
    ],
)
def test_keys_are_compared_as_sqlite_does(table: apsw.Connection, where: str, found: list[str]) -> None:
    """Numbers become text, NULL equals nothing."""
    for key in ("a", "b", "7"):
        add(table, key, f"file-{key}")
    add(table, "none yet", state="wanted")
    assert rows(table, f"SELECT key FROM handbook WHERE {where} ORDER BY key") == [(key,) for key in found]


def test_keys_equal_numbers_of_other_tables(table: apsw.Connection) -> None:
    """SQLite compares a column of numbers with text as numbers."""
    add(table, "7", "file-1")
    add(table, "07", "file-2")
    add(table, "x", "file-3")
    table.execute("CREATE TABLE numbers (n INTEGER, r REAL); INSERT INTO numbers VALUES (7, 7.0)")
    for column in "nr":
        sql = f"SELECT key FROM numbers CROSS JOIN handbook ON key = {column} ORDER BY key"
        assert rows(table, sql) == [("07",), ("7",)]


def test_content_is_the_text_that_the_api_has_read(table: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """Of completed documents; of the others it is NULL."""
    attach(sandbox, {"file-a": "Text a", "file-b": "Text b"})
    for name in "ab":
        add(table, name, f"file-{name}")
    add(table, "c", "file-c", state="failed")
    add(table, "d", state="wanted")
    sql = "SELECT key, content FROM handbook ORDER BY key"
    assert rows(table, sql) == [("a", "Text a"), ("b", "Text b"), ("c", None), ("d", None)]
    path = f"GET /vector_stores/{STORE}/files"
    assert requests() == [f"{path}/file-a/content", f"{path}/file-b/content"]


def test_content_is_downloaded_concurrently(table: apsw.Connection, sandbox: Any) -> None:
    """Also in a join."""
    texts = {f"file-{n}": f"Text {n}" for n in range(60)}
    attach(sandbox, texts)
    table.execute("CREATE TABLE local (key TEXT)")
    for n in range(60):
        add(table, f"{n}", f"file-{n}")
        table.execute("INSERT INTO local VALUES (?)", (str(n),))
    for sql in (
        "SELECT content FROM handbook",
        "SELECT h.content FROM local AS l CROSS JOIN handbook AS h ON h.key = l.key",
        "SELECT content FROM handbook WHERE key IN (SELECT key FROM local)",
    ):
        sandbox.reset_counters()
        with meeting(sandbox, 8, path="file-[2-5]./content"):
            assert sorted(rows(table, sql)) == sorted((text,) for text in texts.values())
        assert len(sandbox.requests) == 60


def test_content_of_few_rows_sends_few_requests(table: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """LIMIT and WHERE."""
    attach(sandbox, {f"file-{n}": f"Text {n}" for n in range(20)})
    for n in range(20):
        add(table, f"{n}", f"file-{n}")
    assert rows(table, "SELECT content FROM handbook LIMIT 1") == [("Text 0",)]
    assert len(requests()) == 1
    assert rows(table, "SELECT content FROM handbook WHERE key = '7'") == [("Text 7",)]
    assert len(requests()) == 1


def test_content_beside_the_table_of_contents(table: apsw.Connection, sandbox: Any) -> None:
    """Both ask for the same page."""
    attach(sandbox, {"file-a": "Text a"})
    add(table, "a", "file-a")
    contents = f"(SELECT text FROM vector_store_file_content('{STORE}', 'file-a'))"
    for sql in (f"SELECT content, {contents} FROM handbook", f"SELECT {contents}, content FROM handbook"):
        assert rows(table, sql) == [("Text a", "Text a")]


def test_raw_has_the_key(table: apsw.Connection, sandbox: Any) -> None:
    """And the latest object of the API."""
    batch = attach(sandbox, {"file-a": "Text a"}, seconds=10)
    add(table, "a", "file-a", state="in_progress", batch_id=batch)
    found = json.loads(rows(table, "SELECT raw FROM handbook")[0][0])
    assert (found["key"], found["id"], found["status"]) == ("a", "file-a", "in_progress")
    assert found["object"] == "vector_store.file"


def test_wait_seconds_waits_until_all_are_finished(
    table: apsw.Connection, sandbox: Any, clock: FakeClock, requests: Requests
) -> None:
    """Under one deadline, with few requests."""
    for batch, seconds in (("x", 20), ("y", 30)):
        ids = [f"file-{batch}{n}" for n in range(5)]
        id = attach(sandbox, dict.fromkeys(ids, "text"), seconds)
        for file_id in ids:
            add(table, file_id, file_id, state="in_progress", batch_id=id)
    assert rows(table, "SELECT status, count(*) FROM handbook WHERE wait_seconds = 600 GROUP BY 1") == [
        ("completed", 10)
    ]
    assert 30 <= clock.slept < 40
    counted = Counter(request.endswith(PAGE) for request in requests())
    assert counted[True] == 2


@pytest.mark.parametrize("sql", ["SELECT status FROM handbook WHERE wait_seconds = 25",
                                 "SELECT status FROM handbook WHERE wait_seconds = 25 AND key IN ('0', '1', '2', '3')"])  # fmt: skip
def test_wait_seconds_end(table: apsw.Connection, sandbox: Any, clock: FakeClock, sql: str) -> None:
    """With the statuses as they are then."""
    batch = attach(sandbox, {f"file-{n}": "x" for n in range(4)}, seconds=40)
    for n in range(4):
        add(table, f"{n}", f"file-{n}", state="in_progress", batch_id=batch)
    assert Counter(rows(table, sql)) == {("completed",): 2, ("in_progress",): 2}
    assert clock.slept == pytest.approx(25)


def joined(table: apsw.Connection, sandbox: Any, count: int, seconds: float) -> str:
    """Documents in progress, and a table with their keys: returns a query of both, one key after the other."""
    batch = attach(sandbox, {f"file-{n}": "x" for n in range(count)}, seconds)
    table.execute("CREATE TABLE local (key TEXT)")
    for n in range(count):
        add(table, f"{n}", f"file-{n}", state="in_progress", batch_id=batch)
        table.execute("INSERT INTO local VALUES (?)", (str(n),))
    return "SELECT h.status, count(*) FROM local AS l CROSS JOIN handbook AS h ON h.key = l.key"


def test_wait_seconds_of_a_join_share_one_deadline(
    table: apsw.Connection, sandbox: Any, clock: FakeClock, requests: Requests
) -> None:
    """And do not ask for each document."""
    sql = f"{joined(table, sandbox, 40, seconds=40)} WHERE h.wait_seconds = 600 GROUP BY 1"
    assert rows(table, sql) == [("completed", 40)]
    assert 40 <= clock.slept < 100
    assert len(requests()) < 120


def test_wait_seconds_of_a_join_end(table: apsw.Connection, sandbox: Any, clock: FakeClock) -> None:
    """All at once."""
    sql = f"{joined(table, sandbox, 10, seconds=100)} WHERE h.wait_seconds = 55 GROUP BY 1"
    assert rows(table, sql) == [("completed", 5), ("in_progress", 5)]
    assert clock.slept == pytest.approx(55)


def test_refresh_of_a_join_reads_the_list_once(table: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """Not each document."""
    sql = f"{joined(table, sandbox, 40, seconds=0)} WHERE h.refresh = 1 GROUP BY 1"
    assert rows(table, sql) == [("completed", 40)]
    assert len(requests()) == 3


def test_wait_seconds_report_progress(sandbox: Any, connect: Callable[..., apsw.Connection], clock: FakeClock) -> None:
    """As the other tables do."""
    reports: list[Any] = []
    sandbox.add_store(STORE)
    db = connect(clock=clock, progress=reports.append)
    db.execute(CREATE)
    batch = attach(sandbox, {f"file-{n}": "x" for n in range(4)}, seconds=40)
    for n in range(4):
        add(db, f"{n}", f"file-{n}", state="in_progress", batch_id=batch)
    rows(db, "SELECT status FROM handbook WHERE wait_seconds = 600")
    assert (reports[0].what, reports[0].done, reports[0].total) == ("documents", 0, 4)
    assert reports[-1].finished


def test_refresh_sees_what_another_program_has_done(table: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """Detached, and attached again."""
    attach(sandbox, {f"file-{n}": "x" for n in range(5)})
    for n in range(6):
        add(table, f"{n}", f"file-{n}", state="missing" if n == 0 else "completed")
    assert rows(table, "SELECT status FROM handbook WHERE key IN ('0', '5')") == [("missing",), ("completed",)]
    assert requests() == []
    sql = "SELECT status FROM handbook WHERE refresh = 1"
    assert rows(table, sql) == [("completed",)] * 5 + [("missing",)]
    assert sorted(requests()) == [
        f"GET /vector_stores/{STORE}",
        f"GET /vector_stores/{STORE}/files/file-5",
        f"GET /vector_stores/{STORE}/files{PAGE}",
    ]
    assert rows(table, "SELECT status FROM handbook WHERE key = '5' AND refresh = 0") == [("missing",)]


def test_errors_are_raised(table: apsw.Connection, sandbox: Any) -> None:
    """By the statement that reads the status."""
    batch = attach(sandbox, {"file-a": "x"})
    add(table, "a", "file-a", state="in_progress", batch_id=batch)
    sandbox.inject(Status(400), times=None)
    with pytest.raises(openai_vtab.APIError):
        rows(table, "SELECT status FROM handbook")


def test_errors_become_rows(sandbox: Any, connect: Callable[..., apsw.Connection]) -> None:
    """With errors='row', what the table knows is shown."""
    sandbox.add_store(STORE)
    db = connect(errors="row")
    db.execute(CREATE)
    attach(sandbox, {"file-a": "x", "file-b": "y"})
    add(db, "a", "file-a", state="unsure")
    add(db, "b", "file-b", state="unsure")
    sandbox.inject(Status(400), times=None, path="file-a$")
    sql = "SELECT key, status, last_error_code, raw IS NULL, content, error ->> 'status' FROM handbook"
    assert rows(db, sql) == [("a", None, None, 1, None, 400), ("b", "completed", None, 0, "y", None)]
    sandbox.inject(Status(400), times=None, path="file-b/content")
    assert rows(db, "SELECT status, content, error ->> 'status' FROM handbook WHERE key = 'b'") == [
        ("completed", None, 400)
    ]


def test_learned_statuses_are_kept_within_a_transaction(
    table: apsw.Connection, sandbox: Any, requests: Requests
) -> None:
    """A rollback does not undo what the API has said."""
    attach(sandbox, {"file-a": "x"})
    add(table, "a", "file-a", state="unsure")
    table.execute("BEGIN")
    assert rows(table, "SELECT status FROM handbook") == [("completed",)]
    table.execute("ROLLBACK")
    requests()
    assert rows(table, "SELECT status FROM handbook") == [("completed",)]
    assert requests() == []


def test_learned_statuses_are_kept_in_the_file(
    sandbox: Any, connect: Callable[..., apsw.Connection], requests: Requests, tmp_path: Any
) -> None:
    """Another connection does not ask again."""
    sandbox.add_store(STORE)
    batch = attach(sandbox, {f"file-{n}": "x" for n in range(5)}, suffix=".zip")
    db = connect(str(tmp_path / "my.db"))
    db.execute(CREATE)
    for n in range(5):
        add(db, f"{n}", f"file-{n}", state="in_progress", batch_id=batch)
    sql = "SELECT status, last_error_code, count(*) FROM handbook GROUP BY 1"
    assert rows(db, sql) == [("failed", "unsupported_file", 5)]
    requests()
    assert rows(connect(str(tmp_path / "my.db")), sql) == [("failed", "unsupported_file", 5)]
    assert requests() == []


def test_status_of_a_file_that_is_not_visible_yet(table: apsw.Connection, clock: FakeClock) -> None:
    """It was attached a moment ago, as far as is known."""
    add(table, "a", "file-a", state="unsure", attached_at=int(clock.time()))
    assert rows(table, "SELECT status FROM handbook") == [("in_progress",)]


def test_interrupt_leaves_no_open_statement(table: apsw.Connection) -> None:
    """The transaction can be rolled back."""
    for n in range(10):
        add(table, f"{n}", f"file-{n}")
    table.execute("BEGIN; UPDATE handbook SET attributes = '{\"a\":1}'")
    cursor = table.execute("SELECT key FROM handbook")
    next(cursor)
    table.interrupt()
    with pytest.raises(apsw.InterruptError):
        list(cursor)
    table.execute("ROLLBACK")
    assert rows(table, "SELECT DISTINCT attributes FROM handbook") == [("{}",)]
