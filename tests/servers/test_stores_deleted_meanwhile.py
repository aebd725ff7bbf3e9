"""Vector stores that are deleted after they were listed: their lists are absent, and nobody asked for them by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.sandbox import Received, Status
from openai_vtab.sandbox.messages import Response

Requests = Callable[[], list[str]]
GONE = "vs_gone"
JOIN = "vector_stores AS s JOIN vector_store_files AS f ON f.vector_store_id = s.id"


@pytest.fixture(autouse=True)
def _deletes_meanwhile(sandbox: Any, serve_by: Any) -> None:
    """Each list of stores has one that is deleted just then; the message quotes its id."""

    def delete(received: Received, carry_out: Callable[[Received], Response]) -> Response:
        path = received.path.partition("?")[0]
        if path != "/vector_stores" or received.method != "GET":
            return carry_out(received)
        sandbox.add_store(GONE)
        response = carry_out(received)
        carry_out(Received("DELETE", f"{path}/{GONE}", received.headers, b""))
        return response

    serve_by(delete)


@pytest.fixture
def tolerant(connect: Any) -> apsw.Connection:
    """A connection with errors="row", a table of ids, and views."""
    db: apsw.Connection = connect(errors="row", max_retries=0)
    db.execute("CREATE TABLE mine (id TEXT); INSERT INTO mine VALUES ('vs_demo'), ('vs_gone')")
    db.execute(f"CREATE TEMP VIEW joined AS SELECT f.id, f.error FROM {JOIN}")
    db.execute("CREATE TEMP VIEW named AS SELECT id, error FROM vector_store_files WHERE vector_store_id = 'vs_gone'")
    return db


JOINS = {
    "list of stores": f"SELECT f.id, f.error FROM {JOIN}",
    "own table": "SELECT f.id, f.error FROM mine AS m JOIN vector_store_files AS f ON f.vector_store_id = m.id",
    "with a status": f"SELECT f.id, f.error FROM {JOIN} WHERE f.status = 'completed'",
    "sorted": f"SELECT f.id, f.error FROM {JOIN} ORDER BY s.name, f.id",
    "view": "SELECT * FROM joined",
    "common table": "WITH x AS MATERIALIZED (SELECT id FROM vector_stores) SELECT f.id, f.error FROM x JOIN "
    "vector_store_files AS f ON f.vector_store_id = x.id",
    "search": "SELECT f.file_id, f.error FROM mine AS m JOIN vector_store_search AS f "
    "ON f.vector_store_id = m.id AND f.query = 'refund'",
}


@pytest.mark.parametrize("case", JOINS)
def test_absent_store_that_a_join_names_has_no_rows(
    tolerant: apsw.Connection, requests: Requests, caplog: pytest.LogCaptureFixture, case: str
) -> None:
    """It was asked for; the rows of the others are there, without an error and without a warning."""
    rows = tolerant.execute(JOINS[case]).fetchall()
    assert rows
    assert [row for row in rows if row[1] is not None] == []
    assert [line for line in requests() if f"/{GONE}/" in line] != []
    assert caplog.messages == []


def test_absent_store_of_a_left_join_has_a_row_of_nulls(tolerant: apsw.Connection) -> None:
    """As any row of the left table without a match; counts are of what is there."""
    sql = "SELECT m.id, f.id, f.error FROM mine AS m LEFT JOIN vector_store_files AS f ON f.vector_store_id = m.id"
    rows = tolerant.execute(sql).fetchall()
    assert rows[-1] == (GONE, None, None)
    counts = "SELECT id, (SELECT count(*) FROM vector_store_files AS f WHERE f.vector_store_id = m.id) FROM mine AS m"
    assert tolerant.execute(counts).fetchall() == [("vs_demo", len(rows) - 1), (GONE, 0)]


NAMED = {
    "literal": ("SELECT error FROM vector_store_files WHERE vector_store_id = 'vs_gone'", ()),
    "parameter": ("SELECT error FROM vector_store_files WHERE vector_store_id = ?", (GONE,)),
    "IN": ("SELECT error FROM vector_store_files WHERE vector_store_id IN ('vs_gone', ?)", ("vs_gone2",)),
    "literal in a join": ("SELECT f.error FROM mine JOIN vector_store_files AS f ON f.vector_store_id = 'vs_gone'", ()),
    "VALUES": (
        "SELECT f.error FROM (VALUES ('vs_gone')) AS v JOIN vector_store_files AS f ON f.vector_store_id = v.column1",
        (),
    ),
    "JSON in a parameter": (
        "SELECT f.error FROM json_each(?) AS j JOIN vector_store_files AS f ON f.vector_store_id = j.value",
        ('["vs_gone"]',),
    ),
    "a view's literal": ("SELECT error FROM named", ()),
    "search": ("SELECT error FROM vector_store_search('vs_gone', 'refund')", ()),
    "a batch": ("SELECT error FROM vector_store_file_batch_files('vs_gone', 'vsfb_1')", ()),
}


@pytest.mark.parametrize("case", NAMED)
def test_absent_store_that_the_statement_names_is_an_error(tolerant: apsw.Connection, case: str) -> None:
    """A mistake in an id must not look like an empty store."""
    sql, given = NAMED[case]
    errors = [json.loads(error) for (error,) in tolerant.execute(sql, given)]
    assert errors
    assert {error["status"] for error in errors} == {404}
    assert all("vs_gone" in error["message"] for error in errors)


def test_absent_batch_and_file_that_a_join_names_have_no_rows(tolerant: apsw.Connection, requests: Requests) -> None:
    """The response names what is absent, perhaps beside its store: a name that the statement gives is an error."""
    tolerant.execute("CREATE TABLE batches (store, batch); CREATE TABLE uploads (id)")
    tolerant.execute("INSERT INTO batches VALUES ('vs_demo', 'vsfb_demo_finished'), ('vs_demo', 'vsfb_none')")
    tolerant.execute("INSERT INTO uploads VALUES ('file-demo-01'), ('file-none')")
    batches = "SELECT f.error FROM batches AS b JOIN vector_store_file_batch_files AS f"
    uploads = "SELECT f.error FROM uploads AS u JOIN vector_store_file_content AS f"
    for sql, errors in (
        (f"{batches} ON f.batch_id = b.batch AND f.vector_store_id = b.store", 0),
        (f"{uploads} JOIN batches AS b ON f.file_id = u.id AND f.vector_store_id = b.store", 0),
        (f"{batches} ON f.batch_id = b.batch AND f.vector_store_id = 'vs_demo'", 1),
        (f"{uploads} ON f.file_id = u.id AND f.vector_store_id = 'vs_demo'", 1),
        (f"{batches} ON f.batch_id = 'vsfb_none' AND f.vector_store_id = b.store", 2),
        (f"{uploads} ON f.file_id = u.id AND f.vector_store_id = 'vs_none'", 2),
    ):
        found = [error for (error,) in tolerant.execute(sql)]
        assert found
        assert [json.loads(error)["status"] for error in found if error is not None] == [404] * errors
    assert len(requests()) == 11


def test_absent_store_raises_without_error_rows(connect: Any) -> None:
    """By default, and in a statement that writes: it would write of fewer rows than there were."""
    with pytest.raises(openai_vtab.APIError, match=GONE):
        connect(max_retries=0).execute(JOINS["list of stores"]).fetchall()
    with pytest.raises(openai_vtab.APIError, match=GONE):
        connect(errors="row").execute(f"CREATE TABLE copy AS {JOINS['list of stores']}")


@pytest.mark.parametrize(
    ("status", "message"), [(404, "Not found."), (404, "Invalid URL"), (500, "boom"), (403, "No access to vs_gone")]
)
def test_absent_store_is_nothing_else(tolerant: apsw.Connection, sandbox: Any, status: int, message: str) -> None:
    """Only a response that names the absent store."""
    sandbox.inject(Status(status, message=message), times=None, path=f"/{GONE}/files")
    rows = tolerant.execute(JOINS["own table"]).fetchall()
    assert [json.loads(error)["status"] for _, error in rows if error is not None] == [status]


def test_absent_store_after_its_first_page_is_an_error(tolerant: apsw.Connection, sandbox: Any) -> None:
    """The rows that were read are not all of its rows."""
    sandbox.add_store("vs_big")
    for number in range(130):
        sandbox.add_file("x.md", id=f"file-x{number:03}")
    sandbox.add_batch("vs_big", [f"file-x{number:03}" for number in range(130)])
    tolerant.execute("INSERT INTO mine VALUES ('vs_big')")
    sandbox.inject(Status(404, message="No vector store found with id 'vs_big'."), times=None, path="after=")
    rows = tolerant.execute(JOINS["own table"]).fetchall()
    assert [json.loads(error)["status"] for _, error in rows if error is not None] == [404]
