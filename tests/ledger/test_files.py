"""The ledger in its file: what users, other connections, other processes and kill -9 do to it."""

from __future__ import annotations

import base64
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.sandbox import Slow, Status

MODULE = "vector_store_file_batches"
DEMO = "/vector_stores/vs_demo/file_batches/"
FINISHED, RUNNING, FAILURES = (f"vsfb_demo_{name}" for name in ("finished", "running", "failures"))
CREATE = f"CREATE VIRTUAL TABLE my_batches USING {MODULE}"
ONE = "INSERT INTO my_batches (vector_store_id, file_ids) VALUES ('vs_demo', '[\"file-new-01\"]')"
SELECT = "SELECT id, status FROM my_batches"
ROWS = [(FINISHED, "completed"), (RUNNING, "in_progress")]

Requests = Callable[[], list[str]]


@pytest.fixture
def file(tmp_path: Path, connect: Any, requests: Requests) -> str:
    """A database with a ledger of two: one finished, one not."""
    path = str(tmp_path / "ours.db")
    db = connect(path)
    db.execute(CREATE)
    fill(db)
    db.close()
    requests()
    return path


def fill(db: apsw.Connection, name: str = "my_batches") -> None:
    sql = f"INSERT INTO {name} (id, vector_store_id) VALUES (?, 'vs_demo')"
    db.executemany(sql, [(FINISHED,), (RUNNING,)])


def look_up(db: apsw.Connection, batch: str, name: str = "my_batches") -> str:
    found = db.execute(f"SELECT status FROM {name} WHERE vector_store_id = 'vs_demo' AND batch_id = ?", (batch,)).get
    return str(found)


def tables(db: apsw.Connection, schema: str = "main") -> list[str]:
    return [name for (name,) in db.execute(f"SELECT name FROM {schema}.sqlite_schema WHERE type = 'table' ORDER BY 1")]


def intact(file: str) -> None:
    """As SQLite alone sees the file."""
    with apsw.Connection(file) as db:
        assert db.execute("PRAGMA integrity_check").get == "ok"
        assert db.execute("SELECT count(*) FROM my_batches_ledger WHERE status = 'queued'").get == 0
    db.close()


def created(sandbox: Any) -> list[str]:
    return [id for _, id in sandbox.batches if "demo" not in id and "archive" not in id]


# files and connections


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


@pytest.mark.parametrize("timeout", [0, 3000])
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
    assert time.monotonic() - began < 0.5
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
        with pytest.raises(openai_vtab.WriteError):
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


# protection


def read_only(file: str, sandbox: Any) -> apsw.Connection:
    db = apsw.Connection(file, flags=apsw.SQLITE_OPEN_READONLY)
    openai_vtab.register(db, base_url=sandbox.base_url, api_key=sandbox.api_key)
    return db


@pytest.mark.parametrize("way", ["readonly", "query_only", "immutable"])
def test_read_only_database_lists_its_ledger(file: str, connect: Any, sandbox: Any, requests: Requests, way: str) -> None:
    """No error; nothing is remembered; a write is SQLite's own error, and sends nothing."""
    before = Path(file).read_bytes()
    if way == "readonly":
        db = read_only(file, sandbox)
    elif way == "immutable":
        flags = apsw.SQLITE_OPEN_URI | apsw.SQLITE_OPEN_READONLY
        db = apsw.Connection(f"file:{file}?immutable=1", flags=flags)
        openai_vtab.register(db, base_url=sandbox.base_url, api_key=sandbox.api_key)
    else:
        db = connect(file)
        db.execute("PRAGMA query_only = 1")
    assert db.execute(SELECT).fetchall() == ROWS
    for _ in range(2):
        assert look_up(db, FAILURES) == "completed"
        assert db.execute("SELECT count(*) FROM my_batches").get == 2
    assert requests() == [f"GET {DEMO}{RUNNING}", f"GET {DEMO}{FAILURES}", f"GET {DEMO}{FAILURES}"]
    for sql in (
        ONE,
        "DELETE FROM my_batches",
        f"INSERT INTO my_batches (id, vector_store_id) VALUES ('{FAILURES}', 'vs_demo')",
    ):
        with pytest.raises(apsw.ReadOnlyError):
            db.execute(sql)
    assert [r for r in requests() if r.startswith("POST")] == []
    db.execute("SELECT 1").fetchall()
    if way == "query_only":
        db.execute("PRAGMA query_only = 0")
        db.execute("DELETE FROM my_batches")
    else:
        db.close()
        assert Path(file).read_bytes() == before


def test_read_only_database_without_its_shadow_table(file: str, sandbox: Any) -> None:
    """Somebody has dropped it: a sentence."""
    plain = apsw.Connection(file)
    plain.execute("DROP TABLE my_batches_ledger")
    plain.close()
    db = read_only(file, sandbox)
    with pytest.raises(openai_vtab.ProgrammingError, match="it needs a table my_batches_ledger for itself, and cannot"):
        db.execute(SELECT).fetchall()
    db.close()


def test_shadow_table_that_was_dropped_is_made_again(file: str, connect: Any) -> None:
    """Empty, but it works."""
    plain = apsw.Connection(file)
    plain.execute("DROP TABLE my_batches_ledger")
    plain.close()
    db = connect(file)
    assert db.execute(SELECT).fetchall() == []
    fill(db)
    assert db.execute(SELECT).fetchall() == ROWS


def test_defensive_mode_protects_the_shadow_table(file: str, connect: Any, sandbox: Any) -> None:
    """Ordinary SQL cannot write the shadow table; everything else works."""
    db = connect(file)
    db.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
    for sql in (
        "UPDATE my_batches_ledger SET status = 'x'",
        "DELETE FROM my_batches_ledger",
        "DROP TABLE my_batches_ledger",
        "ALTER TABLE my_batches_ledger RENAME TO x",
        "ALTER TABLE my_batches_ledger ADD COLUMN x",
        "CREATE TRIGGER t AFTER INSERT ON my_batches_ledger BEGIN SELECT 1; END",
    ):
        with pytest.raises(apsw.SQLError):
            db.execute(sql)
    assert look_up(db, FAILURES) == "completed"
    db.execute(ONE)
    assert len(db.execute(SELECT).fetchall()) == 4
    sandbox.finish()
    assert db.execute("SELECT status FROM my_batches").fetchall() == [("completed",)] * 4
    db.execute("DELETE FROM my_batches WHERE id = ?", (FAILURES,))
    db.execute("ALTER TABLE my_batches RENAME TO yours")
    db.execute("VACUUM; DROP TABLE yours")
    db.execute(CREATE)
    db.execute(f"BEGIN; {ONE}; SELECT id FROM my_batches; ROLLBACK")
    db.close()
    assert connect(file).execute("SELECT count(*) FROM my_batches").get == 1


@pytest.mark.parametrize(
    "name", ["it's", 'say "so"', "with space", "größe", "select", "a.b", "x_ledger", "[x]", "%s{}"]
)
def test_names_of_any_kind_for_a_ledger(connect: Any, tmp_path: Path, sandbox: Any, name: str) -> None:
    """Quoted where SQL needs it: create, fill, roll back, rename, close, drop."""
    quoted = '"' + name.replace('"', '""') + '"'
    db = connect(str(tmp_path / f"{name}.db"))
    db.execute(f"CREATE VIRTUAL TABLE {quoted} USING {MODULE}")
    fill(db, quoted)
    db.execute(f"BEGIN; {ONE.replace('my_batches', quoted)}; SELECT id FROM {quoted}; ROLLBACK")
    db.close()
    db = connect(str(tmp_path / f"{name}.db"))
    assert db.execute(f"SELECT count(*) FROM {quoted}").get == 3
    db.execute(f"ALTER TABLE {quoted} RENAME TO plain")
    db.execute(f"ALTER TABLE plain RENAME TO {quoted}")
    assert tables(db) == sorted([name, f"{name}_ledger"])
    db.execute(f"DROP TABLE {quoted}")
    assert tables(db) == []


@pytest.mark.parametrize("name", [MODULE, MODULE.upper(), '"openai.vector_stores.vector_store_file_batches"'])
def test_names_equal_to_the_modules_own(connect: Any, tmp_path: Path, requests: Requests, name: str) -> None:
    """It hides the one that is always there, remembers, and survives; other schemas still have the other one."""
    path = str(tmp_path / "a.db")
    db = connect(path)
    module = MODULE if name.startswith('"') else name
    db.execute(f"CREATE VIRTUAL TABLE {name} USING {module if not name.startswith(chr(34)) else name}")
    fill(db, name)
    assert db.execute(f"SELECT id, status FROM {name}").fetchall() == ROWS
    db.close()
    db = connect(path)
    assert db.execute(f"SELECT count(*) FROM {name}").get == 2
    db.execute(f"DROP TABLE {name}")
    with pytest.raises(openai_vtab.MissingColumnsError):
        db.execute(f"SELECT * FROM {name}").fetchall()
    assert look_up(db, FINISHED, name) == "completed"


def test_shadow_table_name_that_a_user_table_has(connect: Any) -> None:
    """CREATE VIRTUAL TABLE says so and leaves it alone; under another name it works."""
    db = connect()
    db.execute("CREATE TABLE my_batches_ledger (amount); INSERT INTO my_batches_ledger VALUES (1)")
    with pytest.raises(openai_vtab.ProgrammingError, match="if another has that name, write a different one"):
        db.execute(CREATE)
    assert tables(db) == ["my_batches_ledger"]
    assert db.execute("SELECT * FROM my_batches_ledger").fetchall() == [(1,)]
    db.execute(f"CREATE VIRTUAL TABLE b USING {MODULE}; DROP TABLE my_batches_ledger")
    db.execute(CREATE)
    assert tables(db) == ["b", "b_ledger", "my_batches", "my_batches_ledger"]


def test_rename_onto_a_taken_shadow_name(file: str, connect: Any) -> None:
    """It fails as a whole."""
    db = connect(file)
    db.execute("CREATE TABLE yours_ledger (amount)")
    with pytest.raises(apsw.SQLError):
        db.execute("ALTER TABLE my_batches RENAME TO yours")
    assert db.execute(SELECT).fetchall() == ROWS


def test_hooks_of_the_user_do_not_disturb_the_ledger(
    file: str, connect: Any, sandbox: Any, requests: Requests
) -> None:
    """Traces, factories and hooks that change rows, refuse foreign SQL, or only watch."""
    db = connect(file)
    seen: list[str] = []
    hooked: list[str] = []

    def exec_trace(cursor: apsw.Cursor, sql: str, bindings: Any) -> bool:
        seen.append(sql)
        return True

    def authorizer(op: int, one: str | None, two: str | None, database: str | None, trigger: str | None) -> int:
        return apsw.SQLITE_OK

    db.exec_trace = exec_trace
    db.row_trace = lambda cursor, row: tuple(f"<{value}>" for value in row)
    db.authorizer = authorizer
    db.set_update_hook(lambda kind, schema, table, rowid: hooked.append(table))
    db.trace_v2(apsw.SQLITE_TRACE_STMT, lambda event: None, id="the user's")
    assert db.execute(SELECT).fetchall() == [tuple(f"<{value}>" for value in row) for row in ROWS]
    db.execute(ONE)
    look_up(db, FAILURES)
    db.execute(f"BEGIN; {ONE}; SELECT id FROM my_batches; ROLLBACK")
    assert not [sql for sql in seen if "my_batches_ledger" in sql]
    assert set(hooked) == {"my_batches_ledger"}
    db.exec_trace = db.row_trace = db.authorizer = None
    assert [id for (id,) in db.execute("SELECT id FROM my_batches")][2] == created(sandbox)[0]
    assert db.execute("SELECT count(*) FROM my_batches").get == 5


def test_authorizer_that_allows_only_reads(file: str, connect: Any, requests: Requests) -> None:
    """As a read-only database: answered, and not remembered."""
    allowed = {apsw.SQLITE_SELECT, apsw.SQLITE_READ, apsw.SQLITE_FUNCTION}
    db = connect(file)
    db.authorizer = lambda op, *names: apsw.SQLITE_OK if op in allowed else apsw.SQLITE_DENY
    assert db.execute(SELECT).fetchall() == ROWS
    assert look_up(db, FAILURES) == "completed"
    assert db.execute(SELECT).fetchall() == ROWS
    db.authorizer = None
    assert db.execute(SELECT).fetchall()[2] == (FAILURES, "completed")


def test_hooks_that_raise_do_not_disturb_the_ledger(file: str, connect: Any) -> None:
    """The user's own mistakes surface or are ignored, and the file stays whole."""
    db = connect(file)
    db.cursor_factory = lambda connection: (_ for _ in ()).throw(ZeroDivisionError())
    cursor = apsw.Cursor(db)
    assert cursor.execute(SELECT).fetchall() == ROWS
    cursor.close()
    db.close()
    intact(file)


EDITS = {
    "garbage JSON": "UPDATE my_batches_ledger SET answer = '{{{', sent = 'x'",
    "other JSON": "UPDATE my_batches_ledger SET answer = '[1]', sent = '7'",
    "deep JSON": "UPDATE my_batches_ledger SET answer = replace(hex(zeroblob(50000)), '00', '['), sent = answer",
    "numbers": "UPDATE my_batches_ledger SET answer = 7, sent = 1.5, status = 3, id = id, vector_store_id = 9",
    "blobs": "UPDATE my_batches_ledger SET answer = x'00ff', sent = x'ff', status = x'ff'",
    "keys that are blobs": "UPDATE my_batches_ledger SET id = CAST(id AS BLOB), vector_store_id = x'00'",
    "no keys": "UPDATE my_batches_ledger SET id = NULL, vector_store_id = NULL",
    "dots": "UPDATE my_batches_ledger SET id = '..', vector_store_id = '..' WHERE seq = 1",
    "empty": "UPDATE my_batches_ledger SET id = '', vector_store_id = seq, status = '', answer = '', sent = ''",
    "NUL": "UPDATE my_batches_ledger SET status = 'a' || char(0), answer = char(0), sent = char(0)",
    "huge": "UPDATE my_batches_ledger SET status = hex(zeroblob(500000)), answer = hex(zeroblob(500000))",
    "no UTF-8 in JSON": "UPDATE my_batches_ledger SET answer = CAST(x'7bff7d' AS TEXT), sent = CAST(x'ff' AS TEXT)",
    "no UTF-8 in a key": "UPDATE my_batches_ledger SET id = CAST(x'ff' AS TEXT) WHERE seq = 1",
    "no UTF-8 in the status": "UPDATE my_batches_ledger SET status = CAST(x'ff' AS TEXT) WHERE seq = 1",
    "numbers in JSON": "UPDATE my_batches_ledger SET answer = '{\"created_at\": 1e999, \"file_counts\": {\"total\": ' || replace(hex(zeroblob(5000)), '0', '9') || '}}'",
    "far away": "UPDATE my_batches_ledger SET seq = seq - 10",
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_ledger_edited_by_hand_does_no_harm(file: str, connect: Any, requests: Requests, edit: str) -> None:
    """It is listed as far as it can be read, never asks for anything but batches, and can be forgotten."""
    plain = apsw.Connection(file)
    plain.execute(edit)
    plain.close()
    db = connect(file)
    columns = "id, status, created_at, file_counts, total_count, object, vector_store_id, file_ids, attributes"
    rows = db.execute(f"SELECT {columns} FROM my_batches").fetchall()
    assert len(rows) == (1 if "UTF-8 in a key" in edit or "CAST(x'ff' AS TEXT) WHERE" in edit else 2)
    assert all(r.count("/") == 4 and ".." not in r.replace("..%2F", "") for r in requests())
    assert db.execute("SELECT count(*) FROM my_batches WHERE refresh = 1").get == len(rows)
    assert db.execute("SELECT count(*) FROM my_batches WHERE wait_seconds = 0").get == len(rows)
    assert look_up(db, FAILURES) == "completed"
    assert look_up(db, FINISHED) == "completed"
    db.execute("DELETE FROM my_batches")
    assert db.execute("SELECT count(*) FROM my_batches").get == 0
    db.close()
    intact(file)


@pytest.mark.parametrize(
    "id", ["'../../files/' || seq", "'a' || char(0) || seq", "hex(zeroblob(20000)) || seq", "'#?&'"]
)
def test_ledger_with_an_id_that_the_api_refuses(file: str, connect: Any, requests: Requests, id: str) -> None:
    """Edited in by hand: asking for it is the API's error and reaches nothing else; it can be forgotten unasked."""
    plain = apsw.Connection(file)
    plain.execute(f"UPDATE my_batches_ledger SET id = {id} WHERE seq = 2")
    plain.close()
    db = connect(file)
    with pytest.raises(openai_vtab.APIError) as caught:
        db.execute(SELECT).fetchall()
    assert caught.value.status in (400, 414, 431)
    assert all(r.startswith(f"GET {DEMO}") and r.count("/") == 4 for r in requests())
    assert db.execute("SELECT count(*), max(length(id)) FROM my_batches").get[0] == 2
    db.execute("DELETE FROM my_batches WHERE id <> ?", (FINISHED,))
    assert db.execute(SELECT).fetchall() == ROWS[:1]
    assert requests() == []


@pytest.mark.parametrize("encoding", ["UTF-16le", "UTF-16be"])
def test_encoding_utf_16_of_the_database(connect: Any, tmp_path: Path, requests: Requests, encoding: str) -> None:
    """JSON is read and written in it, too."""
    db = connect(str(tmp_path / "a.db"))
    db.execute(f"PRAGMA encoding = '{encoding}'")
    db.execute(CREATE)
    fill(db)
    db.execute(
        "INSERT INTO my_batches (vector_store_id, file_ids, attributes) VALUES ('vs_demo', '[\"f\"]', '{\"ü\":\"ß\"}')"
    )
    assert db.execute("SELECT total_count, attributes FROM my_batches").fetchall() == [
        (3, None),
        (2, None),
        (1, '{"ü":"ß"}'),
    ]
    assert db.execute("SELECT total_count FROM my_batches WHERE status = 'completed'").get == 3


def test_redaction_keeps_the_key_out_of_the_file(connect: Any, tmp_path: Path, sandbox: Any) -> None:
    """Neither as it is nor in base64, whatever happened; nor the address."""
    path = tmp_path / "a.db"
    db = connect(str(path))
    db.execute("PRAGMA journal_mode = wal").fetchall()
    db.execute(CREATE)
    fill(db)
    db.execute(ONE)
    sandbox.inject(Status(500), method="POST")
    with pytest.raises(openai_vtab.APIError):
        db.execute(ONE)
    assert len(db.execute(SELECT).fetchall()) == 4
    content = b"".join(p.read_bytes() for p in tmp_path.iterdir())
    assert FINISHED.encode() in content
    key = sandbox.api_key.encode()
    for secret in (
        key,
        key[:12],
        base64.b64encode(key)[:-4],
        base64.b64encode(b"Bearer " + key)[:-4],
        b"Bearer",
        b"127.0.0.1",
    ):
        assert secret not in content


# crashes

CHILD = """
import os, signal, sys, threading, apsw, openai_vtab
db = openai_vtab.connect(sys.argv[1])
die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
"""


def run(code: str, sandbox: Any, file: str, *, killed: bool = False, when: Callable[[], bool] = lambda: False) -> str:
    """Run a program that has `db`, in an interpreter of its own, and kill it when it is time to; its output."""
    environment = {**os.environ, "OPENAI_BASE_URL": sandbox.base_url, "OPENAI_API_KEY": sandbox.api_key}
    program = [sys.executable, "-c", CHILD + code, file]
    deadline = time.monotonic() + 20
    with subprocess.Popen(program, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        while child.poll() is None and time.monotonic() < deadline:
            if when():
                break
            time.sleep(0.02)
        if child.poll() is None:
            child.kill()
        output, errors = child.communicate()
    assert time.monotonic() < deadline
    assert child.returncode == (-signal.SIGKILL if killed else 0), errors
    return output


JOURNAL = "db.execute('INSERT INTO journal VALUES (1)')\n"
BOTH = f"db.execute('BEGIN'); db.execute({ONE!r})\n{JOURNAL}"
NONE = "INSERT INTO my_batches (vector_store_id, file_ids) VALUES ('vs_none', '[\"file-new-02\"]')"
STEPS: dict[str, tuple[str, int, Any, int]] = {
    # the program, how many batches are created, listed ("unknown" without its id), and rows in the journal
    "before the COMMIT": (BOTH + "die()", 0, 0, 0),
    "while the POST is under way": (BOTH + "db.execute('COMMIT')", 1, "unknown", 0),
    "between the answer and the local commit": (BOTH + "db.set_commit_hook(die); db.execute('COMMIT')", 1, 1, 0),
    "right after the COMMIT": (BOTH + "db.execute('COMMIT'); die()", 1, 1, 1),
    "right after an autocommit": (f"db.execute({ONE!r}); die()", 1, 1, 0),
    "after a read of the transaction": (BOTH + f"db.execute({SELECT!r}).fetchall(); die()", 1, 1, 0),
    "after the ROLLBACK": (BOTH + f"db.execute({SELECT!r}).fetchall(); db.execute('ROLLBACK'); die()", 1, 1, 0),
    "in the middle of a listing": (f"db.execute({ONE!r}); c = db.execute({SELECT!r}); next(c); die()", 1, 1, 0),
    "while a listing asks": (f"db.execute({ONE!r}); threading.Timer(0.1, die).start(); db.execute({SELECT!r} || '').get".replace(" || ''", ""), 1, 1, 0),
    "after a COMMIT that failed": (BOTH + f"db.execute({NONE!r})\ntry: db.execute('COMMIT')\nexcept openai_vtab.WriteError: die()", 1, 1, 0),
    "in the COMMIT of a second one": (f"db.execute({ONE!r})\n" + BOTH + "db.set_commit_hook(die); db.execute('COMMIT')", 2, 2, 0),
    "in a rename": (f"db.execute({ONE!r}); db.execute('BEGIN; ALTER TABLE my_batches RENAME TO yours; SELECT * FROM yours'); die()", 1, 1, 0),
    "in a drop": ("db.execute('BEGIN; DROP TABLE my_batches'); die()", 0, 0, 0),
    "in a delete": ("db.execute('BEGIN; DELETE FROM my_batches'); die()", 0, 0, 0),
}  # fmt: skip


@pytest.mark.parametrize("mode", ["wal", "delete"])
@pytest.mark.parametrize("step", STEPS)
def test_crash_by_sigkill_leaves_a_ledger_that_is_right(file: str, connect: Any, sandbox: Any, requests: Requests, step: str, mode: str) -> None:
    """Nothing that was created is lost, nothing is queued for ever, and the next statement works."""
    code, made, remembered, journal = STEPS[step]
    plain = apsw.Connection(file)
    plain.execute(f"PRAGMA journal_mode = {mode}").fetchall()
    plain.execute("CREATE TABLE journal (n)")
    plain.close()
    if "under way" in step:
        sandbox.inject(Slow(1.0), method="POST")
    if "listing asks" in step:
        sandbox.inject(Slow(0.5), method="GET", times=None)
    if "failed" in step:
        sandbox.inject(Slow(0.2), method="POST", path="vs_none")
    sandbox.reset_counters()
    run(code, sandbox, file, killed=True, when=lambda: "under way" in step and sandbox.max_in_flight > 0)
    sandbox.clear_faults()
    intact(file)
    deadline = time.monotonic() + 2
    while len(created(sandbox)) < made and time.monotonic() < deadline:
        time.sleep(0.02)
    ids = created(sandbox)
    assert len(ids) == made
    db = connect(file)
    listed = [(None, "unknown")] if remembered == "unknown" else [(id, "in_progress") for id in ids[:remembered]]
    expected = [*ROWS, *listed]
    assert db.execute(SELECT).fetchall() == expected
    assert [path.name for path in Path(file).parent.glob("*-openai-intents-*")] == []
    assert db.execute("SELECT count(*) FROM journal").get == journal
    db.execute(ONE)
    assert len(db.execute(SELECT).fetchall()) == len(expected) + 1
    assert db.execute("PRAGMA integrity_check").get == "ok"


def test_concurrent_writers_share_a_ledger(file: str, sandbox: Any, connect: Any) -> None:
    """Two processes that create and list in turn: every batch is listed once."""
    code = f"db.set_busy_timeout(10000)\nfor n in range(8): db.execute({ONE!r}); db.execute({SELECT!r}).fetchall()\n"
    environment = {**os.environ, "OPENAI_BASE_URL": sandbox.base_url, "OPENAI_API_KEY": sandbox.api_key}
    plain = apsw.Connection(file)
    plain.execute("PRAGMA journal_mode = wal").fetchall()
    command = [sys.executable, "-c", CHILD + code, file]
    children = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) for _ in range(2)]
    for child in children:
        _, err = child.communicate(timeout=30)
        assert (child.returncode, err) == (0, b"")
    plain.close()
    ids = [id for (id,) in connect(file).execute("SELECT id FROM my_batches")]
    assert sorted(ids) == sorted([FINISHED, RUNNING, *created(sandbox)])
    assert len(created(sandbox)) == 16
    assert json.dumps(ids)
    intact(file)
