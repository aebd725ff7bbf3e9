"""vector_store_files: attach, look, retag, detach, over recorded exchanges and over a sandbox."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.sandbox import Answer, Cut, Status

from ..support.clock import FakeClock
from ..support.listed import set_created_at
from ..support.meeting import meeting
from ..support.recording import FILES, STORE, Place

Requests = Callable[[], list[str]]
Sent = Callable[[Any], list[tuple[str, Any]]]
Bodies = Callable[[], list[tuple[str, Any]]]
T = "vector_store_files"
DEMO = "/vector_stores/vs_demo/files"
FILE_1, FILE_2, FILE_3 = FILES


@pytest.mark.vcr
@pytest.mark.capability("files of a vector store: attach with attributes, change them, detach")
def test_life_of_an_attached_file(
    replayed: apsw.Connection, place: Place, cassette: Any, sent: Sent, pause: Callable[[], None]
) -> None:
    """Attach with attributes, read until it is finished, retag, detach: the requests, in order."""
    store, file = place.real(STORE), place.real(FILE_1)
    key = f"vector_store_id = '{store}' AND file_id = '{file}'"
    replayed.execute(
        f"INSERT INTO {T} (vector_store_id, file_id, attributes) VALUES (?, ?, json_object('lang', 'en', 'n', 1.5))",
        (store, file),
    )
    sql = f"SELECT id, vector_store_id, status, last_error, attributes FROM {T} WHERE {key}"
    while (row := replayed.execute(sql).get)[2] == "in_progress":
        pause()
    assert row[:4] == (file, store, "completed", None)
    assert json.loads(row[4]) == {"lang": "en", "n": 1.5}
    replayed.execute(f"UPDATE {T} SET attributes = json_object('lang', 'de') WHERE {key}")
    assert replayed.execute(f"SELECT attributes ->> 'lang' FROM {T} WHERE {key}").get == "de"
    replayed.execute(f"DELETE FROM {T} WHERE {key}")
    assert replayed.execute(sql).fetchall() == []
    requests = sent(cassette)
    one = f"/vector_stores/{STORE}/files/{FILE_1}"
    assert requests[0] == (
        f"POST /vector_stores/{STORE}/files",
        {"file_id": FILE_1, "attributes": {"lang": "en", "n": 1.5}},
    )
    assert requests[-6:] == [
        (f"GET {one}", None),
        (f"POST {one}", {"attributes": {"lang": "de"}}),
        (f"GET {one}", None),
        (f"GET {one}", None),
        (f"DELETE {one}", None),
        (f"GET {one}", None),
    ]
    assert {request for request, _ in requests[1:-6]} == {f"GET {one}"}


@pytest.mark.vcr
@pytest.mark.capability("files of a vector store: more than one page, in the order of attachment")
def test_order_and_pages_of_a_store(
    replay: Callable[..., apsw.Connection], place: Place, cassette: Any, sent: Sent, pause: Callable[[], None]
) -> None:
    """Two files, attached more than a second apart, in pages of one, once both have been processed."""
    store, db = place.real(STORE), replay(page_size=1)
    status = f"SELECT status FROM {T} WHERE rowid = last_insert_rowid()"
    for file in (FILE_1, FILE_2):
        db.execute(f"INSERT INTO {T} (vector_store_id, id) VALUES (?, ?)", (store, place.real(file)))
        for _ in range(3):
            pause()
        while db.execute(status).get == "in_progress":
            pause()
    sql = f"SELECT id FROM {T} WHERE vector_store_id = ? ORDER BY created_at"
    files = [(place.real(FILE_1),), (place.real(FILE_2),)]
    assert db.execute(sql, (store,)).fetchall() == files
    assert db.execute(f"{sql} DESC", (store,)).fetchall() == files[::-1]
    pages = [request for request, _ in sent(cassette) if request.startswith(f"GET /vector_stores/{STORE}/files?")]
    listed = f"GET /vector_stores/{STORE}/files?limit=1&order"
    assert [page for page in pages if page.endswith("asc") or f"asc&after={FILE_1}" in page][:2] == [
        f"{listed}=asc", f"{listed}=asc&after={FILE_1}"
    ]  # fmt: skip
    assert f"{listed}=desc&after={FILE_2}" in pages


@pytest.mark.vcr
@pytest.mark.capability("files of a vector store: the failed ones and the reasons")
@pytest.mark.openai_own("a .csv file is not supported")
def test_select_returns_the_failed_files_of_a_store(
    replayed: apsw.Connection, place: Place, cassette: Any, sent: Sent, pause: Callable[[], None]
) -> None:
    """With the reason, by one list that the API narrows, and the names by a look-up of each."""
    store = place.real(STORE)
    replayed.execute(f"INSERT INTO {T} (vector_store_id, id) VALUES (?, ?)", (store, place.real(FILE_3)))
    status = f"SELECT status FROM {T} WHERE rowid = last_insert_rowid()"
    while replayed.execute(status).get == "in_progress":
        pause()
    sql = (
        f"SELECT f.filename, s.last_error_code, s.last_error_message <> '' FROM {T} AS s JOIN files AS f USING (file_id) "
        f"WHERE s.vector_store_id = '{store}' AND s.status = 'failed'"
    )
    assert replayed.execute(sql).get == ("prices.csv", "unsupported_file", 1)
    replayed.execute(f"DELETE FROM {T} WHERE vector_store_id = ? AND id = ?", (store, place.real(FILE_3)))
    assert sent(cassette)[-4:-2] == [
        (f"GET /vector_stores/{STORE}/files?filter=failed&limit=100&order=desc", None),
        (f"GET /files/{FILE_3}", None),
    ]


@pytest.mark.parametrize(
    ("columns", "body"),
    [
        ({"file_id": "file-new-01"}, {"file_id": "file-new-01"}),
        ({"id": "file-new-01"}, {"file_id": "file-new-01"}),
        ({"file_id": "file-new-01", "attributes": None}, {"file_id": "file-new-01"}),
        ({"file_id": "file-new-01", "attributes": "{}"}, {"file_id": "file-new-01", "attributes": {}}),
        (
            {
                "file_id": "file-new-01",
                "attributes": '{"a":true,"b":0.5,"c":"ü"}',
                "chunking_strategy": '{"type":"auto"}',
            },
            {
                "file_id": "file-new-01",
                "attributes": {"a": True, "b": 0.5, "c": "ü"},
                "chunking_strategy": {"type": "auto"},
            },
        ),
    ],
    ids=str,
)
def test_insert_attaches(db: apsw.Connection, bodies: Bodies, columns: dict[str, Any], body: Any) -> None:
    """The API's names in the body, whichever of ours is written; its row is there by both keys and by its rowid."""
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    db.execute(f"INSERT INTO {T} (vector_store_id, {names}) VALUES ('vs_demo', {marks})", tuple(columns.values()))
    assert bodies() == [(f"POST {DEMO}", body)]
    rowid = db.last_insert_rowid()
    assert db.execute(f"SELECT id, vector_store_id FROM {T} WHERE rowid = ?", (rowid,)).get == (
        "file-new-01",
        "vs_demo",
    )
    assert db.execute(f"SELECT rowid FROM {T} WHERE vector_store_id = 'vs_demo' AND id = 'file-new-01'").get == rowid


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"file_id": "f"}, f"{T}.vector_store_id is missing or NULL; give (vector_store_id, file_id)"),
        ({"vector_store_id": "vs_demo"}, f"{T}.file_id is missing or NULL"),
        ({"vector_store_id": "vs_demo", "id": "f", "file_id": "f"}, "is another name of id, which is also given"),
        ({"vector_store_id": "vs_demo", "id": "a b"}, f"{T}.id: 'a b' contains white space"),
        ({"vector_store_id": "vs_demo", "id": 7}, f"{T}.id: 7 is not an id"),
        ({"vector_store_id": "vs_demo", "id": "f", "status": "completed"}, "status comes from the API and cannot be inserted; give only vector_store_id, attributes, chunking_strategy, file_id"),
        ({"vector_store_id": "vs_demo", "id": "f", "attributes": "[]"}, "attributes are [], not an object"),
        ({"vector_store_id": "vs_demo", "id": "f", "chunking_strategy": '{"type":"x"}'}, "chunking_strategy is"),
        ({"vector_store_id": "vs_demo", "id": "f", "wait_seconds": 5}, "wait_seconds comes from the API"),
    ],
    ids=str,
)  # fmt: skip
def test_insert_refuses(db: apsw.Connection, requests: Requests, columns: dict[str, Any], problem: str) -> None:
    """Before anything is sent."""
    with pytest.raises(openai_vtab.RowError) as caught:
        marks = ", ".join("?" * len(columns))
        db.execute(f"INSERT INTO {T} ({', '.join(columns)}) VALUES ({marks})", tuple(columns.values()))
    assert problem in str(caught.value)
    assert requests() == []


def test_insert_select_attaches_concurrently(connect: Any, sandbox: Any, requests: Requests) -> None:
    """As many as may be under way."""
    db = connect(max_concurrency=8)
    with meeting(sandbox, 6, method="POST"):
        db.execute(
            f"INSERT INTO {T} (vector_store_id, file_id) SELECT 'vs_archive', id FROM files WHERE id LIKE 'file-new-%'"
        )
    assert [r for r in requests() if r.startswith("POST")] == ["POST /vector_stores/vs_archive/files"] * 6


def test_update_from_a_table(db: apsw.Connection, bodies: Bodies) -> None:
    """UPDATE … FROM: a request for each row that has a tag, with its own body."""
    db.execute(
        "CREATE TABLE tags (file_id, lang); INSERT INTO tags VALUES ('file-demo-01', 'en'), ('file-demo-02', 'de')"
    )
    db.execute(
        f"UPDATE {T} AS f SET attributes = json_object('lang', t.lang) FROM tags AS t "
        "WHERE f.vector_store_id = 'vs_demo' AND f.file_id = t.file_id"
    )
    posts = sorted((r, b) for r, b in bodies() if r.startswith("POST"))
    assert posts == [
        (f"POST {DEMO}/file-demo-01", {"attributes": {"lang": "en"}}),
        (f"POST {DEMO}/file-demo-02", {"attributes": {"lang": "de"}}),
    ]


@pytest.mark.parametrize(
    ("value", "body"), [("NULL", None), ("'null'", None), ("'{}'", {}), ("json_object('a', 1)", {"a": 1})]
)
def test_update_sends_the_attributes(db: apsw.Connection, bodies: Bodies, value: str, body: Any) -> None:
    """NULL removes them."""
    db.execute(f"UPDATE {T} SET attributes = {value} WHERE vector_store_id = 'vs_demo' AND id = 'file-demo-01'")
    assert bodies() == [(f"GET {DEMO}/file-demo-01", None), (f"POST {DEMO}/file-demo-01", {"attributes": body})]


@pytest.mark.parametrize(
    "assignments",
    [
        "status = 'cancelled'",
        "file_id = 'x'",
        "vector_store_id = 'vs_archive'",
        'chunking_strategy = \'{"type":"auto"}\'',
        "attributes = '{}', status = 'x'",
    ],
)
def test_update_refuses_the_rest(db: apsw.Connection, bodies: Bodies, assignments: str) -> None:
    """Only attributes can be SET."""
    with pytest.raises(openai_vtab.UnsupportedWriteError, match="an UPDATE can only SET attributes = …"):
        db.execute(f"UPDATE {T} SET {assignments} WHERE vector_store_id = 'vs_demo' AND id = 'file-demo-01'")
    assert [request for request, _ in bodies() if request.startswith("POST")] == []


def test_delete_detaches_what_failed(db: apsw.Connection, requests: Requests) -> None:
    """A narrowed list, and a DELETE for each; the files themselves stay."""
    db.execute(f"DELETE FROM {T} WHERE vector_store_id = 'vs_demo' AND status = 'failed'")
    first, *rest = requests()
    assert first == f"GET {DEMO}?filter=failed&limit=100&order=desc"
    assert sorted(rest) == [f"DELETE {DEMO}/file-demo-05", f"DELETE {DEMO}/file-demo-06"]
    assert db.execute(f"SELECT count(*) FROM {T} WHERE vector_store_id = 'vs_demo'").get == 6
    assert db.execute("SELECT count(*) FROM files WHERE id IN ('file-demo-05', 'file-demo-06')").get == 2


def test_delete_is_seen_at_once(connect: Any, clock: FakeClock) -> None:
    """Also one that was attached a moment ago."""
    db = connect(clock=clock)
    db.execute(f"INSERT INTO {T} (vector_store_id, file_id) VALUES ('vs_demo', 'file-new-01')")
    where = "vector_store_id = 'vs_demo' AND id = 'file-new-01'"
    assert db.execute(f"SELECT count(*) FROM {T} WHERE {where}").get == 1
    db.execute(f"DELETE FROM {T} WHERE {where}")
    slept = clock.slept
    assert db.execute(f"SELECT count(*) FROM {T} WHERE {where}").get == 0
    assert clock.slept == slept
    db.execute(f"INSERT INTO {T} (vector_store_id, file_id) VALUES ('vs_demo', 'file-new-01')")
    assert db.execute(f"SELECT count(*) FROM {T} WHERE {where}").get == 1


def test_delete_of_a_store_hides_its_files_at_once(connect: Any, clock: FakeClock) -> None:
    """What was attached a moment ago is not waited for in a store that is gone."""
    db = connect(clock=clock)
    db.execute(f"INSERT INTO {T} (vector_store_id, file_id) VALUES ('vs_archive', 'file-new-01')")
    db.execute("DELETE FROM vector_stores WHERE id = 'vs_archive'")
    slept = clock.slept
    assert (
        db.execute(f"SELECT id FROM {T} WHERE vector_store_id = 'vs_archive' AND id = 'file-new-01'").fetchall() == []
    )
    assert clock.slept == slept


@pytest.mark.parametrize(
    ("message", "names_base_url"),
    [("No such File object: file-gone", False), ("File 'file-gone' was not found.", False), ("Not found: vs_demo/files", True)],
)  # fmt: skip
def test_insert_of_an_absent_file_does_not_blame_the_address(
    db: apsw.Connection, sandbox: Any, message: str, names_base_url: bool
) -> None:
    """A 404 that names the file comes from the API, so that base_url is right."""
    sandbox.inject(Status(404, message=message), method="POST")
    with pytest.raises(openai_vtab.APIError) as caught:
        db.execute("INSERT INTO vector_store_files (vector_store_id, file_id) VALUES ('vs_demo', 'file-gone')")
    assert message in str(caught.value)
    assert ("check base_url" in str(caught.value)) == names_base_url


def test_read_after_write_retries_a_404(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """It is asked for again until the API sees it, which has been seen to take a while."""
    db.execute(f"INSERT INTO {T} (vector_store_id, file_id) VALUES ('vs_demo', 'file-new-01')")
    sandbox.inject(Status(404, message="No file found with id 'file-new-01' in vector store 'vs_demo'."), method="GET")
    requests()
    assert (
        db.execute(f"SELECT id FROM {T} WHERE vector_store_id = 'vs_demo' AND id = 'file-new-01'").get == "file-new-01"
    )
    assert requests() == [f"GET {DEMO}/file-new-01"] * 2


def test_delete_of_a_file_does_not_detach_it(db: apsw.Connection) -> None:
    """As observed; detach first. What is stale is found by its missing name."""
    db.execute("DELETE FROM files WHERE id = 'file-demo-01'")
    stale = f"SELECT id FROM {T} WHERE vector_store_id = 'vs_demo' AND id NOT IN (SELECT id FROM files)"
    assert db.execute(stale).fetchall() == [("file-demo-01",)]
    db.execute(f"DELETE FROM {T} WHERE vector_store_id = 'vs_demo' AND id NOT IN (SELECT id FROM files)")
    assert db.execute(stale).fetchall() == []


def test_transactions_send_what_was_committed(db: apsw.Connection, bodies: Bodies) -> None:
    """Rolled back, nothing is written; committed, all of it at once."""
    writes = [
        f"INSERT INTO {T} (vector_store_id, file_id) VALUES ('vs_demo', 'file-new-01')",
        f"UPDATE {T} SET attributes = NULL WHERE vector_store_id = 'vs_demo' AND id = 'file-demo-01'",
        f"DELETE FROM {T} WHERE vector_store_id = 'vs_archive'",
    ]
    for write in writes:
        db.execute(f"BEGIN; {write}; ROLLBACK")
    assert [request for request, _ in bodies() if not request.startswith("GET")] == []
    db.execute("BEGIN; " + writes[2])
    assert [request for request, _ in bodies()] == ["GET /vector_stores/vs_archive/files?limit=100&order=desc"]
    db.execute("COMMIT")
    assert sorted(request for request, _ in bodies()) == [
        f"DELETE /vector_stores/vs_archive/files/file-archive-0{n}" for n in (1, 2)
    ]


def test_unknown_outcome_of_an_attach_whose_response_is_lost(
    db: apsw.Connection, sandbox: Any, requests: Requests
) -> None:
    """It is not repeated; the error says which list tells."""
    sandbox.inject(Cut("answer"), method="POST")
    with pytest.raises(openai_vtab.APIConnectionError, match=f"GET {DEMO}"):
        db.execute(f"INSERT INTO {T} (vector_store_id, file_id) VALUES ('vs_demo', 'file-new-01')")
    assert requests() == [f"POST {DEMO}"]


def test_commit_that_fails_in_part_lists_what_was_done(connect: Any, sandbox: Any) -> None:
    """Of three, one was attached."""
    db = connect(max_concurrency=1)
    rows = ", ".join(f"('vs_demo', '{id}')" for id in ("file-new-01", "file-gone", "file-new-02"))
    with pytest.raises(openai_vtab.WriteError, match="No such File object: file-gone") as caught:
        db.execute(f"INSERT INTO {T} (vector_store_id, file_id) VALUES {rows}")
    assert [id for _, id in caught.value.done] == ["file-new-01"]
    assert len(caught.value.not_done) == 2


def batch(sandbox: Any, *seconds: float) -> list[str]:
    """Files in a new store that are done after so many seconds."""
    sandbox.add_store("vs_new")
    names = [sandbox.add_file(f"{n}.{'csv' if n == 1 else 'md'}", id=f"file-w{n}") for n in range(len(seconds))]
    for name, s in zip(names, seconds, strict=True):
        sandbox.add_batch("vs_new", [name], processing_seconds=s)
    return names


def test_polling_for_one_file(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """The same file is asked for until it is finished, or the time is over."""
    batch(sandbox, 0.4, 0, 60)
    sql = f"SELECT status, wait_seconds FROM {T} WHERE vector_store_id = 'vs_new' AND file_id = ? AND wait_seconds = ?"
    assert db.execute(sql, ("file-w0", 10)).get == ("completed", 10.0)
    assert set(requests()) == {"GET /vector_stores/vs_new/files/file-w0"}
    assert db.execute(sql, ("file-w2", 0.2)).get == ("in_progress", 0.2)


def test_polling_for_a_list(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """The list, and then only what is not finished, each by itself; the rows keep their order."""
    batch(sandbox, 0.3, 0, 0.3)
    sql = f"SELECT id, status FROM {T} WHERE vector_store_id = 'vs_new' AND wait_seconds = 10 ORDER BY created_at"
    rows = db.execute(sql).fetchall()
    assert sorted(rows) == [("file-w0", "completed"), ("file-w1", "failed"), ("file-w2", "completed")]
    listed, *looked_up = requests()
    assert listed == "GET /vector_stores/vs_new/files?limit=100&order=asc"
    assert set(looked_up) == {f"GET /vector_stores/vs_new/files/file-w{n}" for n in (0, 2)}


@pytest.mark.parametrize(("status", "expected"), [("completed", ["file-w0", "file-w2"]), ("failed", ["file-w1"])])
def test_polling_comes_before_the_status_filter(
    db: apsw.Connection, sandbox: Any, requests: Requests, status: str, expected: list[str]
) -> None:
    """The list is not narrowed by a status that will be another."""
    batch(sandbox, 0.3, 0.3, 0.3)
    sql = (
        f"SELECT id FROM {T} WHERE vector_store_id = 'vs_new' AND status = '{status}' AND wait_seconds = 10 ORDER BY id"
    )
    assert [id for (id,) in db.execute(sql)] == expected
    assert requests()[0] == "GET /vector_stores/vs_new/files?limit=100&order=desc"


def test_polling_with_a_limit_waits_only_for_its_rows(
    connect: Any, clock: FakeClock, sandbox: Any, requests: Requests
) -> None:
    """What comes after it is neither listed nor waited for."""
    db = connect(clock=clock)
    batch(sandbox, 0, 0, 60, 60)
    for number, id in enumerate(("file-w0", "file-w1", "file-w2", "file-w3")):
        attached = sandbox._state.stores["vs_new"].files
        set_created_at(attached[id], 1000 + number, attached)
    slept = clock.slept
    sql = f"SELECT id FROM {T} WHERE vector_store_id = 'vs_new' AND wait_seconds = 5 ORDER BY created_at LIMIT 2"
    assert db.execute(sql).fetchall() == [("file-w0",), ("file-w1",)]
    assert clock.slept == slept
    assert requests() == ["GET /vector_stores/vs_new/files?limit=10&order=asc"]


def test_polling_of_a_file_that_is_detached_returns_no_row(db: apsw.Connection, sandbox: Any) -> None:
    """It is not there any more."""
    batch(sandbox, 0, 0, 60)
    sandbox.inject(Status(404, message="No file found"), path="files/file-w2")
    sql = f"SELECT id FROM {T} WHERE vector_store_id = 'vs_new' AND wait_seconds = 5 ORDER BY id"
    assert db.execute(sql).fetchall() == [("file-w0",), ("file-w1",)]


def test_or_over_statuses_and_a_file_returns_each_row_once(db: apsw.Connection, requests: Requests) -> None:
    """A look-up and a narrowed list, joined by their rowids."""
    sql = f"SELECT id FROM {T} WHERE vector_store_id = 'vs_demo' AND (id = 'file-demo-05' OR status = 'failed')"
    assert sorted(db.execute(sql).fetchall()) == [("file-demo-05",), ("file-demo-06",)]
    assert requests() == [f"GET {DEMO}/file-demo-05", f"GET {DEMO}?filter=failed&limit=100&order=desc"]


def test_join_that_finds_unattached_files(db: apsw.Connection, requests: Requests) -> None:
    """Which of my documents are not attached: a look-up for each."""
    db.execute("CREATE TABLE mine (file_id); INSERT INTO mine VALUES ('file-demo-01'), ('file-new-01'), ('nothing')")
    sql = f"SELECT m.file_id FROM mine AS m LEFT JOIN {T} AS f ON f.vector_store_id = 'vs_demo' AND f.id = m.file_id WHERE f.id IS NULL"
    assert db.execute(sql).fetchall() == [("file-new-01",), ("nothing",)]
    assert sorted(requests()) == [f"GET {DEMO}/{id}" for id in ("file-demo-01", "file-new-01", "nothing")]


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT * FROM {T}",
        f"SELECT * FROM {T} WHERE file_id = 'x'",
        f"SELECT * FROM {T} WHERE status = 'failed'",
        f"DELETE FROM {T}",
    ],
)
def test_missing_keys_are_named(db: apsw.Connection, requests: Requests, sql: str) -> None:
    """The API lists the files of one store only."""
    with pytest.raises(
        openai_vtab.MissingColumnsError, match=f"{T} needs vector_store_id = … .*missing: vector_store_id"
    ):
        db.execute(sql).fetchall()
    assert requests() == []


def test_response_of_another_file_raises(db: apsw.Connection, sandbox: Any) -> None:
    """It would be shown under the wrong name."""
    sandbox.inject(Answer({"id": "file-other", "object": "vector_store.file", "status": "completed"}))
    with pytest.raises(
        openai_vtab.APIError, match="asked for id 'file-demo-01', but the response is about 'file-other'"
    ):
        db.execute(f"SELECT * FROM {T} WHERE vector_store_id = 'vs_demo' AND id = 'file-demo-01'").fetchall()


def test_path_has_each_id_as_one_segment(db: apsw.Connection, requests: Requests) -> None:
    """An id cannot reach another address."""
    for id in ("a/b", "../x", "a?b=c", "ü#", "%2e%2e"):
        with pytest.raises(openai_vtab.APIError, match=f"Invalid 'file_id': '{re.escape(id)}'."):
            db.execute(f"SELECT * FROM {T} WHERE vector_store_id = 'vs_demo' AND id = ?", (id,)).fetchall()
    assert requests() == [f"GET {DEMO}/{id}" for id in ("a%2Fb", "..%2Fx", "a%3Fb%3Dc", "%C3%BC%23", "%252e%252e")]
    assert (
        db.execute(
            f"SELECT * FROM {T} WHERE vector_store_id = 'vs_demo' AND id IN ('', '.', '..', x'00', NULL)"
        ).fetchall()
        == []
    )
    assert requests() == []


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ({"status": "ok"}, "the response has no id"),
        ({}, "the response has no id"),
        ({"id": None, "vector_store_id": "vs_demo"}, "the response has no id"),
        ({"id": "file-other", "vector_store_id": "vs_demo"}, "asked for id 'file-demo-03', but the response is about 'file-other'"),
        ({"id": "file-demo-03", "vector_store_id": "vs_2"}, "asked for vector_store_id 'vs_demo', but the response is about 'vs_2'"),
        ({"id": "vs_9", "object": "vector_store"}, "asked for id 'file-demo-03', but the response is about 'vs_9'"),
    ],
)  # fmt: skip
def test_unknown_outcome_of_an_attach_that_is_not_confirmed(
    db: apsw.Connection, sandbox: Any, requests: Requests, answer: Any, problem: str
) -> None:
    """Any JSON object with status 200 may be a gateway's."""
    sandbox.inject(Answer(answer), method="POST")
    with pytest.raises(openai_vtab.APIError, match=f"{problem}.*it may have been carried out all the same"):
        db.execute(f"INSERT INTO {T} (vector_store_id, file_id) VALUES ('vs_demo', 'file-demo-03')")
    assert requests() == [f"POST {DEMO}"]


def test_insert_accepts_a_response_without_the_store(db: apsw.Connection, sandbox: Any) -> None:
    """Not every server says what the file is attached to."""
    sandbox.inject(Answer({"id": "file-demo-03", "status": "in_progress"}), method="POST")
    db.execute(f"INSERT INTO {T} (vector_store_id, file_id) VALUES ('vs_demo', 'file-demo-03')")


def test_rowid_of_a_file_attached_again_is_the_last(db: apsw.Connection) -> None:
    """Whether it was read before or not: by its keys, by its rowid, and by both."""
    one = f"FROM {T} WHERE vector_store_id = 'vs_demo' AND file_id = 'file-demo-01'"
    (before,) = db.execute(f"SELECT rowid {one}").fetchone()
    for _ in range(2):
        db.execute(f"DELETE {one}")
        db.execute(f"INSERT INTO {T} (vector_store_id, file_id) VALUES ('vs_demo', 'file-demo-01')")
        last = db.last_insert_rowid()
        assert db.execute(f"SELECT rowid {one}").fetchall() == [(last,)]
        assert db.execute(f"SELECT id {one} AND rowid = last_insert_rowid()").fetchall() == [("file-demo-01",)]
        either = f"rowid = last_insert_rowid() OR rowid = {before} OR {one.partition('WHERE ')[2]}"
        assert db.execute(f"SELECT rowid, id FROM {T} WHERE {either}").fetchall() == [(last, "file-demo-01")]
        listed = f"SELECT rowid FROM {T} WHERE vector_store_id = 'vs_demo' AND +id = 'file-demo-01'"
        assert db.execute(listed).fetchall() == [(last,)]
        assert db.execute(f"SELECT id FROM {T} WHERE rowid = {before}").fetchall() == []
    db.execute(f"DELETE FROM {T} WHERE rowid = {last}")
    assert db.execute(f"SELECT id FROM {T} WHERE rowid = {last}").fetchall() == []
