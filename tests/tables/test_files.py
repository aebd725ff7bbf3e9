"""files: what is read, inserted, updated and deleted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.sandbox import Slow, Status

from ..support.clock import FakeClock
from ..support.waiting import when
from .files import upload

Requests = Callable[[], list[str]]
Sent = Callable[[Any], list[tuple[str, Any]]]
Bodies = Callable[[], list[tuple[str, Any]]]
DAY = '{"anchor":"created_at","seconds":86400}'


@pytest.mark.vcr
@pytest.mark.capability("files: upload with expires_after, list by purpose, delete")
def test_life_of_a_file(replayed: apsw.Connection, cassette: Any, sent: Sent) -> None:
    """Upload, look, list, delete: the requests, with the form's fields."""
    replayed.execute(
        "INSERT INTO files (filename, content, purpose, expires_after) VALUES ('Prüfung 1.md', '# Wörter', 'user_data', ?)",
        (DAY,),
    )
    row = replayed.execute(
        "SELECT id, filename, bytes, purpose, expires_at - created_at FROM files WHERE rowid = last_insert_rowid()"
    ).get
    id = row[0]
    assert row[1:] == ("Prüfung 1.md", 9, "user_data", 86400)
    newest = "SELECT id FROM files WHERE purpose = 'user_data' ORDER BY created_at DESC LIMIT 1"
    assert replayed.execute(newest).get == id
    replayed.execute("DELETE FROM files WHERE file_id = ?", (id,))
    assert replayed.execute("SELECT * FROM files WHERE id = ?", (id,)).fetchall() == []
    form = {
        "purpose": "user_data",
        "expires_after[anchor]": "created_at",
        "expires_after[seconds]": "86400",
        "file": ("Prüfung 1.md", "# Wörter".encode()),
    }
    assert sent(cassette) == [
        ("POST /files", form),
        (f"GET /files/{id}", None),
        ("GET /files?purpose=user_data&limit=10&order=desc", None),
        (f"GET /files/{id}", None),
        (f"DELETE /files/{id}", None),
        (f"GET /files/{id}", None),
    ]


@pytest.mark.vcr
@pytest.mark.capability("files: download")
def test_download_of_content(replayed: apsw.Connection, cassette: Any, sent: Sent) -> None:
    """A request of its own for each row that is read."""
    line = '{"custom_id":"ü","method":"POST","url":"/v1/responses","body":{}}'
    replayed.execute("INSERT INTO files (filename, content, purpose) VALUES ('in.jsonl', ?, 'batch')", (line,))
    row = replayed.execute("SELECT id, content FROM files WHERE rowid = last_insert_rowid()").get
    assert row[1] == line.encode()
    form = {"purpose": "batch", "file": ("in.jsonl", row[1])}
    assert sent(cassette) == [
        ("POST /files", form),
        (f"GET /files/{row[0]}", None),
        (f"GET /files/{row[0]}/content", None),
    ]


def test_select_star_returns_the_documented_columns(db: apsw.Connection, requests: Requests) -> None:
    """What is only for uploading is hidden, and NULL; the content is not downloaded."""
    cursor = db.execute("SELECT *, file_id, path FROM files WHERE id = 'file-demo-01'")
    row = dict(zip((c[0] for c in cursor.get_description()), next(cursor), strict=True))
    created = row.pop("created_at")
    assert isinstance(created, int)
    assert row == {
        "id": "file-demo-01", "filename": "returns.md", "purpose": "assistants", "bytes": 82, "expires_at": None,
        "status": "processed", "object": "file", "file_id": "file-demo-01", "path": None,
    }  # fmt: skip
    assert requests() == ["GET /files/file-demo-01"]


REFUSED = {
    "no content": ({"filename": "a", "purpose": "p"}, "files.content is missing or NULL; give (content, filename, purpose) or (path, purpose)"),
    "no name": ({"content": b"x", "purpose": "p"}, "files.filename is missing or NULL; give (content, filename, purpose) or"),
    "no purpose": ({"content": b"x", "filename": "a"}, "files.purpose is missing or NULL"),
    "empty": ({"content": b"", "filename": "a", "purpose": "p"}, "files.content: the content is empty; write at least one byte"),
    "a number": ({"content": 5, "filename": "a", "purpose": "p"}, "files.content: 5 is not content; write a BLOB or text, for instance readfile("),
    "a name of blanks": ({"content": b"x", "filename": " ", "purpose": "p"}, "files.filename: ' ' is not a file name; write a name such as 'returns.md'"),
    "a name with a line break": ({"content": b"x", "filename": "a\r\nb", "purpose": "p"}, "is not a file name"),
    "a name that servers read in two ways": ({"content": b"x", "filename": "a%22b.md", "purpose": "p"}, "files.filename: 'a%22b.md' contains %22, which servers read as a quotation mark; write the name without it"),
    "a name that is none": ({"content": b"x", "filename": 5, "purpose": "p"}, "files.filename: 5 is not text"),
    "a purpose that is none": ({"content": b"x", "filename": "a", "purpose": 5}, "files.purpose: 5 is not text; write text"),
    "both": ({"content": b"x", "filename": "a", "purpose": "p", "path": "x"}, "files.path cannot be given together with content; give one of them"),
    "a path with content": ({"content": b"x", "purpose": "p", "path": "x"}, "files.content cannot be given together with path; give one of them"),
    "a path with no name": ({"filename": " ", "purpose": "p", "path": "x"}, "files.filename: ' ' is not a file name"),
    "an id": ({"id": "x", "content": b"x", "filename": "a", "purpose": "p"}, "files.id comes from the API and cannot be inserted; give only filename, purpose, content, path, expires_after"),
    "expires too soon": ({"content": b"x", "filename": "a", "purpose": "p", "expires_after": DAY.replace("86400", "60")}, "files.expires_after: seconds is 60; write a number from 3600 to 2592000"),
    "the stores' expiry": ({"content": b"x", "filename": "a", "purpose": "p", "expires_after": '{"anchor":"last_active_at","days":1}'}, "is not an expires_after object; write json_object('anchor', 'created_at', 'seconds', 3600)"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_insert_refuses(db: apsw.Connection, requests: Requests, case: str) -> None:
    """Before anything is sent, with the column and what to write."""
    columns, problem = REFUSED[case]
    with pytest.raises(openai_vtab.RowError) as caught:
        upload(db, **columns)
    assert problem in str(caught.value)
    assert requests() == []


@pytest.mark.sample(2)
@pytest.mark.parametrize("way", ["content", "path"])
@pytest.mark.parametrize(
    "fault",
    [
        Status(429, code="rate_limit_exceeded", headers={"retry-after": "0"}),
        Status(503, type="service_unavailable_error", code="server_is_overloaded", headers={"retry-after": "0"}),
    ],
    ids=["429", "503"],
)
def test_retry_sends_an_upload_that_was_not_taken_whole_again(
    connect: Any, sandbox: Any, root: Path, bodies: Bodies, way: str, fault: Any
) -> None:
    """With all of its body, from the beginning."""
    (root / "a.md").write_bytes(b"y" * 3_000_000)
    db = connect(upload_root=root)
    sandbox.inject(fault, times=2, method="POST")
    columns = {"path": "a.md"} if way == "path" else {"content": b"y" * 3_000_000, "filename": "a.md"}
    upload(db, **columns, purpose="assistants")
    assert bodies() == [("POST /files", {"purpose": "assistants", "file": ("a.md", b"y" * 3_000_000)})] * 3


def test_transactions_send_what_was_committed(db: apsw.Connection, bodies: Bodies) -> None:
    """Rolled back, nothing is uploaded or deleted."""
    for write in (
        "INSERT INTO files (filename, content, purpose) VALUES ('a', 'b', 'assistants')",
        "DELETE FROM files WHERE id = 'file-new-06'",
    ):
        db.execute(f"BEGIN; {write}; ROLLBACK")
        db.execute(f"BEGIN; SAVEPOINT s; {write}; ROLLBACK TO s; COMMIT")
    assert [request for request, _ in bodies() if not request.startswith("GET")] == []


def test_commit_that_fails_in_part_lists_what_was_done(connect: Any, sandbox: Any) -> None:
    """What was uploaded is listed with its id, so that it is not an orphan that nobody knows of."""
    db = connect(max_concurrency=1)
    sandbox.inject(Status(400, message="Invalid file."), method="POST", after=1)
    with pytest.raises(openai_vtab.WriteError, match="Invalid file") as caught:
        db.execute(
            "INSERT INTO files (filename, content, purpose) VALUES ('a', 'a', 'assistants'), ('b', 'b', 'assistants'), ('c', 'c', 'assistants')"
        )
    ((_, id),) = caught.value.done
    assert sandbox._state.files[id].filename == "a"
    assert len(caught.value.not_done) == 2


def test_delete_of_what_no_store_has(connect: Any, clock: FakeClock, requests: Requests) -> None:
    """Lists, and a DELETE for each; gone at once."""
    db = connect(clock=clock)
    db.execute(
        "DELETE FROM files WHERE id NOT IN "
        "(SELECT f.id FROM vector_stores AS v JOIN vector_store_files AS f ON f.vector_store_id = v.id)"
    )
    deleted = sorted(request for request in requests() if request.startswith("DELETE"))
    assert deleted == [f"DELETE /files/file-new-0{n}" for n in range(1, 7)]
    assert db.execute("SELECT count(*) FROM files WHERE id LIKE 'file-new-%'").get == 0
    slept = clock.slept
    assert db.execute("SELECT count(*) FROM files WHERE id = 'file-new-01'").get == 0
    assert clock.slept == slept


def test_delete_is_seen_at_once(connect: Any, clock: FakeClock) -> None:
    """404 is no lag then."""
    db = connect(clock=clock)
    upload(db, filename="a", content="b", purpose="assistants")
    rowid = db.last_insert_rowid()
    db.execute("DELETE FROM files WHERE rowid = ?", (rowid,))
    slept = clock.slept
    assert db.execute("SELECT * FROM files WHERE rowid = ?", (rowid,)).fetchall() == []
    assert clock.slept == slept


def test_delete_of_an_absent_file_does_nothing(db: apsw.Connection, requests: Requests) -> None:
    """As in SQL."""
    db.execute("DELETE FROM files WHERE id = 'file-none'")
    assert db.changes() == 0
    assert requests() == ["GET /files/file-none"]


@pytest.mark.parametrize(
    "assignment", ["filename = 'x'", "purpose = 'x'", "content = 'x'", "expires_after = NULL", "id = 'x'"]
)
def test_update_is_refused(db: apsw.Connection, requests: Requests, assignment: str) -> None:
    """The API cannot change a file."""
    with pytest.raises(openai_vtab.UnsupportedWriteError, match=r"^files: the API has no way to UPDATE$"):
        db.execute(f"UPDATE files SET {assignment} WHERE id = 'file-demo-01'")
    assert requests() == ["GET /files/file-demo-01"]


def test_interrupt_of_an_upload_is_reported(db: apsw.Connection, sandbox: Any) -> None:
    """Its answer was still to come."""
    sandbox.inject(Slow(30))
    interrupted = when(lambda: sandbox.in_flight, db.interrupt)
    with interrupted, pytest.raises((openai_vtab.WriteError, apsw.InterruptError)) as caught:
        upload(db, filename="a", content="b", purpose="assistants")
    assert "GET /files" in str(caught.value)
