"""The ledger of a table created in a database: what it lists, what it asks for, what a transaction leaves in it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.sandbox import Answer, Cut, Slow, Status

MODULE = "vector_store_file_batches"
DEMO = "/vector_stores/vs_demo/file_batches/"
FINISHED, RUNNING, FAILURES = (f"vsfb_demo_{name}" for name in ("finished", "running", "failures"))
ARCHIVED = "vsfb_archive_2025"
ONE = "INSERT INTO my_batches (vector_store_id, file_ids) VALUES ('vs_demo', '[\"file-new-01\"]')"

Requests = Callable[[], list[str]]


@pytest.fixture
def db(db: apsw.Connection) -> apsw.Connection:
    """A connection to the sandbox with an empty ledger."""
    db.execute(f"CREATE VIRTUAL TABLE my_batches USING {MODULE}")
    return db


@pytest.fixture
def filled(db: apsw.Connection, requests: Requests) -> apsw.Connection:
    """A ledger of three: created, adopted, looked up."""
    db.execute(ONE)
    adopt(db, RUNNING)
    look_up(db, FINISHED)
    requests()
    return db


def adopt(db: apsw.Connection, batch: str, store: str = "vs_demo", name: str = "my_batches") -> None:
    db.execute(f"INSERT INTO {name} (id, vector_store_id) VALUES (?, ?)", (batch, store))


def look_up(db: apsw.Connection, batch: str, store: str = "vs_demo", columns: str = "status") -> list[Any]:
    sql = f"SELECT {columns} FROM my_batches WHERE vector_store_id = ? AND batch_id = ?"
    return db.execute(sql, (store, batch)).fetchall()


def listed(db: apsw.Connection) -> list[str | None]:
    """The ids in the ledger, in its order, without a request."""
    return [id for (id,) in db.execute("SELECT id FROM my_batches")]


def created(sandbox: Any) -> list[str]:
    """The batches made through the API, in its order."""
    return [id for _, id in sandbox.batches if "demo" not in id and "archive" not in id]


def plan(db: apsw.Connection, sql: str) -> list[str]:
    return [row[3].rpartition(" VIRTUAL TABLE ")[2] for row in db.execute("EXPLAIN QUERY PLAN " + sql)]


# listing


def test_listing_has_what_was_created_adopted_and_looked_up(
    filled: apsw.Connection, sandbox: Any, requests: Requests
) -> None:
    """The newest last; only those not finished are asked for."""
    (new,) = created(sandbox)
    sql = "SELECT id, status, vector_store_id, total_count FROM my_batches"
    assert filled.execute(sql).fetchall() == [
        (new, "in_progress", "vs_demo", 1),
        (RUNNING, "in_progress", "vs_demo", 2),
        (FINISHED, "completed", "vs_demo", 3),
    ]
    assert sorted(requests()) == sorted([f"GET {DEMO}{new}", f"GET {DEMO}{RUNNING}"])
    assert plan(filled, sql) == ["INDEX 2:"]


def test_listing_has_all_columns_of_the_batch(filled: apsw.Connection, sandbox: Any) -> None:
    """Whether it was asked for now or is remembered."""
    rows = filled.execute("SELECT * FROM my_batches").fetchall()
    for row in rows:
        assert look_up(filled, row[0], columns="*") == [row]
        truth = sandbox.batches["vs_demo", row[0]]
        assert json.loads(row[2]) == truth["file_counts"]
        assert (row[0], row[1], *row[3:]) == tuple(
            truth[name] for name in ("id", "created_at", "object", "status", "vector_store_id")
        )


def test_interrupt_while_the_ledger_is_read(db: apsw.Connection) -> None:
    """While SQL of ours is prepared: SQLite says then that json_each, which nothing has used before, cannot be made."""
    begun: list[str] = []

    def now(value: str) -> str:
        begun.append(value)
        return value

    def authorizer(code: int, *names: str | None) -> int:
        if begun and code == apsw.SQLITE_SELECT:
            db.interrupt()
        return apsw.SQLITE_OK

    db.create_scalar_function("now", now, 1)
    db.authorizer = authorizer
    listing = "SELECT rowid FROM my_batches WHERE vector_store_id = now('vs_demo')"
    with pytest.raises(apsw.InterruptError, match="json_each"):
        db.execute(listing).fetchall()
    db.authorizer = None
    assert db.execute(listing).fetchall() == []


def test_listing_of_an_empty_ledger(db: apsw.Connection, requests: Requests) -> None:
    """And asks for nothing; the table that is always there still needs both keys."""
    assert db.execute("SELECT * FROM my_batches").fetchall() == []
    with pytest.raises(openai_vtab.MissingColumnsError):
        db.execute(f"SELECT * FROM {MODULE}").fetchall()
    assert requests() == []


def test_listing_refreshes_unfinished_batches_concurrently(connect: Any, sandbox: Any, requests: Requests) -> None:
    """Within max_concurrency; the order stays that of the ledger."""
    db = connect(max_concurrency=8)
    db.execute(f"CREATE VIRTUAL TABLE my_batches USING {MODULE}")
    ids = [sandbox.add_batch("vs_demo", ["file-new-01"], id=f"vsfb_{n:02}") for n in range(24)]
    sandbox.latency = 0.03
    db.execute(
        "INSERT INTO my_batches (id, vector_store_id) SELECT value, 'vs_demo' FROM json_each(?)", (json.dumps(ids),)
    )
    assert sorted(requests()) == [f"GET {DEMO}{id}" for id in ids]
    assert 4 <= sandbox.max_in_flight <= 8
    sandbox.reset_counters()
    began = time.monotonic()
    assert db.execute("SELECT id, status FROM my_batches").fetchall() == [(id, "in_progress") for id in ids]
    assert time.monotonic() - began < 24 * 0.03
    assert sorted(requests()) == [f"GET {DEMO}{id}" for id in ids]
    assert 4 <= sandbox.max_in_flight <= 8


def test_listing_refreshes_a_finished_batch_a_last_time(filled: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """The listing that finds it finished keeps the answer: no request from then on, by keys and by rowid neither."""
    sandbox.finish()
    statuses = "SELECT status, completed_count FROM my_batches"
    assert filled.execute(statuses).fetchall() == [("completed", 1), ("completed", 2), ("completed", 3)]
    assert len(requests()) == 2
    assert filled.execute(statuses).fetchall() == [("completed", 1), ("completed", 2), ("completed", 3)]
    assert look_up(filled, RUNNING) == [("completed",)]
    assert filled.execute("SELECT status FROM my_batches WHERE rowid IN (1, 2, 3)").fetchall() == [("completed",)] * 3
    assert requests() == []


@pytest.mark.parametrize("status", ["cancelled", "failed", "completed"])
def test_listing_never_refreshes_a_final_status(db: apsw.Connection, sandbox: Any, requests: Requests, status: str) -> None:
    """The three that never change."""
    batch = sandbox.add_batch("vs_demo", ["file-new-01"], status=status)
    assert look_up(db, batch) == [(status,)]
    assert db.execute("SELECT id, status FROM my_batches").fetchall() == [(batch, status)]
    assert requests() == [f"GET {DEMO}{batch}"]


@pytest.mark.parametrize(
    ("where", "count"),
    [
        ("status = 'in_progress'", 2),
        ("status = 'completed'", 1),
        ("status IN ('completed', 'in_progress')", 3),
        ("created_at > 0 AND status LIKE 'in%'", 2),
        ("failed_count > 0", 0),
        (f"id = '{RUNNING}'", 1),
        ("id > 'vsfb_z'", 0),
        (f"id COLLATE NOCASE = upper('{RUNNING}') AND vector_store_id = 'vs_demo'", 1),
        ("id IS NULL", 0),
        (f"id IS '{RUNNING}'", 1),
    ],
)
def test_listing_with_every_kind_of_condition(filled: apsw.Connection, requests: Requests, where: str, count: int) -> None:
    """SQLite's own work over the listing."""
    assert len(filled.execute(f"SELECT total_count, status FROM my_batches WHERE {where}").fetchall()) == count
    assert len(requests()) == (1 if where.startswith("id =") else 2)


def test_listing_of_a_store_refreshes_only_its_batches(
    filled: apsw.Connection, sandbox: Any, requests: Requests
) -> None:
    """Pushed into the ledger, by = and IN and from a join."""
    other = sandbox.add_batch("vs_archive", ["file-new-02"])
    adopt(filled, other, "vs_archive")
    requests()
    sql = "SELECT id, status FROM my_batches WHERE vector_store_id = 'vs_archive'"
    assert filled.execute(sql).fetchall() == [(other, "in_progress")]
    assert requests() == [f"GET /vector_stores/vs_archive/file_batches/{other}"]
    assert plan(filled, sql) == ["INDEX 2:vector_store_id"]
    sql = "SELECT id, status FROM my_batches WHERE vector_store_id IN ('vs_archive', 'vs_other')"
    assert filled.execute(sql).fetchall() == [(other, "in_progress")]
    assert requests() == [f"GET /vector_stores/vs_archive/file_batches/{other}"]
    filled.execute("CREATE TABLE stores (vector_store_id TEXT); INSERT INTO stores VALUES ('vs_archive'), ('vs_none')")
    sql = "SELECT id, status FROM stores JOIN my_batches USING (vector_store_id)"
    assert filled.execute(sql).fetchall() == [(other, "in_progress")]
    assert len(requests()) == 3, "the ledger comes first in this join, so all are asked for"
    sql = sql.replace("JOIN", "CROSS JOIN")
    assert filled.execute(sql).fetchall() == [(other, "in_progress")]
    assert requests() == [f"GET /vector_stores/vs_archive/file_batches/{other}"]
    assert filled.execute("SELECT id, status FROM my_batches WHERE vector_store_id = NULL").fetchall() == []
    assert requests() == []


@pytest.mark.parametrize(
    "query",
    [
        "SELECT count(*) FROM my_batches",
        "SELECT id, batch_id, vector_store_id FROM my_batches",
        "SELECT rowid FROM my_batches ORDER BY rowid DESC",
        "SELECT file_ids, files, attributes, chunking_strategy, data__attributes FROM my_batches",
        "SELECT vector_store_id, count(*) FROM my_batches GROUP BY vector_store_id",
        "SELECT max(id) FROM my_batches WHERE vector_store_id = 'vs_demo'",
        "SELECT EXISTS (SELECT 1 FROM my_batches)",
    ],
)
def test_cache_answers_columns_that_never_change(filled: apsw.Connection, requests: Requests, query: str) -> None:
    """The keys, what was sent, and how many there are."""
    assert filled.execute(query).fetchall()
    assert requests() == []
    assert next(step for step in plan(filled, query) if step.startswith("INDEX"))[:8] == "INDEX 3:"


def test_listing_in_aggregates_and_joins(filled: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """A listing is a table like any other."""
    assert filled.execute("SELECT status, count(*) FROM my_batches GROUP BY status ORDER BY 1").fetchall() == [
        ("completed", 1),
        ("in_progress", 2),
    ]
    assert len(requests()) == 2
    filled.execute("CREATE TABLE documents (title TEXT, batch TEXT)")
    filled.execute("INSERT INTO documents VALUES ('a', ?), ('b', ?), ('c', 'vsfb_none')", (FINISHED, RUNNING))
    sql = "SELECT title, status FROM my_batches LEFT JOIN documents ON batch = id ORDER BY title"
    assert filled.execute(sql).fetchall() == [(None, "in_progress"), ("a", "completed"), ("b", "in_progress")]
    assert len(requests()) == 2
    sql = "SELECT title FROM documents WHERE batch NOT IN (SELECT id FROM my_batches)"
    assert filled.execute(sql).fetchall() == [("c",)]
    assert requests() == []
    sql = "SELECT a.id FROM my_batches AS a JOIN my_batches AS b USING (vector_store_id, batch_id) WHERE b.status = 'in_progress'"
    assert sorted(filled.execute(sql).fetchall()) == sorted([(RUNNING,), (created(sandbox)[0],)])
    assert len(requests()) == 2, "one statement asks for a batch once"


def test_lookup_in_a_join_of_what_is_not_listed(filled: apsw.Connection, requests: Requests) -> None:
    """The rows do not depend on which table the planner reads first."""
    filled.execute("CREATE TABLE documents (vector_store_id TEXT, batch_id TEXT)")
    filled.execute(
        "INSERT INTO documents VALUES ('vs_demo', ?), ('vs_archive', ?), ('vs_demo', 'vsfb_none')", (FINISHED, ARCHIVED)
    )
    sql = "SELECT batch_id, status FROM documents JOIN my_batches USING (vector_store_id, batch_id)"
    assert filled.execute(sql).fetchall() == [(FINISHED, "completed"), (ARCHIVED, "completed")]
    assert sorted(requests()) == [
        f"GET /vector_stores/vs_archive/file_batches/{ARCHIVED}",
        f"GET {DEMO}vsfb_none",
    ]
    assert listed(filled)[2:] == [FINISHED, ARCHIVED]


def test_lookup_adds_unknown_keys_to_the_listing(db: apsw.Connection, requests: Requests) -> None:
    """One request; what does not exist is no row and not remembered."""
    assert look_up(db, FAILURES, columns="status, failed_count") == [("completed", 2)]
    assert look_up(db, "vsfb_none") == []
    assert requests() == [f"GET {DEMO}{FAILURES}", f"GET {DEMO}vsfb_none"]
    assert db.execute("SELECT id, failed_count FROM my_batches").fetchall() == [(FAILURES, 2)]
    assert look_up(db, FAILURES, columns="status, failed_count") == [("completed", 2)]
    assert requests() == []


def test_cache_answers_finished_batches_of_an_in_list(
    filled: apsw.Connection, sandbox: Any, requests: Requests
) -> None:
    """Remembered, unfinished, unknown to the ledger and unknown to the API in one query."""
    sql = "SELECT id, status FROM my_batches WHERE vector_store_id = 'vs_demo' AND batch_id IN (?, ?, ?, 'vsfb_none') ORDER BY id"
    assert filled.execute(sql, (FINISHED, RUNNING, FAILURES)).fetchall() == [
        (FAILURES, "completed"),
        (FINISHED, "completed"),
        (RUNNING, "in_progress"),
    ]
    assert sorted(requests()) == [f"GET {DEMO}{id}" for id in (FAILURES, RUNNING, "vsfb_none")]


def test_refresh_reads_finished_batches_again(filled: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """In a listing and by keys; 0 does not; what comes is kept."""
    sandbox.inject(Answer({"id": FINISHED, "status": "completed", "object": "new"}), path=FINISHED)
    sql = "SELECT id, object, refresh FROM my_batches WHERE refresh = {} AND id = '" + FINISHED + "'"
    assert filled.execute(sql.format(0)).fetchall() == [(FINISHED, "vector_store.file_batch", 0)]
    requests()
    assert filled.execute(sql.format(1)).fetchall() == [(FINISHED, "new", 1)]
    assert f"GET {DEMO}{FINISHED}" in requests()
    assert look_up(filled, FINISHED, columns="object") == [("new",)]
    assert requests() == []
    by_keys = "SELECT object FROM my_batches WHERE vector_store_id = 'vs_demo' AND batch_id = ? AND refresh = 1"
    assert filled.execute(by_keys, (FINISHED,)).get == "vector_store.file_batch"
    assert filled.execute("SELECT object FROM my_batches WHERE rowid = 3 AND refresh = 1").get
    assert requests() == [f"GET {DEMO}{FINISHED}"] * 2
    assert filled.execute("SELECT count(*) FROM my_batches WHERE refresh = NULL").get == 3  # as if it were not given
    assert f"GET {DEMO}{FINISHED}" not in requests()


def test_refresh_on_a_listing_reads_all(filled: apsw.Connection, requests: Requests) -> None:
    """Even where no column of the API is read: it was said."""
    assert filled.execute("SELECT count(*) FROM my_batches WHERE refresh = 1").get == 3
    assert len(requests()) == 3


@pytest.mark.parametrize("value", ["2", "-1", "'yes'", "x'01'", "0.5"])
def test_refresh_refuses_wrong_values(filled: apsw.Connection, requests: Requests, value: str) -> None:
    """Named, and nothing is sent."""
    with pytest.raises(openai_vtab.ProgrammingError, match=f"{MODULE}.refresh: .* is neither yes nor no; write 1 or 0"):
        filled.execute(f"SELECT * FROM my_batches WHERE refresh = {value}").fetchall()
    assert requests() == []


def test_refresh_without_a_value_raises(filled: apsw.Connection) -> None:
    """As wait_seconds: not silently no rows."""
    with pytest.raises(openai_vtab.ProgrammingError, match="refresh: it has no value of its own"):
        filled.execute("SELECT refresh FROM my_batches").fetchall()


def test_listing_returns_what_was_sent(db: apsw.Connection, requests: Requests) -> None:
    """file_ids or files, attributes, chunking_strategy, under both names; NULL for what was made elsewhere."""
    strategy = '{"type":"static","static":{"max_chunk_size_tokens":100,"chunk_overlap_tokens":50}}'
    db.execute(
        "INSERT INTO my_batches (vector_store_id, file_ids, attributes, chunking_strategy) VALUES (?, ?, ?, ?)",
        ("vs_demo", '["file-new-01","file-new-02"]', '{"lang":"fr","n":1.5,"ü":true}', strategy),
    )
    db.execute(
        "INSERT INTO my_batches (vector_store_id, data__files, data__attributes) VALUES (?, ?, ?)",
        ("vs_demo", '[{"file_id":"file-new-03"}]', '{"lang":"de"}'),
    )
    adopt(db, FINISHED)
    requests()
    columns = "file_ids, files, attributes, chunking_strategy"
    expected = [
        ('["file-new-01","file-new-02"]', None, '{"lang":"fr","n":1.5,"ü":true}', strategy),
        (None, '[{"file_id":"file-new-03"}]', '{"lang":"de"}', None),
        (None, None, None, None),
    ]
    assert db.execute(f"SELECT {columns} FROM my_batches").fetchall() == expected
    both = (
        columns.replace("f", "data__f", 1)
        .replace(" f", " data__f")
        .replace(" attr", " data__attr")
        .replace(" chunk", " data__chunk")
    )
    assert db.execute(f"SELECT {both} FROM my_batches").fetchall() == expected
    assert db.execute("SELECT id FROM my_batches WHERE attributes ->> 'lang' = 'de'").fetchall() != []
    assert requests() == []
    assert db.execute(f"SELECT {columns}, status FROM my_batches").fetchall()[0][:4] == expected[0]


# waiting


def test_polling_of_a_listing_has_one_deadline(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """Together; the finished ones are not asked for."""
    sandbox.quirks.poll_after_ms = 50
    ids = [sandbox.add_batch("vs_demo", ["file-new-01"], processing_seconds=s) for s in (0.3, 0.4, 3600)]
    for id in [FINISHED, *ids]:
        adopt(db, id)
    requests()
    began = time.monotonic()
    rows = db.execute("SELECT id, status FROM my_batches WHERE wait_seconds = 0.8").fetchall()
    assert 0.8 <= time.monotonic() - began < 1.5
    assert rows == list(zip([FINISHED, *ids], ["completed", "completed", "completed", "in_progress"], strict=True))
    asked = requests()
    assert f"GET {DEMO}{FINISHED}" not in asked
    assert set(asked) == {f"GET {DEMO}{id}" for id in ids}
    assert db.execute("SELECT status FROM my_batches").fetchall() == [(status,) for _, status in rows]
    assert requests() == [f"GET {DEMO}{ids[2]}"]


def test_interrupt_ends_polling_of_a_listing(filled: apsw.Connection) -> None:
    """Within 0.2 seconds, and the next statement works."""
    interrupted: list[float] = []

    def interrupt() -> None:
        interrupted.append(time.monotonic())
        filled.interrupt()

    timer = threading.Timer(0.2, interrupt)
    timer.start()
    with pytest.raises(apsw.InterruptError):
        filled.execute("SELECT status FROM my_batches WHERE wait_seconds = 60").fetchall()
    assert time.monotonic() - interrupted[0] < 0.2
    timer.join()
    assert len(listed(filled)) == 3


def test_listing_that_failed_is_not_held_by_its_exception(connect: Any, sandbox: Any) -> None:
    """Half read, it would keep ROLLBACK from working after an interrupt, and the connection from being closed."""
    db = connect(max_concurrency=1)
    db.execute(f"CREATE VIRTUAL TABLE my_batches USING {MODULE}")
    for number in range(6):
        adopt(db, sandbox.add_batch("vs_demo", ["file-new-01"], id=f"vsfb_{number}"))
    sandbox.inject(Slow(0.5), times=None, method="GET")
    db.execute("BEGIN")
    timer = threading.Timer(0.1, db.interrupt)
    timer.start()
    with pytest.raises(apsw.InterruptError) as caught:
        db.execute("SELECT id, status FROM my_batches").fetchall()
    timer.join()
    db.execute("ROLLBACK")
    db.close()
    assert caught.traceback


def test_read_after_write_of_a_batch_that_the_api_does_not_know_yet(filled: apsw.Connection, sandbox: Any) -> None:
    """Asked for again for some seconds before a listing calls it unknown."""
    sandbox.quirks.not_found_after_create_seconds = 0.6
    filled.execute(ONE)
    assert filled.execute("SELECT status FROM my_batches WHERE rowid = last_insert_rowid()").get == "in_progress"


# what the API does not know


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


def test_id_that_is_strange_does_no_harm(db: apsw.Connection, sandbox: Any) -> None:
    """Half a character is none; an id that is there already is one object."""
    sandbox.inject(Answer(b'{"id": "vsfb_\\ud800", "status": "\\ud800"}'), method="POST")
    db.execute(ONE)
    assert listed(db) == ["vsfb_?"]
    for _ in range(2):
        sandbox.inject(Answer({"id": FINISHED, "status": "in_progress"}), method="POST")
        db.execute(ONE)
    assert db.execute("SELECT id, status FROM my_batches WHERE id > 'vsfb_?'").fetchall() == [(FINISHED, "completed")]


# writing


def test_update_cancels_what_is_in_progress(filled: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """UPDATE … WHERE status: asked for, then cancelled, then asked for a last time."""
    (new,) = created(sandbox)
    filled.execute("UPDATE my_batches SET status = 'cancelled' WHERE status = 'in_progress'")
    assert filled.changes() == 2
    asked = requests()
    assert sorted(asked[:2]) == sorted([f"GET {DEMO}{new}", f"GET {DEMO}{RUNNING}"])
    assert sorted(asked[2:]) == sorted([f"POST {DEMO}{new}/cancel", f"POST {DEMO}{RUNNING}/cancel"])
    statuses = "SELECT status FROM my_batches"
    assert filled.execute(statuses).fetchall() == [("cancelled",), ("cancelled",), ("completed",)]
    assert len(requests()) == 2
    assert filled.execute(statuses).fetchall() == [("cancelled",), ("cancelled",), ("completed",)]
    assert requests() == []


def test_update_refuses_any_other_set(filled: apsw.Connection, requests: Requests) -> None:
    """Also of what only a ledger knows."""
    for assignment in ("file_ids = '[]'", "id = 'x'", "status = 'completed'", "rowid = 9"):
        with pytest.raises(openai_vtab.UnsupportedWriteError):
            filled.execute(f"UPDATE my_batches SET {assignment}")
    assert [r for r in requests() if r.startswith("POST")] == []


def test_delete_forgets_the_row_and_sends_nothing(filled: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """Without a condition on the API's columns nothing is sent at all; the batch is as it was."""
    (new,) = created(sandbox)
    filled.execute(f"DELETE FROM my_batches WHERE id = '{RUNNING}'")
    assert filled.changes() == 1
    assert requests() == []
    assert listed(filled) == [new, FINISHED]
    filled.execute("DELETE FROM my_batches WHERE status = 'in_progress'")
    assert requests() == [f"GET {DEMO}{new}"]
    assert listed(filled) == [FINISHED]
    filled.execute("DELETE FROM my_batches")
    assert listed(filled) == []
    assert requests() == []
    assert sandbox.batches["vs_demo", RUNNING]["status"] == "in_progress"


def test_delete_of_a_batch_that_turns_out_finished(filled: apsw.Connection, sandbox: Any) -> None:
    """It is not remembered again by the very scan that deletes it."""
    sandbox.finish()
    filled.execute("DELETE FROM my_batches WHERE status = 'completed'")
    assert filled.changes() == 3
    assert listed(filled) == []


def test_delete_by_keys_of_what_is_not_listed(db: apsw.Connection, requests: Requests) -> None:
    """It is looked up and forgotten again."""
    db.execute(f"DELETE FROM my_batches WHERE vector_store_id = 'vs_demo' AND batch_id = '{FINISHED}'")
    assert listed(db) == []
    assert requests() == [f"GET {DEMO}{FINISHED}"]


def test_rollback_undoes_a_delete(filled: apsw.Connection, requests: Requests) -> None:
    """It is the ledger's own row."""
    before = listed(filled)
    filled.execute("BEGIN; SAVEPOINT s; DELETE FROM my_batches; ROLLBACK TO s")
    assert listed(filled) == before
    filled.execute("DELETE FROM my_batches; ROLLBACK")
    assert listed(filled) == before
    assert requests() == []


def test_rowid_of_the_inserted_batch(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """last_insert_rowid() is the ledger's, whatever the ledger writes."""
    db.execute("CREATE TABLE notes (what)")
    db.execute(ONE)
    db.execute(ONE)
    rowid = db.last_insert_rowid()
    requests()
    sql = "SELECT id, rowid FROM my_batches WHERE rowid = last_insert_rowid()"
    assert db.execute(sql).fetchall() == [(created(sandbox)[1], rowid)]
    for value in (str(rowid), float(rowid)):
        assert db.execute("SELECT rowid FROM my_batches WHERE rowid = ?", (value,)).fetchall() == [(rowid,)]
    db.execute("INSERT INTO notes VALUES (1)")
    look_up(db, FINISHED)
    assert db.last_insert_rowid() == 1


def test_changes_count_only_the_users_rows(db: apsw.Connection, sandbox: Any) -> None:
    """What is remembered beside a statement is not counted, in SQL and in Python."""
    db.execute("CREATE TABLE notes (what)")
    for _ in range(3):
        db.execute(ONE)
        assert db.changes() == 1
    sandbox.finish()
    db.execute(
        "INSERT INTO notes SELECT id FROM my_batches WHERE status = 'completed' UNION ALL SELECT 1 UNION ALL SELECT 2"
    )
    assert db.changes() == 5
    assert db.execute("SELECT changes()").get == 5


# adopting


def test_adopt_looks_the_batch_up(db: apsw.Connection, requests: Requests) -> None:
    """One GET at the end of the statement; id and batch_id are one column."""
    adopt(db, FINISHED)
    db.execute(f"INSERT INTO my_batches (batch_id, vector_store_id) VALUES ('{RUNNING}', 'vs_demo')")
    assert db.last_insert_rowid() == 2
    assert requests() == [f"GET {DEMO}{FINISHED}", f"GET {DEMO}{RUNNING}"]
    assert db.execute("SELECT rowid, id, status FROM my_batches").fetchall() == [
        (1, FINISHED, "completed"),
        (2, RUNNING, "in_progress"),
    ]
    assert requests() == [f"GET {DEMO}{RUNNING}"]


def test_adopt_of_an_absent_batch_raises(db: apsw.Connection, requests: Requests) -> None:
    """Which says what is missing; nothing stays."""
    with pytest.raises(
        openai_vtab.RowError, match="my_batches: the API has none with vector_store_id = 'vs_demo' AND id"
    ):
        adopt(db, "vsfb_none")
    assert requests() == [f"GET {DEMO}vsfb_none"]
    assert listed(db) == []


def test_adopt_twice_raises_without_a_request(filled: apsw.Connection, requests: Requests) -> None:
    """Also of one that was created or looked up, and within one statement."""
    for id in listed(filled):
        with pytest.raises(openai_vtab.RowError, match="is there already; leave it out, or DELETE it first"):
            adopt(filled, str(id))
    with pytest.raises(openai_vtab.RowError, match="is there already"):
        filled.execute(
            f"INSERT INTO my_batches (id, vector_store_id) VALUES ('{FAILURES}', 'vs_demo'), ('{FAILURES}', 'vs_demo')"
        )
    assert requests() == []
    assert len(listed(filled)) == 3


@pytest.mark.parametrize(
    ("id", "store", "sentence"),
    [
        (5, "vs_demo", "id: 5 is not an id"),
        ("..", "vs_demo", "id: '..' is not an id"),
        (RUNNING, "vs demo", "vector_store_id: 'vs demo' contains white space"),
        (RUNNING, b"vs_demo", "vector_store_id: a BLOB of 7 bytes is not an id"),
        (None, "vs_demo", "file_ids: it is missing or NULL"),
        (RUNNING, None, "id: it comes from the API and cannot be inserted"),
    ],
)
def test_adopt_refuses_wrong_values_without_a_request(
    db: apsw.Connection, requests: Requests, id: Any, store: Any, sentence: str
) -> None:
    """Each refused by name."""
    with pytest.raises(openai_vtab.RowError) as caught:
        adopt(db, id, store)
    assert sentence in str(caught.value)
    assert requests() == []


def test_adopt_needs_a_created_table(db: apsw.Connection, requests: Requests) -> None:
    """It has no ledger."""
    with pytest.raises(openai_vtab.RowError, match="id: it comes from the API and cannot be inserted"):
        adopt(db, RUNNING, name=MODULE)
    assert requests() == []


def test_adopt_belongs_to_the_transaction(db: apsw.Connection, requests: Requests) -> None:
    """ROLLBACK sends nothing; an unknown one beside a create fails both."""
    db.execute("BEGIN")
    adopt(db, FINISHED)
    db.execute("ROLLBACK")
    assert requests() == []
    db.execute("BEGIN")
    adopt(db, FINISHED)
    assert db.execute("SELECT id, status FROM my_batches").fetchall() == [(FINISHED, "completed")]
    assert requests() == [f"GET {DEMO}{FINISHED}"]
    db.execute("ROLLBACK")
    assert listed(db) == []
    db.execute("BEGIN")
    adopt(db, FINISHED)
    adopt(db, "vsfb_none")
    with pytest.raises(openai_vtab.RowError):
        db.execute("COMMIT")
    assert listed(db) == []


def test_adopt_of_many_with_a_missing_one_adopts_none(connect: Any, sandbox: Any) -> None:
    """The statement is whole or not at all; nothing was created, so nothing is done."""
    db = connect(max_concurrency=1)
    db.execute(f"CREATE VIRTUAL TABLE my_batches USING {MODULE}")
    with pytest.raises((openai_vtab.RowError, openai_vtab.WriteError), match="the API has none"):
        db.execute(
            f"INSERT INTO my_batches (id, vector_store_id) VALUES ('{FINISHED}', 'vs_demo'), ('vsfb_none', 'vs_demo'), ('{RUNNING}', 'vs_demo')"
        )
    assert listed(db) == []


# rowids


def test_or_over_two_pairs_returns_two_rows(db: apsw.Connection, requests: Requests) -> None:
    """Whether they are remembered, looked up, or one of each."""
    where = (
        f"(vector_store_id = 'vs_demo' AND batch_id = '{FINISHED}') OR "
        f"(vector_store_id = 'vs_archive' AND batch_id = '{ARCHIVED}')"
    )
    for _ in range(3):
        assert sorted(db.execute(f"SELECT id FROM my_batches WHERE {where}").fetchall()) == [(ARCHIVED,), (FINISHED,)]
    assert len(requests()) == 2
    db.execute(f"DELETE FROM my_batches WHERE id = '{ARCHIVED}'")
    assert sorted(db.execute(f"SELECT id FROM my_batches WHERE {where}").fetchall()) == [(ARCHIVED,), (FINISHED,)]


def test_rowid_added_during_a_scan_comes_once(db: apsw.Connection) -> None:
    """Looked up in one branch, written between two steps, remembered in the other: one row, by one rowid."""
    keys = f"vector_store_id = 'vs_demo' AND batch_id = '{FINISHED}'"
    sql = f"SELECT id, rowid FROM my_batches WHERE ({keys}) OR (vector_store_id = 'vs_demo' AND id IN ('{FINISHED}', '{FAILURES}'))"
    cursor = db.execute(sql)
    first = next(cursor)
    db.execute("SELECT 1").fetchall()  # another statement: what is learned is written after it
    assert db.execute("SELECT id FROM my_batches").get == FINISHED
    rest = cursor.fetchall()
    assert sorted(id for id, _ in [first, *rest]) == [FAILURES, FINISHED]
    assert {rowid for id, rowid in db.execute(sql)} == {1, 2}


def test_rowid_of_a_looked_up_batch_leads_to_it(db: apsw.Connection, requests: Requests) -> None:
    """The rowid given before it was remembered still stands for it."""
    ((rowid,),) = look_up(db, FINISHED, columns="rowid")
    assert db.execute("SELECT id FROM my_batches WHERE rowid = ?", (rowid,)).get == FINISHED
    assert look_up(db, FINISHED, columns="rowid") == [(1,)]
    assert requests() == [f"GET {DEMO}{FINISHED}"]


def test_rowid_cannot_be_given(db: apsw.Connection, requests: Requests) -> None:
    """It is the ledger's."""
    with pytest.raises(openai_vtab.RowError, match="rowid: it is given by the table"):
        db.execute(f"INSERT INTO my_batches (rowid, id, vector_store_id) VALUES (7, '{RUNNING}', 'vs_demo')")
    assert requests() == []


# transactions


@pytest.mark.parametrize(
    "undo",
    [
        f"BEGIN; {ONE}; ROLLBACK",
        f"BEGIN; SAVEPOINT s; {ONE}; {ONE}; ROLLBACK TO s; COMMIT",
        f"SAVEPOINT s; {ONE}; ROLLBACK TO s; RELEASE s",
    ],
)
def test_rollback_leaves_no_row_and_sends_nothing(
    db: apsw.Connection, requests: Requests, undo: str
) -> None:
    """Neither here nor there."""
    db.execute(undo)
    assert requests() == []
    assert listed(db) == []
    assert db.execute("SELECT count(*) FROM my_batches_ledger").get == 0


@pytest.mark.parametrize("within", [True, False])
def test_rollback_of_a_failed_statement_leaves_no_row(db: apsw.Connection, requests: Requests, within: bool) -> None:
    """Its first row was queued; the transaction around it keeps what it had."""
    if within:
        db.execute(f"BEGIN; {ONE}")
    with pytest.raises(openai_vtab.RowError):
        db.execute(
            "INSERT INTO my_batches (vector_store_id, file_ids) VALUES ('vs_demo', '[\"f\"]'), ('vs_demo', '[]')"
        )
    if within:
        db.execute("COMMIT")
    assert len(requests()) == within
    assert len(listed(db)) == within
    assert db.execute("SELECT count(*) FROM my_batches_ledger").get == within


def test_commit_lists_queued_rows_only_when_sent(db: apsw.Connection, requests: Requests) -> None:
    """A read sends them first; RETURNING of the statement itself does not."""
    db.execute("BEGIN")
    assert db.execute(ONE + " RETURNING id, status").fetchall() == [(None, None)]
    assert requests() == []
    ((id, status),) = db.execute("SELECT id, status FROM my_batches").fetchall()
    assert status == "in_progress"
    assert requests() == [f"POST {DEMO[:-1]}", f"GET {DEMO}{id}"]
    db.execute("COMMIT")
    assert listed(db) == [id]
    assert requests() == []


def test_commit_that_fails_lists_what_was_created(
    connect: Any, sandbox: Any, tmp_path: Any, requests: Requests
) -> None:
    """One created, one refused, one nobody knows: two rows, also for a new connection; local changes are gone."""
    db = connect(str(tmp_path / "a.db"), max_concurrency=4)
    db.execute(f"CREATE VIRTUAL TABLE my_batches USING {MODULE}; CREATE TABLE journal (what)")
    sandbox.inject(Status(500), method="POST", path="vs_archive")
    sandbox.latency = 0.1  # so that both are under way
    db.execute(f"BEGIN; {ONE}; INSERT INTO journal VALUES (1)")
    db.execute("INSERT INTO my_batches (vector_store_id, file_ids) VALUES ('vs_archive', '[\"file-new-02\"]')")
    with pytest.raises(openai_vtab.WriteError) as caught:
        db.execute("COMMIT")
    ((_, id),) = caught.value.done
    assert len(caught.value.unknown) == 1
    requests()
    expected = [(id, "vs_demo", '["file-new-01"]'), (None, "vs_archive", '["file-new-02"]')]
    sql = "SELECT id, vector_store_id, file_ids FROM my_batches"
    assert db.execute(sql).fetchall() == expected
    assert db.execute("SELECT status, created_at > 0 FROM my_batches").fetchall() == [
        ("in_progress", 1),
        ("unknown", 1),
    ]
    assert db.execute("SELECT count(*) FROM journal").get == 0
    db.close()
    again = connect(str(tmp_path / "a.db"))
    assert again.execute(sql).fetchall() == expected
    assert requests() == [f"GET {DEMO}{id}"]


@pytest.mark.parametrize("close", ["close", "forget"])
def test_commit_that_fails_before_close_lists_what_was_created(connect: Any, sandbox: Any, tmp_path: Any, close: str) -> None:
    """What was created is written when the connection goes."""
    file = str(tmp_path / "a.db")
    db = openai_vtab.connect(file, base_url=sandbox.base_url, api_key=sandbox.api_key)
    db.execute(f"CREATE VIRTUAL TABLE my_batches USING {MODULE}")
    db.execute(f"BEGIN; {ONE}; {ONE}")
    db.execute("INSERT INTO my_batches (vector_store_id, file_ids) VALUES ('vs_none', '[\"file-new-02\"]')")
    sandbox.inject(Slow(0.3), method="POST", path="vs_none")
    with pytest.raises(openai_vtab.WriteError):
        db.execute("COMMIT")
    if close == "close":
        db.close()
    del db
    assert sorted(map(str, listed(connect(file)))) == sorted(created(sandbox))
    assert len(created(sandbox)) == 2


def test_rollback_keeps_what_a_read_has_sent(
    db: apsw.Connection, sandbox: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """It exists, so the ledger has it; the warning names it."""
    db.execute(f"BEGIN; {ONE}")
    (id,) = listed(db)
    db.execute("ROLLBACK")
    assert str(id) in caplog.text
    assert db.execute("SELECT id, file_ids FROM my_batches").fetchall() == [(id, '["file-new-01"]')]
    assert created(sandbox) == [id]


@pytest.mark.parametrize("undo", ["ROLLBACK TO s; COMMIT", "ROLLBACK TO s; ROLLBACK"])
def test_savepoint_rolled_back_keeps_what_a_read_has_sent(
    db: apsw.Connection, sandbox: Any, undo: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Also when the transaction goes on."""
    db.execute(f"BEGIN; SAVEPOINT s; {ONE}")
    listed(db)
    db.execute(undo)
    assert listed(db) == created(sandbox)
    assert len(created(sandbox)) == 1


@pytest.mark.parametrize(
    "undone",
    [
        "UPDATE my_batches SET status = 'nonsense'",
        "INSERT INTO my_batches (vector_store_id, file_ids) SELECT vector_store_id, '7' FROM my_batches",
        "ROLLBACK TO s",
        "RELEASE s",
    ],
)
def test_savepoint_undone_lists_what_was_sent_after_the_commit(
    db: apsw.Connection, sandbox: Any, undone: str
) -> None:
    """The row was written before it: it is not undone, although SQLite undoes what was noted of it meanwhile."""
    db.execute(f"BEGIN; {ONE}; SAVEPOINT s")
    if undone.endswith(" s"):
        assert listed(db) == created(sandbox)
        db.execute(undone)
    else:
        with pytest.raises(openai_vtab.Error):
            db.execute(undone)
    db.execute("COMMIT")
    assert listed(db) == created(sandbox)
    assert len(created(sandbox)) == 1
    assert db.execute("SELECT rowid, status FROM my_batches").fetchall() == [(1, "in_progress")]


def test_close_in_an_open_transaction_keeps_what_was_sent(connect: Any, sandbox: Any, tmp_path: Any) -> None:
    """The rollback that closing is does not lose it, and does not wait."""
    file = str(tmp_path / "a.db")
    db = connect(file)
    db.execute(f"CREATE VIRTUAL TABLE my_batches USING {MODULE}; BEGIN; {ONE}")
    assert len(listed(db)) == 1
    began = time.monotonic()
    db.close()
    assert time.monotonic() - began < 0.5
    assert listed(connect(file)) == created(sandbox)


def test_commit_hook_that_refuses(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """After the requests: what was created is listed as soon as it can be written."""
    db.set_commit_hook(lambda: True, id="no")
    with pytest.raises(openai_vtab.WriteError, match="would do it again") as caught:
        db.execute(ONE)
    assert [id for _, id in caught.value.done] == created(sandbox)
    db.set_commit_hook(None, id="no")
    assert listed(db) == created(sandbox)
    assert len(created(sandbox)) == 1
    assert requests() == [f"POST {DEMO[:-1]}"]


def test_commit_hook_that_raises(db: apsw.Connection, sandbox: Any) -> None:
    """The same with an exception of the user's."""

    def refuse() -> bool:
        raise ZeroDivisionError

    db.set_commit_hook(refuse, id="no")
    with pytest.raises(openai_vtab.WriteError) as caught:
        db.execute(ONE)
    assert isinstance(caught.value.__context__, ZeroDivisionError)
    db.set_commit_hook(None, id="no")
    assert listed(db) == created(sandbox)
    assert len(created(sandbox)) == 1


def test_interrupt_during_commit(db: apsw.Connection, sandbox: Any) -> None:
    """What was answered is listed, what was under way is unknown; the next transaction works."""
    sandbox.inject(Slow(1.5), method="POST", path="vs_archive")
    db.execute(f"BEGIN; {ONE}")
    db.execute("INSERT INTO my_batches (vector_store_id, file_ids) VALUES ('vs_archive', '[\"file-new-02\"]')")
    threading.Timer(0.4, db.interrupt).start()
    with pytest.raises(openai_vtab.WriteError) as caught:
        db.execute("COMMIT")
    ((_, id),) = caught.value.done
    rows = db.execute("SELECT id, vector_store_id, status FROM my_batches").fetchall()
    assert rows == [(id, "vs_demo", "in_progress"), (None, "vs_archive", "unknown")]
    db.execute(ONE)
    assert len(listed(db)) == 3


def test_commit_to_a_ledger_that_cannot_be_written_loses_nothing(connect: Any, sandbox: Any, tmp_path: Any) -> None:
    """The database is full after the requests: COMMIT fails, and all that was created is listed once there is room."""
    db = connect(str(tmp_path / "a.db"))
    db.execute(f"CREATE VIRTUAL TABLE my_batches USING {MODULE}")
    sandbox.inject(Answer({"id": "vsfb_big", "status": "in_progress", "big": "x" * 100_000}), method="POST")
    pages = db.execute("PRAGMA page_count").get
    db.execute(f"PRAGMA max_page_count = {pages + 1}").fetchall()
    with pytest.raises(openai_vtab.WriteError, match="cannot be written here") as caught:
        db.execute(f"BEGIN; {ONE}; {ONE}; {ONE}; COMMIT")
    assert isinstance(caught.value.__cause__, apsw.FullError)
    assert len(caught.value.done) == 3
    db.execute("PRAGMA max_page_count = 1000000").fetchall()
    assert sorted(map(str, listed(db))) == sorted([*created(sandbox), "vsfb_big"])
    assert len(created(sandbox)) == 2


def test_commit_of_two_tables(db: apsw.Connection, sandbox: Any) -> None:
    """A ledger, another one, and the table that is always there: all is sent at once, each keeps its own."""
    db.execute(f"CREATE VIRTUAL TABLE other USING {MODULE}")
    db.execute(f"BEGIN; {ONE}; {ONE.replace('my_batches', 'other')}; {ONE.replace('my_batches', MODULE)}; COMMIT")
    assert len(created(sandbox)) == 3
    mine, others = listed(db), [id for (id,) in db.execute("SELECT id FROM other")]
    assert len(mine) == len(others) == 1
    assert mine != others


def test_commit_records_what_the_transaction_has_read(db: apsw.Connection, requests: Requests) -> None:
    """What a read in it has looked up is written when it is over, whichever way."""
    for end in ("COMMIT", "ROLLBACK"):
        db.execute("BEGIN")
        batch = FINISHED if end == "COMMIT" else FAILURES
        assert look_up(db, batch) == [("completed",)]
        db.execute(end)
        assert listed(db)[-1] == batch
    assert len(requests()) == 2


def test_listing_of_ten_thousand_finished_batches(db: apsw.Connection, requests: Requests) -> None:
    """Counted without a request, in a time of the order of an ordinary table's."""
    db.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) INSERT INTO my_batches_ledger "
        "(vector_store_id, id, status, answer) SELECT 'vs_demo', 'vsfb_' || i, iif(i % 3, 'completed', 'failed'), "
        "json_object('status', 'completed', 'created_at', i) FROM n"
    )
    sql = "SELECT status, count(*) FROM my_batches GROUP BY status"
    began = time.monotonic()
    assert db.execute(sql).fetchall() == [("completed", 6667), ("failed", 3333)]
    assert time.monotonic() - began < 1.0
    assert look_up(db, "vsfb_9999") == [("failed",)]
    assert requests() == []
