"""A documents table on servers that do not know the form `files` of a batch: they ignore it, or refuse it."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.sandbox import Received
from openai_vtab.sandbox.messages import Response, json_response

from ..documents import handbook
from ..documents.handbook import CREATE, STORE, SYNC, Requests, assert_holds, rows, short
from ..ledger.files import run
from ..support.clock import FakeClock
from .conftest import changed

CONTENT = {"a.md": "a", "b.md": "b", "c.md": "c", "d.md": "d"}
LANGUAGES = {"a.md": "en", "b.md": "de", "c.md": "en", "d.md": None}
MISSING = {"detail": [{"type": "missing", "loc": ["body", "file_ids"], "msg": "Field required"}]}
WARNING = "handbook: the server ignores `files`, so that one batch cannot have documents with different attributes"


def refuse_files(received: Received, carry_out: Callable[[Received], Response]) -> Response:
    """What FastAPI responds if a server's own model of a batch has no `files`."""
    is_refused = received.path.endswith("/file_batches") and "files" in received.body
    return json_response(MISSING, 422) if is_refused else carry_out(received)


def shown_as(counts: dict[str, int], status: str, *methods: str) -> Any:
    """A filter that shows other counts and another status in the responses about batches: by default, to POST alone."""

    def show(received: Received, carry_out: Callable[[Received], Response]) -> Response:
        is_about_a_batch = received.segments[-2:-1] == ["file_batches"] or received.segments[-1] == "file_batches"
        if not is_about_a_batch or received.method not in (methods or ("POST",)):
            return carry_out(received)
        return changed(carry_out(received), lambda body: body.update(file_counts=counts, status=status))

    return show


NO_FILES = dict.fromkeys(("in_progress", "completed", "failed", "cancelled", "total"), 0)
STORE_OBJECT = {
    "id": STORE,
    "object": "vector_store",
    "status": "in_progress",
    "usage_bytes": 0,
    "file_counts": NO_FILES,
}


def answering(reply: Callable[[str], Response]) -> Any:
    """A filter that shows a new batch without files, and replies to the GET of a batch, by its id."""
    show = shown_as(NO_FILES, "in_progress")

    def answer(received: Received, carry_out: Callable[[Received], Response]) -> Response:
        is_asked = received.method == "GET" and received.segments[-2:-1] == ["file_batches"]
        return reply(received.segments[-1]) if is_asked else show(received, carry_out)

    return answer


@pytest.fixture(params=["ignores", "ignores, and is finished later", "refuses"])
def asked(request: Any, serve_by: Any, ignoring: Any) -> int:
    """Each kind of server. Returns how often it is asked for the empty batch."""
    is_later = request.param.endswith("later")
    serve_by(refuse_files if request.param == "refuses" else ignoring("files", later=is_later))
    return int(is_later)


@pytest.fixture
def file(sandbox: Any, connect: Any, clock: FakeClock, tmp_path: Path, requests: Requests) -> str:
    """A database with an empty table."""
    sandbox.add_store(STORE)
    path = str(tmp_path / "my.db")
    connect(path, clock=clock).execute(CREATE)
    return path


WRITE = "INSERT OR REPLACE INTO handbook (key, content, attributes) VALUES (?, ?, ?), (?, ?, ?), (?, ?, ?), (?, ?, ?)"


def written(**changes: str) -> list[str | None]:
    """The bindings of WRITE: four documents with their languages as attributes."""
    content = {key: changes.get(key[0], text) for key, text in CONTENT.items()}
    rows = [(key, text, LANGUAGES[key] and json.dumps({"lang": LANGUAGES[key]})) for key, text in content.items()]
    return [value for row in rows for value in row]


def write(db: apsw.Connection, **changes: str) -> None:
    """Write the four documents in one statement."""
    db.execute(WRITE, written(**changes))


def batches(sandbox: Any) -> list[tuple[str, int, Any]]:
    """(form, number of files, attributes) of each batch that was requested since the last call of requests()."""
    bodies = [r.body for r in sandbox.requests if r.method == "POST" and r.path.endswith("/file_batches")]
    return [
        ("files", len(body["files"]), None)
        if "files" in body
        else ("file_ids", len(body["file_ids"]), body.get("attributes"))
        for body in bodies
    ]


def ignores_files(db: apsw.Connection) -> Any:
    """What the table remembers of the server; None while it does not know that `files` is ignored."""
    return db.execute("SELECT value FROM handbook_config WHERE name = 'ignores_files'").get


def languages(sandbox: Any) -> dict[str, str | None]:
    """The languages that the vector store's files have, by filename."""
    files = sandbox._state.stores[STORE].files
    return {sandbox._state.files[id].filename: (file.attributes or {}).get("lang") for id, file in files.items()}


ALIKE = [("file_ids", 1, None), ("file_ids", 1, {"lang": "de"}), ("file_ids", 2, {"lang": "en"})]


def test_documents_live_without_files(
    file: str, connect: Any, sandbox: Any, clock: FakeClock, requests: Requests, caplog: Any, asked: int
) -> None:
    """The whole life: the first COMMIT learns it, and no later one sends `files`, on another connection either."""
    db = connect(file, clock=clock)
    write(db)
    first, *others = batches(sandbox)
    assert (first, sorted(others, key=str)) == (("files", 4, None), ALIKE)
    assert short(requests()) == {
        "POST files": 4,
        "POST vector_stores/file_batches": 4,
        **({"GET vector_stores/file_batches": 1} if asked else {}),
    }
    assert [r.getMessage().partition(";")[0] for r in caplog.records if r.levelno == logging.WARNING] == [WARNING]
    assert rows(db) == [(key, "in_progress") for key in CONTENT]
    assert_holds(sandbox, CONTENT)
    assert languages(sandbox) == LANGUAGES
    clock.advance(7200)
    assert rows(db) == [(key, "completed") for key in CONTENT]

    db = connect(file, clock=clock)
    requests()
    write(db)
    db.execute(SYNC)
    assert requests() == []

    write(db, a="changed", b="changed")
    assert sorted(batches(sandbox), key=str) == [("file_ids", 1, {"lang": "de"}), ("file_ids", 1, {"lang": "en"})]
    assert short(requests()) == {"POST files": 2, "POST vector_stores/file_batches": 2}
    clock.advance(7200)
    db.execute(SYNC)
    assert_holds(sandbox, {**CONTENT, "a.md": "changed", "b.md": "changed"})

    requests()
    db.execute("""UPDATE handbook SET attributes = '{"lang":"fr"}' WHERE key IN ('a.md', 'd.md')""")
    assert short(requests()) == {"POST vector_stores/files": 2}
    assert languages(sandbox) == LANGUAGES | {"a.md": "fr", "d.md": "fr"}

    db.execute("DELETE FROM handbook WHERE key <> 'c.md'")
    assert short(requests()) == {"DELETE vector_stores/files": 3, "DELETE files": 3}
    assert_holds(sandbox, {"c.md": "c"})
    assert caplog.records[1:] == []


@pytest.mark.usefixtures("asked")
def test_documents_that_are_alike_need_no_files(file: str, connect: Any, sandbox: Any, clock: FakeClock) -> None:
    """One batch has all of them, and nothing is learned."""
    db = connect(file, clock=clock)
    handbook.write(db, CONTENT)
    assert batches(sandbox) == [("file_ids", 4, None)]
    assert_holds(sandbox, CONTENT)
    assert db.execute("SELECT name FROM handbook_config").fetchall() == [("vector_store_id",)]


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize("how", ["a later batch fails", "SQLite cannot commit"])
def test_documents_without_files_after_a_failed_commit(
    file: str, connect: Any, sandbox: Any, clock: FakeClock, requests: Requests, how: str
) -> None:
    """The rows are rolled back; the next COMMIT knows the server, and sends what is missing alone."""
    db = connect(file, clock=clock)
    if how == "SQLite cannot commit":
        db.set_commit_hook(lambda: True)
    else:
        sandbox.inject(openai_vtab.sandbox.Status(400), path="file_batches", method="POST", after=1)
    with pytest.raises(openai_vtab.WriteError, match="is used then") as caught:
        write(db)
    assert [len(rows) for rows in (caught.value.partial, caught.value.unknown)] == [0, 0]
    assert all(id.startswith(("file-", "vsfb_")) for _, id in caught.value.done)
    db.set_commit_hook(None)
    attached = set(sandbox._state.stores[STORE].files)
    requests()
    clock.advance(60)
    write(db)
    assert ignores_files(db) == 1
    forms = {form for form, *_ in batches(sandbox)}
    sent = [id for r in sandbox.requests if r.path.endswith("/file_batches") for id in r.body["file_ids"]]
    assert forms == ({"file_ids"} if len(attached) < 4 else set())
    assert len(sent) == 4 - len(attached)
    assert attached.isdisjoint(sent)
    assert "POST files" not in short(requests())
    assert_holds(sandbox, CONTENT)
    assert languages(sandbox) == LANGUAGES


@pytest.mark.slow
@pytest.mark.usefixtures("asked")
def test_documents_without_files_after_a_killed_process(
    file: str, connect: Any, sandbox: Any, clock: FakeClock, requests: Requests
) -> None:
    """The file of the intents says what the server ignores."""
    clock.advance(time.time() - clock.time())  # that of the other process
    run(f"db.set_commit_hook(die); db.execute({WRITE!r}, {written()!r})", sandbox, file, killed=True)
    attached = set(sandbox._state.stores[STORE].files)
    assert len(attached) == 4
    requests()
    write(connect(file, clock=clock))
    assert [request for request in short(requests()) if not request.startswith("GET")] == []
    assert set(sandbox._state.stores[STORE].files) == attached
    assert ignores_files(connect(file)) == 1
    assert_holds(sandbox, CONTENT)


@pytest.mark.parametrize(
    ("total", "status", "seconds"),
    [(1, "completed", 0), (0, "failed", 0), (0, "cancelled", 0), (0, "in_progress", 10)],
    ids=["attaches a part", "fails without a count", "is cancelled", "never says whether files follow"],
)
def test_documents_of_a_batch_in_doubt(
    file: str,
    connect: Any,
    sandbox: Any,
    clock: FakeClock,
    serve_by: Any,
    requests: Requests,
    total: int,
    status: str,
    seconds: float,
) -> None:
    """Nothing is sent in the other form: the next COMMIT asks what is attached, which is everything here."""
    counts = {**NO_FILES, "completed": total, "total": total}
    serve_by(shown_as(counts, status, "POST", "GET"))
    db = connect(file, clock=clock)
    began = clock.monotonic()
    with pytest.raises(openai_vtab.WriteError, match=rf"counts {total} of the 4 files.*is used then"):
        write(db)
    assert clock.monotonic() - began == pytest.approx(seconds, abs=1)
    assert batches(sandbox) == [("files", 4, None)]
    requests()
    write(db)
    assert [request for request in short(requests()) if not request.startswith("GET")] == []
    assert_holds(sandbox, CONTENT)


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        (lambda id: json_response({"error": {"message": "No such batch"}}, 404), "the API does not find it"),
        (lambda id: json_response(STORE_OBJECT), "the response to its GET is the vector store"),
        (
            lambda id: json_response({"error": {"message": "No."}}, 403),
            r"it cannot be read: GET .*: answered 403: No\.",
        ),
        (
            lambda id: json_response({"id": id, "object": "vector_store.file_batch", "status": "completed"}),
            "its status is completed, and it does not count its files",
        ),
    ],
    ids=["is not found", "is the vector store", "is refused", "counts nothing"],
)
def test_documents_of_a_batch_that_tells_nothing(
    file: str, connect: Any, sandbox: Any, clock: FakeClock, serve_by: Any, requests: Requests, reply: Any, problem: str
) -> None:
    """It is asked for once, COMMIT says why it fails, and the next one asks what is attached."""
    serve_by(answering(reply))
    db = connect(file, clock=clock)
    began = clock.monotonic()
    with pytest.raises(openai_vtab.WriteError, match=rf"vsfb_\w+ was created, but {problem}.*is used then") as caught:
        write(db)
    assert isinstance(caught.value.__cause__.__cause__, openai_vtab.APIError) == ("cannot be read" in problem)
    assert clock.monotonic() == began
    assert short(requests())["GET vector_stores/file_batches"] == 1
    write(db)
    assert [request for request in short(requests()) if not request.startswith("GET")] == []
    assert_holds(sandbox, CONTENT)


@pytest.mark.parametrize("in_doubt", [1, 2])
def test_documents_of_several_batches_in_doubt(
    file: str,
    connect: Any,
    sandbox: Any,
    clock: FakeClock,
    serve_by: Any,
    ignoring: Any,
    requests: Requests,
    in_doubt: int,
) -> None:
    """COMMIT fails once, and the next one knows what the batches after the first have told."""
    lose = answering(lambda id: json_response({"error": {"message": "No such batch"}}, 404))
    ignore = ignoring("files", later=True)

    def serve(received: Received, carry_out: Callable[[Received], Response]) -> Response:
        is_second = received.segments[-1] == "file_batches" and "attributes" not in received.body["files"][-1]
        is_ignored = is_second or received.segments[-1].startswith("vsfb_empty")
        return (ignore if is_ignored and in_doubt == 1 else lose)(received, carry_out)

    serve_by(serve)
    db = connect(file, clock=clock, max_files_per_batch=2)
    more = "; 2 batches of this COMMIT are in doubt" if in_doubt == 2 else ""
    with pytest.raises(openai_vtab.WriteError, match=f"'a.md' and 1 other of its batch.* does not find it{more}; rep"):
        write(db)
    assert batches(sandbox) == [("files", 2, None)] * 2
    serve_by(lambda received, carry_out: carry_out(received))
    requests()
    write(db)
    assert sorted(batches(sandbox), key=str) == ([*ALIKE[:1], ("file_ids", 1, {"lang": "en"})] if in_doubt == 1 else [])
    assert_holds(sandbox, CONTENT)
    assert languages(sandbox) == LANGUAGES


def test_documents_of_a_batch_that_counts_its_files_later(
    file: str, connect: Any, sandbox: Any, clock: FakeClock, serve_by: Any, requests: Requests, caplog: Any
) -> None:
    """It is asked for, and nothing is sent in the other form."""
    serve_by(shown_as(NO_FILES, "in_progress"))
    db = connect(file, clock=clock)
    write(db)
    assert short(requests()) == {
        "POST files": 4,
        "POST vector_stores/file_batches": 1,
        "GET vector_stores/file_batches": 1,
    }
    assert caplog.records == []
    assert rows(db) == [(key, "in_progress") for key in CONTENT]
    assert_holds(sandbox, CONTENT)


def test_documents_of_a_batch_that_counts_its_files_one_by_one(
    file: str, connect: Any, sandbox: Any, clock: FakeClock, serve_by: Any, requests: Requests
) -> None:
    """It is asked for until it counts all of them, although it is not finished then."""
    counts = dict(NO_FILES)

    def count(received: Received, carry_out: Callable[[Received], Response]) -> Response:
        shown = shown_as(dict(counts), "in_progress", "POST", "GET")(received, carry_out)
        counts["total"] += "file_batches" in received.segments
        return shown

    serve_by(count)
    db = connect(file, clock=clock)
    write(db)
    assert batches(sandbox) == [("files", 4, None)]
    assert short(requests())["GET vector_stores/file_batches"] == 4  # which counts 1, 2, 3, 4
    assert_holds(sandbox, CONTENT)


def test_documents_of_a_server_that_ignores_both_forms(
    file: str, connect: Any, sandbox: Any, clock: FakeClock, serve_by: Any, ignoring: Any, requests: Requests
) -> None:
    """The uploads are kept, none is uploaded twice, and once the server takes files, it has the documents."""
    serve_by(ignoring("files", "file_ids"))
    db = connect(file, clock=clock)
    for uploads in (4, 0):
        with pytest.raises(openai_vtab.WriteError, match=r"counts 0 of the \d files.*is used then"):
            write(db)
        assert rows(db) == []
        assert requests().count("POST /files") == uploads
    assert handbook.held(sandbox) == {}
    serve_by(lambda received, carry_out: carry_out(received))
    write(db)
    assert "POST files" not in short(requests())
    assert_holds(sandbox, CONTENT)
    assert languages(sandbox) == LANGUAGES


def test_documents_refused_for_another_reason(
    file: str, connect: Any, sandbox: Any, clock: FakeClock, requests: Requests
) -> None:
    """A refusal that does not name `file_ids` is an error, and nothing more is sent."""
    sandbox.inject(openai_vtab.sandbox.Status(400, message="Invalid 'files[2].attributes'"), path="file_batches")
    with pytest.raises(openai_vtab.WriteError, match=r"Invalid 'files\[2\].attributes'"):
        write(connect(file, clock=clock))
    assert short(requests()) == {"POST files": 4, "POST vector_stores/file_batches": 1}
