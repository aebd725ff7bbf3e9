"""What a transaction leaves in a ledger: commit, rollback, savepoints, failures."""

from __future__ import annotations

import time
from contextlib import closing
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.sandbox import Answer, Slow, Status

from ..support.busy import assert_first_write_waits
from ..support.meeting import holding, meeting
from .batches import FAILURES, FINISHED, MODULE, ONE, Requests, created, listed, look_up

DEMO = "/vector_stores/vs_demo/file_batches/"


@pytest.mark.parametrize(
    "undo",
    [
        f"BEGIN; {ONE}; ROLLBACK",
        f"BEGIN; SAVEPOINT s; {ONE}; {ONE}; ROLLBACK TO s; COMMIT",
        f"SAVEPOINT s; {ONE}; ROLLBACK TO s; RELEASE s",
    ],
)
def test_rollback_leaves_no_row_and_sends_nothing(db: apsw.Connection, requests: Requests, undo: str) -> None:
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


@pytest.mark.parametrize("end", ["END", "-- done\nEND", "-- commit it\nCOMMIT"])
def test_commit_with_a_comment_sends_nothing_of_a_failed_statement(
    db: apsw.Connection, requests: Requests, end: str
) -> None:
    """SQLite reports a text with a comment as it reports a nested statement; another cursor is open."""

    def store(number: int) -> str:
        if number == 2:
            raise ZeroDivisionError
        return "vs_demo"

    db.create_scalar_function("store", store)
    reading = db.execute("VALUES (1), (2)")
    db.execute("BEGIN")
    with pytest.raises(ZeroDivisionError):
        db.execute(
            "INSERT INTO my_batches (vector_store_id, file_ids) "
            "SELECT store(value), '[\"file-new-01\"]' FROM json_each('[1, 2]')"
        )
    db.execute(end)
    assert not db.in_transaction
    assert reading.fetchall() == [(1,), (2,)]
    assert requests() == []
    assert listed(db) == []


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
    db.execute(f"BEGIN; {ONE}; INSERT INTO journal VALUES (1)")
    db.execute("INSERT INTO my_batches (vector_store_id, file_ids) VALUES ('vs_archive', '[\"file-new-02\"]')")
    with meeting(sandbox, 2, method="POST"), pytest.raises(openai_vtab.WriteError) as caught:
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
def test_commit_that_fails_before_close_lists_what_was_created(
    connect: Any, sandbox: Any, tmp_path: Any, close: str
) -> None:
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
def test_savepoint_undone_lists_what_was_sent_after_the_commit(db: apsw.Connection, sandbox: Any, undone: str) -> None:
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
    assert time.monotonic() - began < 10
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


def test_commit_hook_that_refuses_a_ledger_beside_another_in_memory(db: apsw.Connection, sandbox: Any) -> None:
    """Neither is in a file, and both have the same name."""
    db.execute(f"ATTACH ':memory:' AS aux1; CREATE VIRTUAL TABLE aux1.my_batches USING {MODULE}")
    db.set_commit_hook(lambda: True, id="no")
    with pytest.raises(openai_vtab.WriteError):
        db.execute(ONE.replace("my_batches", "aux1.my_batches"))
    db.set_commit_hook(None, id="no")
    assert listed(db) == []
    assert [id for (id,) in db.execute("SELECT id FROM aux1.my_batches")] == created(sandbox)
    assert len(created(sandbox)) == 1


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


def test_interrupt_during_commit(connect: Any, sandbox: Any) -> None:
    """What was answered is listed, what was under way is unknown; the next transaction works."""
    db = connect(progress=lambda progress: progress.done == 1 and db.interrupt())
    db.execute(f"CREATE VIRTUAL TABLE my_batches USING {MODULE}; BEGIN; {ONE}")
    db.execute("INSERT INTO my_batches (vector_store_id, file_ids) VALUES ('vs_archive', '[\"file-new-02\"]')")
    with holding(sandbox, method="POST", path="vs_archive"):
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
    assert time.monotonic() - began < 20
    assert look_up(db, "vsfb_9999") == [("failed",)]
    assert requests() == []


@pytest.mark.parametrize("journal_mode", ["wal", "delete"])
@pytest.mark.parametrize(
    "write", ["INSERT INTO my_batches (vector_store_id, id) VALUES ('vs_demo', 'vsfb_1')", "DELETE FROM my_batches"]
)
def test_first_write_of_a_transaction_waits_for_another_writer(
    connect: Any, file: str, journal_mode: str, write: str
) -> None:
    """SQLite lets it wait only if the transaction has read nothing, as if the table had been opened before."""
    with closing(apsw.Connection(file)) as other:
        other.pragma("journal_mode", journal_mode)
    assert_first_write_waits(connect(file), file, write)
