"""A ledger in its file: connections, processes, renames, DROP TABLE, copies, attached files."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.sandbox import Status

from .batches import FAILURES, FINISHED, MODULE, ONE, RUNNING, Requests, created
from .files import CREATE, ROWS, SELECT, fill, intact, look_up, run, tables

DEMO = "/vector_stores/vs_demo/file_batches/"


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_ledger_survives_closing(file: str, connect: Any, requests: Requests, mode: str) -> None:
    """In both journal modes; what is finished is not asked for by the next connection either."""
    db = connect(file)
    assert db.execute(f"PRAGMA journal_mode = {mode}").get == mode
    look_up(db, FAILURES)
    db.close()
    requests()
    again = connect(file)
    assert again.execute(SELECT).fetchall() == [*ROWS, (FAILURES, "completed")]
    assert requests() == [f"GET {DEMO}{RUNNING}"]
    again.close()
    intact(file)


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_ledger_is_the_same_for_a_second_connection(
    file: str, connect: Any, sandbox: Any, requests: Requests, mode: str
) -> None:
    """What one writes or learns, the other has."""
    one, other = connect(file), connect(file)
    one.execute(f"PRAGMA journal_mode = {mode}").fetchall()
    assert one.execute(SELECT).fetchall() == other.execute(SELECT).fetchall() == ROWS
    sandbox.finish()
    assert one.execute("SELECT status FROM my_batches").fetchall() == [("completed",)] * 2
    requests()
    assert other.execute("SELECT status FROM my_batches").fetchall() == [("completed",)] * 2
    assert requests() == []
    other.execute("ALTER TABLE my_batches RENAME TO yours")
    assert one.execute("SELECT id FROM yours").fetchall() == [(FINISHED,), (RUNNING,)]
    one.execute("DROP TABLE yours")
    assert tables(other) == []


@pytest.mark.sample(1)
@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_ledger_is_the_same_for_a_second_process(file: str, connect: Any, sandbox: Any, mode: str) -> None:
    """And what it writes is there afterwards, while this one has the file open."""
    db = connect(file)
    db.execute(f"PRAGMA journal_mode = {mode}").fetchall()
    assert db.execute(SELECT).fetchall() == ROWS
    code = f"db.execute({ONE!r}); print(db.execute('SELECT count(*) FROM my_batches').get)"
    assert run(code, sandbox, file) == "3\n"
    assert [id for (id,) in db.execute("SELECT id FROM my_batches")] == [FINISHED, RUNNING, *created(sandbox)]


def test_ledger_keeps_a_final_status_from_an_older_response(file: str, connect: Any, sandbox: Any) -> None:
    """A connection that has looked up before, and writes later, loses against the one that saw the end."""
    one, other = connect(file), connect(file)
    one.execute("PRAGMA journal_mode = wal").fetchall()
    batch = sandbox.add_batch("vs_demo", ["file-new-01"])
    one.execute("BEGIN")
    assert look_up(one, batch) == "in_progress"
    sandbox.finish()
    assert look_up(other, batch) == "completed"
    one.execute("COMMIT")
    assert (
        apsw.Connection(file).execute("SELECT status FROM my_batches_ledger WHERE id = ?", (batch,)).get == "completed"
    )


@pytest.mark.parametrize("timeout", [0, 30_000])
@pytest.mark.parametrize("connected", [True, False])
def test_busy_database_does_not_stop_a_select(file: str, connect: Any, timeout: int, connected: bool) -> None:
    """Nor keep it waiting; the memory is written next time, or when the connection closes."""
    db, busy = connect(file), apsw.Connection(file)
    db.execute("PRAGMA journal_mode = wal").fetchall()
    db.set_busy_timeout(timeout)
    if connected:
        assert db.execute(SELECT).fetchall() == ROWS
    busy.execute("BEGIN IMMEDIATE; CREATE TABLE theirs (x)")
    began = time.monotonic()
    assert look_up(db, FAILURES) == "completed"
    assert db.execute(SELECT).fetchall() == ROWS
    assert time.monotonic() - began < 20
    busy.execute("COMMIT")
    assert db.execute("PRAGMA busy_timeout").get == timeout
    assert db.execute(SELECT).fetchall() == [*ROWS, (FAILURES, "completed")]
    busy.execute("BEGIN IMMEDIATE")
    assert look_up(db, "vsfb_none") == "None"
    busy.execute("ROLLBACK")
    busy.close()
    intact(file)


def test_busy_database_gets_the_ledgers_rows_at_close(file: str, connect: Any, requests: Requests) -> None:
    """The last chance."""
    db, busy = connect(file), apsw.Connection(file)
    db.execute("PRAGMA journal_mode = wal").fetchall()
    busy.execute("BEGIN IMMEDIATE")
    look_up(db, FAILURES)
    busy.execute("ROLLBACK")
    db.close()
    requests()
    assert connect(file).execute("SELECT id FROM my_batches").fetchall()[-1] == (FAILURES,)
    assert requests() == []


def test_busy_statement_writes_no_ledger_rows(file: str, connect: Any, sandbox: Any) -> None:
    """SQLite tells that the statement is over before it undoes it, and what is written then with it."""
    db, busy = connect(file), apsw.Connection(file)
    db.execute("CREATE TABLE journal (x)")
    log, ids = logging.getLogger("openai_vtab"), "SELECT id FROM my_batches_ledger ORDER BY seq"

    def lock(warning: logging.LogRecord) -> bool:  # right after the rollback, before anything is kept
        busy.execute("BEGIN IMMEDIATE")
        return True

    log.addFilter(lock)
    try:
        db.execute(f"BEGIN; {ONE}; {SELECT}; ROLLBACK").fetchall()
    finally:
        log.removeFilter(lock)
    (new,) = created(sandbox)
    assert busy.execute(ids).fetchall() == [(FINISHED,), (RUNNING,)]
    db.set_busy_handler(lambda _: busy.execute("ROLLBACK") is None)  # the lock is free from here on
    with pytest.raises(apsw.BusyError):
        db.execute("INSERT INTO journal VALUES (1)")
    db.set_busy_handler(None)
    db.execute("SELECT 1").fetchall()
    assert busy.execute(ids).fetchall() == [(FINISHED,), (RUNNING,), (new,)]


def test_intents_outlive_a_connection_that_cannot_write_the_ledger(
    file: str, connect: Any, sandbox: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Another writer stays busy: the warning names what was created, and whoever opens the ledger next lists it."""
    db, busy = connect(file), apsw.Connection(file)
    db.execute("PRAGMA journal_mode = wal").fetchall()
    db.execute(f"BEGIN; {ONE}")
    db.execute("SELECT id FROM my_batches").fetchall()
    db.execute("ROLLBACK; SELECT 1")
    (id,) = created(sandbox)
    db.execute(f"DELETE FROM my_batches WHERE id = '{id}'")
    db.execute(f"BEGIN; {ONE}; SAVEPOINT s")
    db.execute("SELECT id FROM my_batches").fetchall()
    db.set_commit_hook(lambda: True, id="no")
    with pytest.raises(openai_vtab.WriteError, match=created(sandbox)[1]):
        db.execute("COMMIT")
    db.set_commit_hook(None, id="no")
    busy.execute("BEGIN IMMEDIATE")
    caplog.clear()
    db.close()
    busy.close()
    assert "the ledger lists it when it is opened again" in caplog.text
    assert created(sandbox)[1] in caplog.text
    assert created(sandbox)[1] in [id for (id,) in connect(file).execute("SELECT id FROM my_batches")]


@pytest.mark.parametrize("name", ["my_batches", MODULE])
@pytest.mark.parametrize("first", ["INSERT", "SELECT"])
def test_schema_changed_by_another_connection(
    connect: Any, tmp_path: Path, sandbox: Any, name: str, first: str
) -> None:
    """SQLite prepares the first statement once more, as it does for its own tables; the ledger is in it."""
    one, other = (connect(str(tmp_path / "ours.db")) for _ in range(2))
    one.execute(f"CREATE VIRTUAL TABLE {name} USING {MODULE}")
    assert f"{name}_ledger" in tables(other)
    one.execute("CREATE TABLE more (x)")
    select = f"SELECT vector_store_id, status FROM {name}"
    if first == "SELECT":
        assert other.execute(select).fetchall() == []
    other.execute(ONE.replace("my_batches", name))
    assert one.execute(select).fetchall() == other.execute(select).fetchall() == [("vs_demo", "in_progress")]
    assert len(created(sandbox)) == 1


def test_rename_takes_the_ledger_along(file: str, connect: Any, requests: Requests) -> None:
    """Also a second time, and in a transaction with what it has queued."""
    db = connect(file)
    db.execute("ALTER TABLE my_batches RENAME TO yours")
    assert tables(db) == ["yours", "yours_ledger"]
    assert db.execute("SELECT id, status FROM yours").fetchall() == ROWS
    one = ONE.replace("my_batches", "yours")
    db.execute(f"BEGIN; {one}; ALTER TABLE yours RENAME TO theirs; ALTER TABLE theirs RENAME TO my_batches; COMMIT")
    assert tables(db) == ["my_batches", "my_batches_ledger"]
    assert len(db.execute(SELECT).fetchall()) == 3
    db.close()
    assert len(connect(file).execute(SELECT).fetchall()) == 3
    intact(file)


@pytest.mark.parametrize(
    "undone",
    [
        "BEGIN; ALTER TABLE my_batches RENAME TO yours; ROLLBACK",
        "BEGIN; SAVEPOINT s; ALTER TABLE my_batches RENAME TO yours; ROLLBACK TO s; COMMIT",
        f"BEGIN; {ONE}; SAVEPOINT s; ALTER TABLE my_batches RENAME TO yours; ROLLBACK TO s; COMMIT",
        "BEGIN; ALTER TABLE my_batches RENAME TO yours; SELECT * FROM yours; ALTER TABLE yours RENAME TO theirs; ROLLBACK",
    ],
)
def test_rename_that_is_rolled_back(file: str, connect: Any, sandbox: Any, undone: str) -> None:
    """The ledger is where it was, and goes on, also with what was queued before."""
    db = connect(file)
    db.execute(SELECT).fetchall()
    for statement in undone.split("; "):
        db.execute(statement).fetchall()
    assert tables(db) == ["my_batches", "my_batches_ledger"]
    assert db.execute(SELECT).fetchall() == [*ROWS, *((id, "in_progress") for id in created(sandbox))]
    db.execute(ONE)
    assert look_up(db, FAILURES) == "completed"
    assert len(db.execute(SELECT).fetchall()) == 4 + undone.count("INSERT")
    db.close()
    intact(file)


def test_rename_frees_the_old_name(file: str, connect: Any) -> None:
    """It has a ledger of its own; so has one made anew after DROP TABLE."""
    db = connect(file)
    db.execute("ALTER TABLE my_batches RENAME TO yours")
    db.execute(CREATE)
    assert db.execute(SELECT).fetchall() == []
    db.execute(ONE)
    assert len(db.execute("SELECT id FROM yours").fetchall()) == 2
    db.execute("DROP TABLE my_batches")
    assert tables(db) == ["yours", "yours_ledger"]
    db.execute(CREATE)
    assert db.execute(SELECT).fetchall() == []
    db.execute("DROP TABLE my_batches; ALTER TABLE yours RENAME TO my_batches")
    assert db.execute(SELECT).fetchall() == ROWS


def test_drop_table_takes_the_ledger_along(file: str, connect: Any, requests: Requests) -> None:
    """Unless it is rolled back; nothing is sent."""
    db = connect(file)
    db.execute("BEGIN; DROP TABLE my_batches")
    assert tables(db) == []
    db.execute("ROLLBACK")
    assert db.execute("SELECT id FROM my_batches").fetchall() == [(FINISHED,), (RUNNING,)]
    db.execute("DROP TABLE my_batches")
    assert tables(db) == []
    assert requests() == []
    db.execute("DROP TABLE IF EXISTS my_batches")


def test_ledger_lists_rows_that_cannot_be_written_yet(file: str, connect: Any, sandbox: Any) -> None:
    """Another connection reads on after it has kept SQLite from committing: the rows are there all the same."""
    db, reader = connect(file), apsw.Connection(file)
    db.set_busy_timeout(1)
    rows = reader.execute("SELECT * FROM my_batches_ledger")
    next(rows)
    for _ in range(2):
        with pytest.raises(openai_vtab.WriteError, match="another connection was reading the database: write PRAGMA"):
            db.execute(ONE)
    first, second = created(sandbox)
    assert [id for (id,) in db.execute("SELECT id FROM my_batches")] == [FINISHED, RUNNING, first, second]
    sql = "SELECT file_ids, status FROM my_batches WHERE vector_store_id = 'vs_demo' AND batch_id = ?"
    assert db.execute(sql, (second,)).fetchall() == [('["file-new-01"]', "in_progress")]
    db.execute("BEGIN")
    with pytest.raises(openai_vtab.OperationalError, match="not in the ledger's table yet"):
        db.execute("DELETE FROM my_batches WHERE id = ?", (first,))
    db.execute("ROLLBACK")
    rows.close()
    reader.close()
    db.execute("SELECT 1").fetchall()
    db.execute("DELETE FROM my_batches WHERE id = ?", (first,))
    assert [id for (id,) in db.execute("SELECT id FROM my_batches")] == [FINISHED, RUNNING, second]
    assert db.execute("SELECT count(*) FROM my_batches_ledger").get == 3
    assert [path.name for path in Path(file).parent.glob("*-openai-intents-*")] == []


def test_drop_table_after_queued_rows_makes_commit_fail(
    file: str, connect: Any, sandbox: Any, requests: Requests
) -> None:
    """Nobody would know what was created: COMMIT refuses, nothing is sent, and the table is back."""
    db = connect(file)
    db.execute("CREATE TABLE journal (x)")
    db.execute(f"BEGIN; INSERT INTO journal VALUES (1); {ONE}; DROP TABLE my_batches")
    with pytest.raises(openai_vtab.ProgrammingError, match=r"my_batches: .* COMMIT before DROP TABLE"):
        db.execute("COMMIT")
    assert not db.in_transaction
    assert [request for request in requests() if request.startswith("POST")] == []
    assert db.execute("SELECT count(*) FROM my_batches").get == 2
    assert db.execute("SELECT count(*) FROM journal").get == 0
    db.execute("DROP TABLE my_batches")
    with apsw.Connection(file) as plain:
        assert plain.execute("PRAGMA integrity_check").get == "ok"


def test_drop_table_of_the_only_ledger_keeps_what_a_read_has_sent(file: str, connect: Any, sandbox: Any) -> None:
    """ROLLBACK brings the table back with what was created; COMMIT keeps the DROP."""
    for end, left in (("ROLLBACK", 3), ("COMMIT", 0)):
        db = connect(file)
        db.execute(f"BEGIN; {ONE}")
        db.execute(SELECT).fetchall()
        db.execute("DROP TABLE my_batches")
        db.execute(end)
        db.execute("SELECT 1").fetchall()
        if left:
            assert db.execute("SELECT count(*) FROM my_batches").get == left
        else:
            with pytest.raises(apsw.SQLError, match="no such table"):
                db.execute("SELECT * FROM my_batches")
        db.close()
    assert len(created(sandbox)) == 2


def test_drop_table_after_a_refused_row_does_not_let_commit_succeed(file: str, connect: Any, sandbox: Any) -> None:
    """The transaction is carried out whole, or it fails."""
    db = connect(file)
    db.execute("CREATE TABLE journal (x)")
    sandbox.inject(Status(400), method="POST")
    db.execute(f"BEGIN; INSERT INTO journal VALUES (1); {ONE}")
    with pytest.raises(openai_vtab.APIError):
        db.execute(SELECT).fetchall()
    db.execute("DROP TABLE my_batches")
    with pytest.raises(openai_vtab.WriteError, match="cannot be committed"):
        db.execute("COMMIT")
    assert not db.in_transaction
    assert db.execute("SELECT count(*) FROM journal").get == 0


def test_vacuum_and_copies_keep_the_ledger(file: str, connect: Any, tmp_path: Path, requests: Requests) -> None:
    """VACUUM, VACUUM INTO, the backup API, and a copy of the file: each has the whole ledger."""
    db = connect(file)
    db.execute("VACUUM")
    assert db.execute(SELECT).fetchall() == ROWS
    db.execute("VACUUM INTO ?", (str(tmp_path / "into.db"),))
    with apsw.Connection(str(tmp_path / "backup.db")) as target, target.backup("main", db, "main") as backup:
        backup.step(-1)
    target.close()
    db.close()
    (tmp_path / "copy.db").write_bytes(Path(file).read_bytes())
    for name in ("into.db", "backup.db", "copy.db"):
        requests()
        copy = connect(str(tmp_path / name))
        assert copy.execute(SELECT).fetchall() == ROWS
        assert requests() == [f"GET {DEMO}{RUNNING}"]
        copy.close()
        intact(str(tmp_path / name))
    memory = connect()
    with memory.backup("main", apsw.Connection(file), "main") as backup:
        backup.step(-1)
    assert memory.execute(SELECT).fetchall() == ROWS


def test_attach_under_another_name(file: str, connect: Any, sandbox: Any, tmp_path: Path) -> None:
    """Read, written, renamed; beside another file with the same table; and what close has to write goes to its file."""
    db = connect(str(tmp_path / "mine.db"))
    db.execute(CREATE)
    db.execute('ATTACH ? AS "the other\'s"', (file,))
    theirs = '"the other\'s".my_batches'
    assert db.execute(f"SELECT id, status FROM {theirs}").fetchall() == ROWS
    assert look_up(db, FAILURES, theirs) == "completed"
    assert db.execute("SELECT count(*) FROM main.my_batches").get == 0
    db.execute(ONE.replace("my_batches", theirs))
    assert db.execute(f"SELECT count(*) FROM {theirs}").get == 4
    db.execute('DETACH "the other\'s"')
    assert db.execute(SELECT).fetchall() == []
    db.execute("ATTACH ? AS x", (file,))
    db.execute(f"BEGIN; {ONE.replace('my_batches', 'x.my_batches')}; SELECT id FROM x.my_batches; ROLLBACK")
    db.close()
    again = connect(file)
    assert [id for (id,) in again.execute("SELECT id FROM my_batches")][4:] == created(sandbox)[1:]
    assert len(created(sandbox)) == 2


def test_attach_of_two_files_in_turn_under_one_name(file: str, connect: Any, tmp_path: Path) -> None:
    """A connection tells them apart."""
    other = connect(str(tmp_path / "other.db"))
    other.execute(CREATE)
    other.close()
    db = connect()
    for path, count in ((file, 2), (str(tmp_path / "other.db"), 0), (file, 2)):
        db.execute("ATTACH ? AS x", (path,))
        assert db.execute("SELECT count(*) FROM x.my_batches").get == count
        db.execute("DETACH x")


@pytest.mark.parametrize("create", [CREATE, CREATE.replace("my_batches", "temp.my_batches")], ids=["memory", "temp"])
def test_ledger_in_memory_or_temp(connect: Any, requests: Requests, tmp_path: Path, create: str) -> None:
    """They remember as long as the connection lives, and closing it is silent."""
    db = connect(str(tmp_path / "a.db") if "temp." in create else ":memory:")
    db.execute(create)
    fill(db)
    look_up(db, FAILURES)
    assert db.execute("SELECT count(*) FROM my_batches").get == 3
    db.execute(f"BEGIN; {ONE}; SELECT id FROM my_batches; ROLLBACK")
    assert db.execute("SELECT count(*) FROM my_batches").get == 4
    db.close()
    assert (
        not (tmp_path / "a.db").exists()
        or apsw.Connection(str(tmp_path / "a.db")).execute("SELECT count(*) FROM sqlite_schema").get == 0
    )
