"""Statements that write: their query is read ahead, and a replay sends no write."""

from __future__ import annotations

from typing import Any

import apsw
import apsw.ext
import pytest

from .joins import IDS, JOIN, ON, ROWS, N, Requests, Run, T

PATH = "/vector_stores/vs_demo/file_batches/"

WRITES = {
    "insert": f"INSERT INTO e {JOIN}",
    "insert with a conflict": f"INSERT INTO e {JOIN} WHERE true ON CONFLICT DO NOTHING",
    "insert and return": f"INSERT INTO e {JOIN} RETURNING n, id",
    "replace": f"REPLACE INTO e {JOIN}",
    "with before insert": f"WITH q AS ({JOIN}) INSERT INTO e SELECT * FROM q",
    "create table": f"CREATE TABLE f AS {JOIN}",
    "update": f"UPDATE d SET b = (SELECT status FROM {T} AS t WHERE {ON}) WHERE n < 20",
    "update from": f"UPDATE d SET b = t.status FROM {T} AS t WHERE {ON}",
    "update or ignore": f"UPDATE OR IGNORE d SET b = (SELECT status FROM {T} AS t WHERE {ON})",
    "delete": f"DELETE FROM d WHERE EXISTS (SELECT 1 FROM {T} AS t WHERE {ON}) AND n % 2",
    "delete what is not there": f"DELETE FROM d WHERE NOT EXISTS (SELECT 1 FROM {T} AS t WHERE {ON})",
}


@pytest.mark.sample(4)
@pytest.mark.parametrize("sql", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("begin", ["", "BEGIN", "SAVEPOINT s"])
def test_prefetch_does_not_change_what_a_statement_writes(
    same: Run, db: apsw.Connection, one_by_one: apsw.Connection, sql: str, begin: str
) -> None:
    """Rows, counters and what is in the tables, within a transaction or not; and it is concurrent."""
    before = ["CREATE TABLE e (n INTEGER PRIMARY KEY, id)", *([begin] if begin else [])]
    same(sql, before=before, in_flight=3)
    for table in ("d", "e", *(["f"] if sql.startswith("CREATE") else [])):
        found = [connection.execute(f"SELECT * FROM {table}").fetchall() for connection in (one_by_one, db)]
        assert found[0] == found[1]
    if begin:
        for connection in (one_by_one, db):
            connection.execute("ROLLBACK")
            assert connection.execute("SELECT * FROM d").fetchall() == [(n, "vs_demo", name) for n, name in ROWS]
            assert not connection.in_transaction


def test_replay_sends_no_write(db: apsw.Connection, requests: Requests) -> None:
    """What is queued is sent by the first real read of another statement, or at COMMIT; once."""
    db.execute("BEGIN")
    db.execute(f"INSERT INTO {T} (vector_store_id, file_ids) VALUES ('vs_demo', '[\"file-new-01\"]')")
    assert db.execute("SELECT count(*) FROM d").get == N
    assert requests() == []
    assert db.execute(JOIN).fetchall() == ROWS
    sent = requests()
    assert sent[0] == "POST /vector_stores/vs_demo/file_batches"
    assert [request.partition(" ")[0] for request in sent[1:]] == ["GET"] * N
    db.execute("COMMIT")
    assert requests() == []


def test_insert_from_a_join_reads_before_it_creates(db: apsw.Connection, requests: Requests) -> None:
    """Its own rows are sent at its end, not by its replay."""
    db.execute(
        f"INSERT INTO {T} (vector_store_id, file_ids) SELECT d.s, json_array('file-new-01') FROM d JOIN {T} AS t ON {ON} WHERE d.n < 12"
    )
    assert [request.partition(" ")[0] for request in requests()] == ["GET"] * 12 + ["POST"] * 12


def test_update_by_a_join_is_concurrent(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """Cancels each once."""
    db.execute(
        f"UPDATE {T} SET status = 'cancelled' WHERE (vector_store_id, batch_id) IN (SELECT s, b FROM d WHERE n < 10)"
    )
    sent = requests()
    assert sorted(r for r in sent if "cancel" in r) == [f"POST {PATH}{name}/cancel" for name in IDS[:10]]
    assert len(sent) == 20
    assert {sandbox.batches["vs_demo", name]["status"] for name in IDS[:10]} <= {"cancelled", "cancelling"}


def test_replay_never_calls_cancel_functions(db: apsw.Connection, requests: Requests) -> None:
    """It cancels exactly what the statement cancels."""
    rows = db.execute(
        f"SELECT d.n, cancel_vector_store_file_batch(t.vector_store_id, t.id) IS NOT NULL FROM d JOIN {T} AS t ON {ON} WHERE d.n < 6 LIMIT 4"
    ).fetchall()
    assert rows == [(n, 1) for n in range(4)]
    rows = db.execute(
        f"SELECT d.n, cancel_vector_store_file_batch(d.s, d.b) IS NOT NULL, t.id FROM d JOIN {T} AS t ON {ON} WHERE d.n BETWEEN 6 AND 9"
    ).fetchall()
    assert [n for n, *_ in rows] == [6, 7, 8, 9]
    sent = requests()
    assert [r for r in sent if r.startswith("POST")] == [f"POST {PATH}{name}/cancel" for name in IDS[:4] + IDS[6:10]]
    assert len(sent) == 16


def test_replay_leaves_counters_and_transactions_alone(db: apsw.Connection) -> None:
    """A join between two changes leaves them as they are."""
    db.execute("INSERT INTO d VALUES (100, 'a', 'b'), (101, 'a', 'b')")
    db.execute("BEGIN")
    before = (db.changes(), db.total_changes(), db.last_insert_rowid(), db.in_transaction)
    assert before == (2, N + 2, 101, True)
    sql = (
        f"SELECT d.n, t.id, changes(), total_changes(), last_insert_rowid() FROM d JOIN {T} AS t ON {ON} WHERE d.n < 40"
    )
    assert db.execute(sql).fetchall() == [(*row, 2, N + 2, 101) for row in ROWS]
    assert (db.changes(), db.total_changes(), db.last_insert_rowid(), db.in_transaction) == before
