"""Statements that SQL functions, triggers, foreign keys and FTS5 run within others: what is sent, and what is not.

The database trusts its schema, so that triggers reach the API. Each batch has a number, by which the requests tell it.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.sandbox import Status
from openai_vtab.writes import delivery, savepoints

T = "vector_store_file_batches"
READ = f"SELECT status FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_finished'"

Sent = Callable[[], list[int]]


def insert(number: object, table: str = T) -> str:
    """The INSERT of the batch with a number, or with that which an expression gives."""
    values = f"'vs_demo', '[\"file-new-01\"]', json_object('n', {number})"
    return f"INSERT INTO {table} (vector_store_id, file_ids, attributes) VALUES ({values})"


@pytest.fixture
def db(sandbox: Any) -> Iterator[apsw.Connection]:
    db = apsw.Connection(":memory:")
    openai_vtab.register(db, base_url=sandbox.base_url, api_key=sandbox.api_key)
    db.create_scalar_function("boom", boom)
    db.execute("CREATE TABLE log (x)")
    yield db
    db.close(True)


def boom(*_: object) -> None:
    raise ZeroDivisionError


@pytest.fixture
def sent(sandbox: Any) -> Sent:
    """The numbers of the batches that were created."""
    return lambda: sorted(
        request.body["attributes"]["n"] for request in sandbox.requests if request.path.endswith("/file_batches")
    )


BEGIN_AND_END = pytest.mark.parametrize(
    ("begin", "end"), [("BEGIN", "COMMIT"), ("SAVEPOINT s", "RELEASE s"), ("", "")], ids=["BEGIN", "SAVEPOINT", "alone"]
)


@BEGIN_AND_END
def test_function_that_writes_elsewhere_does_not_take_the_rows(
    db: apsw.Connection, sent: Sent, begin: str, end: str
) -> None:
    """total_changes() grows by the function's row, too."""

    def log(number: int) -> int:
        db.execute("INSERT INTO log VALUES (?)", (number,))
        return number

    db.create_scalar_function("log", log)
    db.execute(begin)
    db.execute(insert("log(1)"))
    db.execute(end)
    assert sent() == [1]


@BEGIN_AND_END
@pytest.mark.parametrize("returning", ["", " RETURNING vector_store_id"])
def test_function_that_hides_its_failure_does_not_fail_the_rows(
    db: apsw.Connection, sent: Sent, begin: str, end: str, returning: str
) -> None:
    """Its own rows are not sent, and those of the statement around it are."""

    def fail(number: int) -> int:
        with suppress(openai_vtab.RowError):
            db.execute(f"{insert(8)}, ('vs_demo', '[\"file-new-01\"]', '[]'){returning}").fetchall()
        return number

    db.create_scalar_function("fail", fail)
    db.execute(begin)
    columns = "vector_store_id, file_ids, attributes"
    values = "'vs_demo', '[\"file-new-01\"]', json_object('n', fail(value))"
    db.execute(f"INSERT INTO {T} ({columns}) SELECT {values} FROM json_each('[1, 2, 3]')")
    db.execute(end)
    assert sent() == [1, 2, 3]


@BEGIN_AND_END
def test_function_that_hides_its_failure_within_a_trigger(
    db: apsw.Connection, sent: Sent, begin: str, end: str
) -> None:
    """The next step of the trigger counts a row."""

    def fail() -> None:
        with suppress(ZeroDivisionError):
            db.execute(f"{insert(8)}, ('vs_demo', '[\"file-new-01\"]', boom())")

    db.create_scalar_function("fail", fail)
    db.execute("CREATE TABLE t (x)")
    db.execute("CREATE TRIGGER tr AFTER INSERT ON t BEGIN SELECT fail(); INSERT INTO log VALUES (1); END")
    db.execute(begin)
    db.execute("INSERT INTO t VALUES (1)")
    db.execute(end)
    assert sent() == []
    assert db.execute("SELECT count(*) FROM log").get == 1


@BEGIN_AND_END
@pytest.mark.parametrize("table", ["parent", "child"])
@pytest.mark.parametrize("fails", [True, False])
def test_foreign_key_action_belongs_to_its_statement(
    db: apsw.Connection, sent: Sent, begin: str, end: str, table: str, fails: bool
) -> None:
    """SQLite reports its program like the beginning of the statement."""

    def check(number: int) -> None:
        if fails and number % 10 == 3:
            raise ZeroDivisionError

    db.create_scalar_function("check_it", check)
    db.execute(
        "PRAGMA foreign_keys = ON; CREATE TABLE parent (id INTEGER PRIMARY KEY);"
        "CREATE TABLE child (id INTEGER PRIMARY KEY, parent REFERENCES parent ON DELETE CASCADE);"
        "INSERT INTO parent VALUES (1), (2), (3); INSERT INTO child VALUES (11, 1), (12, 2), (13, 3);"
        f"CREATE TRIGGER tr AFTER DELETE ON {table} BEGIN {insert('old.id')}; SELECT check_it(old.id); END"
    )
    db.execute(begin)
    with pytest.raises(ZeroDivisionError) if fails else nullcontext():
        db.execute("DELETE FROM parent")
    db.execute(end)
    assert sent() == ([] if fails else [1, 2, 3] if table == "parent" else [11, 12, 13])


def test_trigger_that_writes_to_fts5_and_to_the_api(db: apsw.Connection, sent: Sent) -> None:
    """FTS5 runs statements of its own."""
    fts = "INSERT INTO fts VALUES (new.x)"
    db.execute(
        "CREATE VIRTUAL TABLE fts USING fts5(x); CREATE VIEW v AS SELECT 1 AS x;"
        f"CREATE TRIGGER tr INSTEAD OF INSERT ON v BEGIN {fts}; {insert('new.x')}; {fts}; END"
    )
    db.execute("BEGIN; INSERT INTO v VALUES (1); COMMIT")
    assert sent() == [1]
    assert db.execute("SELECT count(*) FROM fts").get == 2


def write_then_fail(db: apsw.Connection, *steps: str) -> None:
    """In a transaction, call a function for each step within one statement, which a Python exception then ends."""

    def step(number: int) -> int:
        if number == len(steps):
            raise ZeroDivisionError
        db.execute(steps[number]).fetchall()
        return number

    db.create_scalar_function("step", step)
    db.execute("BEGIN")
    numbers = ", ".join(f"({number})" for number in range(len(steps) + 1))
    with pytest.raises(ZeroDivisionError):
        db.execute(f"INSERT INTO log SELECT step(column1) FROM (VALUES {numbers})")


def test_read_does_not_send_what_is_in_doubt(db: apsw.Connection, sent: Sent) -> None:
    """Neither does COMMIT: SQLite does not tell whether it has undone the function's row."""
    write_then_fail(db, insert(1))
    for sql in (READ, "COMMIT"):
        with pytest.raises(openai_vtab.WriteError, match="does not tell whether that statement has failed"):
            db.execute(sql).fetchall()
    assert not db.in_transaction
    assert sent() == []


def test_commit_tells_what_was_sent_and_is_in_doubt(db: apsw.Connection, sent: Sent) -> None:
    """A read within the statement has sent the row."""
    write_then_fail(db, insert(1), READ)
    with pytest.raises(openai_vtab.WriteError, match="does not tell whether") as caught:
        db.execute("COMMIT")
    assert len(caught.value.done) == 1
    assert sent() == [1]


def test_ledger_keeps_a_row_that_a_nested_read_has_sent(sandbox: Any, tmp_path: Path, sent: Sent) -> None:
    """SQLite undoes what the read has written into the ledger, together with the statement around it."""
    path = str(tmp_path / "my.db")
    db = openai_vtab.connect(path, base_url=sandbox.base_url, api_key=sandbox.api_key)
    db.execute(f"CREATE VIRTUAL TABLE mine USING {T}; CREATE TABLE log (x); CREATE TABLE seen (x)")
    db.execute("BEGIN; " + insert(1, "mine"))

    def look(number: int) -> int:
        if number == 2:
            raise ZeroDivisionError
        db.execute("INSERT INTO seen SELECT status FROM mine")
        return number

    db.create_scalar_function("look", look)
    with pytest.raises(ZeroDivisionError):
        db.execute("INSERT INTO log SELECT look(value) FROM json_each('[1, 2]')")
    db.execute("COMMIT")
    db.close()
    assert sent() == [1]
    db = openai_vtab.connect(path, base_url=sandbox.base_url, api_key=sandbox.api_key)
    assert db.execute("SELECT status FROM mine").fetchall() == [("in_progress",)]
    db.close()


def test_begin_while_a_returning_is_half_read_keeps_its_rows(db: apsw.Connection, sent: Sent) -> None:
    """SQLite forgets the statement's savepoint, and does not say so."""
    reading = db.execute("VALUES (1), (2)")
    rows = ", ".join(["('vs_demo', '[\"file-new-01\"]', '{\"n\": 1}')"] * 2)
    writing = db.execute(f"INSERT INTO {T} (vector_store_id, file_ids, attributes) VALUES {rows} RETURNING rowid")
    next(writing)
    db.execute("BEGIN")
    writing.close()
    db.execute("COMMIT")
    reading.close()
    assert sent() == [1, 1]


def test_returning_that_is_freed_before_its_last_row_logs_the_error_of_its_commit(
    db: apsw.Connection, sandbox: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python has nowhere to raise it."""
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    sandbox.inject(Status(500))
    cursor = db.execute(insert(1) + " RETURNING rowid")
    next(cursor)
    del cursor
    assert "COMMIT has failed, and the program may not see the exception: " in caplog.text


# An interrupt at a moment that the test chooses: the signal is real.
MOMENTS = {
    "a read has taken the rows from the queue": (delivery.Delivery, "__init__", READ),
    "ROLLBACK TO is followed": (savepoints.Savepoints, "first_write", "ROLLBACK TO s"),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_interrupt_in_a_transaction_makes_its_commit_fail(
    db: apsw.Connection, sent: Sent, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Nothing is sent, and the local rows are rolled back as well."""
    kind, name, sql = MOMENTS[moment]
    method = getattr(kind, name)
    armed = [True]

    def interrupted(*arguments: Any, **options: Any) -> Any:
        if armed.pop() if armed else False:
            signal.raise_signal(signal.SIGINT)
        return method(*arguments, **options)

    db.execute(f"BEGIN; INSERT INTO log VALUES (1); SAVEPOINT s; {insert(1)}")
    monkeypatch.setattr(kind, name, interrupted)
    with pytest.raises(KeyboardInterrupt):
        db.execute(sql).fetchall()
    with pytest.raises(openai_vtab.WriteError, match="the transaction cannot be committed"):
        db.execute("COMMIT")
    assert db.execute("SELECT count(*) FROM log").get == 0
    assert sent() == []


def test_exit_after_a_commit_that_was_busy(sandbox: Any, tmp_path: Path) -> None:
    """close() and the interpreter's exit roll back, and do not wait for a cursor that an exception keeps."""
    path = str(tmp_path / "my.db")
    code = f"""
import apsw, openai_vtab
plain = apsw.Connection({path!r})
plain.execute("CREATE TABLE log (x); INSERT INTO log VALUES (1), (2)")
reading = plain.execute("SELECT * FROM log")
next(reading)
db = openai_vtab.connect({path!r}, base_url={sandbox.base_url!r}, api_key={sandbox.api_key!r})
db.set_busy_timeout(0)
db.execute("BEGIN; INSERT INTO log VALUES (3)")
db.execute({insert(1)!r})
try:
    db.execute("COMMIT")
except apsw.BusyError:
    print("busy")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50, check=True)
    assert done.stdout == "busy\n"
    assert "done: row 1: vsfb_" in done.stderr
