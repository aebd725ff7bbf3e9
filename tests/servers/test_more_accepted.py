"""A server that takes more than OpenAI's: rankers with options, any threshold, other ways to cut a file, more results."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.sandbox import Received
from openai_vtab.sandbox.messages import Response, json_response

B, F, S, V = "vector_store_file_batches", "vector_store_files", "vector_store_search", "vector_stores"
RANKING = {"ranker": "weighted", "alpha": 0.7, "score_threshold": 25, "model": {"id": "bge", "top_k": None}}
HEADINGS = {"type": "headings", "headings": {"levels": [1, 2], "max_chunk_size_tokens": 9000}}
MANY = {f"key {n}": {"nested": [n, "x" * 600]} for n in range(20)}
FILTER = {"type": "contains", "key": "tags", "value": ["a", True], "boost": 2}
FILES = [{"file_id": "file-new-01", "chunking_strategy": HEADINGS, "attributes": MANY, "priority": 1}]
STORE = {"vector_store_id": "vs_demo"}

Bodies = Callable[[], list[Any]]


@pytest.fixture
def bodies(sandbox: Any, serve_by: Any) -> Bodies:
    """What was sent as JSON since the last call. The server says that it has done it."""
    sent: list[Any] = []

    def take_all(received: Received, carry_out: Callable[[Received], Response]) -> Response:
        if received.method != "POST" or not received.body:
            return carry_out(received)
        sent.append(received.body)
        if received.segments[-1] == "search":
            return json_response({"object": "x", "data": [{"file_id": "file-1", "score": 30.5, "content": []}]})
        files = received.body.get("files") or received.body.get("file_ids") or []
        counts = {"in_progress": 0, "completed": len(files), "failed": 0, "cancelled": 0, "total": len(files)}
        shown = {"object": "x", "status": "completed", "file_counts": counts, **STORE}
        return json_response({**shown, **received.body, "id": received.body.get("file_id") or "x_new"})

    def take() -> list[Any]:
        taken, sent[:] = list(sent), []
        return taken

    serve_by(take_all)
    return take


def insert(table: str, **values: Any) -> tuple[str, list[Any]]:
    """An INSERT, and its parameters, JSON where it is none of SQLite's values."""
    marks = ", ".join("?" * len(values))
    given = [value if isinstance(value, str) else json.dumps(value) for value in values.values()]
    return f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})", given


WRITES = {
    "chunking": (insert(F, **STORE, file_id="file-1", chunking_strategy=HEADINGS), {"chunking_strategy": HEADINGS}),
    "attributes": (insert(F, **STORE, file_id="file-1", attributes=MANY), {"attributes": MANY}),
    "members of files": (insert(B, **STORE, files=FILES), {"files": FILES}),
    "metadata": (insert(V, name="a", metadata={"team": 7}), {"metadata": {"team": 7}}),
    "files of a store": (insert(V, file_ids=[f"f-{n}" for n in range(501)]), {}),
    "expiry": (insert(V, expires_after={"anchor": "now", "hours": 2}), {"expires_after": {"anchor": "now", "hours": 2}}),
}  # fmt: skip


@pytest.mark.parametrize("case", WRITES)
def test_strict_off_sends_what_openai_refuses(connect: Any, bodies: Bodies, case: str) -> None:
    """As it was given; by default it is refused before anything is sent."""
    (sql, given), shown = WRITES[case]
    with pytest.raises(openai_vtab.RowError):
        connect().execute(sql, given)
    assert bodies() == []
    connect(strict=False).execute(sql, given)
    (body,) = bodies()
    assert shown.items() <= body.items()


SEARCHES = {
    "ranking_options": (json.dumps(RANKING), RANKING),
    "filters": (json.dumps(FILTER), FILTER),
    "max_num_results": (200, 200),
}


@pytest.mark.parametrize("name", SEARCHES)
def test_strict_off_searches_as_the_server_can(connect: Any, bodies: Bodies, name: str) -> None:
    """In the table of searches, and in MATCH; a score above 1 comes back."""
    value, sent = SEARCHES[name]
    sql = f"SELECT score FROM {S}('vs_demo', 'refund') WHERE {name} = ?"
    with pytest.raises(openai_vtab.ProgrammingError, match=f"{S}.{name}"):
        connect().execute(sql, (value,)).fetchall()
    assert bodies() == []
    db = connect(strict=False)
    assert db.execute(sql, (value,)).fetchall() == [(30.5,)]
    db.execute("CREATE VIRTUAL TABLE d USING vector_store_documents(vector_store_id = 'vs_demo')")
    assert db.execute(f"SELECT score FROM d WHERE d MATCH 'refund' AND {name} = ?", (value,)).fetchall() == [(30.5,)]
    assert [body[name] for body in bodies()] == [sent, sent]


def test_strict_off_reaches_documents(connect: Any, sandbox: Any) -> None:
    """The arguments of the table, and the columns of a document, are taken. A strict connection cannot open it."""
    path = 'chunking_strategy = \'{"type": "headings"}\''
    sql = f"CREATE VIRTUAL TABLE d USING vector_store_documents(name = 'a', {path})"
    with pytest.raises(openai_vtab.ProgrammingError, match="the argument chunking_strategy"):
        connect().execute(sql)
    db = connect(strict=False)
    db.execute(sql)
    db.execute("BEGIN")
    db.execute("INSERT INTO d (key, content, attributes) VALUES ('a.md', 'x', ?)", (json.dumps(MANY),))
    assert json.loads(db.execute("SELECT attributes FROM d").get) == MANY
    db.execute("ROLLBACK")
    assert sandbox.requests == []


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("ranking_options", "[1]", "[1] is not a JSON object"),
        ("ranking_options", '{"a": 1e999}', "has an infinite number"),
        ("ranking_options", "{", "is not JSON"),
        ("filters", "null", "null is not a JSON object"),
        ("filters", None, None),
        ("max_num_results", 0, "0 is not a number of results; write a whole number of at least 1"),
        ("max_num_results", "many", "is not a number of results"),
    ],
)
def test_strict_off_refuses_what_is_no_json(
    connect: Any, bodies: Bodies, name: str, value: Any, problem: str | None
) -> None:
    """Nothing else could be sent. NULL is not given."""
    sql = f"SELECT score FROM {S}('vs_demo', 'refund') WHERE {name} = ?"
    if problem is None:
        assert connect(strict=False).execute(sql, (value,)).fetchall() == [(30.5,)]
        return
    with pytest.raises(openai_vtab.ProgrammingError) as caught:
        connect(strict=False).execute(sql, (value,)).fetchall()
    assert problem in str(caught.value)
    assert bodies() == []


def test_strict_off_still_wants_ids(connect: Any, bodies: Bodies) -> None:
    """A file without an id is a mistake everywhere."""
    db: apsw.Connection = connect(strict=False)
    sql, given = insert(B, **STORE, files=[{"priority": 1}])
    with pytest.raises(openai_vtab.RowError, match="item 0 has the file_id null"):
        db.execute(sql, given)
    assert bodies() == []
