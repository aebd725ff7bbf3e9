"""Uploads with an unknown outcome: taken up again only if exactly one file can be the upload's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.documents.unknown import advice
from openai_vtab.sandbox import Cut, Status

from ..support.clock import FakeClock
from ..support.meeting import holding
from ..support.waiting import until, when
from .handbook import CREATE, STORE, SYNC, Requests, assert_holds, held, rows, short, uploaded, write

RETRY = "INSERT INTO handbook (handbook) VALUES ('retry-unknown')"
LOST = Cut("answer")  # carried out; the response is lost
ONE = {"docs/a.md": "text"}


def lose(db: apsw.Connection, sandbox: Any, fault: Any = LOST, text: str = "text") -> None:
    """Write a document whose upload has an unknown outcome."""
    sandbox.inject(fault, method="POST", path="/files$")
    with pytest.raises(openai_vtab.Error, match=r"handbook: the key 'docs/a\.md'"):
        write(db, {"docs/a.md": text})


def test_unknown_upload_is_a_row_that_says_what_to_do(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """Although the transaction was rolled back."""
    lose(db, sandbox)
    ((key, status, code, message),) = rows(db, "key, status, last_error_code, last_error_message")
    assert (key, status, code) == ("docs/a.md", "unknown", "unknown_upload")
    assert "write the document again" in message
    assert "VALUES ('retry-unknown')" in message


@pytest.mark.parametrize("verb", ["INSERT", "INSERT OR REPLACE", "INSERT OR IGNORE"])
def test_unknown_upload_that_one_file_can_be_is_taken_up(
    db: apsw.Connection, sandbox: Any, requests: Requests, verb: str
) -> None:
    """The repeated statement lists the files, and only attaches it."""
    lose(db, sandbox)
    requests()
    write(db, ONE, verb)
    assert short(requests()) == {"GET files": 1, "POST vector_stores/file_batches": 1}
    assert_holds(sandbox, ONE)


def test_unknown_upload_is_looked_for_by_the_connections_clock(
    db: apsw.Connection, sandbox: Any, clock: FakeClock, requests: Requests
) -> None:
    """The times of intents are compared with those of the API's files."""
    clock.advance(-3600)
    lose(db, sandbox)
    requests()
    write(db, ONE)
    assert short(requests()) == {"GET files": 1, "POST vector_stores/file_batches": 1}


def test_unknown_upload_that_is_not_repeated_goes_with_sync(db: apsw.Connection, sandbox: Any) -> None:
    """The document was never committed."""
    lose(db, sandbox)
    db.execute(SYNC)
    db.execute(SYNC)
    assert rows(db) == []
    assert uploaded(sandbox) == {}


@pytest.mark.parametrize("others", [0, 1, 2])
def test_unknown_upload_stays_unknown_unless_one_file_can_be_it(
    db: apsw.Connection, sandbox: Any, requests: Requests, others: int
) -> None:
    """None, or several: the row lists them; nothing is uploaded before the user says so."""
    lose(db, sandbox, LOST if others else Status(500))
    ids = [sandbox.add_file("a.md", b"text") for _ in range(others)]
    requests()
    write(db, ONE)
    assert short(requests()) == {"GET files": 1}
    ((status, message),) = rows(db, "status, last_error_message")
    assert status == "unknown"
    assert all(id in message for id in ids)
    assert others or "no file of its name and size" in message


def test_unknown_upload_is_no_other_file(db: apsw.Connection, sandbox: Any) -> None:
    """Of another name, of another size, for another purpose, or older."""
    older = sandbox.add_file("a.md", b"text")
    sandbox._state.files[older].created_at -= 100
    lose(db, sandbox, Status(500))
    sandbox.add_file("b.md", b"text")
    sandbox.add_file("a.md", b"longer text")
    sandbox.add_file("a.md", b"text", purpose="user_data")
    write(db, ONE)
    assert rows(db) == [("docs/a.md", "unknown")]


def test_unknown_uploads_that_one_file_may_be_both(db: apsw.Connection, sandbox: Any) -> None:
    """Two documents of one name and size, and one file: it may be either's."""
    for key in ("x/a.md", "y/a.md"):
        sandbox.inject(Status(500), method="POST", path="/files$")
        with pytest.raises(openai_vtab.APIError):
            write(db, {key: "text"})
    file_id = sandbox.add_file("a.md", b"text")
    write(db, {"x/a.md": "text", "y/a.md": "text"})
    assert [(status, file_id in message) for status, message in rows(db, "status, last_error_message")] == [
        ("unknown", True),
        ("unknown", True),
    ]


def test_unknown_uploads_of_two_tables_that_one_file_may_be_both(db: apsw.Connection, sandbox: Any) -> None:
    """The first was not carried out, the second was: the file has the same name and size, and another content."""
    sandbox.add_store("vs_other")
    db.execute("CREATE VIRTUAL TABLE other USING vector_store_documents(vector_store_id = 'vs_other')")
    lose(db, sandbox, Status(500), "one")
    sandbox.inject(LOST, method="POST", path="/files$")
    with pytest.raises(openai_vtab.Error):
        db.execute("INSERT INTO other (key, content) VALUES ('docs/a.md', 'two')")
    db.execute("BEGIN; INSERT OR REPLACE INTO handbook (key, content) VALUES ('docs/a.md', 'one')")
    db.execute("INSERT OR REPLACE INTO other (key, content) VALUES ('docs/a.md', 'two'); COMMIT")
    assert rows(db) == [("docs/a.md", "unknown")]
    assert db.execute("SELECT key, status FROM other").fetchall() == [("docs/a.md", "unknown")]
    assert held(sandbox) == {}


@pytest.mark.parametrize("way", ["DELETE", "retry-unknown"])
def test_unknown_upload_is_sent_again_on_request(db: apsw.Connection, sandbox: Any, way: str) -> None:
    """DELETE of the row and INSERT, or the command and OR REPLACE; what was lost is found and deleted later."""
    lose(db, sandbox)
    twin = sandbox.add_file("a.md", b"text", id="file-twin")
    write(db, ONE)
    assert rows(db) == [("docs/a.md", "unknown")]
    if way == "DELETE":
        db.execute("DELETE FROM handbook")
        assert rows(db) == []
        write(db, ONE, "INSERT")
    else:
        db.execute(RETRY)
        write(db, ONE)
    ((status, file_id),) = rows(db, "status, file_id")
    assert (status, file_id != twin) == ("in_progress", True)
    assert sum(uploaded(sandbox).values()) == 2


def test_unknown_upload_of_new_content_leaves_the_old_document(
    db: apsw.Connection, sandbox: Any, clock: FakeClock, requests: Requests
) -> None:
    """The document stays what was committed, and what is written to it is sent."""
    write(db, {"docs/a.md": "old"})
    clock.advance(7200)
    lose(db, sandbox)
    assert rows(db) == [("docs/a.md", "completed")]
    requests()
    db.execute("UPDATE handbook SET attributes = json_object('n', 1)")
    assert short(requests()) == {"GET files": 1, "POST vector_stores/files": 1}
    db.execute(SYNC)
    assert_holds(sandbox, {"docs/a.md": "old"})


def test_unknown_upload_of_new_content_leaves_a_failed_document(
    db: apsw.Connection, sandbox: Any, clock: FakeClock, requests: Requests
) -> None:
    """Its file is attached again without an upload: nothing has superseded it."""
    write(db, {"docs/a.csv": "old"})
    clock.advance(7200)
    assert rows(db) == [("docs/a.csv", "failed")]
    sandbox.inject(Status(500), method="POST", path="/files$")
    with pytest.raises(openai_vtab.Error):
        write(db, {"docs/a.csv": "new"})
    write(db, {"b.md": "b"})
    requests()
    write(db, {"docs/a.csv": "old"})
    assert short(requests())["POST files"] == 0
    assert rows(db) == [("b.md", "in_progress"), ("docs/a.csv", "in_progress")]


@pytest.mark.parametrize("between", [{"docs/a.md": "old"}, {"docs/a.md": "other"}], ids=["old", "other"])
def test_unknown_uploads_stay_unknown_when_written_again(
    db: apsw.Connection, sandbox: Any, clock: FakeClock, requests: Requests, between: dict[str, str]
) -> None:
    """Two of one name and size: whatever the document is meanwhile, neither is uploaded a second time."""
    write(db, {"docs/a.md": "old"})
    for text in ("text", "TEXT"):
        lose(db, sandbox, text=text)
    for text in ("text", "TEXT", "text"):
        write(db, between)
        requests()
        write(db, {"docs/a.md": text})
        assert short(requests())["POST files"] == 0
        assert rows(db) == [("docs/a.md", "unknown")]
    db.execute(RETRY)
    write(db, ONE)
    sandbox.finish("a.md")
    db.execute(SYNC)
    assert rows(db) == [("docs/a.md", "completed")]
    assert held(sandbox) == {("a.md", "text"): 1}


def test_unknown_upload_is_another_document_s_of_the_same_content(
    db: apsw.Connection, sandbox: Any, requests: Requests
) -> None:
    """As any spare file: it may be at the API, and would be left there. A further document is uploaded."""
    write(db, {"docs/a.md": "old"})
    lose(db, sandbox, Status(500))
    requests()
    write(db, {"x/a.md": "text", "y/a.md": "text"})
    assert short(requests()) == {"GET files": 1, "POST files": 1, "POST vector_stores/file_batches": 1}
    assert rows(db) == [("docs/a.md", "in_progress"), ("x/a.md", "unknown"), ("y/a.md", "in_progress")]


def test_changed_file_is_kept_as_it_was_sent(connect: Any, sandbox: Any, tmp_path: Path, requests: Requests) -> None:
    """The statement fails with a sentence; the repeated one uses what was sent."""
    sandbox.add_store(STORE)
    path = tmp_path / "a.md"
    path.write_text("before")
    db = connect(upload_root=str(tmp_path))
    db.execute(CREATE)
    db.execute("BEGIN")
    db.execute("INSERT INTO handbook (key, path) VALUES ('a', ?)", [str(path)])
    path.write_text("after!")  # as long as before
    with pytest.raises(openai_vtab.Error, match=r"handbook.path of the key 'a': the file has changed between"):
        db.execute("COMMIT")
    if db.in_transaction:
        db.execute("ROLLBACK")
    assert rows(db) == []
    requests()
    db.execute("INSERT INTO handbook (key, path) VALUES ('a', ?)", [str(path)])
    assert short(requests()) == {"POST vector_stores/file_batches": 1}
    assert uploaded(sandbox) == {("a.md", "after!"): 1}


# SQLite disconnects the renamed table before the statement is over, and APSW shows the exception there as well
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_renamed_table_learns_its_outcomes(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """RENAME, and ROLLBACK of a RENAME by a COMMIT that fails."""
    sandbox.inject(Status(400), method="POST", path="file_batches")
    db.execute("BEGIN; ALTER TABLE handbook RENAME TO guide")
    db.execute("INSERT INTO guide (key, content) VALUES ('a.md', 'a')")
    with pytest.raises(openai_vtab.WriteError, match="1 of 2 requests were not carried out"):
        db.execute("COMMIT")
    requests()
    write(db, {"a.md": "a"})
    assert short(requests()) == {"POST vector_stores/file_batches": 1}


def test_attached_database_learns_its_outcomes(connect: Any, file: str, sandbox: Any, requests: Requests) -> None:
    """Its intents are beside its own file."""
    db = connect()
    db.execute("ATTACH ? AS other", [file])
    sandbox.inject(Status(400), method="POST", path="file_batches")
    with pytest.raises(openai_vtab.WriteError):
        write(db, ONE)
    db.close()
    requests()
    again = connect(file)
    write(again, ONE)
    assert short(requests()) == {"POST vector_stores/file_batches": 1}
    assert_holds(sandbox, ONE)


def test_closing_connection_writes_what_it_knows(connect: Any, file: str, sandbox: Any, requests: Requests) -> None:
    """A reader has kept the database busy until then."""
    db, other = connect(file), apsw.Connection(file)
    reader = other.execute("SELECT * FROM handbook_config")
    next(reader)
    with pytest.raises(openai_vtab.WriteError):
        write(db, ONE)
    other.close(True)
    db.close()
    assert [path.name for path in Path(file).parent.glob("*-openai-intents-*")] == []
    requests()
    again = connect(file)
    write(again, ONE)
    assert short(requests())["POST files"] == 0
    assert_holds(sandbox, ONE)


def test_read_only_database_is_read(connect: Any, file: str, sandbox: Any, clock: FakeClock) -> None:
    """What was learned while reading cannot be written, and is asked for again."""
    db = connect(file, clock=clock)
    write(db, ONE)
    db.close()
    clock.advance(7200)
    Path(file).chmod(0o444)
    reading = connect(file, clock=clock)
    reading.execute("PRAGMA query_only = 1")
    assert rows(reading) == rows(reading) == [("docs/a.md", "completed")]


@pytest.mark.parametrize("step", ["/files", "/file_batches"])
def test_interrupt_while_a_step_is_under_way(connect: Any, sandbox: Any, step: str) -> None:
    """connection.interrupt(): the repeated statement leaves each document once."""
    sandbox.add_store(STORE)
    db = connect()
    db.execute(CREATE)
    with holding(sandbox, method="POST", path=f"{step}$"):
        interrupted = when(lambda: any(each.path.endswith(step) for each in sandbox.requests), db.interrupt)
        with interrupted, pytest.raises(openai_vtab.WriteError, match="interrupted"):
            write(db, ONE)
    until(lambda: uploaded(sandbox) and not sandbox.in_flight)
    write(db, ONE)
    assert rows(db) == [("docs/a.md", "in_progress")]
    assert_holds(sandbox, ONE)


@pytest.mark.parametrize(("name", "shown"), [("handbook", "handbook"), ("a b", '"a b"'), ("order", '"order"')])
def test_advice_can_be_typed_for_a_table_of_any_name(name: str, shown: str) -> None:
    """A name that SQLite would not read as one is quoted."""
    message = json.loads(advice(name))["last_error"]["message"]
    assert f"INSERT INTO {shown} ({shown}) VALUES ('retry-unknown')" in message


def test_retried_upload_is_not_looked_for_any_more(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """Once the document is uploaded again, no COMMIT asks for the files."""
    lose(db, sandbox, Status(500))
    db.execute(RETRY)
    write(db, ONE)
    assert db.execute("SELECT count(*) FROM handbook_files").get == 1
    requests()
    write(db, {**ONE, "b.md": "b"})
    assert "GET files" not in short(requests())
    for name in ("a.md", "b.md"):
        sandbox.finish(name)
    assert {status for _, status in rows(db)} == {"completed"}
    db.execute(SYNC)
    assert db.execute("SELECT count(*) FROM handbook_files").get == 2
