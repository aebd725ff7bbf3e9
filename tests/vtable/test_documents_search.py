"""MATCH: what is sent, which documents the passages belong to, and their order."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.sandbox import Answer, Status

from ..documents.rows import CREATE, STORE, add, attach
from ..support.clock import FakeClock
from ..support.meeting import meeting

Requests = Callable[[], list[str]]
POST = f"POST /vector_stores/{STORE}/search"
TEXTS = {
    "file-returns": "Goods can be returned within thirty days. The refund policy covers postage.",
    "file-shipping": "Orders leave the warehouse within one day, by rail or by road.",
    "file-warranty": "The warranty lasts two years, and a refund is possible.",
}


@pytest.fixture
def table(sandbox: Any, connect: Callable[..., apsw.Connection], clock: FakeClock) -> apsw.Connection:
    """A connection with the table `handbook`, and three documents."""
    sandbox.add_store(STORE)
    db = connect(clock=clock)
    db.execute(CREATE)
    attach(sandbox, TEXTS)
    for file_id in TEXTS:
        add(db, file_id.removeprefix("file-"), file_id)
    return db


@pytest.fixture
def bodies(sandbox: Any) -> Callable[[], list[Any]]:
    """The bodies of the searches since the last call."""

    def take() -> list[Any]:
        taken = [request.body for request in list(sandbox.requests) if request.path.endswith("/search")]
        sandbox.requests.clear()
        return taken

    return take


def rows(db: apsw.Connection, sql: str, *bindings: Any) -> list[Any]:
    return db.execute(sql, bindings).fetchall()


def hits(*found: tuple[str, Any]) -> Answer:
    """A page with a hit for each file id and score."""
    data = [
        {"file_id": id, "filename": f"{id}.md", "score": score, "attributes": {"n": n},
         "content": [{"type": "text", "text": f"Passage {n}"}]}
        for n, (id, score) in enumerate(found)
    ]  # fmt: skip
    return Answer(json.dumps({"object": "x", "data": data, "has_more": False}).encode())


@pytest.mark.parametrize(
    ("source", "body"),
    [
        ("handbook WHERE handbook MATCH 'refund policy'", {"query": "refund policy", "max_num_results": 50}),
        ("handbook WHERE handbook = 'refund policy'", {"query": "refund policy", "max_num_results": 50}),
        ("handbook('refund policy')", {"query": "refund policy", "max_num_results": 50}),
        ("handbook('refund policy', 5)", {"query": "refund policy", "max_num_results": 5}),
        ("handbook WHERE handbook MATCH '[\"a\", \"b\"]'", {"query": ["a", "b"], "max_num_results": 50}),
        ("handbook('refund', 5, '{\"type\": \"eq\", \"key\": \"lang\", \"value\": \"en\"}')",
         {"query": "refund", "max_num_results": 5, "filters": {"type": "eq", "key": "lang", "value": "en"}}),
        ("handbook('refund', NULL, NULL, '{\"ranker\": \"auto\"}', 1)",
         {"query": "refund", "max_num_results": 50, "ranking_options": {"ranker": "auto"}, "rewrite_query": True}),
        ("handbook WHERE handbook MATCH 2026", {"query": "2026", "max_num_results": 50}),
    ],
)  # fmt: skip
def test_match_sends_one_search(
    table: apsw.Connection, bodies: Callable[[], list[Any]], source: str, body: dict[str, Any]
) -> None:
    """With 50 results, unless the query says otherwise."""
    rows(table, f"SELECT key FROM {source}")
    assert bodies() == [body]


def test_match_finds_documents_best_first(table: apsw.Connection, requests: Requests) -> None:
    """Rank is as FTS5's, score is the API's."""
    sql = "SELECT key, score, rank, passage, status FROM handbook WHERE handbook MATCH 'refund policy' ORDER BY rank"
    found = rows(table, sql)
    assert [row[0] for row in found] == ["returns", "warranty"]
    assert found[0][1:] == (1.0, -1.0, TEXTS["file-returns"], "completed")
    assert found[1][2] == -found[1][1]
    assert requests() == [POST]


def test_match_orders_by_rank_whatever_the_server_does(table: apsw.Connection, sandbox: Any) -> None:
    """Equal scores keep their order; a passage without a score comes last."""
    found = [("file-returns", 0.2), ("file-shipping", None), ("file-warranty", 0.9), ("file-returns", 0.9)]
    for order, expected in (
        ("rank", ["Passage 2", "Passage 3", "Passage 0", "Passage 1"]),
        ("score DESC", ["Passage 2", "Passage 3", "Passage 0", "Passage 1"]),
        ("rank DESC, passage", ["Passage 0", "Passage 2", "Passage 3", "Passage 1"]),
        ("score, passage", ["Passage 1", "Passage 0", "Passage 2", "Passage 3"]),
    ):
        sandbox.inject(hits(*found), path="search")
        sql = f"SELECT passage FROM handbook WHERE handbook MATCH 'x' ORDER BY {order}"
        assert [passage for (passage,) in rows(table, sql)] == expected


@pytest.mark.parametrize("odd", ["high", None, 10**400, -(10**400), [], {}])
def test_match_orders_odd_scores(table: apsw.Connection, sandbox: Any, odd: Any) -> None:
    """A score that is no number, or no float, does not stop the search."""
    sandbox.inject(hits(("file-returns", odd), ("file-warranty", 0.9)), path="search")
    sql = "SELECT key FROM handbook WHERE handbook MATCH 'x' ORDER BY rank"
    first = "returns" if odd == 10**400 else "warranty"
    assert rows(table, sql)[0] == (first,)


@pytest.mark.parametrize("name", ["a b", "a,b", "LIMIT", "asc", "MATCH", "it's", 'a"b', "Größe"])
def test_match_of_a_table_with_any_name(sandbox: Any, connect: Callable[..., apsw.Connection], name: str) -> None:
    """The plan has words of its own, and separates them with commas and spaces."""
    sandbox.add_store(STORE)
    attach(sandbox, TEXTS)
    quoted = '"' + name.replace('"', '""') + '"'
    db = connect()
    db.execute(CREATE.replace("handbook", quoted))
    columns = "key, score, vector_store_id, content"
    for source in (f"{quoted} WHERE {quoted} MATCH 'rail' AND max_num_results = 1", f"{quoted}('rail', 1)"):
        assert rows(db, f"SELECT {columns} FROM {source} ORDER BY rank") == [(None, 1.0, STORE, TEXTS["file-shipping"])]
    with pytest.raises(openai_vtab.ProgrammingError, match="arguments of a search"):
        db.execute(f"SELECT 1 FROM {quoted} WHERE max_num_results = 1")


def test_match_shows_every_passage_of_a_document(table: apsw.Connection, sandbox: Any) -> None:
    """As rows of its own."""
    sandbox.inject(hits(("file-returns", 0.9), ("file-returns", 0.8)), path="search")
    assert rows(table, "SELECT rowid, key, passage FROM handbook('x')") == [
        (1, "returns", "Passage 0"),
        (1, "returns", "Passage 1"),
    ]


@pytest.mark.parametrize("text", ["NULL", "(SELECT NULL)", "CAST(NULL AS TEXT)"])
def test_match_of_null_finds_nothing(table: apsw.Connection, requests: Requests, text: str) -> None:
    """Without a request."""
    assert rows(table, f"SELECT key FROM handbook WHERE handbook MATCH {text}") == []
    assert rows(table, f"SELECT key FROM handbook({text})") == []
    assert requests() == []


@pytest.mark.parametrize("text", ["''", "'  '", "x'78'"])
def test_match_of_nothing_is_refused(table: apsw.Connection, requests: Requests, text: str) -> None:
    """As by vector_store_search."""
    with pytest.raises(openai_vtab.ProgrammingError, match="is not a query; write text"):
        rows(table, f"SELECT key FROM handbook WHERE handbook MATCH {text}")
    assert requests() == []


def test_match_is_narrowed_by_sqlite_afterwards(table: apsw.Connection, bodies: Callable[[], list[Any]]) -> None:
    """A condition on attributes is not sent; filters are."""
    table.execute("UPDATE handbook_documents SET attributes = '{\"lang\":\"en\"}' WHERE key = 'warranty'")
    sql = "SELECT key FROM handbook WHERE handbook MATCH 'refund' AND attributes ->> 'lang' = 'en'"
    assert rows(table, sql) == [("warranty",)]
    assert rows(table, "SELECT key FROM handbook WHERE handbook MATCH 'refund' AND key = 'returns'") == [("returns",)]
    assert rows(table, "SELECT key FROM handbook WHERE handbook MATCH 'refund' AND rowid = 3") == [("warranty",)]
    assert bodies() == [{"query": "refund", "max_num_results": 50}] * 3


def test_match_of_a_file_that_the_table_does_not_know(table: apsw.Connection, sandbox: Any) -> None:
    """It has no key."""
    sandbox.inject(hits(("file-other", 0.9), ("file-returns", 0.8), ("file-other", 0.7)), path="search")
    sql = (
        "SELECT key, status, file_id, filename, attributes, sha256, vector_store_id, raw ->> 'score' FROM handbook('x')"
    )
    found = rows(table, sql)
    assert found[0] == (None, "completed", "file-other", "file-other.md", '{"n":0}', None, STORE, 0.9)
    assert found[1][0] == "returns"
    assert found[2][-1] == 0.7
    sandbox.inject(hits(("file-other", 0.9)), path="search")
    with pytest.raises(openai_vtab.UnsupportedWriteError, match="add AND key IS NOT NULL"):
        table.execute("DELETE FROM handbook WHERE handbook MATCH 'x'")


@pytest.mark.parametrize(
    ("older", "newer", "is_shown"),
    [
        ("completed", "completed", False),
        ("completed", "failed", True),
        ("completed", "uploaded", True),
        ("completed", "wanted", True),
        ("completed", "in_progress", True),
        ("unsure", "completed", False),
    ],
)
def test_match_shows_the_newest_version_that_is_completed(
    table: apsw.Connection, sandbox: Any, older: str, newer: str, is_shown: bool
) -> None:
    """The row is the document's, and the passage that of the version that was found."""
    add(table, "prices", "file-old", state=older)
    add(table, "prices", "file-new", state=newer)
    attach(sandbox, {"file-new": "x"}, seconds=100)
    sandbox.inject(hits(("file-old", 0.9)), path="search")
    found = rows(table, "SELECT key, file_id, passage FROM handbook('x')")
    assert found == ([("prices", "file-new", "Passage 0")] if is_shown else [])


@pytest.mark.parametrize("newer", ["completed", "in_progress", "unsure"])
def test_match_of_two_versions_shows_the_newer(table: apsw.Connection, sandbox: Any, newer: str) -> None:
    """The hit proves that it is completed."""
    add(table, "prices", "file-old")
    add(table, "prices", "file-new", state=newer)
    attach(sandbox, {"file-new": "x"})
    sandbox.inject(hits(("file-old", 0.9), ("file-new", 0.8)), path="search")
    assert rows(table, "SELECT status, passage FROM handbook('x')") == [("completed", "Passage 1")]


def test_match_of_an_old_version_looks_at_the_newer(table: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """It may be completed meanwhile."""
    add(table, "prices", "file-old")
    batch = attach(sandbox, {"file-new": "other words"})
    add(table, "prices", "file-new", state="in_progress", batch_id=batch)
    sandbox.inject(hits(("file-old", 0.9)), path="search")
    assert rows(table, "SELECT key FROM handbook('x')") == []
    assert requests() == [POST, f"GET /vector_stores/{STORE}/files/file-new"]
    assert rows(table, "SELECT key, status FROM handbook('words')") == [("prices", "completed")]


def test_match_hides_what_no_document_needs(table: apsw.Connection, sandbox: Any) -> None:
    """A file of a deleted document, or of a transaction that failed."""
    add(table, "prices", "file-1", state="leaving")
    add(table, "prices", "file-2")
    table.execute("UPDATE handbook_files SET document = NULL WHERE file_id IN ('file-1', 'file-2')")
    sandbox.inject(hits(("file-1", 0.9), ("file-2", 0.8), ("file-returns", 0.7)), path="search")
    assert rows(table, "SELECT key FROM handbook('x')") == [("returns",)]


def test_match_of_a_document_in_progress_learns_that_it_is_completed(
    table: apsw.Connection, sandbox: Any, requests: Requests
) -> None:
    """A search finds completed files alone."""
    batch = attach(sandbox, {"file-new": "gift cards"})
    add(table, "gifts", "file-new", state="in_progress", batch_id=batch)
    assert rows(table, "SELECT key, status FROM handbook('gift')") == [("gifts", "completed")]
    assert requests() == [POST]
    assert rows(table, "SELECT raw ->> 'status' FROM handbook WHERE key = 'gifts'") == [("completed",)]
    assert requests() == [f"GET /vector_stores/{STORE}/files/file-new"]


def test_match_waits_before_it_searches(table: apsw.Connection, sandbox: Any, clock: FakeClock) -> None:
    """wait_seconds is for all documents of the table."""
    batch = attach(sandbox, {"file-new": "gift cards"}, seconds=30)
    add(table, "gifts", "file-new", state="in_progress", batch_id=batch)
    assert rows(table, "SELECT key FROM handbook('gift')") == []
    assert rows(table, "SELECT key FROM handbook('gift') WHERE wait_seconds = 600") == [("gifts",)]
    assert 30 <= clock.slept < 40


def test_match_by_a_join_searches_each_text_once(
    table: apsw.Connection, sandbox: Any, bodies: Callable[[], list[Any]]
) -> None:
    """Concurrently."""
    table.execute("CREATE TABLE questions (n INTEGER PRIMARY KEY, question TEXT)")
    texts = ["refund", "rail", "warranty", "refund", None, *(f"word {n}" for n in range(20))]
    for text in texts:
        table.execute("INSERT INTO questions (question) VALUES (?)", (text,))
    for source in (
        "questions AS q JOIN handbook(q.question) AS h",
        "questions AS q JOIN handbook AS h ON h.handbook MATCH q.question",
        "questions AS q, handbook AS h ON h.handbook = q.question",
    ):
        sandbox.reset_counters()
        with meeting(sandbox, 3, after=1):
            found = rows(table, f"SELECT q.n, h.key FROM {source} ORDER BY q.n, h.key")
        refunds = ["returns", "warranty"]
        assert found[:6] == [
            (n, key) for n, keys in enumerate([refunds, ["shipping"], ["warranty"], refunds], 1) for key in keys
        ]
        sent = [body["query"] for body in bodies()]
        assert sorted(sent) == sorted({text for text in texts if text is not None})


def test_match_beside_the_keys_of_a_join(table: apsw.Connection, requests: Requests) -> None:
    """The search is sent once."""
    table.execute("CREATE TABLE titles (key TEXT, title TEXT)")
    table.execute("INSERT INTO titles VALUES ('returns', 'Returns'), ('warranty', 'Warranty')")
    for source in ("handbook('refund') AS h JOIN titles AS t ON t.key = h.key",
                   "titles AS t CROSS JOIN handbook('refund') AS h ON t.key = h.key"):  # fmt: skip
        assert sorted(rows(table, f"SELECT t.title FROM {source}")) == [("Returns",), ("Warranty",)]
        assert requests() == [POST]


def test_match_within_or_searches_each_text(table: apsw.Connection, bodies: Callable[[], list[Any]]) -> None:
    """SQLite shows each document once, as it does for FTS5."""
    sql = "SELECT key FROM handbook WHERE handbook MATCH 'rail' OR handbook MATCH 'policy' OR key = 'warranty'"
    assert sorted(rows(table, sql)) == [("returns",), ("shipping",), ("warranty",)]
    assert [body["query"] for body in bodies()] == ["rail", "policy"]


def test_match_of_a_list_of_texts_searches_each(table: apsw.Connection, bodies: Callable[[], list[Any]]) -> None:
    """IN is a search for each value."""
    sql = "SELECT handbook, key FROM handbook WHERE handbook IN ('rail', 'policy') ORDER BY key"
    assert rows(table, sql) == [("policy", "returns"), ("rail", "shipping")]
    assert sorted(body["query"] for body in bodies()) == ["policy", "rail"]


def test_match_deletes_a_document_once(table: apsw.Connection, sandbox: Any) -> None:
    """Also one with several passages."""
    sandbox.inject(hits(("file-returns", 0.9), ("file-returns", 0.8), ("file-shipping", 0.7)), path="search")
    table.execute("BEGIN")
    table.execute("DELETE FROM handbook WHERE handbook MATCH 'x'")
    assert rows(table, "SELECT key FROM handbook") == [("warranty",)]
    table.execute("ROLLBACK")


def test_match_reads_contents(table: apsw.Connection, requests: Requests) -> None:
    """Of the documents that were found."""
    assert rows(table, "SELECT key, content FROM handbook('rail')") == [("shipping", TEXTS["file-shipping"])]
    assert requests() == [POST, f"GET /vector_stores/{STORE}/files/file-shipping/content"]


def test_match_raises_what_the_api_answers(table: apsw.Connection, sandbox: Any) -> None:
    """Also when the vector store is gone."""
    sandbox.inject(Status(400), path="search")
    with pytest.raises(openai_vtab.APIError):
        rows(table, "SELECT key FROM handbook('x')")


def test_match_becomes_an_error_row(sandbox: Any, connect: Callable[..., apsw.Connection]) -> None:
    """With errors='row'."""
    sandbox.add_store(STORE)
    db = connect(errors="row")
    db.execute(CREATE)
    sandbox.inject(Status(400), path="search", times=None)
    sql = "SELECT key, status, score, error ->> 'status', raw FROM handbook('x') ORDER BY rank"
    assert rows(db, sql) == [(None, None, None, 400, None)]


def test_match_in_a_dry_run_is_shown(sandbox: Any, connect: Callable[..., apsw.Connection], requests: Requests) -> None:
    """And finds nothing."""
    db = connect(dry_run=True)
    db.execute("BEGIN")
    db.execute(CREATE)
    assert rows(db, "SELECT key FROM handbook('x')") == []
    assert requests() == []


def test_match_after_a_rename(table: apsw.Connection) -> None:
    """The column has the table's name."""
    table.execute("ALTER TABLE handbook RENAME TO guide")
    assert rows(table, "SELECT key FROM guide WHERE guide MATCH 'rail'") == [("shipping",)]
    assert rows(table, "SELECT key FROM guide('rail') ORDER BY rank") == [("shipping",)]


def test_match_in_views_and_other_databases(table: apsw.Connection, sandbox: Any) -> None:
    """As any column of a table."""
    table.execute("ATTACH ':memory:' AS other")
    table.execute(CREATE.replace("handbook", "other.handbook"))
    found = rows(table, "SELECT key, file_id FROM other.handbook('rail')")
    assert found == [(None, "file-shipping")]
    table.execute("CREATE TEMP VIEW best AS SELECT key, score FROM handbook WHERE handbook MATCH 'rail' ORDER BY rank")
    assert rows(table, "SELECT key FROM best") == [("shipping",)]
    sql = "WITH q(text) AS (VALUES ('rail'), ('policy')) SELECT text, key FROM q JOIN handbook(q.text) ORDER BY text"
    assert rows(table, sql) == [("policy", "returns"), ("rail", "shipping")]
