"""Listing a ledger: what it holds, what it requests, and what is answered from the cache."""

from __future__ import annotations

import json
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.sandbox import Answer
from openai_vtab.tables.vector_store_file_batches import vector_store_file_batches

from ..support.meeting import meeting
from .batches import FAILURES, FINISHED, MODULE, RUNNING, Requests, adopt, created, listed, look_up

DEMO = "/vector_stores/vs_demo/file_batches/"

ARCHIVED = "vsfb_archive_2025"


def plan(db: apsw.Connection, sql: str) -> list[str]:
    return [row[3].rpartition(" VIRTUAL TABLE ")[2] for row in db.execute("EXPLAIN QUERY PLAN " + sql)]


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
    assert plan(filled, sql) == ["INDEX 2: responses"]


# a query of TABLE, and whether it reads columns of the stored responses
COLUMNS_READ = [
    ("SELECT status FROM TABLE", False),
    ("SELECT rowid, id, batch_id, vector_store_id, status, file_ids, attributes FROM TABLE", False),
    ("SELECT file_ids, rowid FROM TABLE", False),
    ("SELECT count(*) FROM TABLE", False),
    ("SELECT status, count(*) FROM TABLE GROUP BY status", False),
    ("SELECT id FROM TABLE WHERE status = 'completed' AND vector_store_id = 'vs_demo'", False),
    ("SELECT a.status FROM TABLE AS a JOIN TABLE AS b ON b.status = a.status AND b.rowid >= a.rowid", False),
    ("WITH q AS (SELECT * FROM TABLE) SELECT status FROM q", False),
    ("SELECT total_count, created_at, object, status, id FROM TABLE", True),
    ("SELECT raw, status FROM TABLE", True),
    ("SELECT error FROM TABLE", True),
    ("SELECT status FROM TABLE WHERE created_at > 0", True),
    ("SELECT status FROM TABLE ORDER BY total_count DESC, created_at, rowid", True),
    ("SELECT status FROM TABLE GROUP BY status HAVING max(completed_count) = 3", True),
    (
        "SELECT a.status FROM TABLE AS a WHERE EXISTS (SELECT 1 FROM TABLE AS b WHERE b.total_count < a.total_count)",
        True,
    ),
    ("SELECT (SELECT a.file_counts) FROM TABLE AS a", True),
    ("SELECT rowid FROM TABLE WHERE status = 'failed' OR object = 'vector_store.file_batch'", True),
    ("WITH q AS (SELECT * FROM TABLE) SELECT created_at FROM q", True),
]


@pytest.mark.parametrize(("query", "reads"), COLUMNS_READ, ids=[query for query, _ in COLUMNS_READ])
def test_listing_reads_stored_responses_only_for_their_columns(
    filled: apsw.Connection, query: str, reads: bool
) -> None:
    """SQLite's authorizer sees whether the scan reads them; the rows are those of an ordinary table."""
    look_up(filled, FAILURES)
    read: set[str] = set()

    def authorizer(code: int, table: str | None, column: str | None, *_: str | None) -> int:
        if code == apsw.SQLITE_READ and table == "my_batches_ledger" and column is not None:
            read.add(column)
        return apsw.SQLITE_OK

    names = ", ".join(column.name for column in vector_store_file_batches.columns if not column.is_option)
    filled.execute(f"CREATE TABLE plain AS SELECT {names} FROM my_batches ORDER BY rowid")
    expected = filled.execute(query.replace("TABLE", "plain")).fetchall()
    filled.authorizer = authorizer
    assert sorted(filled.execute(query.replace("TABLE", "my_batches")).fetchall(), key=repr) == sorted(
        expected, key=repr
    )
    assert ("answer" in read) == reads


def test_listing_reads_stored_responses_for_writes_and_views(filled: apsw.Connection, requests: Requests) -> None:
    """The conditions of an UPDATE and a DELETE, and the query of a view, read their columns too."""
    filled.execute("CREATE TEMP VIEW counts AS SELECT id, status, total_count FROM my_batches")
    assert filled.execute("SELECT total_count FROM counts WHERE status = 'completed'").fetchall() == [(3,)]
    assert plan(filled, "SELECT status FROM counts") == ["INDEX 2:"]
    requests()
    filled.execute("UPDATE my_batches SET status = 'cancelled' WHERE total_count = 2")
    assert requests()[-1] == f"POST {DEMO}{RUNNING}/cancel"
    filled.execute("CREATE TABLE ids (id TEXT); INSERT INTO ids SELECT id FROM my_batches WHERE completed_count = 3")
    assert filled.execute("SELECT id FROM ids").fetchall() == [(FINISHED,)]
    filled.execute("DELETE FROM my_batches WHERE completed_count = 3")
    assert FINISHED not in listed(filled)


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
    sql = "INSERT INTO my_batches (id, vector_store_id) SELECT value, 'vs_demo' FROM json_each(?)"
    with meeting(sandbox, 8):
        db.execute(sql, (json.dumps(ids),))
    assert sorted(requests()) == [f"GET {DEMO}{id}" for id in ids]
    with meeting(sandbox, 8):
        assert db.execute("SELECT id, status FROM my_batches").fetchall() == [(id, "in_progress") for id in ids]
    assert sorted(requests()) == [f"GET {DEMO}{id}" for id in ids]
    assert sandbox.max_in_flight == 8


def test_listing_refreshes_a_finished_batch_a_last_time(
    filled: apsw.Connection, sandbox: Any, requests: Requests
) -> None:
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
def test_listing_never_refreshes_a_final_status(
    db: apsw.Connection, sandbox: Any, requests: Requests, status: str
) -> None:
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
def test_listing_with_every_kind_of_condition(
    filled: apsw.Connection, requests: Requests, where: str, count: int
) -> None:
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


def test_cache_answers_finished_batches_of_an_in_list(filled: apsw.Connection, requests: Requests) -> None:
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
    with pytest.raises(openai_vtab.ProgrammingError, match=f"{MODULE}.refresh: .* is not a flag; write 1 or 0"):
        filled.execute(f"SELECT * FROM my_batches WHERE refresh = {value}").fetchall()
    assert requests() == []


def test_refresh_without_a_value_is_null(filled: apsw.Connection) -> None:
    """Where it is only returned: as a condition, NULL would silently be false."""
    assert filled.execute("SELECT refresh FROM my_batches").fetchall() == [(None,)] * 3
    assert filled.execute("SELECT refresh FROM my_batches ORDER BY rowid LIMIT 101").fetchall() == [(None,)] * 3
    for sql in (
        "SELECT id FROM my_batches WHERE refresh < 1",
        "SELECT id FROM (SELECT id, refresh FROM my_batches ORDER BY id LIMIT 9) WHERE refresh = 1",
        "SELECT vector_store_id, sum(refresh) FROM my_batches GROUP BY vector_store_id",
    ):
        with pytest.raises(openai_vtab.ProgrammingError, match="refresh: it has no value of its own"):
            filled.execute(sql).fetchall()


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
