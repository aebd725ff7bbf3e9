"""A COMMIT that fails at any of its steps: what the API has carried out is used when the statement is repeated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.sandbox import Answer, Cut, Raw, Slow, Status

from ..support.clock import FakeClock
from ..support.meeting import holding, meeting
from ..support.slow import slow_except
from ..support.waiting import until, when
from .handbook import BY_NAME, CREATE, STEPS, STORE, SYNC, Requests, assert_holds, held, rows, short, uploaded, write

OLD = {"a.md": "a", "b.md": "b", "c.md": "c"}
NEW = {"a.md": "a", "b.md": "changed", "d.md": "d"}  # c.md is deleted
RETRY = "INSERT INTO handbook (handbook) VALUES ('retry-unknown')"
FAULTS: dict[str, Any] = {
    "400": Status(400),
    "401": Status(401),
    "408": Status(408),
    "409": Status(409),
    "429": Status(429, code="insufficient_quota"),
    "500": Status(500),
    "500 carried out": Status(500, carried_out=True),
    "503": Status(503, code="server_is_overloaded"),
    "cut before": Cut("accept"),
    "cut before the response": Cut("answer"),
    "cut in the headers": Cut("headers"),
    "cut in the body": Cut("body"),
    "no HTTP": Raw(b"nonsense\r\n\r\n"),
    "no HTTP, carried out": Raw(b"nonsense\r\n\r\n", carried_out=True),
    "no id": Answer({}),
    "no id, carried out": Answer({}, carried_out=True),
    "no JSON, carried out": Answer(b"<html>", carried_out=True),
}
CARRIED_OUT = {name for name in FAULTS if "carried out" in name or name.startswith(("cut before the", "cut in"))}


def change(db: apsw.Connection) -> None:
    """The job: replace, add, delete and set attributes in one transaction."""
    db.execute("BEGIN")
    try:
        write(db, NEW)
        db.execute("UPDATE handbook SET attributes = json_object('n', 1) WHERE key = 'a.md'")
        db.execute("DELETE FROM handbook WHERE key = 'c.md'")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def repeat(db: apsw.Connection, job: Any = change, times: int = 3) -> None:
    """Repeat the job until it works, and what is unknown then once more."""
    for left in reversed(range(times)):
        try:
            job(db)
        except openai_vtab.Error:
            assert left, "it never works"
        else:
            break
    if any(status == "unknown" for _, status in rows(db)):
        db.execute(RETRY)
        job(db)


def finish(db: apsw.Connection, clock: FakeClock) -> None:
    """Let the API process everything, and tidy up."""
    clock.advance(7200)
    db.execute(SYNC)


def changed(sandbox: Any, store: str | None = STORE) -> None:
    """The vector store has what the job wants."""
    assert_holds(sandbox, NEW, store)
    state = sandbox._state
    stores = [each for each in state.stores.values() if each.id == STORE or each.name == "Handbook"]
    attributes = {state.files[id].filename: file.attributes for each in stores for id, file in each.files.items()}
    assert attributes["a.md"] == {"n": 1}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("fault", slow_except(FAULTS, "400", "500 carried out", "cut in the body"))
def test_outcome_of_each_step_with_each_fault(
    connect: Any, sandbox: Any, clock: FakeClock, requests: Requests, step: str, fault: str
) -> None:
    """The repeated job leaves exactly the documents, each uploaded once, and no orphan."""
    if step in ("detach", "delete") and fault == "no id":
        pytest.skip("an object confirms a deletion")
    db = connect(clock=clock)
    if step == "store":
        db.execute(BY_NAME)
    else:
        sandbox.add_store(STORE)
        db.execute(CREATE)
        write(db, OLD)
        clock.advance(7200)
    requests()
    method, path = STEPS[step]
    injection = sandbox.inject(FAULTS[fault], method=method, path=path)
    repeat(db)
    assert injection.times == 0
    finish(db, clock)
    changed(sandbox, None if step == "store" else STORE)
    assert {status for _, status in rows(db)} == {"completed"}
    once = 3 if step == "store" else 2
    again = step == "upload" and fault not in CARRIED_OUT
    assert short(requests())["POST files"] == once + again


def test_outcome_of_an_upload_is_used_again(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """The attach fails: the files are uploaded and attached to nothing; the repeated statement only attaches them."""
    sandbox.inject(Status(400, message="no"), method="POST", path="file_batches")
    with pytest.raises(openai_vtab.WriteError, match="repeat the statement") as raised:
        write(db, OLD)
    assert len(raised.value.done) == 3
    assert "do not repeat" not in str(raised.value)
    assert "handbook: the key 'a.md' and 2 others" in str(raised.value)
    assert rows(db) == []
    assert db.execute("SELECT state, document FROM handbook_files").fetchall() == [("uploaded", None)] * 3
    requests()
    write(db, OLD, verb="INSERT")
    assert short(requests()) == {"POST vector_stores/file_batches": 1}
    assert_holds(sandbox, OLD)


def test_outcome_of_an_upload_is_tidied_up_by_sync(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """A file that no document needs is deleted; it was never attached."""
    sandbox.inject(Status(400), method="POST", path="file_batches")
    with pytest.raises(openai_vtab.WriteError):
        write(db, OLD)
    requests()
    write(db, {"e.md": "e"})
    assert len(uploaded(sandbox)) == 4
    requests()
    db.execute(SYNC)
    assert short(requests()) == {"DELETE files": 3}
    assert_holds(sandbox, {"e.md": "e"})


def test_outcome_of_an_attach_that_was_rolled_back(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """A commit hook refuses after everything was carried out: the repeated statement looks, and sends nothing."""

    def refuse() -> bool:
        return True

    db.set_commit_hook(refuse)
    with pytest.raises(openai_vtab.WriteError, match="what was carried out is used"):
        write(db, OLD)
    db.set_commit_hook(None)
    assert rows(db) == []
    requests()
    write(db, OLD)
    assert short(requests()).keys() <= {"GET vector_stores", "GET vector_stores/files"}
    assert_holds(sandbox, OLD)
    assert rows(db) == [(key, "in_progress") for key in OLD]


@pytest.mark.parametrize("is_empty", [False, True], ids=["", "empty responses"])
def test_outcome_of_a_deletion_that_was_rolled_back(db: apsw.Connection, sandbox: Any, is_empty: bool) -> None:
    """The documents are back, and their files are gone: missing, until they are written again."""
    write(db, OLD)
    if is_empty:
        sandbox.inject(Answer({}, carried_out=True), times=None, method="DELETE")
    db.set_commit_hook(lambda: True)
    with pytest.raises(openai_vtab.WriteError) as caught:
        db.execute("DELETE FROM handbook")
    assert len(caught.value.done) == 2 * len(OLD)  # each is detached and deleted
    db.set_commit_hook(None)
    assert held(sandbox) == {}
    write(db, OLD)
    assert_holds(sandbox, OLD)


@pytest.mark.parametrize("sql", ["DELETE FROM handbook", "UPDATE handbook SET attributes = '{\"n\":2}'"])
@pytest.mark.parametrize("is_unsure", [False, True], ids=["in progress", "unsure"])
def test_outcome_replaces_what_another_connection_has_read_before(
    connect: Any, sandbox: Any, clock: FakeClock, file: str, sql: str, is_unsure: bool
) -> None:
    """The other one has read the statuses before a transaction has changed the files, and cannot write them down until
    SQLite has refused that transaction. The rows stay unsure, as they perhaps were before."""
    db, other = connect(file, clock=clock), connect(file, clock=clock)
    db.execute("PRAGMA journal_mode = wal").fetchall()
    write(db, OLD)
    clock.advance(7200)
    if is_unsure:
        refused(db, "UPDATE handbook SET attributes = '{\"n\":1}'")
    db.execute("BEGIN IMMEDIATE")
    db.execute(sql)
    assert {status for _, status in rows(other)} == {"completed"}
    refused(db, "COMMIT")
    rows(db, "key")
    rows(other, "key")
    assert db.execute("SELECT DISTINCT state FROM handbook_files").get == "unsure"
    write(other, OLD)
    finish(other, clock)
    assert_holds(sandbox, OLD)
    assert [each.attributes or {} for each in sandbox._state.stores[STORE].files.values()] == [{}] * len(OLD)


def refused(db: apsw.Connection, sql: str) -> None:
    """Execute a statement whose COMMIT SQLite refuses after everything was carried out."""
    db.set_commit_hook(lambda: True)
    with pytest.raises(openai_vtab.WriteError):
        db.execute(sql)
    db.set_commit_hook(None)


def test_outcome_while_a_reader_keeps_the_database_busy(
    connect: Any, file: str, sandbox: Any, requests: Requests
) -> None:
    """COMMIT is busy: repeating it sends nothing; after ROLLBACK, the repeated transaction uploads nothing."""
    db, other = connect(file), apsw.Connection(file)
    reader = other.execute("SELECT * FROM handbook_config")
    next(reader)
    db.execute("BEGIN")
    write(db, OLD)
    with pytest.raises(apsw.BusyError):
        db.execute("COMMIT")
    assert short(requests())["POST files"] == 3
    with pytest.raises(apsw.BusyError):
        db.execute("COMMIT")
    assert requests() == []
    with pytest.raises(openai_vtab.WriteError, match="what was carried out is used"):
        db.execute("ROLLBACK")
    db.execute("BEGIN")
    write(db, OLD)
    with pytest.raises(apsw.BusyError):
        db.execute("COMMIT")
    assert short(requests())["POST files"] == 0
    other.close(True)
    db.execute("COMMIT")
    assert rows(db) == [(key, "in_progress") for key in OLD]
    assert_holds(sandbox, OLD)
    assert [path.name for path in Path(file).parent.glob("*-openai-intents-*")] == []


def test_outcome_that_comes_after_an_interrupt(connect: Any, sandbox: Any, requests: Requests) -> None:
    """The late response completes the row, and the repeated statement uses it."""
    sandbox.add_store(STORE)
    db = connect()
    db.execute(CREATE)
    with holding(sandbox, method="POST", path="/files$"):
        interrupted = when(lambda: sandbox.in_flight, db.interrupt)
        with interrupted, pytest.raises(openai_vtab.WriteError, match="interrupted") as raised:
            write(db, {"a.md": "a"})
        assert len(raised.value.unknown) == 1
        assert rows(db) == [("a.md", "unknown")]
    until(lambda: rows(db) == [])
    requests()
    write(db, {"a.md": "a"}, verb="INSERT")
    assert short(requests()) == {"POST vector_stores/file_batches": 1}
    assert_holds(sandbox, {"a.md": "a"})


def test_interrupt_in_each_step(connect: Any, sandbox: Any) -> None:
    """KeyboardInterrupt from the progress function in the attach: the uploads are named, and used again."""
    sandbox.add_store(STORE)
    done: list[Any] = []

    def progress(now: Any) -> None:
        done.append(now)
        if now.total == 4:
            raise KeyboardInterrupt

    db = connect(progress=progress)
    db.execute(CREATE)
    sandbox.inject(Slow(0.4), method="POST")
    sandbox.inject(Slow(0.4), method="POST", path="file_batches")
    with pytest.raises(KeyboardInterrupt) as raised:
        write(db, OLD)
    assert isinstance(raised.value.__cause__, openai_vtab.WriteError)
    assert len(raised.value.__cause__.done) == 3
    assert sum(now.finished for now in done) <= 1
    write(db, OLD)
    assert_holds(sandbox, OLD)


def test_progress_of_all_steps_is_one(connect: Any, sandbox: Any) -> None:
    """It grows from step to step, and is finished once, also when a later step fails."""
    sandbox.add_store(STORE)
    reports: list[Any] = []
    db = connect(progress=reports.append)
    db.execute(CREATE)
    for _ in range(3):
        sandbox.inject(Slow(0.2), method="POST", path="/files$")
    sandbox.inject(Status(400), method="POST", path="/file_batches$")
    with pytest.raises(openai_vtab.WriteError):
        write(db, OLD)
    assert [report.finished for report in reports] == [False] * (len(reports) - 1) + [True]
    sandbox.inject(Slow(0.2), method="POST", path="/file_batches$")
    reports.clear()
    write(db, OLD)
    assert reports[0].total == 1
    assert [report.finished for report in reports] == [False] * (len(reports) - 1) + [True]


def test_outcome_that_is_unknown_costs_no_upload_of_the_old_content(
    db: apsw.Connection, sandbox: Any, clock: FakeClock, requests: Requests
) -> None:
    """The API has the old content; the other file is found, and deleted by sync."""
    write(db, {"a.md": "old"})
    sandbox.inject(Cut("answer"), method="POST", path="/files$")
    with pytest.raises(openai_vtab.APIConnectionError):
        write(db, {"a.md": "new"})
    assert rows(db) == [("a.md", "in_progress")]
    requests()
    write(db, {"a.md": "old"})
    assert short(requests()) == {"GET files": 1}
    assert rows(db) == [("a.md", "in_progress")]
    finish(db, clock)
    assert_holds(sandbox, {"a.md": "old"})


def test_outcome_that_is_unknown_of_other_chunking(
    db: apsw.Connection, sandbox: Any, clock: FakeClock, requests: Requests
) -> None:
    """The repeated statement uses the file."""
    write(db, {"a.md": "text"})
    sandbox.inject(Cut("answer"), method="POST", path="/files$")
    chunking = '{"type": "static", "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 20}}'
    sql = "UPDATE handbook SET content = 'text', chunking_strategy = ?"
    with pytest.raises(openai_vtab.APIConnectionError):
        db.execute(sql, [chunking])
    requests()
    db.execute(sql, [chunking])
    assert short(requests()) == {"GET files": 1, "POST vector_stores/file_batches": 1}
    finish(db, clock)
    assert_holds(sandbox, {"a.md": "text"})


def test_outcome_of_an_attach_of_a_file_that_was_just_found(
    db: apsw.Connection, sandbox: Any, clock: FakeClock
) -> None:
    """COMMIT finds an unknown upload, attaches it, and fails: the file is detached before it is deleted."""
    for path, fault in {"/files$": Cut("answer"), "file_batches": Raw(b"", carried_out=True)}.items():
        sandbox.inject(fault, method="POST", path=path)
        with pytest.raises(openai_vtab.Error):
            write(db, {"a.md": "a"})
    assert held(sandbox) == {("a.md", "a"): 1}
    db.execute("DELETE FROM handbook")
    finish(db, clock)
    assert_holds(sandbox, {})


def test_outcomes_that_are_unknown_and_needed_by_no_document(
    db: apsw.Connection, sandbox: Any, clock: FakeClock
) -> None:
    """Two files of one name and size: nobody knows which is whose, and both are deleted."""
    sandbox.inject(Cut("answer"), times=2, method="POST", path="/files$")
    with meeting(sandbox, 2, method="POST", path="/files$"), pytest.raises(openai_vtab.Error):
        write(db, {"a.md": "one", "docs/a.md": "two"})
    write(db, {"b.md": "b"})
    assert len(uploaded(sandbox)) == 3
    db.execute("DELETE FROM handbook WHERE key = 'a.md'")
    db.execute(SYNC)
    assert len(uploaded(sandbox)) == 3
    db.execute("DELETE FROM handbook WHERE key = 'docs/a.md'")
    finish(db, clock)
    assert_holds(sandbox, {"b.md": "b"})


def test_outcome_that_stays_unknown_is_looked_for_until_the_user_says(
    db: apsw.Connection, sandbox: Any, clock: FakeClock, requests: Requests
) -> None:
    """Another program has uploaded a file of this name and size: neither is deleted."""
    sandbox.inject(Cut("answer"), method="POST", path="/files$")
    with pytest.raises(openai_vtab.Error):
        write(db, {"a.md": "one"})
    sandbox.add_file("a.md", b"two")
    write(db, {"a.md": "other"})
    for _ in range(2):
        finish(db, clock)
    requests()
    db.execute(SYNC)
    assert short(requests()) == {"GET files": 1}
    db.execute(RETRY)
    db.execute(SYNC)
    assert requests() == []
    assert held(sandbox) == {("a.md", "other"): 1}
    assert len(uploaded(sandbox)) == 3
