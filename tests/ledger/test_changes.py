"""UPDATE and DELETE on a ledger, and the rowids of its rows."""

from __future__ import annotations

from typing import Any

import apsw
import pytest

import openai_vtab

from .batches import FAILURES, FINISHED, ONE, RUNNING, Requests, created, listed, look_up

DEMO = "/vector_stores/vs_demo/file_batches/"

ARCHIVED = "vsfb_archive_2025"


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
