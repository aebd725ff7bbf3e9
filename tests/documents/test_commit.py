"""COMMIT of a documents table: which requests it sends for what was written, and what the vector store has then."""

from __future__ import annotations

import json
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.sandbox import Answer, Status, files, vector_store_files

from ..support.busy import assert_first_write_waits
from ..support.clock import FakeClock
from .handbook import BY_NAME, CREATE, STORE, SYNC, Requests, assert_holds, held, rows, short, uploaded, write

ABC = {"docs/a.md": "text a", "docs/b.md": "text b", "docs/c.md": "text c"}


def finish(clock: FakeClock) -> None:
    """Let the API process everything."""
    clock.advance(7200)


def test_commit_uploads_and_attaches_in_one_batch(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """Each document is an upload; the batch has all of them."""
    write(db, ABC)
    assert short(requests()) == {"POST files": 3, "POST vector_stores/file_batches": 1}
    assert rows(db) == [(key, "in_progress") for key in ABC]
    assert_holds(sandbox, ABC)


def test_commit_sends_attributes_and_chunking_with_each_file(db: apsw.Connection, sandbox: Any) -> None:
    """They differ, so that the batch has the form `files`."""
    chunking = '{"type": "static", "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 20}}'
    db.execute(
        "INSERT INTO handbook (key, content, attributes, chunking_strategy) VALUES "
        "('a.md', 'a', '{\"lang\": \"en\", \"none\": null}', ?), ('b.md', 'b', NULL, NULL)",
        [chunking],
    )
    (body,) = [request.body for request in sandbox.requests if request.path.endswith("file_batches")]
    a, b = sorted(body["files"], key=lambda item: "attributes" not in item)
    assert {**a, "file_id": ""} == {
        "file_id": "",
        "attributes": {"lang": "en"},
        "chunking_strategy": json.loads(chunking),
    }
    assert b.keys() == {"file_id"}


def test_commit_sends_the_same_attributes_and_chunking_once(db: apsw.Connection, sandbox: Any) -> None:
    """They are those of all documents, so that the batch has the form `file_ids`, which every server takes."""
    chunking = {"type": "static", "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 20}}
    db.execute(
        "INSERT INTO handbook (key, content, attributes, chunking_strategy) VALUES "
        "('a.md', 'a', '{\"x\": 1, \"y\": 2}', ?1), ('b.md', 'b', '{\"y\": 2, \"x\": 1}', ?1)",
        [json.dumps(chunking)],
    )
    (body,) = [request.body for request in sandbox.requests if request.path.endswith("file_batches")]
    ids = body.pop("file_ids")
    assert body == {"attributes": {"x": 1, "y": 2}, "chunking_strategy": chunking}
    assert ids == [id for (id,) in rows(db, "file_id")]
    attached = sandbox._state.stores[STORE].files
    assert [attached[id].attributes for id in ids] == [{"x": 1, "y": 2}] * 2


def test_commit_sends_attributes_of_other_types_with_each_file(db: apsw.Connection, sandbox: Any) -> None:
    """1, 1.5 and true are not the same, although 1 and true are equal in Python."""
    db.execute(
        "INSERT INTO handbook (key, content, attributes) VALUES ('a.md', 'a', '{\"x\": 1}'), "
        "('b.md', 'b', '{\"x\": true}'), ('c.md', 'c', '{\"x\": 1.5}'), ('d.md', 'd', '{\"x\": \"1\"}')"
    )
    (body,) = [request.body for request in sandbox.requests if request.path.endswith("file_batches")]
    assert [repr(item["attributes"]["x"]) for item in body["files"]] == ["1", "True", "1.5", "'1'"]


def test_commit_of_an_explicit_transaction_sends_once(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """Nothing is sent before COMMIT; several statements make one batch."""
    db.execute("BEGIN")
    for key, content in ABC.items():
        write(db, {key: content})
    assert requests() == []
    assert rows(db) == [(key, "pending") for key in ABC]
    db.execute("COMMIT")
    assert short(requests()) == {"POST files": 3, "POST vector_stores/file_batches": 1}


def test_commit_of_the_same_again_sends_nothing(db: apsw.Connection, requests: Requests) -> None:
    """The content, attributes and chunking are those that the vector store has."""
    write(db, ABC)
    requests()
    write(db, ABC)
    db.execute("BEGIN; UPDATE handbook SET key = 'docs/d.md' WHERE key = 'docs/c.md'; COMMIT")
    assert requests() == []


def test_commit_of_other_content_uploads_it_and_keeps_the_old(
    db: apsw.Connection, sandbox: Any, clock: FakeClock, requests: Requests
) -> None:
    """The superseded file goes with the next write, once the new one is completed."""
    write(db, ABC)
    finish(clock)
    assert rows(db) == [(key, "completed") for key in ABC]
    requests()
    write(db, {"docs/a.md": "changed"})
    assert short(requests()) == {"POST files": 1, "POST vector_stores/file_batches": 1}
    assert held(sandbox)["a.md", "text a"] == held(sandbox)["a.md", "changed"] == 1
    db.execute(SYNC)
    assert short(requests()) == {"GET vector_stores/files": 1}
    finish(clock)
    db.execute(SYNC)
    assert short(requests()) == {"GET vector_stores/files": 1, "DELETE vector_stores/files": 1, "DELETE files": 1}
    assert_holds(sandbox, {**ABC, "docs/a.md": "changed"})


@pytest.mark.parametrize("age", [0, 3, 3600])
def test_commit_of_a_file_that_the_api_does_not_show_yet(
    db: apsw.Connection, sandbox: Any, clock: FakeClock, requests: Requests, age: int
) -> None:
    """The batch is sent again while the upload is a moment ago: nothing is uploaded twice."""
    created = int(clock.time()) - age
    sandbox.add_file("a.md", b"a", id="file-new")
    sandbox.inject(Answer({"id": "file-new", "object": "file", "created_at": created}), path="/files$", method="POST")
    sandbox.inject(Status(404, message="No such File object: file-new"), times=2, path="file_batches")
    if age < 10:
        write(db, {"a.md": "a"})
        assert short(requests()) == {"POST files": 1, "POST vector_stores/file_batches": 3}
        assert rows(db, "file_id") == [("file-new",)]
    else:
        with pytest.raises(openai_vtab.WriteError, match="No such File object"):
            write(db, {"a.md": "a"})
        assert short(requests()) == {"POST files": 1, "POST vector_stores/file_batches": 1}


def test_commit_detaches_a_file_that_the_api_does_not_show_yet(
    db: apsw.Connection, sandbox: Any, clock: FakeClock
) -> None:
    """Its absence is not believed: the vector store would keep what is deleted."""
    sandbox.quirks.file_not_found_after_attach_seconds = 3
    write(db, {"a.md": "a", "b.md": "b"})
    db.execute("DELETE FROM handbook WHERE key = 'a.md'")
    assert_holds(sandbox, {"b.md": "b"})
    clock.advance(3600)
    (file_id,) = sandbox._state.stores[STORE].files
    vector_store_files.detach(sandbox._state, STORE, file_id)  # another program has detached it
    began = clock.monotonic()
    db.execute("DELETE FROM handbook")
    assert clock.monotonic() == began
    assert file_id not in sandbox._state.files


def test_commit_of_a_retry_is_not_undone_by_an_earlier_look(
    connect: Any, sandbox: Any, file: str, clock: FakeClock
) -> None:
    """Another connection has learned the failure, and could not write it while the retry was under way."""
    sandbox.set_processing("a.md", 0, {"code": "server_error", "message": "An internal error occurred."})
    ours, other = connect(file, clock=clock), connect(file, clock=clock)
    ours.execute("PRAGMA journal_mode = wal")
    write(ours, {"a.md": "a"})
    ours.execute("BEGIN IMMEDIATE")
    assert rows(other) == rows(ours) == [("a.md", "failed")]
    sandbox.set_processing("a.md")
    write(ours, {"a.md": "a"})
    ours.execute("COMMIT")
    clock.advance(7200)
    assert rows(other) == rows(ours) == [("a.md", "completed")]


def test_commit_of_a_failed_document_whose_file_is_gone(
    db: apsw.Connection, sandbox: Any, clock: FakeClock, requests: Requests
) -> None:
    """It is uploaded again, instead of being attached in vain each time."""
    sandbox.set_processing("a.md", 0, {"code": "server_error", "message": "An internal error occurred."})
    write(db, {"a.md": "a"})
    assert rows(db) == [("a.md", "failed")]
    sandbox.set_processing("a.md")
    (file_id,) = sandbox._state.stores[STORE].files
    vector_store_files.detach(sandbox._state, STORE, file_id)
    files.delete(sandbox._state, file_id)
    requests()
    write(db, {"a.md": "a"})
    assert short(requests()) == {"GET files": 1, "POST files": 1, "POST vector_stores/file_batches": 1}
    assert_holds(sandbox, {"a.md": "a"})


def test_commit_believes_no_404_of_a_proxy(
    db: apsw.Connection, sandbox: Any, clock: FakeClock, requests: Requests
) -> None:
    """A failed document is not uploaded again because a gateway does not know the address of its file."""
    sandbox.set_processing("a.md", 0, {"code": "server_error", "message": "An internal error occurred."})
    write(db, {"a.md": "a"})
    assert rows(db) == [("a.md", "failed")]
    sandbox.inject(Answer(b"<html>", status=404), method="GET", path="^/files", times=2)
    requests()
    with pytest.raises(openai_vtab.APIError, match="404"):
        write(db, {"a.md": "a"})
    assert short(requests())["POST files"] == 0


def test_commit_after_the_clock_was_set_back(db: apsw.Connection, sandbox: Any, clock: FakeClock) -> None:
    """A file that was attached tomorrow is not waited for until then."""
    write(db, {"a.md": "a"})
    (file_id,) = sandbox._state.stores[STORE].files
    vector_store_files.detach(sandbox._state, STORE, file_id)
    db.execute("UPDATE handbook_files SET state = 'unsure', attached_at = attached_at + 86400")
    before = clock.slept
    write(db, {"b.md": "b"})
    assert clock.slept - before < 60
    assert_holds(sandbox, {"a.md": "a", "b.md": "b"})


def test_commit_looks_for_its_store_after_the_clock_was_set_back(connect: Any, sandbox: Any, clock: FakeClock) -> None:
    """It waits for seconds, and not until tomorrow."""
    db = connect(clock=clock)
    db.execute(BY_NAME)
    db.execute("INSERT INTO handbook_config VALUES ('store_unknown', ?)", [int(clock.time()) + 86400])
    before = clock.slept
    write(db, {"a.md": "a"})
    assert clock.slept - before < 60
    assert_holds(sandbox, {"a.md": "a"}, None)


def test_commit_keeps_the_old_version_when_the_new_one_fails(
    db: apsw.Connection, sandbox: Any, clock: FakeClock
) -> None:
    """The document is never absent from a search."""
    write(db, {"a.md": "old"})
    finish(clock)
    (file_id,) = sandbox._state.stores[STORE].files
    db.execute("UPDATE handbook SET key = 'a.csv' WHERE key = 'a.md'")
    write(db, {"a.csv": "new"})  # the sandbox refuses this type
    finish(clock)
    db.execute(SYNC)
    assert rows(db, "key, status, last_error_code") == [("a.csv", "failed", "unsupported_file")]
    assert file_id in sandbox._state.stores[STORE].files


def test_commit_of_other_attributes_updates_them(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """One request for each file; OR REPLACE without attributes clears them."""
    write(db, ABC)
    requests()
    db.execute("UPDATE handbook SET attributes = json_object('lang', 'en') WHERE key < 'docs/c.md'")
    assert short(requests()) == {"POST vector_stores/files": 2}
    write(db, ABC)
    assert [request.body for request in sandbox.requests[-2:]] == [{"attributes": {}}] * 2
    assert short(requests()) == {"POST vector_stores/files": 2}
    assert all(not file.attributes for file in sandbox._state.stores[STORE].files.values())


def test_commit_of_other_chunking_uploads_again(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """A file cannot be attached twice."""
    write(db, {"a.md": "text"})
    requests()
    chunking = '{"type": "static", "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 20}}'
    db.execute(
        "INSERT OR REPLACE INTO handbook (key, content, chunking_strategy) VALUES ('a.md', 'text', ?)", [chunking]
    )
    assert short(requests()) == {
        "POST files": 1,
        "POST vector_stores/file_batches": 1,
    }


def test_commit_attaches_a_failed_file_again_without_an_upload(
    db: apsw.Connection, clock: FakeClock, sandbox: Any, requests: Requests
) -> None:
    """With the attributes that are written now."""
    write(db, {"a.csv": "text"})
    finish(clock)
    assert rows(db) == [("a.csv", "failed")]
    requests()
    db.execute(
        "INSERT OR REPLACE INTO handbook (key, content, attributes) VALUES ('a.csv', 'text', json_object('n', 1))"
    )
    assert sandbox.requests[-1].body["attributes"] == {"n": 1}
    assert short(requests()) == {"GET files": 1, "POST vector_stores/file_batches": 1}
    assert rows(db) == [("a.csv", "in_progress")]


def test_commit_of_one_content_under_two_keys_makes_two_files(
    db: apsw.Connection, sandbox: Any, requests: Requests
) -> None:
    """Neither blocks the other, and none is uploaded again."""
    both = {"x/a.md": "same", "y/a.md": "same"}
    write(db, both)
    assert short(requests())["POST files"] == 2
    write(db, both)
    assert requests() == []
    db.execute("DELETE FROM handbook WHERE key = 'x/a.md'")
    assert_holds(sandbox, {"y/a.md": "same"})


def test_commit_of_a_deletion_detaches_and_deletes(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """Each file is detached before it is deleted."""
    write(db, ABC)
    requests()
    db.execute("DELETE FROM handbook WHERE key <> 'docs/b.md'")
    taken = requests()
    assert short(taken) == {"DELETE vector_stores/files": 2, "DELETE files": 2}
    for file in {request.rpartition("/")[2] for request in taken}:
        assert [request.split("/")[1] for request in taken if request.endswith(file)] == ["vector_stores", "files"]
    assert_holds(sandbox, {"docs/b.md": "text b"})


def test_commit_of_a_deletion_that_another_program_has_done(db: apsw.Connection, sandbox: Any) -> None:
    """A file that is absent is deleted."""
    write(db, ABC)
    for id in list(sandbox._state.stores[STORE].files):
        vector_store_files.detach(sandbox._state, STORE, id)
        files.delete(sandbox._state, id)
    db.execute("DELETE FROM handbook")
    assert rows(db) == []
    assert db.execute("SELECT count(*) FROM handbook_files").get == 0


def test_commit_adopts_a_file_that_is_in_the_store(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """Without an upload; its attributes stay; DELETE only detaches it."""
    file_id = sandbox.add_file("theirs.md", b"theirs", id="file-demo-theirs")
    sandbox.add_batch(STORE, [file_id])
    sandbox._state.stores[STORE].files[file_id].attributes = {"lang": "de"}
    requests()
    db.execute("INSERT INTO handbook (key, file_id) VALUES ('t', ?)", [file_id])
    assert short(requests()) == {"GET vector_stores/files": 1, "GET files": 1}
    assert rows(db, "key, filename, bytes, attributes") == [("t", "theirs.md", 6, '{"lang":"de"}')]
    db.execute("DELETE FROM handbook")
    assert short(requests()) == {"DELETE vector_stores/files": 1}
    assert file_id in sandbox._state.files


def test_commit_detaches_a_file_of_its_own_that_was_adopted(
    db: apsw.Connection, sandbox: Any, clock: FakeClock, requests: Requests
) -> None:
    """The row still says that the file was attached."""
    write(db, {"a.md": "a"})
    finish(clock)
    ((file_id,),) = rows(db, "file_id")
    db.execute("BEGIN; DELETE FROM handbook")
    db.execute("INSERT INTO handbook (key, file_id) VALUES ('b.md', ?)", [file_id])
    db.execute("COMMIT")
    assert rows(db) == [("b.md", "completed")]
    requests()
    db.execute("DELETE FROM handbook")
    assert short(requests()) == {"DELETE vector_stores/files": 1, "DELETE files": 1}
    assert_holds(sandbox, {})


def test_commit_keeps_a_superseded_file_that_another_table_has_adopted(
    db: apsw.Connection, sandbox: Any, clock: FakeClock, requests: Requests
) -> None:
    """It goes once the other table has let it go."""
    write(db, {"a.md": "one"})
    finish(clock)
    ((file_id,),) = rows(db, "file_id")
    write(db, {"a.md": "two"})
    db.execute(CREATE.replace("handbook", "other", 1))
    db.execute("INSERT INTO other (key, file_id) VALUES ('theirs', ?)", [file_id])
    finish(clock)
    requests()
    db.execute(SYNC)
    assert not any(request.startswith("DELETE") for request in requests())
    assert rows(db) == [("a.md", "completed")]
    db.execute("DROP TABLE other")
    db.execute(SYNC)
    assert_holds(sandbox, {"a.md": "two"})


def test_commit_adopts_a_file_with_content(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """The same content is not uploaded then. Content of another size is refused."""
    sandbox.add_batch(STORE, [sandbox.add_file("theirs.md", b"theirs", id="file-demo-theirs")])
    adopt = "INSERT INTO handbook (key, file_id, content) VALUES ('theirs.md', 'file-demo-theirs', ?)"
    with pytest.raises(openai_vtab.RowError, match="file-demo-theirs has 6 bytes, and the content of the row has 5;"):
        db.execute(adopt, [b"other"])
    db.execute(adopt, [b"theirs"])
    requests()
    db.execute("INSERT OR REPLACE INTO handbook (key, content) VALUES ('theirs.md', ?)", [b"theirs"])
    assert requests() == []
    with pytest.raises(openai_vtab.RowError, match="file-demo-theirs has other content than the row"):
        db.execute(adopt.replace("INSERT", "INSERT OR REPLACE"), [b"THEIRS"])


@pytest.mark.parametrize("where", ["nowhere", "in no store"])
def test_commit_refuses_to_adopt_what_is_not_in_the_store(db: apsw.Connection, sandbox: Any, where: str) -> None:
    """The error names the key and the file."""
    if where == "in no store":
        sandbox.add_file("theirs.md", id="file-demo-theirs")
    with pytest.raises(openai_vtab.RowError, match=r"handbook.file_id of the key 't': file-demo-theirs (is|does) not"):
        db.execute("INSERT INTO handbook (key, file_id) VALUES ('t', 'file-demo-theirs')")
    assert rows(db) == []


@pytest.mark.parametrize(("documents", "batches"), [(1, 1), (5, 2), (6, 2), (7, 3)])
def test_commit_makes_as_few_batches_as_it_may(
    connect: Any, sandbox: Any, requests: Requests, documents: int, batches: int
) -> None:
    """Up to max_files_per_batch each."""
    sandbox.add_store(STORE)
    db = connect(max_files_per_batch=3)
    db.execute(f"CREATE VIRTUAL TABLE handbook USING vector_store_documents(vector_store_id = '{STORE}')")
    write(db, {f"{n}.md": f"text {n}" for n in range(documents)})
    assert short(requests()) == {"POST files": documents, "POST vector_stores/file_batches": batches}


@pytest.mark.slow
def test_commit_of_2500_documents_makes_three_batches(connect: Any, sandbox: Any, requests: Requests) -> None:
    """Of up to 1,000 files."""
    sandbox.add_store(STORE)
    db = connect(max_files_per_batch=1000, max_concurrency=32, uploads_per_minute=1_000_000)
    db.execute(f"CREATE VIRTUAL TABLE handbook USING vector_store_documents(vector_store_id = '{STORE}')")
    db.execute(
        "WITH n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 2500) "
        "INSERT INTO handbook (key, content) SELECT n || '.md', 'text ' || n FROM n"
    )
    assert short(requests()) == {"POST files": 2500, "POST vector_stores/file_batches": 3}


def test_commit_without_a_change_costs_no_request(db: apsw.Connection, requests: Requests) -> None:
    """An UPDATE and a DELETE of nothing, a key that is only renamed, and sync."""
    write(db, ABC)
    requests()
    db.execute("DELETE FROM handbook WHERE key = 'nothing'")
    db.execute("UPDATE handbook SET attributes = NULL")
    db.execute(SYNC)
    assert requests() == []


def test_rollback_sends_nothing(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """ROLLBACK, ROLLBACK TO, and a statement that fails."""
    db.execute("BEGIN")
    write(db, ABC)
    db.execute("ROLLBACK")
    db.execute("BEGIN; SAVEPOINT s")
    write(db, ABC)
    db.execute("ROLLBACK TO s; COMMIT")
    with pytest.raises(openai_vtab.RowError):
        db.execute("INSERT INTO handbook (key, content) VALUES ('a.md', 'a'), ('b.md', NULL)")
    assert requests() == []
    assert rows(db) == []


def test_dry_run_shows_the_requests_and_changes_nothing(
    connect: Any, file: str, sandbox: Any, requests: Requests, caplog: pytest.LogCaptureFixture
) -> None:
    """An id that is not known yet is shown as the key's."""
    db = connect(file)
    write(db, {"a.md": "a", "b.md": "b"})
    before = db.execute("SELECT * FROM handbook_files").fetchall()
    (b_md,) = db.execute("SELECT file_id FROM handbook WHERE key = 'b.md'").fetchall()
    requests()
    dry = connect(file, dry_run=True)
    dry.execute("BEGIN")
    write(dry, {"a.md": "changed", "c.md": "c"})
    dry.execute("DELETE FROM handbook WHERE key = 'b.md'; COMMIT")
    assert requests() == []
    assert dry.execute("SELECT * FROM handbook_files").fetchall() == before
    shown = [record.getMessage() for record in caplog.records]
    assert [text.partition("\n")[0] for text in shown] == [
        "POST /files",
        "POST /files",
        f"POST /vector_stores/{STORE}/file_batches",
        f"DELETE /vector_stores/{STORE}/files/{b_md[0]}",
        f"DELETE /files/{b_md[0]}",
    ]
    assert "the id of a.md" in shown[2]
    assert "the id of c.md" in shown[2]


def test_dry_run_of_a_transaction_that_creates_the_table(connect: Any, requests: Requests) -> None:
    """The table is there, without the documents."""
    db = connect(dry_run=True)
    db.execute(f"BEGIN; {BY_NAME}")
    write(db, ABC)
    db.execute("COMMIT")
    assert requests() == []
    assert rows(db) == db.execute("SELECT * FROM handbook_config").fetchall() == []


def test_dry_run_of_a_transaction_that_renames_the_table(connect: Any, file: str, requests: Requests) -> None:
    """No row of the statements before and after stays."""
    write(connect(file), {"a.md": "a"})
    requests()
    db = connect(file, dry_run=True)
    before = [db.execute(f"SELECT * FROM handbook_{name}").fetchall() for name in ("documents", "files", "config")]
    db.execute("BEGIN")
    write(db, {"a.md": "changed", "b.md": "b"})
    db.execute("ALTER TABLE handbook RENAME TO manual; INSERT INTO manual (key, content) VALUES ('c.md', 'c'); COMMIT")
    assert requests() == []
    after = [db.execute(f"SELECT * FROM manual_{name}").fetchall() for name in ("documents", "files", "config")]
    assert after == before


# the vector store by its name


def by_name(connect: Any, clock: FakeClock | None = None, **settings: Any) -> apsw.Connection:
    db: apsw.Connection = connect(clock=clock, **settings)
    db.execute(BY_NAME)
    return db


def test_store_is_created_with_the_first_documents(connect: Any, sandbox: Any, requests: Requests) -> None:
    """And kept: it is neither listed nor created again."""
    db = by_name(connect)
    assert requests() == []
    write(db, ABC)
    assert short(requests()) == {
        "GET vector_stores": 1,
        "POST vector_stores": 1,
        "POST files": 3,
        "POST vector_stores/file_batches": 1,
    }
    assert_holds(sandbox, ABC, store=None)
    write(db, {"d.md": "d"})
    assert short(requests()) == {"POST files": 1, "POST vector_stores/file_batches": 1}


def test_store_is_created_with_its_arguments(connect: Any, sandbox: Any) -> None:
    """expires_after and metadata."""
    db = connect()
    db.execute(
        "CREATE VIRTUAL TABLE handbook USING vector_store_documents(name = 'Handbook', "
        """expires_after = '{"anchor": "last_active_at", "days": 7}', metadata = '{"team": "docs"}')"""
    )
    write(db, {"a.md": "a"})
    (store,) = [each for each in sandbox._state.stores.values() if each.name == "Handbook"]
    assert (store.expires_after, store.metadata) == ({"anchor": "last_active_at", "days": 7}, {"team": "docs"})


@pytest.mark.parametrize("others", [1, 2, 101])
def test_store_of_that_name_stops_the_commit(connect: Any, sandbox: Any, requests: Requests, others: int) -> None:
    """The error has the statement to write, or the ids; nothing is uploaded."""
    ids = [sandbox.add_store(name="Handbook") for _ in range(others)]
    db = by_name(connect)
    instead = ids[0] if others == 1 else "vs_…"
    with pytest.raises(openai_vtab.ProgrammingError, match=rf"vector_store_id = '{instead}'") as raised:
        write(db, ABC)
    assert str(raised.value).startswith("handbook: ")
    assert others == 1 or f"{others} vector stores" in str(raised.value)
    assert short(requests()) == {"GET vector_stores": (others + 3) // 100 + 1}
    assert rows(db) == []


def test_store_whose_create_is_unknown_is_taken(
    connect: Any, sandbox: Any, clock: FakeClock, requests: Requests
) -> None:
    """The next COMMIT waits until the API lists it, and takes it."""
    sandbox.inject(Status(500, carried_out=True), method="POST", path="vector_stores$")
    db = by_name(connect, clock)
    with pytest.raises(openai_vtab.APIError, match="handbook: the vector store 'Handbook'"):
        write(db, ABC)
    write(db, ABC)
    assert short(requests())["POST vector_stores"] == 1
    assert clock.slept >= 9
    assert_holds(sandbox, ABC, store=None)


def test_store_whose_create_was_not_carried_out_is_created(connect: Any, sandbox: Any, clock: FakeClock) -> None:
    """No store of the name is listed after a while."""
    sandbox.inject(Status(500), method="POST", path="vector_stores$")
    db = by_name(connect, clock)
    with pytest.raises(openai_vtab.APIError):
        write(db, ABC)
    write(db, ABC)
    assert_holds(sandbox, ABC, store=None)


def test_content_under_a_new_name_is_uploaded(db: apsw.Connection, sandbox: Any) -> None:
    """The name belongs to the file."""
    write(db, {"a.md": "text"})
    db.execute("UPDATE handbook SET key = 'b.md'")
    write(db, {"b.md": "text"})
    assert uploaded(sandbox) == {("a.md", "text"): 1, ("b.md", "text"): 1}


def test_commit_keeps_no_older_file_that_failed(db: apsw.Connection, sandbox: Any, clock: FakeClock) -> None:
    """A document that goes on failing has one file."""
    for content in ("one", "two", "three"):
        write(db, {"a.csv": content})
        finish(clock)
        db.execute(SYNC)
    assert_holds(sandbox, {"a.csv": "three"})


def test_commit_keeps_the_newest_version_that_is_completed(db: apsw.Connection, sandbox: Any, clock: FakeClock) -> None:
    """Of three versions, the second is completed, and the third fails."""
    write(db, {"a.md": "one"})
    write(db, {"a.md": "two"})
    sandbox.set_processing("a.md", error={"code": "server_error", "message": "no"})
    write(db, {"a.md": "three"})
    finish(clock)
    db.execute(SYNC)
    assert held(sandbox) == {("a.md", "two"): 1, ("a.md", "three"): 1}
    assert rows(db) == [("a.md", "failed")]


def test_commit_of_other_chunking_and_back_sends_nothing(db: apsw.Connection, requests: Requests) -> None:
    """Within one transaction."""
    write(db, {"a.md": "text"})
    requests()
    chunking = '{"type": "static", "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 20}}'
    db.execute("BEGIN")
    db.execute("UPDATE handbook SET content = 'text', chunking_strategy = ?", [chunking])
    write(db, {"a.md": "text"})
    db.execute("COMMIT")
    assert requests() == []


def test_commit_of_two_tables_removes_last(connect: Any, sandbox: Any, requests: Requests) -> None:
    """Where one of them fails, no file of the other is gone."""
    db = connect()
    for table in ("one", "two"):
        sandbox.add_store(f"vs_{table}")
        db.execute(f"CREATE VIRTUAL TABLE {table} USING vector_store_documents(vector_store_id = 'vs_{table}')")
        db.execute(f"INSERT INTO {table} (key, content) VALUES ('a.md', 'a')")
    requests()
    sandbox.inject(Status(400), times=None, method="POST", path="vs_two/file_batches")
    added = "INSERT INTO two (key, content) VALUES ('b.md', 'b')"
    change = f"BEGIN; DELETE FROM one; {added}; DELETE FROM two WHERE key = 'a.md'"
    db.execute(change)
    with pytest.raises(openai_vtab.WriteError):
        db.execute("COMMIT")
    assert [request for request in requests() if request.startswith("DELETE")] == []
    assert db.execute("SELECT key FROM one UNION ALL SELECT key FROM two").fetchall() == [("a.md",), ("a.md",)]
    sandbox.clear_faults()
    db.execute(change)
    db.execute("COMMIT")
    assert db.execute("SELECT key FROM one UNION ALL SELECT key FROM two").fetchall() == [("b.md",)]
    assert sum(request.startswith("DELETE") for request in requests()) == 4


@pytest.mark.parametrize(
    "write",
    [
        "INSERT INTO handbook (key, content) VALUES ('a.md', 'a')",
        "UPDATE handbook SET content = 'a'",
        "DELETE FROM handbook",
    ],
)
def test_first_write_of_a_transaction_waits_for_another_writer(connect: Any, file: str, write: str) -> None:
    """SQLite lets it wait only if the transaction has read nothing, as if the table had been opened before."""
    assert_first_write_waits(connect(file), file, write)
