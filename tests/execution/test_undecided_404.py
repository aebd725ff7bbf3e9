"""A 404 that could also mean a wrong address: what settles it, with how many requests, and what is an error.

Absent keys must be no row, and a wrong base_url must never look like an empty database.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

import openai_vtab
from openai_vtab.sandbox import Answer, Cut, Status
from openai_vtab.vtable import lookup

T = "vector_store_file_batches"
BATCH = f"{T} WHERE vector_store_id = 'vs_demo' AND batch_id"
PATH = "GET /vector_stores/vs_demo/file_batches/"
STORE, STORES = "GET /vector_stores/vs_demo", "GET /vector_stores?limit=1"
ABSENT = Answer({"error": {"message": "Not found", "type": "invalid_request_error", "param": None, "code": None}}, 404)
EMPTY = Answer(b"", 404)
AZURE = Answer({"error": {"code": "404", "message": "Resource not found"}}, 404)
NO_ROUTE = Answer({"detail": "Not Found"}, 404)
PAGE = Answer(b"<html><title>404 Not Found</title></html>", 404, {"content-type": "text/html"})
INVALID = Answer({"error": {"message": "Invalid URL (GET /v1/x)", "type": "invalid_request_error"}}, 404)

Requests = Callable[[], list[str]]


def keys(count: int) -> str:
    """A join of so many keys that the API does not know."""
    return (
        f"WITH RECURSIVE k (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM k WHERE n < {count}) "
        f"SELECT n, status, error FROM k LEFT JOIN {T} ON vector_store_id = 'vs_demo' AND batch_id = 'vsfb_gone' || n"
    )


@pytest.mark.sample(1)
@pytest.mark.parametrize("fault", [ABSENT, EMPTY, AZURE], ids=["Not found", "empty", "Azure"])
def test_404_that_is_undecided_is_settled_by_one_look_at_the_parent(
    connect: Any, sandbox: Any, requests: Requests, fault: Answer
) -> None:
    """For a join of many keys; and for the life of the connection."""
    db = connect()
    sandbox.inject(fault, times=None, path="vsfb_gone")
    assert db.execute(keys(200)).fetchall() == [(n, None, None) for n in range(1, 201)]
    sent = requests()
    assert sorted(sent) == sorted([STORE, *(f"{PATH}vsfb_gone{n}" for n in range(1, 201))])
    assert db.execute(f"SELECT id FROM {BATCH} = 'vsfb_gone'").fetchall() == []
    assert requests() == [PATH + "vsfb_gone"]


def test_404_in_an_in_list_is_settled_once(connect: Any, sandbox: Any, requests: Requests) -> None:
    """Where the keys are asked for concurrently."""
    db = connect()
    sandbox.inject(ABSENT, times=None, path="vsfb_gone")
    wanted = tuple(f"vsfb_gone{n:03}" for n in range(200))
    assert db.execute(f"SELECT id FROM {BATCH} IN {wanted}").fetchall() == []
    sent = requests()
    assert (sent.count(STORE), len(sent)) == (1, 201)


@pytest.mark.parametrize("proof", ["vsfb_demo_finished", "vsfb_unknown"], ids=["a row", "a proven absence"])
def test_404_needs_no_look_where_the_route_is_proven(
    connect: Any, sandbox: Any, requests: Requests, proof: str
) -> None:
    """By a row, or by an error object that names the object: here, the usual case."""
    db = connect()
    sandbox.inject(ABSENT, times=None, path="vsfb_gone")
    db.execute(f"SELECT id FROM {BATCH} = ?", (proof,)).fetchall()
    assert db.execute(f"SELECT id FROM {BATCH} = 'vsfb_gone'").fetchall() == []
    assert requests() == [PATH + proof, PATH + "vsfb_gone"]


def test_404_of_the_parent_settles_it_too(connect: Any, sandbox: Any, requests: Requests) -> None:
    """A store that is proven absent has no batches; one whose own 404 is undecided is settled by the collection."""
    db = connect()
    sql = f"SELECT id FROM {T} WHERE vector_store_id = 'vs_gone' AND batch_id = 'vsfb_1'"
    gone = "GET /vector_stores/vs_gone"
    sandbox.inject(EMPTY, path="vs_gone/file_batches")
    assert db.execute(sql).fetchall() == []
    assert requests() == [gone + "/file_batches/vsfb_1", gone]
    db = connect()
    sandbox.inject(EMPTY, times=None, path="vs_gone")
    assert db.execute(sql).fetchall() == []
    assert requests() == [gone + "/file_batches/vsfb_1", gone, STORES]


@pytest.mark.parametrize(
    ("table", "object_", "parents"),
    [
        ("files WHERE id = 'file-gone'", "/files/file-gone", ["/files?limit=1"]),
        ("vector_stores WHERE id = 'vs_gone'", "/vector_stores/vs_gone", ["/vector_stores?limit=1"]),
        (
            "vector_store_files WHERE vector_store_id = 'vs_demo' AND file_id = 'file-gone'",
            "/vector_stores/vs_demo/files/file-gone",
            ["/vector_stores/vs_demo"],
        ),
    ],
)
def test_404_of_each_table_has_its_parent(
    connect: Any, sandbox: Any, requests: Requests, table: str, object_: str, parents: list[str]
) -> None:
    """The store of a batch or file, otherwise the collection."""
    sandbox.inject(ABSENT, times=None, path=re.escape(object_) + "$")
    for sql in (f"SELECT * FROM {table}", f"DELETE FROM {table}"):
        db = connect()
        assert db.execute(sql).fetchall() == []
        assert requests() == [f"GET {path}" for path in (object_, *parents)]


STATEMENTS = [
    f"SELECT status FROM {BATCH} = 'vsfb_demo_running'",
    f"SELECT status FROM {BATCH} IN ('vsfb_demo_running', 'vsfb_demo_finished')",
    f"SELECT status FROM {BATCH} = 'vsfb_demo_running' AND wait_seconds = 60",
    f"SELECT k, status FROM (SELECT 'vsfb_demo_running' AS k) LEFT JOIN {T} ON vector_store_id = 'vs_demo' AND batch_id = k",
    f"UPDATE {T} SET status = 'cancelled' WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_running'",
    "UPDATE vector_stores SET name = 'x' WHERE id = 'vs_demo'",
    "DELETE FROM vector_stores WHERE id = 'vs_demo'",
    "DELETE FROM files WHERE id = 'file-demo-01'",
    "DELETE FROM vector_store_files WHERE vector_store_id = 'vs_demo' AND file_id = 'file-demo-01'",
    "SELECT id FROM vector_stores",
    "INSERT INTO vector_stores (name) VALUES ('x')",
    "SELECT cancel_vector_store_file_batch('vs_demo', 'vsfb_demo_running')",
]


@pytest.mark.sample(20)
@pytest.mark.parametrize("sql", STATEMENTS)
@pytest.mark.parametrize(
    "fault", [NO_ROUTE, PAGE, INVALID, EMPTY, ABSENT], ids=["FastAPI", "HTML", "URL", "empty", "not"]
)
def test_404_of_a_wrong_address_is_an_error(connect: Any, sandbox: Any, sql: str, fault: Answer) -> None:
    """For whatever is asked: nothing reads as empty, nothing is silently left unchanged."""
    sandbox.inject(fault, times=None)
    with pytest.raises(openai_vtab.APIError, match="answered 404") as caught:
        connect().execute(sql).fetchall()
    assert sandbox.base_url in str(caught.value)
    assert caught.value.status == 404
    writes = [request for request in sandbox.requests if request.method != "GET"]
    assert writes == [] or sql.startswith(("INSERT", "SELECT cancel"))
    if fault in (NO_ROUTE, PAGE, INVALID) or not sql.startswith(("INSERT", "SELECT cancel", "SELECT id")):
        assert f"check base_url ({sandbox.base_url}); this server may not have the route" in str(caught.value)


@pytest.mark.parametrize("sql", [sql for sql in STATEMENTS if T in sql])
def test_404_of_one_missing_route_is_an_error(connect: Any, sandbox: Any, sql: str) -> None:
    """A gateway that has the stores and not their batches; also once the API has shown itself elsewhere."""
    db = connect()
    assert db.execute("SELECT id FROM vector_stores WHERE id = 'vs_demo'").get == "vs_demo"
    sandbox.inject(NO_ROUTE, times=None, path="file_batches")
    with pytest.raises(openai_vtab.APIError, match="no such route: check base_url"):
        db.execute(sql).fetchall()


@pytest.mark.parametrize(
    "fault",
    [NO_ROUTE, PAGE, EMPTY, Answer(PAGE.body), Answer({"status": "healthy"}), Status(401), Status(503), Cut("answer")],
    ids=["no route", "HTML", "empty", "HTML with 200", "another service", "401", "503", "cut"],
)
def test_404_is_an_error_when_the_look_at_the_parent_proves_nothing(
    connect: Any, sandbox: Any, requests: Requests, fault: Any
) -> None:
    """It says why, and is not remembered: once the look succeeds, the key is no row."""
    db = connect(max_retries=0)
    sandbox.inject(EMPTY, times=None, path="vsfb_gone")
    sandbox.inject(fault, times=None, path="^/vector_stores/vs_demo$")
    sandbox.inject(EMPTY, times=None, path=r"^/vector_stores\?limit=1$")
    sql = f"SELECT id FROM {BATCH} = 'vsfb_gone'"
    with pytest.raises(openai_vtab.APIError, match="answered 404: an empty response") as caught:
        db.execute(sql).fetchall()
    assert f"GET {sandbox.base_url}/vector_stores" in str(caught.value)
    assert "check base_url" in str(caught.value)
    assert caught.value.__context__ is None
    assert requests()[:2] == [PATH + "vsfb_gone", STORE]
    sandbox.clear_faults()
    sandbox.inject(EMPTY, times=None, path="vsfb_gone")
    assert db.execute(sql).fetchall() == []
    assert requests() == [PATH + "vsfb_gone", STORE]


@pytest.mark.parametrize("fault", [EMPTY, NO_ROUTE], ids=["undecided", "no route"])
def test_404_of_a_wrong_address_is_a_row_with_errors_as_rows(
    connect: Any, sandbox: Any, requests: Requests, fault: Answer
) -> None:
    """Each key has its row, whose message names what to check; the parents are looked at once in a statement."""
    db = connect(errors="row")
    sandbox.inject(fault, times=None)
    found = db.execute(keys(50)).fetchall()
    assert [(n, status) for n, status, _ in found] == [(n, None) for n in range(1, 51)]
    whys = [json.loads(error) for _, _, error in found]
    assert {why["status"] for why in whys} == {404}
    assert all("check base_url" in why["message"] for why in whys)
    looks = [line for line in requests() if not line.startswith(PATH)]
    assert looks == ([STORE, STORES] if fault is EMPTY else [])


def test_404_in_other_stores_needs_no_further_look(connect: Any, sandbox: Any, requests: Requests) -> None:
    """What proves nothing for one store is not asked again for the next one in the statement."""
    db = connect(errors="row")
    sandbox.inject(EMPTY, times=None)
    sql = (
        f"SELECT error FROM (VALUES ('vs_1'), ('vs_2'), ('vs_3')) AS v JOIN {T} AS b "
        "ON b.vector_store_id = v.column1 AND b.batch_id = 'vsfb_1'"
    )
    assert len(db.execute(sql).fetchall()) == 3
    looks = [line for line in requests() if "file_batches" not in line]
    assert looks == ["GET /vector_stores/vs_1", STORES]


@pytest.mark.parametrize("wait", ["", " AND wait_seconds = 0"], ids=["", "waiting"])
def test_404_after_ones_own_create_is_asked_again_first(
    connect: Any, sandbox: Any, requests: Requests, wait: str
) -> None:
    """Also one that is undecided: reads lag behind writes, and the parent would only say that the address is right."""
    db = connect()
    db.execute(f"INSERT INTO {T} (vector_store_id, file_ids) VALUES ('vs_demo', '[\"file-new-01\"]')")
    (batch,) = (id for store, id in sandbox.batches if store == "vs_demo" and not id.startswith("vsfb_demo"))
    sandbox.inject(EMPTY, times=2, method="GET", path=batch)
    requests()
    assert db.execute(f"SELECT id FROM {BATCH} = ?{wait}", (batch,)).get == batch
    assert requests() == [PATH + batch] * 3


def test_404_after_ones_own_create_is_settled_when_the_time_is_over(
    connect: Any, sandbox: Any, requests: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then it is no row, because the parent is there; and an unknown route is an error at once."""
    monkeypatch.setattr(lookup, "READ_AFTER_WRITE_SECONDS", 0.0)
    db = connect()
    db.execute(f"INSERT INTO {T} (vector_store_id, file_ids) VALUES ('vs_demo', '[\"file-new-01\"]')")
    (batch,) = (id for store, id in sandbox.batches if store == "vs_demo" and not id.startswith("vsfb_demo"))
    sandbox.inject(EMPTY, times=1, method="GET", path=batch)
    requests()
    assert db.execute(f"SELECT id FROM {BATCH} = ?", (batch,)).fetchall() == []
    assert requests() == [PATH + batch, STORE]
    monkeypatch.undo()
    sandbox.inject(NO_ROUTE, times=1, method="GET", path=batch)
    with pytest.raises(openai_vtab.APIError, match="no such route: check base_url"):
        db.execute(f"SELECT id FROM {BATCH} = ?", (batch,)).fetchall()
    assert requests() == [PATH + batch]


@pytest.mark.parametrize("fault", [EMPTY, NO_ROUTE], ids=["undecided", "no route"])
def test_404_does_not_make_a_ledgers_batch_unknown(connect: Any, sandbox: Any, fault: Answer) -> None:
    """Neither a listing nor adopting takes a wrong address for absence."""
    db = connect()
    db.execute(f"CREATE VIRTUAL TABLE mine USING {T}")
    db.execute("INSERT INTO mine (vector_store_id, id) VALUES ('vs_demo', 'vsfb_demo_running')")
    sandbox.inject(fault, times=None)
    with pytest.raises(openai_vtab.APIError, match="check base_url"):
        db.execute("SELECT * FROM mine").fetchall()
    with pytest.raises(openai_vtab.APIError, match="check base_url"):
        db.execute("INSERT INTO mine (vector_store_id, id) VALUES ('vs_demo', 'vsfb_demo_finished')")
    sandbox.clear_faults()
    assert db.execute("SELECT id, status FROM mine").fetchall() == [("vsfb_demo_running", "in_progress")]


def test_404_of_a_delete_that_is_retried_is_done_only_when_the_api_says_so(connect: Any, sandbox: Any) -> None:
    """Its first response was lost; a page of a proxy says nothing about the file."""
    db = connect()
    sandbox.inject(Cut("accept"), times=1, method="DELETE")
    sandbox.inject(PAGE, times=1, method="DELETE")
    with pytest.raises(openai_vtab.APIError, match="no such route: check base_url"):
        db.execute("DELETE FROM files WHERE id = 'file-demo-01'")
    assert db.execute("SELECT count(*) FROM files WHERE id = 'file-demo-01'").get == 1
