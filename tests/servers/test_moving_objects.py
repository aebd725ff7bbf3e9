"""A server that counts its way through a list: what is created or deleted meanwhile moves objects between two pages."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.sandbox import Received
from openai_vtab.sandbox.messages import Response

from .conftest import changed

Requests = Callable[[], list[str]]
SQL = "SELECT id FROM vector_stores"
PATH = "GET /vector_stores?limit=100&order=desc"


@pytest.fixture
def count(sandbox: Any) -> int:
    """How many vector stores there are: three pages."""
    for number in range(230):
        sandbox.add_store(f"vs_x{number:03}")
    return len(sandbox._state.stores)


@pytest.fixture
def between(serve_by: Any) -> Callable[..., None]:
    """Let the server count: the page after n objects begins with the n-th. `act` happens before the second page."""

    def begin(act: Callable[[], object], has_more: bool = True, ignores_after: bool = False) -> None:
        given: list[str] = []

        def count(received: Received, carry_out: Callable[[Received], Response]) -> Response:
            path, _, query = received.path.partition("?")
            if path != "/vector_stores" or "limit=" not in query:
                return carry_out(received)
            if "after=" not in query:
                given.clear()
            elif len(given) == 100:
                act()
            start = 0 if ignores_after else len(given)
            every: list[Any] = []
            body: dict[str, Any] = {"has_more": True}
            while body["has_more"]:
                after = f"&after={every[-1]['id']}" if every else ""
                asked = Received("GET", f"{path}?limit=100&order=desc{after}", received.headers, b"")
                response = carry_out(asked)
                body = json.loads(response.body)
                every += body["data"]
            page = every[start : start + 100]
            given.extend(item["id"] for item in page)
            more = {"has_more": start + 100 < len(every)} if has_more else {"has_more": None}
            last = {"first_id": page[0]["id"] if page else None, "last_id": page[-1]["id"] if page else None}
            return changed(response, lambda body: body.update(data=page, **more, **last))

        serve_by(count)

    return begin


@pytest.mark.parametrize("has_more", [True, False], ids=["has_more", "no has_more"])
def test_pagination_gives_a_moved_object_once(
    db: apsw.Connection, sandbox: Any, between: Any, requests: Requests, count: int, has_more: bool
) -> None:
    """Three stores are created: the last three of the first page are the first three of the second."""
    between(lambda: [sandbox.add_store(f"vs_new{n}") for n in range(3)], has_more)
    found = [id for (id,) in db.execute(SQL)]
    assert len(found) == len(set(found)) == count
    assert not [id for id in found if id.startswith("vs_new")]
    after = [found[99], found[196]] + ([] if has_more else [found[-1]])
    assert requests() == [PATH, *(f"{PATH}&after={id}" for id in after)]


def test_pagination_gives_a_moved_object_once_in_order(
    db: apsw.Connection, sandbox: Any, between: Any, count: int
) -> None:
    """What comes again is not out of order."""
    between(lambda: [sandbox.add_store(f"vs_new{n}") for n in range(3)])
    found = db.execute("SELECT id, created_at FROM vector_stores ORDER BY created_at DESC").fetchall()
    assert len(dict(found)) == len(found) == count
    assert [at for _, at in found] == sorted((at for _, at in found), reverse=True)


def test_pagination_of_a_whole_page_again_is_an_error(
    db: apsw.Connection, sandbox: Any, between: Any, requests: Requests, count: int
) -> None:
    """A hundred new stores move the whole first page; a page with nothing new may be the same page for ever."""
    between(lambda: [sandbox.add_store(f"vs_new{n}") for n in range(100)])
    with pytest.raises(openai_vtab.APIError, match=r"the list repeats itself: the page after '.*' has only objects"):
        db.execute(SQL).fetchall()
    assert len(requests()) == 2
    between(lambda: None, ignores_after=True)
    with pytest.raises(openai_vtab.APIError, match="the list repeats itself"):
        db.execute(SQL).fetchall()
    assert len(requests()) == 2


def test_documents_find_a_moved_store_once(
    connect: Any, sandbox: Any, between: Any, requests: Requests, count: int
) -> None:
    """The table that looks for its store by its name reads the list to its end."""
    moved = [id for (id,) in connect().execute(f"{SQL} LIMIT 100")][-1]
    with sandbox._state.lock:
        sandbox._state.stores[moved].name = "Handbook"
    between(lambda: [sandbox.add_store(f"vs_new{n}") for n in range(3)])
    db = connect()
    db.execute("CREATE VIRTUAL TABLE d USING vector_store_documents(name = 'Handbook')")
    requests()
    with pytest.raises(openai_vtab.ProgrammingError, match="a vector store named 'Handbook' is there already"):
        db.execute("INSERT INTO d (key, content) VALUES ('a.md', 'hello')")
    assert [line.partition("&after")[0] for line in requests()] == [PATH] * 3
