"""Servers that refuse OpenAI's largest pages: 10,000 files, or 100 of anything, or a limit of their clients' at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.sandbox import Received, Status
from openai_vtab.sandbox.messages import Response

from ..support.clock import FakeClock

Requests = Callable[[], list[str]]
Refuse = Callable[..., None]

OPENAI = {
    "error": {
        "message": "Invalid 'limit': integer above maximum value. Expected a value <= 100, but got 10000 instead.",
        "type": "invalid_request_error",
        "param": "limit",
        "code": "integer_above_max_value",
    }
}
FASTAPI = {"detail": [{"type": "less_than_equal", "loc": ["query", "limit"], "msg": "Input should be <= 100"}]}
REFUSALS = {
    "OpenAI's words": (400, OPENAI),
    "only param": (400, {"error": {"message": "out of range", "param": "limit"}}),
    "only words": (400, {"message": "The limit must be between 1 and 100."}),
    "FastAPI": (422, FASTAPI),
}
FILES, STORES = "GET /files?", "GET /vector_stores?"


@pytest.fixture
def refuse(serve_by: Any) -> Refuse:
    """Let the server refuse every `limit` above `most`; without one, its pages have `own` objects."""

    def begin(most: int, own: int = 20, status: int = 400, body: Any = OPENAI) -> None:
        def check(received: Received, carry_out: Callable[[Received], Response]) -> Response:
            path, _, query = received.path.partition("?")
            limit = [part for part in query.split("&") if part.startswith("limit=")]
            if received.method != "GET" or "order=" not in query:
                return carry_out(received)
            if limit and int(limit[0][6:]) > most:
                return Response(status, json.dumps(body).encode(), {"content-type": "application/json"})
            if not limit:
                query = f"{query}&limit={own}"
            return carry_out(Received("GET", f"{path}?{query}", received.headers, b""))

        serve_by(check)

    return begin


@pytest.fixture
def count(sandbox: Any) -> int:
    """How many files there are: more than a page of a hundred has."""
    for number in range(130):
        sandbox.add_file("x.md", id=f"file-x{number:03}")
    return len(sandbox._state.files)


def ids(db: apsw.Connection, sql: str = "SELECT id FROM files") -> list[str]:
    """The ids that a query returns."""
    return [id for (id,) in db.execute(sql)]


@pytest.mark.parametrize("case", REFUSALS)
def test_page_size_that_is_refused_becomes_smaller(
    db: apsw.Connection, refuse: Refuse, requests: Requests, count: int, case: str
) -> None:
    """The first page is requested again, and the list is complete; the next statement knows it."""
    refuse(100, 20, *REFUSALS[case])
    found = ids(db)
    assert len(set(found)) == len(found) == count
    smaller = [f"{FILES}limit=100&order=desc", f"{FILES}limit=100&order=desc&after={found[99]}"]
    assert requests() == [f"{FILES}limit=10000&order=desc", *smaller]
    assert ids(db) == found
    assert requests() == smaller
    assert ids(db, "SELECT id FROM files LIMIT 5") == found[:5]
    assert requests() == [f"{FILES}limit=5&order=desc"]
    assert ids(db, "SELECT id FROM files LIMIT 120") == found[:120]
    assert requests() == smaller


def test_page_size_is_left_to_the_server(db: apsw.Connection, refuse: Refuse, requests: Requests, count: int) -> None:
    """Where it refuses 100 as well; each route is learned for itself."""
    refuse(50, 60)
    found = ids(db)
    assert len(set(found)) == count
    own = [f"{FILES}order=desc"] + [f"{FILES}order=desc&after={found[at]}" for at in range(59, count - 1, 60)]
    assert requests() == [f"{FILES}limit=10000&order=desc", f"{FILES}limit=100&order=desc", *own]
    assert ids(db) == found
    assert requests() == own
    assert db.execute("SELECT count(*) > 0 FROM vector_stores").get == 1
    assert requests() == [f"{STORES}limit=100&order=desc", f"{STORES}order=desc"]


def test_page_size_is_remembered_for_all_stores(connect: Any, sandbox: Any, refuse: Refuse, requests: Requests) -> None:
    """A join asks the second store at once for pages that the first has taught."""
    for name in ("vs_1", "vs_2", "vs_3"):
        sandbox.add_store(name)
    refuse(50)
    db = connect(max_concurrency=1)
    sql = "SELECT count(f.id) FROM (VALUES ('vs_1'), ('vs_2'), ('vs_3')) AS v JOIN vector_store_files AS f ON f.vector_store_id = v.column1"
    assert db.execute(sql).get == 0
    paths = [f"GET /vector_stores/{name}/files?" for name in ("vs_1", "vs_2", "vs_3")]
    assert sorted(requests()) == sorted([f"{paths[0]}limit=100&order=desc", *(f"{path}order=desc" for path in paths)])


def test_page_size_of_the_setting_is_sent_as_it_is(
    connect: Any, refuse: Refuse, requests: Requests, count: int
) -> None:
    """Also above OpenAI's; a refusal of it is an error, and LIMIT still makes the first page smaller."""
    db = connect(page_size=70)
    found = ids(db)
    assert len(found) == count
    assert requests() == [
        f"{FILES}limit=70&order=desc",
        f"{FILES}limit=70&order=desc&after={found[69]}",
    ] + ([f"{FILES}limit=70&order=desc&after={found[139]}"] if count > 140 else [])
    assert ids(db, "SELECT id FROM files LIMIT 5") == found[:5]
    assert ids(db, "SELECT id FROM files LIMIT 90") == found[:90]
    assert requests() == [
        f"{FILES}limit=5&order=desc",
        f"{FILES}limit=70&order=desc",
        f"{FILES}limit=70&order=desc&after={found[69]}",
    ]
    refuse(100)
    with pytest.raises(openai_vtab.APIError, match="Invalid 'limit'"):
        ids(connect(page_size=500), "SELECT id FROM vector_stores")
    assert requests() == [f"{STORES}limit=500&order=desc"]


@pytest.mark.parametrize(
    ("status", "message"),
    [(400, "Rate limit exceeded"), (400, "Invalid 'after'"), (401, "limit"), (403, "the limit of your plan")],
)
def test_page_size_stays_after_other_errors(
    db: apsw.Connection, sandbox: Any, requests: Requests, status: int, message: str
) -> None:
    """Nothing is asked again."""
    sandbox.inject(Status(status, message=message), times=None, path="/files")
    with pytest.raises(openai_vtab.APIError, match=message):
        ids(db)
    assert requests() == [f"{FILES}limit=10000&order=desc"]


def test_page_size_that_no_request_can_have_is_an_error(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """Each size is asked for once; nothing is remembered, and the error shows what was sent last."""
    sandbox.inject(Status(400, message="the limit is wrong"), times=None, path="/files")
    tried = [f"{FILES}limit=10000&order=desc", f"{FILES}limit=100&order=desc", f"{FILES}order=desc"]
    for _ in range(2):
        with pytest.raises(openai_vtab.APIError, match=r"/files\?order=desc: answered 400: the limit is wrong"):
            ids(db)
        assert requests() == tried


def test_page_size_in_an_error_of_a_later_page(
    connect: Any, sandbox: Any, refuse: Refuse, requests: Requests, count: int
) -> None:
    """A list that breaks off is an error that names the request as it was sent."""
    refuse(100)
    sandbox.inject(Status(500, message="boom"), times=None, path="after=")
    with pytest.raises(openai_vtab.APIError, match=r"/files\?limit=100&order=desc&after=\S+: answered 500: boom"):
        ids(connect(max_retries=0))
    assert len(requests()) == 3


def test_page_size_in_bulk_reading(connect: Any, refuse: Refuse, requests: Requests, count: int) -> None:
    """The pages that stand for look-ups are smaller, too."""
    refuse(100)
    db = connect(clock=FakeClock())
    names = [f"file-x{number:03}" for number in range(130)]
    marks = ", ".join("?" * len(names))
    assert db.execute(f"SELECT count(*) FROM files WHERE id IN ({marks})", names).get == 130
    taken = requests()
    assert [line for line in taken if "limit=" in line][:2] == [
        f"{FILES}limit=10000&order=desc",
        f"{FILES}limit=100&order=desc",
    ]
    assert len(taken) < 60


@pytest.mark.parametrize("value", [0, -1, 2.5, "100", True])
def test_page_size_is_a_whole_number(connect: Any, value: Any) -> None:
    """Or None."""
    with pytest.raises(openai_vtab.InterfaceError, match="write a whole number of at least 1, or None"):
        connect(page_size=value)
