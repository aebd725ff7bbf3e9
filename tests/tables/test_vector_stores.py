"""vector_stores: what is sent, what comes back, over recorded exchanges and over a sandbox."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import apsw
import pytest

import openai_vtab

from ..support.clock import FakeClock
from ..support.recording import FILES, Place

Requests = Callable[[], list[str]]
Sent = Callable[[Any], list[tuple[str, Any]]]
Bodies = Callable[[], list[tuple[str, Any]]]
WEEK = {"anchor": "last_active_at", "days": 7}


@pytest.mark.vcr
@pytest.mark.capability("vector stores: create, read, rename, newest first, delete")
def test_life_of_a_store(replayed: apsw.Connection, cassette: Any, sent: Sent) -> None:
    """Create, read, change, list, delete, and then it is not there."""
    replayed.execute("INSERT INTO vector_stores (name) VALUES ('Handbook')")
    rowid = replayed.last_insert_rowid()
    row = replayed.execute("SELECT id, name, status, total_count FROM vector_stores WHERE rowid = ?", (rowid,)).get
    id = row[0]
    assert row[1:] == ("Handbook", "completed", 0)
    replayed.execute("UPDATE vector_stores SET name = 'Manual' WHERE id = ?", (id,))
    newest = "SELECT id, name FROM vector_stores ORDER BY created_at DESC LIMIT 1"
    assert replayed.execute(newest).get == (id, "Manual")
    replayed.execute("DELETE FROM vector_stores WHERE vector_store_id = ?", (id,))
    assert replayed.execute("SELECT * FROM vector_stores WHERE id = ?", (id,)).fetchall() == []
    one = f"/vector_stores/{id}"
    assert sent(cassette) == [
        ("POST /vector_stores", {"name": "Handbook"}),
        (f"GET {one}", None),
        (f"GET {one}", None),
        (f"POST {one}", {"name": "Manual"}),
        ("GET /vector_stores?limit=10&order=desc", None),
        (f"GET {one}", None),
        (f"DELETE {one}", None),
        (f"GET {one}", None),
    ]


@pytest.mark.vcr
@pytest.mark.capability("vector stores: an expiry and metadata, and their removal by UPDATE")
def test_update_removes_expiry_and_metadata(replayed: apsw.Connection, place: Place, cassette: Any, sent: Sent) -> None:
    """NULL is sent as null. A server may have metadata of its own besides."""
    replayed.execute(
        "INSERT INTO vector_stores (metadata, expires_after) VALUES (json_object('team', 'docs'), ?)",
        (json.dumps(WEEK),),
    )
    found = "SELECT metadata ->> 'team', expires_after, expires_at - created_at FROM vector_stores WHERE rowid = ?"
    rowid = replayed.last_insert_rowid()
    team, expires_after, seconds = replayed.execute(found, (rowid,)).get
    assert (team, json.loads(expires_after), seconds) == ("docs", WEEK, 7 * 86400)
    replayed.execute("UPDATE vector_stores SET metadata = NULL, expires_after = NULL WHERE rowid = ?", (rowid,))
    assert replayed.execute(found, (rowid,)).get == (None, None, None)
    replayed.execute("DELETE FROM vector_stores WHERE rowid = ?", (rowid,))
    writes = [body for request, body in sent(cassette) if request.startswith("POST")]
    assert writes == [
        {"expires_after": WEEK, "metadata": {"team": "docs"}},
        {"expires_after": None, "metadata": None},
    ]


@pytest.mark.vcr
@pytest.mark.capability("vector stores: create with file_ids and a chunking_strategy")
def test_insert_with_files(
    replayed: apsw.Connection, place: Place, cassette: Any, sent: Sent, pause: Callable[[], None]
) -> None:
    """They are attached in the same request, cut as is said."""
    files = list(FILES)[:2]
    strategy = {"type": "static", "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 20}}
    replayed.execute(
        "INSERT INTO vector_stores (name, file_ids, chunking_strategy) VALUES ('With files', json_array(?, ?), ?)",
        (*(place.real(file) for file in files), json.dumps(strategy)),
    )
    rowid = replayed.last_insert_rowid()
    counts = "SELECT id, total_count, completed_count FROM vector_stores WHERE rowid = ?"
    while (row := replayed.execute(counts, (rowid,)).get)[2] < 2:
        pause()
    assert row[1:] == (2, 2)
    assert sent(cassette)[0] == (
        "POST /vector_stores",
        {"name": "With files", "file_ids": files, "chunking_strategy": strategy},
    )
    replayed.execute("DELETE FROM vector_stores WHERE rowid = ?", (rowid,))


def test_select_star_returns_the_documented_columns(db: apsw.Connection, requests: Requests) -> None:
    """In the documented order; the sandbox's store, column by column."""
    cursor = db.execute(
        "SELECT *, in_progress_count, completed_count, failed_count, total_count FROM vector_stores WHERE id = 'vs_demo'"
    )
    row = dict(zip((c[0] for c in cursor.get_description()), next(cursor), strict=True))
    assert list(row)[:12] == [
        "id", "name", "status", "usage_bytes", "file_counts", "created_at", "last_active_at", "expires_after",
        "expires_at", "metadata", "description", "object",
    ]  # fmt: skip
    assert (row["name"], row["status"], row["expires_after"], row["metadata"]) == (
        "Product handbook",
        "in_progress",
        None,
        "{}",
    )
    assert (row["in_progress_count"], row["completed_count"], row["failed_count"], row["total_count"]) == (2, 4, 2, 8)
    assert json.loads(row["file_counts"])["total"] == 8
    assert requests() == ["GET /vector_stores/vs_demo"]


@pytest.mark.parametrize(
    ("columns", "body"),
    [
        ({}, {}),
        ({"name": "ü \"' \n"}, {"name": "ü \"' \n"}),
        ({"name": ""}, {"name": ""}),
        ({"name": "n", "description": "d"}, {"name": "n", "description": "d"}),
        ({"name": None, "metadata": '{"a":"b"}'}, {"metadata": {"a": "b"}}),
        ({"metadata": "null"}, {"metadata": None}),
        ({"file_ids": '["file-new-01"]'}, {"file_ids": ["file-new-01"]}),
        (
            {"file_ids": '["file-new-01"]', "chunking_strategy": '{"type":"auto"}', "expires_after": json.dumps(WEEK)},
            {"file_ids": ["file-new-01"], "chunking_strategy": {"type": "auto"}, "expires_after": WEEK},
        ),
    ],
    ids=str,
)
def test_insert_sends_what_is_given(db: apsw.Connection, bodies: Bodies, columns: dict[str, Any], body: Any) -> None:
    """NULL is not given."""
    if columns:
        names, marks = ", ".join(columns), ", ".join("?" * len(columns))
        db.execute(f"INSERT INTO vector_stores ({names}) VALUES ({marks})", tuple(columns.values()))
    else:
        db.execute("INSERT INTO vector_stores DEFAULT VALUES")
    assert bodies() == [("POST /vector_stores", body)]


REFUSED_INSERTS = {
    "id": ("'x'", "vector_stores.id comes from the API and cannot be inserted; give only name, expires_after, metadata, description, file_ids, chunking_strategy"),
    "vector_store_id": ("'x'", "vector_store_id comes from the API"),
    "status": ("'completed'", "status comes from the API"),
    "wait_seconds": ("5", "wait_seconds comes from the API"),
    "chunking_strategy": ("'{\"type\":\"auto\"}'", "chunking_strategy is accepted only together with file_ids"),
    "file_ids": ("'[]'", "file_ids: the array is empty; write at least one file"),
    "name": ("5", "vector_stores.name: 5 is not text; write text"),
    "description": ("x'00'", "description: a BLOB of 1 bytes is not text"),
    "metadata": ("json_object('a', 1)", "metadata: the value of 'a' is 1, not text; write json_object('team', 'docs')"),
    "expires_after": ("json_object('anchor', 'last_active_at', 'days', 366)", "days is 366; write a number from 1 to 365"),
}  # fmt: skip


@pytest.mark.parametrize("column", REFUSED_INSERTS)
def test_insert_refuses_before_it_sends(db: apsw.Connection, requests: Requests, column: str) -> None:
    """With the column and what to write; nothing of the statement is sent."""
    value, problem = REFUSED_INSERTS[column]
    with pytest.raises(openai_vtab.RowError) as caught:
        db.execute(
            f"INSERT INTO vector_stores (name, {column}) VALUES ('good', NULL), ('bad', {value})"
            if column != "name"
            else f"INSERT INTO vector_stores (name) VALUES ('good'), ({value})"
        )
    assert problem in str(caught.value)
    assert requests() == []


def test_insert_of_five_hundred_files_and_not_one_more(db: apsw.Connection, requests: Requests) -> None:
    """The limit of a new store; the sentence says how to attach more."""
    ids = json.dumps(["file-new-01"] * 501)
    with pytest.raises(
        openai_vtab.RowError, match=r"501 files are more than the 500 .*INSERT INTO vector_store_file_batches"
    ):
        db.execute("INSERT INTO vector_stores (file_ids) VALUES (?)", (ids,))
    assert requests() == []
    db.execute("INSERT INTO vector_stores (file_ids) VALUES (?)", (json.dumps(["file-new-01"] * 500),))


@pytest.mark.parametrize(
    ("assignments", "body"),
    [
        ("name = 'n'", {"name": "n"}),
        ("name = NULL", {"name": None}),
        ("metadata = NULL", {"metadata": None}),
        ("metadata = '{}'", {"metadata": {}}),
        ("expires_after = NULL", {"expires_after": None}),
        ("expires_after = json_object('anchor', 'last_active_at', 'days', 1)", {"expires_after": {"anchor": "last_active_at", "days": 1}}),
        ("name = upper(name), metadata = json_set(metadata, '$.x', 'y')", {"name": "PRODUCT HANDBOOK", "metadata": {"x": "y"}}),
        ("name = name", {"name": "Product handbook"}),
    ],
)  # fmt: skip
def test_update_sends_what_is_set(db: apsw.Connection, bodies: Bodies, assignments: str, body: Any) -> None:
    """And nothing else; NULL is sent as null, which is how the API is told to remove it."""
    db.execute(f"UPDATE vector_stores SET {assignments} WHERE id = 'vs_demo'")
    assert bodies() == [("GET /vector_stores/vs_demo", None), ("POST /vector_stores/vs_demo", body)]


@pytest.mark.parametrize(
    "assignments",
    ["description = 'x'", "id = 'x'", "name = 'n', status = 'expired'", "file_ids = '[\"a\"]'", "rowid = 7"],
)
def test_update_refuses_what_the_api_cannot_set(db: apsw.Connection, bodies: Bodies, assignments: str) -> None:
    """The sentence lists what it can."""
    with pytest.raises(openai_vtab.UnsupportedWriteError, match="vector_stores: "):
        db.execute(f"UPDATE vector_stores SET {assignments} WHERE id = 'vs_demo'")
    assert [request for request, _ in bodies() if request.startswith("POST")] == []
    with pytest.raises(
        openai_vtab.UnsupportedWriteError, match="can only SET name = …, expires_after = …, metadata = …"
    ):
        db.execute("UPDATE vector_stores SET description = 'x' WHERE id = 'vs_demo'")


@pytest.mark.parametrize(
    "value",
    ["'null'", "'{}'", "'x'", "5", "json_object('days', 7)", "json_object('anchor', 'last_active_at', 'days', 7.0)"],
)
def test_update_checks_the_value(db: apsw.Connection, bodies: Bodies, value: str) -> None:
    """As an INSERT does."""
    with pytest.raises(openai_vtab.RowError, match=r"vector_stores.expires_after: .*; write (json_object|a number)"):
        db.execute(f"UPDATE vector_stores SET expires_after = {value} WHERE id = 'vs_demo'")
    assert [request for request, _ in bodies() if request.startswith("POST")] == []


def test_delete_of_what_a_query_finds(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """One list, and a DELETE for each; the files stay."""
    for number in range(5):
        sandbox.add_store(f"vs_old_{number}", f"old {number}")
    db.execute("DELETE FROM vector_stores WHERE name LIKE 'old %' AND id <> 'vs_old_3' AND id <> 'vs_archive'")
    listed, *deleted = requests()
    assert listed == "GET /vector_stores?limit=100&order=desc"
    assert sorted(deleted) == [f"DELETE /vector_stores/vs_old_{n}" for n in (0, 1, 2, 4)]
    assert {"vs_old_3", "vs_demo", "vs_archive"} == {id for (id,) in db.execute("SELECT id FROM vector_stores")}
    assert db.execute("SELECT count(*) FROM files").get == 16


@pytest.mark.parametrize("is_read_before", [False, True])
def test_delete_by_rowid_of_what_an_insert_has_created(db: apsw.Connection, sandbox: Any, is_read_before: bool) -> None:
    """The stores that this connection has not created are below the rowids of the INSERT, whenever they are read."""
    if is_read_before:
        db.execute("SELECT count(*) FROM vector_stores").fetchall()
    db.execute("INSERT INTO vector_stores (name) VALUES ('a'), ('b')")
    new = "rowid > (SELECT last_insert_rowid() - changes())"
    assert [name for (name,) in db.execute(f"SELECT name FROM vector_stores WHERE {new} ORDER BY rowid")] == ["a", "b"]
    db.execute(f"DELETE FROM vector_stores WHERE {new}")
    assert [name for (name,) in db.execute("SELECT id FROM vector_stores ORDER BY id")] == ["vs_archive", "vs_demo"]
    assert db.changes() == 2


def test_delete_is_seen_at_once(connect: Any, clock: FakeClock, requests: Requests) -> None:
    """Also one that this connection has just made: 404 is no lag then."""
    db = connect(clock=clock)
    db.execute("INSERT INTO vector_stores (name) VALUES ('short')")
    rowid = db.last_insert_rowid()
    id = db.execute("SELECT id FROM vector_stores WHERE rowid = ?", (rowid,)).get
    db.execute("DELETE FROM vector_stores WHERE rowid = ?", (rowid,))
    slept = clock.slept
    assert db.execute("SELECT id FROM vector_stores WHERE id = ?", (id,)).fetchall() == []
    assert db.execute("SELECT id FROM vector_stores WHERE rowid = ?", (rowid,)).fetchall() == []
    assert clock.slept == slept
    assert id not in [found for (found,) in db.execute("SELECT id FROM vector_stores")]


def test_transactions_send_what_was_committed(db: apsw.Connection, bodies: Bodies) -> None:
    """Nothing before COMMIT, nothing after ROLLBACK."""
    writes = (
        "INSERT INTO vector_stores (name) VALUES ('a'), ('b'); UPDATE vector_stores SET name = 'c' WHERE id = 'vs_demo'; "
        "DELETE FROM vector_stores WHERE id = 'vs_archive'"
    )
    db.execute(f"BEGIN; SAVEPOINT s; {writes.split(';', maxsplit=1)[0]}; ROLLBACK TO s; COMMIT")
    assert bodies() == []
    db.execute(f"BEGIN; {writes.split(';', maxsplit=1)[0]}; ROLLBACK")
    assert bodies() == []
    db.execute(f"BEGIN; {writes}")
    reads_and_creates = bodies()  # a read sends what was written before it
    assert [request for request, _ in reads_and_creates if "DELETE" in request] == []
    db.execute("COMMIT")
    assert bodies() == [("DELETE /vector_stores/vs_archive", None)]


def test_commit_that_fails_in_part_lists_what_was_done(connect: Any, sandbox: Any) -> None:
    """What was deleted, what was not."""
    db = connect(max_concurrency=1, max_retries=0)
    for number in range(3):
        sandbox.add_store(f"vs_x{number}", "x")
    sandbox.inject(openai_vtab.sandbox.Status(500), method="DELETE", after=1)
    with pytest.raises(openai_vtab.WriteError) as caught:
        db.execute("DELETE FROM vector_stores WHERE name = 'x'")
    assert len(caught.value.done) == 1
    assert len(caught.value.not_done) == 2
    assert caught.value.unknown == []


def test_delete_that_was_not_confirmed_raises(db: apsw.Connection, sandbox: Any) -> None:
    """Although it is a 200."""
    answer = {"id": "vs_archive", "object": "vector_store.deleted", "deleted": False}
    sandbox.inject(openai_vtab.sandbox.Answer(answer), method="DELETE")
    with pytest.raises(openai_vtab.APIError, match="the object was not deleted"):
        db.execute("DELETE FROM vector_stores WHERE id = 'vs_archive'")


def test_polling_for_a_store(connect: Any, sandbox: Any, requests: Requests) -> None:
    """Until nothing of it is in progress; one, and all of a list."""
    db = connect()
    sandbox._state.processing_seconds = 0.3
    for name in ("vs_a", "vs_b"):
        sandbox.add_store(name, "new")
        sandbox.add_batch(name, ["file-new-01", "file-new-05"])
    sql = "SELECT status, completed_count, failed_count FROM vector_stores WHERE id = ? AND wait_seconds = 20"
    assert db.execute(sql, ("vs_a",)).get == ("completed", 1, 1)
    assert len(requests()) >= 2
    sql = "SELECT id, status, wait_seconds FROM vector_stores WHERE name = 'new' AND wait_seconds = 0.2 ORDER BY id"
    assert db.execute(sql).fetchall() == [("vs_a", "completed", 0.2), ("vs_b", "completed", 0.2)]
    assert requests()[0] == "GET /vector_stores?limit=100&order=desc"


@pytest.mark.parametrize(
    "write",
    ["INSERT OR IGNORE INTO vector_stores (name) VALUES ('x')", "REPLACE INTO vector_stores (name) VALUES ('x')",
     "UPDATE OR REPLACE vector_stores SET name = 'x' WHERE id = 'vs_demo'"],
)  # fmt: skip
def test_conflict_clause_is_refused(db: apsw.Connection, bodies: Bodies, write: str) -> None:
    """There is nothing that could conflict."""
    with pytest.raises(openai_vtab.UnsupportedWriteError, match="because the API has no conflicts"):
        db.execute(write)
    assert [request for request, _ in bodies() if not request.startswith("GET")] == []


def test_response_with_more_or_fewer_fields(db: apsw.Connection, sandbox: Any) -> None:
    """A store without most members is NULLs; numbers and objects of any kind are no exception."""
    answer = {
        "id": "vs_x",
        "object": "vector_store",
        "name": 7,
        "usage_bytes": 1e30,
        "file_counts": None,
        "created_at": "soon",
        "metadata": [1],
    }
    sandbox.inject(openai_vtab.sandbox.Answer(answer))
    sql = "SELECT name, usage_bytes, file_counts, total_count, created_at, metadata, description, status FROM vector_stores WHERE id = 'vs_x'"
    assert db.execute(sql).get == (7, 10**30 * 1.0, None, None, "soon", "[1]", None, None)
    sandbox.inject(openai_vtab.sandbox.Answer(answer))
    assert db.execute("SELECT raw ->> 'created_at' FROM vector_stores WHERE id = 'vs_x'").get == "soon"
