"""What is the same for every table that the API lists: pages, filters, rowids, errors; none is missing."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.sandbox import Answer, Slow, Status

from ..support.meeting import meeting
from ..support.waiting import when
from .lists import COUNT, LISTS, List, every, ids, page, paged, statused

pytestmark = pytest.mark.usefixtures("many")

Requests = Callable[[], list[str]]

looked_up = ids([it for it in LISTS if "batch" not in it.table])  # the API has no GET of one file of a batch


@paged
def test_pagination_reads_the_whole_list(db: apsw.Connection, requests: Requests, it: List) -> None:
    """Three pages of a hundred, each object once, in the API's order."""
    found = [id for (id,) in db.execute(it.sql())]
    assert len(found) == len(set(found)) == COUNT
    assert requests() == [it.get(), it.get(after=found[99]), it.get(after=found[199])]


def test_pagination_of_files_has_pages_of_ten_thousand(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """The largest page there is for them."""
    for number in range(10_001 - len(sandbox._state.files)):
        sandbox.add_file("x.md", id=f"file-x{number}")
    found = [id for (id,) in db.execute("SELECT id FROM files")]
    assert len(set(found)) == len(found) == 10_001
    assert requests() == [LISTS[3].get(), LISTS[3].get(after=found[-2])]


@paged
def test_pagination_stops_with_an_inner_join(db: apsw.Connection, requests: Requests, it: List) -> None:
    """LIMIT of the join is not the list's, which is left when the join has its rows."""
    db.execute("CREATE TABLE few (x)")
    db.execute("INSERT INTO few VALUES (1), (2)")
    sql = f"SELECT i.id, x FROM (SELECT id FROM {it.table} WHERE {it.where}) AS i CROSS JOIN few LIMIT 10"
    assert len(db.execute(sql).fetchall()) == 10
    assert requests() == [it.get()]
    assert db.execute(f"SELECT EXISTS (SELECT 1 FROM {it.table} AS i JOIN few ON {it.where} AND x = 2)").get == 1
    assert len(requests()) == 1


A, B = {"id": "a", "object": "x", "created_at": 2}, {"id": "b", "object": "x", "created_at": 1}
FULL = [{"id": f"x{n}", "object": "x", "created_at": 1} for n in range(100)]
NOT_WHOLE = {
    "the same page again": ([page([A], has_more=True)] * 2, "the list repeats itself: the page after 'a' has only objects of the pages before"),
    "the same page, the last": ([page([A, B], has_more=True), page([A, B])], "the list repeats itself: the page after 'b'"),
    "objects of two pages again": ([page([A], has_more=True), page([B], has_more=True), page([B, A], has_more=True)], "the list repeats itself"),
    "it is said to go on, and is empty": ([page([], has_more=True)], "says that the list continues, but its page is empty"),
    "it goes on, and then is empty": ([page([A], has_more=True), page([], has_more=True)], "its page is empty"),
    "a last_id that is none": ([page([A], has_more=True, last_id=7)], "its page has no last_id"),
    "data is missing": ([page([A], data=...)], "has no list of objects"),
    "data is null": ([page([], data=None)], "has no list of objects"),
    "data is an object": ([page([], data={"a": 1})], "has no list of objects"),
    "data is text": ([page([], data="abc")], "has no list of objects"),
    "an item is no object": ([page([A, 5])], "has no list of objects"),
    "an item is null": ([page([A, None])], "has no list of objects"),
    "an item has no id": ([page([A, {"object": "x"}, B])], "an object of the list has no id"),
    "an item has no text for an id": ([page([A, {"id": 7}])], "an object of the list has no id"),
    "no JSON": ([b"<html>"], "not a JSON object"),
    "an array": ([[A]], "not a JSON object"),
    "an error in a 200": ([{"error": {"message": "no way"}}], "no way"),
}  # fmt: skip


@pytest.mark.sample(24)
@every
@pytest.mark.parametrize("case", NOT_WHOLE)
def test_pagination_is_complete_or_raises(db: apsw.Connection, sandbox: Any, it: List, case: str) -> None:
    """With the request in its sentence; a query that stops before is not told."""
    answers, problem = NOT_WHOLE[case]
    for answer in answers:
        sandbox.inject(Answer(answer), path=it.path)
    with pytest.raises(openai_vtab.APIError, match=f"(?s){problem}") as caught:
        db.execute(it.sql()).fetchall()
    assert f"GET {sandbox.base_url}{it.path}?" in str(caught.value)


@pytest.mark.sample(12)
@every
@pytest.mark.parametrize(
    "answers",
    [
        [page([A, B], first_id=..., last_id=...)],
        [page([A], has_more=True, last_id=...), page([B])],
        [page([A], has_more=True, last_id=None), page([B])],
        [page([A], has_more=True, first_id="", last_id=""), page([B])],
        [page([A, B], object=...)],
        [page([A], has_more=True), page([B], last_id=None)],
        [page([A], has_more=True, last_id="a"), page([B], first_id="", last_id="")],
    ],
    ids=lambda answers: " ".join(
        str(len(a["data"])) + str({k: v for k, v in a.items() if k != "data"}) for a in answers
    ),
)
def test_pagination_with_errors_as_rows_is_complete(
    db: apsw.Connection, sandbox: Any, requests: Requests, it: List, answers: list[Any]
) -> None:
    """Without last_id the last object's own id is the same."""
    for answer in answers:
        sandbox.inject(Answer(answer), path=it.path)
    assert db.execute(it.sql()).fetchall() == [("a",), ("b",)]
    assert requests() == [it.get(), it.get(after="a")][: len(answers)]


@paged
@pytest.mark.parametrize("count", [1, 99, 100])
def test_pagination_without_has_more(
    db: apsw.Connection, sandbox: Any, requests: Requests, it: List, count: int
) -> None:
    """The next one tells, also when the page is short: a server may have a smaller maximum than was asked for."""
    sandbox.inject(Answer(page(FULL[:count], has_more=...)), path=it.path)
    sandbox.inject(Answer(page([A, B], has_more=None)), path=it.path)
    sandbox.inject(Answer(page([], has_more=..., last_id=None)), path=it.path)
    assert len(db.execute(it.sql()).fetchall()) == count + 2
    assert requests() == [it.get(), it.get(after=FULL[count - 1]["id"]), it.get(after="b")]
    sandbox.inject(Answer(page([], has_more=...)), path=it.path)
    assert db.execute(it.sql()).fetchall() == []
    assert requests() == [it.get()]


@every
def test_pagination_that_the_server_does_not_know(
    db: apsw.Connection, sandbox: Any, requests: Requests, it: List
) -> None:
    """It gives its one list again, without has_more: each object comes once, with a LIMIT as well."""
    sandbox.inject(Answer(page([A, B], has_more=...)), times=2, path=it.path)
    assert db.execute(it.sql()).fetchall() == [("a",), ("b",)]
    assert requests() == [it.get(), it.get(after="b")]
    sandbox.inject(Answer(page([A], has_more=...)), path=it.path)
    sandbox.inject(Answer(page([A, B], has_more=...)), times=2, path=it.path)
    assert db.execute(it.sql()).fetchall() == [("a",), ("b",)]
    assert requests() == [it.get(), it.get(after="a"), it.get(after="b")]
    sandbox.inject(Answer(page([A, B], has_more=...)), path=it.path)
    assert db.execute(it.sql("id", "LIMIT 1")).fetchall() == [("a",)]
    assert requests()[0] == it.get(limit=1)
    sandbox.clear_faults()


@paged
@pytest.mark.parametrize("quirk", ["after_ignored", "unknown_after_is_first_page"])
def test_pagination_through_a_proxy_that_drops_the_cursor(
    db: apsw.Connection, sandbox: Any, it: List, quirk: str
) -> None:
    """Endless in other clients. A cursor that the server no longer knows is page one again: an error, too."""
    setattr(sandbox.quirks, quirk, True)
    if quirk == "unknown_after_is_first_page":
        whole = db.execute(it.sql()).fetchall()
        first = [{"id": id, "object": "x", "created_at": 1} for (id,) in whole[:100]]
        sandbox.inject(Answer(page(first, has_more=True, last_id="gone")), path=it.path)
    with pytest.raises(openai_vtab.APIError, match="the list repeats itself"):
        db.execute(it.sql()).fetchall()


@every
def test_pagination_of_an_empty_list(db: apsw.Connection, sandbox: Any, requests: Requests, it: List) -> None:
    """With null or empty cursors."""
    for cursor in (None, "", ...):
        sandbox.inject(Answer(page([], first_id=cursor, last_id=cursor)), path=it.path)
        assert db.execute(it.sql()).fetchall() == []
    assert len(requests()) == 3


@every
@pytest.mark.parametrize("status", [400, 401, 404, 500])
def test_pagination_that_is_refused_raises(connect: Any, sandbox: Any, it: List, status: int) -> None:
    """Also 404: nobody has said that the list is empty."""
    sandbox.inject(Status(status, message="No such thing found."), path=it.path)
    with pytest.raises(openai_vtab.APIError, match="No such thing found") as caught:
        connect(max_retries=0).execute(it.sql()).fetchall()
    assert caught.value.status == status


@paged
def test_retry_of_a_page_that_fails(connect: Any, sandbox: Any, requests: Requests, it: List) -> None:
    """The rows before it have been given; the end never is."""
    sandbox.inject(Status(503, headers={"retry-after": "0"}), path=it.path, after=1)
    assert len(connect().execute(it.sql()).fetchall()) == COUNT
    assert len(requests()) == 4
    sandbox.inject(Status(500), times=None, path="after=")
    rows = connect(max_retries=0).execute(it.sql())
    with pytest.raises(openai_vtab.APIError):
        rows.fetchall()


@looked_up
def test_lookup_by_id_never_reads_the_list(db: apsw.Connection, requests: Requests, it: List) -> None:
    """Lists have been seen to miss what a GET finds; a batch's files have no other way."""
    where = "" if it.where == "true" else it.where + " AND "
    one, two = ("vs_001", "vs_002") if it.table == "vector_stores" else ("file-001", "file-002")
    key = "vector_store_id" if it.table == "vector_stores" else "file_id"
    for condition in (
        f"id = '{one}'",
        f"{key} = '{one}'",
        f"'{one}' IS {key}",
        f"id IN ('{one}', '{two}')",
        f'id IN (SELECT value FROM json_each(\'["{one}", "{two}"]\'))',
        "id IN (WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 8) SELECT 'x' || i FROM n)",
        f"id = '{one}' OR id = '{two}'",
        f"id = '{one}' OR {key} = '{two}'",
        f"id = '{one}' OR {key} = '{one}' OR id = '{two}' OR id = 'x' OR {key} = 'y' OR id IS 'z'",
        f"id = '{one}' AND created_at > 0 ORDER BY created_at LIMIT 1",
        f"{key} = '{one}' AND id = '{one}'",
        f"id = (SELECT '{one}')",
    ):
        sql = f"SELECT count(DISTINCT id) FROM {it.table} WHERE {where}({condition})".replace(
            " ORDER BY created_at LIMIT 1)", ") ORDER BY created_at LIMIT 1"
        )
        count = db.execute(sql).get
        assert count == (2 if two in condition else 0 if "RECURSIVE" in condition else 1), sql
        taken = requests()
        assert taken, sql
        assert not [request for request in taken if not request.startswith(f"GET {it.path}/")], sql


@looked_up
def test_lookup_of_an_absent_id_returns_no_row(db: apsw.Connection, sandbox: Any, it: List) -> None:
    """404 on a look-up, and what compatible servers say with 400."""
    for quirk in (False, True):
        for errors in (None, "detail", "text"):
            sandbox.quirks.unknown_id_is_400, sandbox.quirks.plain_errors = quirk, errors
            assert db.execute(it.sql("id", "AND id = 'nothing'")).fetchall() == []


@every
def test_rowids_are_the_objects_own(db: apsw.Connection, requests: Requests, it: List) -> None:
    """The same in a list, in a look-up and in an OR over both, which gives each row once."""
    listed = dict(db.execute(it.sql("rowid, id", "LIMIT 20")))
    assert len(listed) == 20
    again = dict(db.execute(it.sql("rowid, id")))
    assert len(again) >= COUNT
    assert listed.items() <= again.items()
    requests()
    if it.table != "vector_store_file_batch_files":
        rowid, id = next(iter(listed.items()))
        assert db.execute(f"SELECT id FROM {it.table} WHERE rowid = ?", (rowid,)).get == id
        assert db.execute(it.sql("rowid", f"AND id = '{id}'")).get == rowid
        assert db.execute(f"SELECT id FROM {it.table} WHERE rowid IN (?, -1, 123456789)", (rowid,)).fetchall() == [
            (id,)
        ]
        assert requests() == [f"GET {it.path}/{id}"] * 3
    else:
        with pytest.raises(openai_vtab.MissingColumnsError, match="vector_store_id"):
            db.execute(f"SELECT id FROM {it.table} WHERE rowid = 1").fetchall()


@statused
def test_status_filter_that_is_not_known_is_not_sent(
    db: apsw.Connection, sandbox: Any, requests: Requests, it: List
) -> None:
    """OpenAI would refuse it; another server's rows may have it, so that SQLite compares. NULL equals nothing."""
    assert db.execute(it.sql("id", "AND status = NULL")).fetchall() == []
    assert requests() == []
    rows = [{**A, "status": "in_progress"}, {**B, "status": "pending"}, {**A, "id": "c", "status": "7"}]
    for value, found in (
        ("'nonsense'", []),
        ("'IN_PROGRESS'", []),
        ("''", []),
        ("x'00'", []),
        ("'pending'", [("b",)]),
        ("7", [("c",)]),
    ):
        for more in ("", " LIMIT 1"):
            sandbox.inject(Answer(page(rows)), path=it.path)
            assert db.execute(it.sql("id", f"AND status = {value}{more}")).fetchall() == found
            assert requests() == [it.get()]


@statused
def test_status_filter_is_sent_only_for_equality(db: apsw.Connection, requests: Requests, it: List) -> None:
    """Other comparisons are SQLite's, over the whole list."""
    failed = len(db.execute(it.sql("id", "AND status = 'failed'")).fetchall())
    assert len(db.execute(it.sql("id", "AND 'completed' = status")).fetchall()) == COUNT - failed
    assert {request.partition("?")[2].partition("&")[0] for request in requests()} == {
        "filter=failed",
        "filter=completed",
    }
    for condition, count in (
        ("status = 'FAILED' COLLATE NOCASE", failed),
        ("status IN ('failed', 'completed')", COUNT),
        ("status <> 'failed'", COUNT - failed),
        ("status IS NOT NULL", COUNT),
        ("(status = 'failed' OR id = 'file-000')", failed + 1),
    ):
        assert db.execute(it.sql("count(*)", f"AND {condition}")).get == count
        assert not [request for request in requests() if "filter=" in request and "OR" not in condition]


def test_status_filter_from_a_joined_table_is_sent(db: apsw.Connection, requests: Requests) -> None:
    """One list for each; what the API would refuse is sought in the whole list."""
    db.execute("CREATE TABLE wanted (s); INSERT INTO wanted VALUES ('failed'), ('nonsense'), ('cancelled')")
    sql = "SELECT s, count(id) FROM wanted CROSS JOIN vector_store_files ON status = s AND vector_store_id = 'vs_many' GROUP BY s"
    assert db.execute(sql).fetchall() == [("failed", 166)]
    assert {request.partition("&")[0].partition("?")[2] for request in requests()} == {
        "filter=failed",
        "filter=cancelled",
        "limit=100",
    }


@every
def test_raw_has_the_whole_object(db: apsw.Connection, sandbox: Any, it: List) -> None:
    """Also what no column is made of."""
    item = {"id": "a", "object": "x", "created_at": 1, "new_field": {"deep": [1, None]}, "nil": None}
    sandbox.inject(Answer(page([item])), path=it.path)
    assert db.execute(
        it.sql("raw ->> '$.new_field.deep[0]', json_type(raw, '$.nil'), raw ->> 'id', raw -> '*'")
    ).fetchall() == [(1, "null", "a", None)]
    for name, value in db.execute(f"SELECT key, value FROM {it.table} AS t, json_each(t.raw) WHERE {it.where} LIMIT 5"):
        assert name
        assert value != ""


@ids(LISTS[:1])
def test_interrupt_ends_pagination(db: apsw.Connection, sandbox: Any, it: List) -> None:
    """While a page is waited for."""
    sandbox.inject(Slow(30), path=it.path)
    began = time.monotonic()
    with when(lambda: sandbox.in_flight, db.interrupt), pytest.raises(apsw.InterruptError):
        db.execute(it.sql()).fetchall()
    assert time.monotonic() - began < 20


@pytest.mark.slow
@every
def test_cache_of_a_statement_has_each_list_once(db: apsw.Connection, requests: Requests, it: List) -> None:
    """However often it is scanned."""
    db.execute("CREATE TABLE few (x); INSERT INTO few VALUES (1), (2), (3)")
    sql = f"SELECT count(*) FROM few CROSS JOIN (SELECT id FROM {it.table} WHERE {it.where}) AS i JOIN (SELECT id FROM {it.table} WHERE {it.where} AND id LIKE '%1') AS j"
    assert db.execute(sql).get > 0
    taken = requests()
    assert len(taken) == len(set(taken)) == (1 if it.most > 100 else 3)


def test_in_list_of_stores_is_paginated_concurrently(connect: Any, sandbox: Any, requests: Requests) -> None:
    """As many at once as may be under way, each once."""
    db = connect(max_concurrency=8)
    names = [f"vs_{n:03}" for n in range(20)]
    for name in names:
        sandbox.add_batch(name, ["file-000", "file-001"], processing_seconds=0)
    sandbox.reset_counters()
    marks = ", ".join("?" * len(names))
    with meeting(sandbox, 8, path="vs_01"):  # if SQLite gives the values one by one, after ten of them
        found = db.execute(
            f"SELECT vector_store_id, id FROM vector_store_files WHERE vector_store_id IN ({marks})", names
        ).fetchall()
    assert sorted(found) == sorted((name, id) for name in names for id in ("file-000", "file-001"))
    assert sandbox.max_in_flight == 8
    assert sorted(requests()) == [f"GET /vector_stores/{name}/files?limit=100&order=desc" for name in names]


def test_filter_by_a_purpose_that_is_not_text_is_left_to_sqlite(
    db: apsw.Connection, sandbox: Any, requests: Requests
) -> None:
    """5 equals the text '5' in a column of text."""
    sandbox.add_file("x.md", id="file-five", purpose="5")
    db.execute("CREATE TABLE n (n INTEGER); INSERT INTO n VALUES (5)")
    for sql in (
        "SELECT id FROM files WHERE purpose = 5",
        "SELECT id FROM n CROSS JOIN files ON purpose = n",
        "SELECT id FROM files WHERE purpose = 5 LIMIT 1",
    ):
        assert db.execute(sql).fetchall() == [("file-five",)]
        assert requests() == ["GET /files?limit=10000&order=desc"]
