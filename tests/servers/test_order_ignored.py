"""Servers that ignore `order`: their lists have one order, whatever a request says. A wrong order is never returned."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.sandbox import Received
from openai_vtab.sandbox.messages import Response, json_response

Requests = Callable[[], list[str]]
Serve = Callable[[list[int]], None]
NOT_IN_ORDER = "vector_stores: the server's list is not in the order of created_at; write ORDER BY \\+created_at"


@pytest.fixture
def serve(serve_by: Any) -> Serve:
    """Let the server have vector stores of these times, in this order, whatever `order` says."""

    def begin(times: list[int]) -> None:
        every = [{"id": f"vs_{n}", "object": "vector_store", "created_at": at} for n, at in enumerate(times)]

        def listed(received: Received, carry_out: Callable[[Received], Response]) -> Response:
            path, _, query = received.path.partition("?")
            given = dict(part.split("=") for part in query.split("&") if part)
            if path != "/vector_stores" or "limit" not in given:
                return carry_out(received)
            start = int(given["after"].removeprefix("vs_")) + 1 if "after" in given else 0
            page = every[start : start + int(given["limit"])]
            more = start + len(page) < len(every)
            return json_response({"object": "list", "data": page, "has_more": more})

        serve_by(listed)

    return begin


def get(order: str, limit: int = 10, after: str = "") -> str:
    """The request for a page."""
    return f"GET /vector_stores?limit={limit}&order={order}" + (f"&after={after}" if after else "")


@pytest.mark.parametrize("limit", [1, 2, 5])
@pytest.mark.parametrize(
    ("times", "direction"),
    [([9, 8, 7, 6], "asc"), ([6, 7, 8, 9], "desc"), ([5, 7, 3, 8], "asc"), ([5, 7, 3, 8], "desc"), ([9, 9, 7], "asc")],
    ids=str,
)
def test_order_that_is_ignored_raises_with_any_limit(
    db: apsw.Connection, serve: Serve, requests: Requests, times: list[int], direction: str, limit: int
) -> None:
    """One page shows it, and the sentence's way out works."""
    serve(times)
    sql = "SELECT created_at FROM vector_stores ORDER BY {}created_at {} LIMIT {}"
    with pytest.raises(openai_vtab.OperationalError, match=NOT_IN_ORDER):
        db.execute(sql.format("", direction, limit)).fetchall()
    assert requests() == [get(direction)]
    found = [at for (at,) in db.execute(sql.format("+", direction, limit))]
    assert found == sorted(times, reverse=direction == "desc")[:limit]
    assert requests() == [get("desc", 100)]


@pytest.mark.parametrize(("times", "direction"), [([9, 8, 7], "desc"), ([7, 8, 9], "asc"), ([4], "asc"), ([], "asc")])
def test_order_that_is_right_by_chance_is_right(
    db: apsw.Connection, serve: Serve, requests: Requests, times: list[int], direction: str
) -> None:
    """The direction that the server has always; a list of one object has any order."""
    serve(times)
    sql = f"SELECT created_at FROM vector_stores ORDER BY created_at {direction} LIMIT 1"
    assert [at for (at,) in db.execute(sql)] == times[:1]
    assert requests() == [get(direction)]


def test_order_of_equal_times_is_looked_for_on_the_next_page(
    db: apsw.Connection, serve: Serve, requests: Requests
) -> None:
    """A page of one second says nothing; the rows wait for one more page, and no longer."""
    sql = "SELECT id FROM vector_stores ORDER BY created_at LIMIT 1"
    two = [get("asc"), get("asc", 100, "vs_9")]
    serve([9] * 15 + [8])
    with pytest.raises(openai_vtab.OperationalError, match=NOT_IN_ORDER):
        db.execute(sql).fetchall()
    assert requests() == two
    for times in ([7] * 15 + [8] * 200, [7] * 200):
        serve(times)
        assert db.execute(sql).fetchall() == [("vs_0",)]
        assert requests() == two


def test_order_of_a_list_of_equal_times_is_complete(db: apsw.Connection, serve: Serve, requests: Requests) -> None:
    """Every row comes once, from the pages that a list without LIMIT has anyway."""
    serve([7] * 250)
    found = [id for (id,) in db.execute("SELECT id FROM vector_stores ORDER BY created_at")]
    assert found == [f"vs_{n}" for n in range(250)]
    assert requests() == [get("asc", 100), get("asc", 100, "vs_99"), get("asc", 100, "vs_199")]


def test_order_before_an_error_row(connect: Any, serve: Serve, sandbox: Any) -> None:
    """The rows of the page that was read are there, and the error follows them."""
    serve([7] * 250)
    sandbox.inject(openai_vtab.sandbox.Status(500, message="boom"), times=None, path="after=")
    db = connect(errors="row", max_retries=0)
    rows = db.execute("SELECT id, error FROM vector_stores ORDER BY created_at").fetchall()
    assert [id for id, _ in rows] == [*(f"vs_{n}" for n in range(100)), None]
    assert json.loads(rows[-1][1])["message"] == "boom"


def test_order_that_is_ignored_raises_in_a_subquery(db: apsw.Connection, serve: Serve) -> None:
    """min() and max() of SQLite use an order, too."""
    serve([5, 9, 7])
    for sql in (
        "SELECT (SELECT created_at FROM vector_stores ORDER BY created_at DESC LIMIT 1)",
        "SELECT min(created_at) FROM vector_stores",
    ):
        try:
            found = db.execute(sql).get
        except openai_vtab.OperationalError as error:
            assert "not in the order" in str(error)  # noqa: PT017 - SQLite decides whether it uses the order
        else:
            assert found == 5
