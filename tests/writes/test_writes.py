"""INSERT, UPDATE, DELETE and the function: what is sent, what is refused before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import apsw
import pytest

import openai_vtab

from ..support.meeting import holding, meeting

T = "vector_store_file_batches"
POST = "POST /vector_stores/vs_demo/file_batches"
KEYS = "vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_running'"
DEMO = "/vector_stores/vs_demo/file_batches/"

Requests = Callable[[], list[str]]


def insert(db: apsw.Connection, **columns: Any) -> int:
    marks = ", ".join("?" * len(columns))
    db.execute(f"INSERT INTO {T} ({', '.join(columns)}) VALUES ({marks})", tuple(columns.values()))
    return db.last_insert_rowid()


@pytest.mark.parametrize("prefix", ["", "data__"])
def test_insert_file_ids_creates_a_batch(db: apsw.Connection, sandbox: Any, prefix: str) -> None:
    """One POST with exactly the documented body, also under StackQL's column names."""
    columns = {
        "vector_store_id": "vs_demo",
        f"{prefix}file_ids": '["file-new-01", "file-new-02"]',
        f"{prefix}attributes": '{"lang": "en", "year": 2026, "draft": false}',
        f"{prefix}chunking_strategy": '{"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 50}}',
    }
    rowid = insert(db, **columns)
    (request,) = sandbox.requests
    assert (request.method, request.path) == ("POST", "/vector_stores/vs_demo/file_batches")
    assert request.body == {
        "file_ids": ["file-new-01", "file-new-02"],
        "attributes": {"lang": "en", "year": 2026, "draft": False},
        "chunking_strategy": {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 50}},
    }
    sql = f"SELECT id, status, total_count FROM {T} WHERE rowid = last_insert_rowid()"
    ((batch_id, status, total),) = db.execute(sql).fetchall()
    assert ("vs_demo", batch_id) in sandbox.batches
    assert (status, total) == ("in_progress", 2)
    sql = f"SELECT rowid FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = ?"
    assert db.execute(sql, (batch_id,)).get == rowid


def test_insert_files_copies_the_shared_options_into_each(db: apsw.Connection, sandbox: Any) -> None:
    """The API ignores them beside `files`; an item's own win."""
    insert(
        db,
        vector_store_id="vs_demo",
        files='[{"file_id": "file-new-01"}, {"file_id": "file-new-02", "attributes": {"lang": "fr"}}]',
        attributes='{"lang": "en"}',
        chunking_strategy='{"type": "auto"}',
    )
    (request,) = sandbox.requests
    assert request.body == {
        "files": [
            {"file_id": "file-new-01", "attributes": {"lang": "en"}, "chunking_strategy": {"type": "auto"}},
            {"file_id": "file-new-02", "attributes": {"lang": "fr"}, "chunking_strategy": {"type": "auto"}},
        ]
    }


def test_insert_select_from_a_local_table(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """The documented way from documents to a batch; duplicates of a rowid never happen."""
    db.execute("CREATE TABLE documents (file_id TEXT, batch_id TEXT)")
    db.execute("INSERT INTO documents (file_id) VALUES ('file-new-01'), ('file-new-02')")
    db.execute(
        f"INSERT INTO {T} (vector_store_id, file_ids) SELECT 'vs_demo', json_group_array(file_id) FROM documents "
        "WHERE batch_id IS NULL"
    )
    assert sandbox.requests[0].body == {"file_ids": ["file-new-01", "file-new-02"]}
    assert requests() == [POST]


def test_insert_of_many_rows_is_concurrent(connect: Any, sandbox: Any, requests: Requests) -> None:
    """An INSERT … SELECT of twenty rows sends twenty requests at its end, several at once."""
    db = connect(max_concurrency=8)
    db.execute(
        "CREATE TABLE parts AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20) SELECT i FROM n"
    )
    with meeting(sandbox, 8):
        db.execute(f"INSERT INTO {T} (vector_store_id, file_ids) SELECT 'vs_demo', json_array('file-' || i) FROM parts")
    assert sorted(r.body["file_ids"][0] for r in sandbox.requests) == sorted(f"file-{i}" for i in range(1, 21))
    assert requests() == [POST] * 20
    assert sandbox.max_in_flight == 8


TOO_MANY = json.dumps(["file-x"] * 2001)
REFUSED = {
    "no store": ({"file_ids": '["f"]'}, "vector_store_id is missing or NULL; give (vector_store_id, file_ids) or (vector_store_id, files)"),
    "no files": ({"vector_store_id": "vs_demo"}, "file_ids is missing or NULL; give (vector_store_id, file_ids) or"),
    "null files": ({"vector_store_id": "vs_demo", "file_ids": None}, "file_ids is missing or NULL"),
    "both": ({"vector_store_id": "vs_demo", "file_ids": '["f"]', "files": '[{"file_id": "f"}]'}, "files cannot be given together with file_ids; give one of them"),
    "two names": ({"vector_store_id": "vs_demo", "file_ids": '["f"]', "data__file_ids": '["f"]'}, "data__file_ids is another name of file_ids, which is also given; give one of them"),
    "bare id": ({"vector_store_id": "vs_demo", "file_ids": "file-abc"}, "file_ids: 'file-abc' is not JSON; write json_array("),
    "a number": ({"vector_store_id": "vs_demo", "file_ids": 7}, "file_ids: 7 is not JSON text; write json_array("),
    "an object": ({"vector_store_id": "vs_demo", "file_ids": "{}"}, "file_ids: '{}' is not a JSON array; write json_array("),
    "jsonb": ({"vector_store_id": "vs_demo", "file_ids": b"\x0b"}, "file_ids: a BLOB of 1 bytes is not JSON text"),
    "empty": ({"vector_store_id": "vs_demo", "file_ids": "[]"}, "file_ids: the array is empty; write at least one file"),
    "null item": ({"vector_store_id": "vs_demo", "file_ids": '["a", null]'}, "file_ids: item 1 of the array is null; write WHERE file_id IS NOT NULL"),
    "number item": ({"vector_store_id": "vs_demo", "file_ids": "[1]"}, "file_ids: item 0 is 1, not a file id"),
    "space in item": ({"vector_store_id": "vs_demo", "file_ids": '["a b"]'}, 'file_ids: item 0 is "a b", not a file id'),
    "too many": ({"vector_store_id": "vs_demo", "file_ids": TOO_MANY}, "file_ids: 2001 files are more than the 2000 that one batch may have; write one row for each part: SELECT"),
    "item without file_id": ({"vector_store_id": "vs_demo", "files": '[{"id": "f"}]'}, "files: item 0 has the unknown member 'id'; write only file_id"),
    "item attributes": ({"vector_store_id": "vs_demo", "files": '[{"file_id": "f", "attributes": [1]}]'}, "files: item 0: attributes are [1], not an object; write json_object("),
    "attributes": ({"vector_store_id": "vs_demo", "file_ids": '["f"]', "attributes": '{"a": null}'}, "attributes: the attribute 'a' is null; write text, a number, true or false"),
    "chunk size": ({"vector_store_id": "vs_demo", "file_ids": '["f"]', "chunking_strategy": '{"type": "static", "static": {"max_chunk_size_tokens": 99, "chunk_overlap_tokens": 0}}'}, "chunking_strategy: max_chunk_size_tokens is 99; write a number from 100 to 4096"),
    "overlap": ({"vector_store_id": "vs_demo", "file_ids": '["f"]', "chunking_strategy": '{"type": "static", "static": {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 401}}'}, "chunking_strategy: chunk_overlap_tokens is 401; write a number from 0 to 400, half of the chunk size"),
    "output column": ({"vector_store_id": "vs_demo", "file_ids": '["f"]', "status": "completed"}, "status comes from the API and cannot be inserted; give only vector_store_id, file_ids, files, chunking_strategy, attributes"),
    "an id": ({"vector_store_id": "vs_demo", "file_ids": '["f"]', "id": "vsfb_x"}, "id comes from the API and cannot be inserted"),
    "rowid": ({"vector_store_id": "vs_demo", "file_ids": '["f"]', "rowid": 5}, "rowid: it is given by the table; leave it out"),
    "store with a space": ({"vector_store_id": "vs demo", "file_ids": '["f"]'}, "vector_store_id: 'vs demo' contains white space or control characters; write the bare id"),
    "dotted store": ({"vector_store_id": "..", "file_ids": '["f"]'}, "vector_store_id: '..' is not an id; write the id as text"),
}  # fmt: skip


@pytest.mark.parametrize(("columns", "sentence"), REFUSED.values(), ids=REFUSED)
def test_insert_refuses_a_wrong_row_before_anything_is_sent(
    db: apsw.Connection, requests: Requests, columns: dict[str, Any], sentence: str
) -> None:
    """The error names the table, the column, the problem and what to write; a right row before it is not sent either."""
    with pytest.raises(openai_vtab.RowError) as caught:
        insert(db, **columns)
    assert f"{T}.{sentence}" in str(caught.value)
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    with pytest.raises(openai_vtab.RowError), db:
        insert(db, vector_store_id="vs_demo", file_ids='["file-new-01"]')
        db.execute(f"INSERT INTO {T} ({names}) VALUES ({marks})", tuple(columns.values()))
    assert requests() == []


def test_insert_has_a_limit_of_files_by_setting(connect: Any, requests: Requests) -> None:
    """Compatible servers have other limits."""
    db = connect(max_files_per_batch=2)
    with pytest.raises(openai_vtab.RowError, match="3 files are more than the 2 that one batch may have"):
        insert(db, vector_store_id="vs_demo", file_ids='["file-a", "file-b", "file-c"]')
    insert(db, vector_store_id="vs_demo", file_ids='["file-a", "file-b"]')
    assert requests() == [POST]


def test_insert_of_2000_files_is_one_request(db: apsw.Connection, sandbox: Any) -> None:
    """The largest batch goes out whole."""
    insert(db, vector_store_id="vs_demo", file_ids=json.dumps([f"file-{i}" for i in range(2000)]))
    assert [len(r.body["file_ids"]) for r in sandbox.requests] == [2000]


def test_insert_split_by_the_query_of_the_error_works(connect: Any, sandbox: Any) -> None:
    """What the error says to write creates one batch for each part."""
    db = connect(attach_files_per_minute=0)
    db.execute(
        "CREATE TABLE documents AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4500) SELECT 'file-' || i AS file_id FROM n"
    )
    with pytest.raises(openai_vtab.RowError) as caught:
        db.execute(
            f"INSERT INTO {T} (vector_store_id, file_ids) SELECT 'vs_demo', json_group_array(file_id) FROM documents"
        )
    split = "SELECT" + str(caught.value).partition("SELECT")[2].replace("'vs_…'", "'vs_demo'")
    db.execute(f"INSERT INTO {T} (vector_store_id, file_ids) {split}")
    assert sorted(len(r.body["file_ids"]) for r in sandbox.requests) == [500, 2000, 2000]
    assert len({f for r in sandbox.requests for f in r.body["file_ids"]}) == 4500


def test_returning_gives_what_was_inserted(db: apsw.Connection) -> None:
    """SQLite's own limit, documented: RETURNING id is NULL."""
    sql = f"INSERT INTO {T} (vector_store_id, file_ids) VALUES ('vs_demo', '[\"file-new-01\"]') RETURNING id, vector_store_id"
    assert db.execute(sql).fetchall() == [(None, "vs_demo")]


def test_insert_into_an_absent_store_raises(db: apsw.Connection, requests: Requests) -> None:
    """404 is no row only for a read."""
    with pytest.raises(openai_vtab.APIError) as caught:
        insert(db, vector_store_id="vs_none", file_ids='["file-new-01"]')
    assert caught.value.status == 404
    assert "No vector store found with id 'vs_none'" in str(caught.value)
    assert requests() == ["POST /vector_stores/vs_none/file_batches"]
    assert db.execute(f"SELECT * FROM {T} WHERE rowid = last_insert_rowid()").fetchall() == []


def test_update_cancels(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """SET status = 'cancelled' is POST …/cancel."""
    db.execute(f"UPDATE {T} SET status = 'cancelled' WHERE {KEYS}")
    assert requests() == [f"GET {DEMO}vsfb_demo_running", f"POST {DEMO}vsfb_demo_running/cancel"]
    assert sandbox.batches["vs_demo", "vsfb_demo_running"]["status"] == "cancelled"
    assert db.changes() == 1


def test_update_of_several_batches(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """An IN list is read and cancelled; only what SQLite's WHERE lets through is touched."""
    other = sandbox.add_batch("vs_demo", ["file-demo-01"])
    db.execute(
        f"UPDATE {T} SET status = 'cancelled' WHERE vector_store_id = 'vs_demo' "
        f"AND batch_id IN ('vsfb_demo_running', 'vsfb_demo_finished', '{other}') AND status = 'in_progress'"
    )
    assert sorted(r for r in requests() if r.startswith("POST")) == sorted(
        f"POST {DEMO}{batch}/cancel" for batch in (other, "vsfb_demo_running")
    )


def test_update_of_an_absent_batch_does_nothing(db: apsw.Connection, requests: Requests) -> None:
    """No row, no request that writes."""
    db.execute(f"UPDATE {T} SET status = 'cancelled' WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_none'")
    assert requests() == [f"GET {DEMO}vsfb_none"]
    assert db.changes() == 0


@pytest.mark.parametrize(
    ("assignment", "refused"),
    [
        ("status = 'completed'", "status = 'completed'"),
        ("status = NULL", "status = NULL"),
        ("file_counts = '{}'", "file_counts = '{}'"),
        ("status = 'cancelled', object = 'x'", "object = 'x'"),
        ("id = 'vsfb_other'", "id = 'vsfb_other'"),
        ("vector_store_id = 'vs_archive'", "vector_store_id = 'vs_archive'"),
        ("file_ids = '[]'", "file_ids = '[]'"),
    ],
)
def test_update_refuses_any_other_set(db: apsw.Connection, requests: Requests, assignment: str, refused: str) -> None:
    """The sentence says what is possible; nothing is written."""
    with pytest.raises(openai_vtab.UnsupportedWriteError) as caught:
        db.execute(f"UPDATE {T} SET {assignment} WHERE {KEYS}")
    assert refused in str(caught.value)
    assert str(caught.value).endswith("an UPDATE can only SET status = 'cancelled'")
    assert requests() == [f"GET {DEMO}vsfb_demo_running"]


def test_delete_is_refused(db: apsw.Connection, requests: Requests) -> None:
    """The API has none; the sentence says what is possible."""
    with pytest.raises(openai_vtab.UnsupportedWriteError) as caught:
        db.execute(f"DELETE FROM {T} WHERE {KEYS}")
    assert "the API has no way to DELETE; UPDATE vector_store_file_batches SET status = 'cancelled' is possible" in str(
        caught.value
    )
    assert requests() == [f"GET {DEMO}vsfb_demo_running"]


def test_update_of_the_rowid_is_refused(db: apsw.Connection) -> None:
    """It is the table's own."""
    with pytest.raises(openai_vtab.UnsupportedWriteError, match="the rowid cannot be SET"):
        db.execute(f"UPDATE {T} SET rowid = 99 WHERE {KEYS}")


@pytest.mark.parametrize("where", ["vector_store_id = 'vs_demo'", "id = 'vs_demo'"])
def test_update_of_the_rowid_alone_sends_nothing(db: apsw.Connection, requests: Requests, where: str) -> None:
    """SET rowid = rowid changes no column: an empty request must not be sent for it."""
    with pytest.raises(openai_vtab.UnsupportedWriteError, match="vector_stores: the API cannot SET the rowid"):
        db.execute(f"UPDATE vector_stores SET rowid = rowid WHERE {where}")
    assert not [request for request in requests() if request.startswith("POST")]


def test_function_cancels_and_returns_the_batch(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """JSON, as the API answers: the cancel is asynchronous."""
    answer = json.loads(db.execute("SELECT cancel_vector_store_file_batch('vs_demo', 'vsfb_demo_running')").get)
    assert (answer["id"], answer["status"]) == ("vsfb_demo_running", "in_progress")
    assert requests() == [f"POST {DEMO}vsfb_demo_running/cancel"]
    assert sandbox.batches["vs_demo", "vsfb_demo_running"]["status"] == "cancelled"


def test_function_with_null_is_null(db: apsw.Connection, requests: Requests) -> None:
    """As every SQL function."""
    assert db.execute(
        "SELECT cancel_vector_store_file_batch(NULL, 'x'), cancel_vector_store_file_batch('x', NULL)"
    ).get == (None, None)
    assert requests() == []


def test_function_raises_the_apis_error(db: apsw.Connection, requests: Requests) -> None:
    """A finished batch cannot be cancelled; what is no id is refused before it is sent."""
    with pytest.raises(openai_vtab.APIError, match="is completed and cannot be cancelled"):
        db.execute("SELECT cancel_vector_store_file_batch('vs_demo', 'vsfb_demo_finished')").fetchall()
    requests()
    with pytest.raises(openai_vtab.RowError, match="cancel_vector_store_file_batch, argument batch_id: 5 is not an id"):
        db.execute("SELECT cancel_vector_store_file_batch('vs_demo', 5)").fetchall()
    assert requests() == []


def test_function_is_for_direct_use_only(sandbox: Any, requests: Requests) -> None:
    """DIRECTONLY: a view cannot call it, not even where the schema is trusted."""
    db = apsw.Connection(":memory:")
    openai_vtab.register(db, base_url=sandbox.base_url, api_key=sandbox.api_key)
    db.execute("CREATE VIEW trap AS SELECT cancel_vector_store_file_batch('vs_demo', 'vsfb_demo_running')")
    with pytest.raises(apsw.SQLError, match="unsafe use of cancel_vector_store_file_batch"):
        db.execute("SELECT * FROM trap").fetchall()
    assert requests() == []
    db.close()


def test_create_virtual_table_takes_no_settings(db: apsw.Connection) -> None:
    """A key in SQL would be stored in the database file."""
    with pytest.raises(openai_vtab.ProgrammingError, match="a key would be stored in the database file"):
        db.execute(f"CREATE VIRTUAL TABLE mine USING {T}(api_key='sk-x')")


def test_rollback_sends_nothing(db: apsw.Connection, requests: Requests) -> None:
    """The whole transaction, a savepoint, and a statement that fails in its second row."""
    one = f"INSERT INTO {T} (vector_store_id, file_ids) VALUES ('vs_demo', '[\"file-new-01\"]')"
    db.execute(f"BEGIN; {one}; ROLLBACK")
    assert requests() == []
    db.execute(f"BEGIN; {one}; SAVEPOINT s; {one}; {one}; ROLLBACK TO s; COMMIT")
    assert requests() == [POST]
    with pytest.raises(openai_vtab.RowError):
        db.execute(
            f"INSERT INTO {T} (vector_store_id, file_ids) VALUES ('vs_demo', '[\"file-new-01\"]'), ('vs_demo', '[]')"
        )
    assert requests() == []
    db.execute(f"BEGIN; {one}")
    with pytest.raises(openai_vtab.RowError):
        db.execute(
            f"INSERT INTO {T} (vector_store_id, file_ids) VALUES ('vs_demo', '[\"file-new-02\"]'), ('vs_demo', '[]')"
        )
    db.execute("COMMIT")
    assert requests() == [POST]


def test_commit_fails_with_a_failed_create_and_undoes_local_changes(db: apsw.Connection, sandbox: Any) -> None:
    """Local and remote together: the journal row exists exactly when the batch was created."""
    from openai_vtab.sandbox import Status

    db.execute("CREATE TABLE journal (what TEXT)")
    sandbox.inject(Status(400, message="no"), method="POST")
    one = f"INSERT INTO {T} (vector_store_id, file_ids) VALUES ('vs_demo', '[\"file-new-01\"]')"
    db.execute("BEGIN")
    db.execute(one)
    db.execute("INSERT INTO journal VALUES ('created')")
    with pytest.raises(openai_vtab.APIError):
        db.execute("COMMIT")
    assert not db.in_transaction
    assert db.execute("SELECT count(*) FROM journal").get == 0
    sandbox.inject(Status(400, message="no"), method="POST")
    with pytest.raises(openai_vtab.APIError), db:
        db.execute(one)
        db.execute("INSERT INTO journal VALUES ('created')")
    assert db.execute("SELECT count(*) FROM journal").get == 0
    with db:
        db.execute(one)
        db.execute("INSERT INTO journal VALUES ('created')")
    assert db.execute("SELECT count(*) FROM journal").get == 1


def test_commit_that_fails_in_part_lists_what_was_done(connect: Any, sandbox: Any) -> None:
    """Of three rows the second fails: the error has the ids that exist, and the rows that were not written."""
    from openai_vtab.sandbox import Status

    db = connect(max_concurrency=1)
    sandbox.inject(Status(400, message="no such luck"), method="POST", after=1)
    with pytest.raises(openai_vtab.WriteError) as caught:
        db.execute(
            f"INSERT INTO {T} (vector_store_id, file_ids) VALUES ('vs_demo', '[\"file-1\"]'), ('vs_demo', '[\"file-2\"]'), "
            "('vs_demo', '[\"file-3\"]')"
        )
    ((_, created),) = caught.value.done
    assert ("vs_demo", created) in sandbox.batches
    assert [why for _, why in caught.value.not_done][1] == "not sent"
    assert "no such luck" in caught.value.not_done[0][1]
    assert caught.value.unknown == []
    assert created in str(caught.value)
    assert len([r for r in sandbox.requests if r.method == "POST"]) == 2


def test_select_inside_a_transaction_sends_first(
    db: apsw.Connection, requests: Requests, caplog: pytest.LogCaptureFixture
) -> None:
    """Read your own writes; a later ROLLBACK cannot undo it, and says so in a warning."""
    db.execute("BEGIN")
    insert(db, vector_store_id="vs_demo", file_ids='["file-new-01"]')
    assert requests() == []
    batch = db.execute(f"SELECT id FROM {T} WHERE rowid = last_insert_rowid()").get
    assert requests() == [POST, f"GET {DEMO}{batch}"]
    db.execute("ROLLBACK")
    assert batch in caplog.text
    assert "already carried out" in caplog.text


@pytest.mark.parametrize("mode", ["IGNORE", "REPLACE", "FAIL", "ROLLBACK"])
@pytest.mark.parametrize("verb", ["INSERT", "UPDATE"])
def test_conflict_clauses_are_refused(db: apsw.Connection, requests: Requests, verb: str, mode: str) -> None:
    """The API gives the keys, so nothing can conflict; a repeated row would be a second batch."""
    if verb == "INSERT":
        sql = f"INSERT OR {mode} INTO {T} (vector_store_id, file_ids) VALUES ('vs_demo', '[\"file-new-01\"]')"
    else:
        sql = f"UPDATE OR {mode} {T} SET status = 'cancelled' WHERE {KEYS}"
    db.execute(
        sql.replace(f" OR {mode}", " OR ABORT").replace("vsfb_demo_running", "vsfb_gone")
    ) if verb == "UPDATE" else None
    requests()
    with pytest.raises(openai_vtab.UnsupportedWriteError, match=f"{verb} OR {mode} is not possible, .*; write {verb}"):
        db.execute(sql)
    assert [request for request in requests() if request.startswith("POST")] == []


def test_upsert_is_sqlites_own_refusal(db: apsw.Connection, requests: Requests) -> None:
    """ON CONFLICT DO does not exist for virtual tables."""
    sql = f"INSERT INTO {T} (vector_store_id, file_ids) VALUES ('vs_demo', '[\"file-new-01\"]') ON CONFLICT DO NOTHING"
    with pytest.raises(apsw.SQLError, match="UPSERT not implemented for virtual table"):
        db.execute(sql)
    assert requests() == []


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK TO here; COMMIT", "ROLLBACK"])
def test_commit_after_a_failed_row_is_refused(db: apsw.Connection, sandbox: Any, end: str) -> None:
    """Also when it was a read that had sent the row; what is rolled back does not count."""
    db.execute("CREATE TABLE journal (what)")
    db.execute("BEGIN; INSERT INTO journal VALUES ('before'); SAVEPOINT here; INSERT INTO journal VALUES ('after')")
    db.execute(f"INSERT INTO {T} (vector_store_id, file_ids) VALUES ('vs_gone', '[\"file-new-01\"]')")
    with pytest.raises(openai_vtab.APIError, match="vs_gone"):
        db.execute(f"SELECT * FROM {T} WHERE {KEYS}").fetchall()
    if end == "COMMIT":
        with pytest.raises(openai_vtab.WriteError, match="cannot be committed") as caught:
            db.execute(end)
        assert len(caught.value.not_done) == 1
        assert not db.in_transaction
    else:
        db.execute(end)
    expected = [("before",)] if "TO here" in end else []
    assert db.execute("SELECT what FROM journal").fetchall() == expected
    insert(db, vector_store_id="vs_demo", file_ids='["file-new-01"]')  # the next transaction is a new one
    assert db.execute(f"SELECT total_count FROM {T} WHERE rowid = last_insert_rowid()").get == 1


@pytest.mark.parametrize("count", [1, 3])
def test_returning_that_is_not_read_to_its_end_keeps_its_rows(
    db: apsw.Connection, requests: Requests, count: int
) -> None:
    """SQLite has inserted all of them before it returns the first."""
    rows = ", ".join(["('vs_demo', '[\"file-new-01\"]')"] * count)
    db.execute("BEGIN")
    cursor = db.execute(f"INSERT INTO {T} (vector_store_id, file_ids) VALUES {rows} RETURNING vector_store_id")
    assert next(cursor) == ("vs_demo",)
    cursor.close(True)
    assert requests() == []
    db.execute("COMMIT")
    assert requests() == [POST] * count


@pytest.mark.parametrize("whose", ["key", "progress"])
def test_commit_with_a_user_function_that_fails(connect: Any, sandbox: Any, whose: str, caplog: Any) -> None:
    """The key's for the second row, or sys.exit in the progress's: all that was sent is told of, a ledger remembers it."""
    calls: list[int] = []

    def key() -> str:
        calls.append(1)
        if len(calls) > 1:
            raise ZeroDivisionError("no key today")
        return str(sandbox.api_key)

    def progress(_: object) -> None:
        calls.append(1)
        if len(calls) == 1:
            raise SystemExit(5)

    settings: Any = {"api_key": key} if whose == "key" else {"progress": progress}
    db = connect(max_concurrency=1, **settings)
    db.execute("CREATE VIRTUAL TABLE mine USING vector_store_file_batches")
    row = "('vs_demo', '[\"file-new-01\"]')"
    with nullcontext() if whose == "key" else holding(sandbox):
        with pytest.raises(openai_vtab.WriteError if whose == "key" else SystemExit) as caught:
            db.execute(f"INSERT INTO mine (vector_store_id, file_ids) VALUES {row}, {row}")
        said = str(caught.value) if whose == "key" else caplog.text
        assert ("done: row 1: vsfb_" if whose == "key" else "unknown: row 1: ") in said
        assert ("not done: row 2: no key today" if whose == "key" else "not done: row 2: not sent") in said
        db.execute("SELECT 1").fetchall()
        assert db.execute("SELECT status FROM mine_ledger").fetchall() == [
            ("in_progress" if whose == "key" else "unknown",)
        ]
