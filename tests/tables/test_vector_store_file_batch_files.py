"""vector_store_file_batch_files: which files of a batch failed, and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.sandbox import Answer

from ..support.meeting import meeting
from ..support.recording import FILES, STORE, Place

Requests = Callable[[], list[str]]
Sent = Callable[[Any], list[tuple[str, Any]]]
T = "vector_store_file_batch_files"
FAILURES = "/vector_stores/vs_demo/file_batches/vsfb_demo_failures/files"
FILE_1, FILE_2, FILE_3 = FILES


@pytest.mark.vcr
@pytest.mark.capability("file batches: their failed files and the reasons")
@pytest.mark.openai_own("a .csv file is not supported")
def test_select_returns_failed_files_and_reasons(
    replayed: apsw.Connection, place: Place, cassette: Any, sent: Sent, pause: Callable[[], None]
) -> None:
    """A batch of three, one of a type that is not supported; then the failed ones again, in a new batch."""
    store = place.real(STORE)
    batches = "vector_store_file_batches"
    create = f"INSERT INTO {batches} (vector_store_id, file_ids) "
    status = f"SELECT status, id FROM {batches} WHERE rowid = ?"
    replayed.execute(create + "VALUES (?, json_array(?, ?, ?))", (store, *map(place.real, FILES)))
    rowid = replayed.last_insert_rowid()
    while (row := replayed.execute(status, (rowid,)).get)[0] == "in_progress":
        pause()
    batch = row[1]
    found = f"SELECT id, status, last_error_code FROM {T}('{store}', '{batch}')"
    assert sorted((place.named(id), *state) for id, *state in replayed.execute(found)) == [
        (FILE_1, "completed", None), (FILE_2, "completed", None), (FILE_3, "failed", "unsupported_file")
    ]  # fmt: skip
    failed = replayed.execute(f"{found} WHERE status = 'failed' LIMIT 5").get
    assert failed == (place.real(FILE_3), "failed", "unsupported_file")
    again = f"SELECT ?, json_group_array(id) FROM {T}('{store}', '{batch}') WHERE status = 'failed' HAVING count(*)"
    replayed.execute(create + again, (store,))
    listed = f"GET /vector_stores/{STORE}/file_batches/{batch}/files?"
    assert sent(cassette)[-4:] == [
        (f"{listed}limit=100&order=desc", None),
        (f"{listed}filter=failed&limit=5&order=desc", None),
        (f"{listed}filter=failed&limit=100&order=desc", None),
        (f"POST /vector_stores/{STORE}/file_batches", {"file_ids": [FILE_3]}),
    ]


@pytest.mark.parametrize(
    "source",
    [
        f"{T}('vs_demo', 'vsfb_demo_failures')",
        f"{T} WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_failures'",
        f"{T} WHERE 'vsfb_demo_failures' = batch_id AND vector_store_id IN ('vs_demo')",
        f"\"openai.vector_stores.{T}\" WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_failures'",
        f"openai.{T} WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_failures'",
    ],
)
def test_table_valued_function_is_the_table(db: apsw.Connection, requests: Requests, source: str) -> None:
    """One list, the same rows."""
    rows = db.execute(
        f"SELECT id, status, last_error_code, last_error ->> 'message' = last_error_message FROM {source}"
    ).fetchall()
    assert rows == [
        ("file-demo-06", "failed", "unsupported_file", 1),
        ("file-demo-05", "failed", "unsupported_file", 1),
        ("file-demo-04", "completed", None, None),
    ]
    assert requests() == [f"GET {FAILURES}?limit=100&order=desc"]


def test_select_star_leaves_the_keys_out(db: apsw.Connection) -> None:
    """They are hidden, so that they can be arguments; named, they are there."""
    cursor = db.execute(
        f"SELECT *, vector_store_id, batch_id, file_id FROM {T}('vs_demo', 'vsfb_demo_failures') LIMIT 1"
    )
    row = dict(zip((c[0] for c in cursor.get_description()), next(cursor), strict=True))
    assert list(row) == [
        "id",
        "status",
        "last_error",
        "usage_bytes",
        "created_at",
        "attributes",
        "chunking_strategy",
        "object",
        "vector_store_id",
        "batch_id",
        "file_id",
    ]
    assert (row["vector_store_id"], row["batch_id"], row["file_id"]) == (
        "vs_demo",
        "vsfb_demo_failures",
        "file-demo-06",
    )


def test_join_with_the_files_names(db: apsw.Connection, requests: Requests) -> None:
    """A look-up for each failed file."""
    sql = f"SELECT f.filename FROM {T}('vs_demo', 'vsfb_demo_failures') AS b JOIN files AS f USING (file_id) WHERE b.status = 'failed'"
    assert db.execute(sql).fetchall() == [("logo.png",), ("prices.csv",)]
    first, *rest = requests()
    assert first == f"GET {FAILURES}?filter=failed&limit=100&order=desc"
    assert sorted(rest) == ["GET /files/file-demo-05", "GET /files/file-demo-06"]  # both at once


def test_join_with_batches_in_a_table(connect: Any, sandbox: Any, requests: Requests) -> None:
    """A list for each batch, several at once, each once."""
    db = connect(max_concurrency=8)
    names = [
        sandbox.add_batch("vs_demo", ["file-new-01", "file-new-05"], f"vsfb_{n}", processing_seconds=0)
        for n in range(30)
    ]
    db.execute("CREATE TABLE imports (day INTEGER, batch_id TEXT)")
    db.executemany("INSERT INTO imports VALUES (?, ?)", list(enumerate(names)))
    sandbox.reset_counters()
    sql = (
        f"SELECT i.day, b.id FROM imports AS i JOIN {T} AS b ON b.batch_id = i.batch_id AND b.vector_store_id = 'vs_demo' "
        "AND b.status = 'failed' ORDER BY i.day"
    )
    with meeting(sandbox, 8, path="vsfb_[12]./files"):
        assert db.execute(sql).fetchall() == [(n, "file-new-05") for n in range(30)]
    taken = requests()
    assert len(taken) == len(set(taken)) == 30
    assert all("filter=failed" in request for request in taken)


def test_rowids_of_a_file_in_two_batches_differ(db: apsw.Connection, sandbox: Any) -> None:
    """Also in an OR: a row is a file of a batch."""
    for name in ("vsfb_a", "vsfb_b"):
        sandbox.add_batch("vs_demo", ["file-new-01"], name)
    both = f"SELECT batch_id, id FROM {T} WHERE vector_store_id = 'vs_demo' AND "
    expected = [("vsfb_a", "file-new-01"), ("vsfb_b", "file-new-01")]
    assert sorted(db.execute(both + "(batch_id = 'vsfb_a' OR batch_id = 'vsfb_b')").fetchall()) == expected
    assert sorted(db.execute(both + "batch_id IN ('vsfb_a', 'vsfb_b')").fetchall()) == expected


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        (f"INSERT INTO {T} (id) VALUES ('x')", f"{T}: the API has no way to INSERT"),
        (f"UPDATE {T} SET status = 'cancelled' WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_running'", f"{T}: the API has no way to UPDATE"),
        (f"DELETE FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_running'", f"{T}: the API has no way to DELETE"),
    ],
)  # fmt: skip
def test_writes_are_refused(db: apsw.Connection, requests: Requests, sql: str, problem: str) -> None:
    """And says so."""
    with pytest.raises(openai_vtab.UnsupportedWriteError, match=problem):
        db.execute(sql)
    assert [request for request in requests() if not request.startswith("GET")] == []


@pytest.mark.parametrize(
    "where", ["", "WHERE vector_store_id = 'vs_demo'", "WHERE batch_id = 'vsfb_demo_running'", "WHERE id = 'x'"]
)
def test_missing_keys_are_named(db: apsw.Connection, requests: Requests, where: str) -> None:
    """Both are needed."""
    with pytest.raises(openai_vtab.MissingColumnsError, match=f"{T} needs vector_store_id = … AND batch_id = …"):
        db.execute(f"SELECT * FROM {T} {where}").fetchall()
    assert requests() == []


def test_absent_batch_raises(db: apsw.Connection, sandbox: Any) -> None:
    """Nobody has said that it has no files; also as compatible servers say it, with ids of their own."""
    for quirk in (False, True):
        sandbox.quirks.unknown_id_is_400 = sandbox.quirks.batch_ids_without_prefix = quirk
        with pytest.raises(openai_vtab.APIError, match="No file batch found"):
            db.execute(f"SELECT * FROM {T}('vs_demo', 'vsfb_gone')").fetchall()
    made = sandbox.add_batch("vs_demo", ["file-new-01"], "batch_1")
    assert db.execute(f"SELECT id FROM {T}('vs_demo', ?)", (made,)).fetchall() == [("file-new-01",)]


def test_last_error_of_any_kind(db: apsw.Connection, sandbox: Any) -> None:
    """Codes drift, and are text; an error that is no object is JSON all the same."""
    items = [
        {"id": "a", "status": "failed", "last_error": {"code": "brand_new", "message": "ü"}},
        {"id": "b", "status": "failed", "last_error": "text"},
        {"id": "c", "status": "failed", "last_error": {}},
        {"id": "d", "status": "failed"},
    ]
    sandbox.inject(Answer({"object": "list", "data": items, "has_more": False}))
    sql = f"SELECT id, last_error, last_error_code, last_error_message FROM {T}('vs_demo', 'vsfb_demo_failures')"
    assert db.execute(sql).fetchall() == [
        ("a", '{"code":"brand_new","message":"ü"}', "brand_new", "ü"),
        ("b", '"text"', None, None),
        ("c", "{}", None, None),
        ("d", None, None, None),
    ]
