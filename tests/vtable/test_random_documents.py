"""The rule that everything is SQLite's: random queries over a documents table and over an ordinary table with its rows.

Requests are answered by a plain function in place of the network, so that thousands of queries can be compared.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import apsw
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import openai_vtab
from openai_vtab.protocol import Request, Response
from openai_vtab.transport.client import Client
from openai_vtab.transport.limits import WaitBudget

from ..documents.rows import CREATE, STORE, add
from ..support.slow import few_and_many

KEYS = ["a", "b", "B", "7", "07", "7.0", "é", "docs/a.md", "", "none yet", "1e1"]
STATUSES = ["completed", "failed", "cancelled", "missing", "in_progress", "unsure"]
LANGS = ["en", "de", None]
WORDS = ["refund", "rail", "7", "nothing"]
COLUMNS = [
    "key",
    "status",
    "attributes",
    "filename",
    "bytes",
    "sha256",
    "last_error_code",
    "file_id",
    "vector_store_id",
]
HITS = ["score", "rank", "passage"]


def state(key: str) -> str:
    """The state that the table has for a file; the API says "completed" of those that are unfinished."""
    return STATUSES[KEYS.index(key) % len(STATUSES)]


def file_id(key: str) -> str:
    return f"file-{KEYS.index(key)}"


def answer(key: str) -> dict[str, Any]:
    return {"id": file_id(key), "status": "completed", "last_error": None, "attributes": {}}


def hits(word: str) -> list[dict[str, Any]]:
    """Two passages of each third document, and of a file that the table does not know."""
    if word == "nothing":
        return []
    found = [key for key in KEYS if KEYS.index(key) % 3 == WORDS.index(word) and state(key) == "completed"] + ["b"]
    ids = [*(file_id(key) for key in found for _ in "12"), "file-unknown"]
    return [
        {"file_id": id, "filename": "other.md", "score": round(1 - place / 10, 3), "attributes": {"lang": "en"},
         "content": [{"type": "text", "text": f"{word} {place}"}]}
        for place, id in enumerate(ids)
    ]  # fmt: skip


class Answering:
    """A function Request → Response, which keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def send(self, request: Request, patience: WaitBudget, predicted: bool = False) -> Response:
        self.asked.append(request.identity)
        body: Any
        if request.method == "POST":
            assert isinstance(request.body, bytes)
            body = {"object": "page", "data": hits(json.loads(request.body)["query"]), "has_more": False}
        elif request.target.endswith("/content"):
            body = {"object": "page", "data": [{"type": "text", "text": request.target.split("/")[-2]}]}
        elif "?" in request.target:
            body = {"object": "list", "data": [answer(key) for key in KEYS], "has_more": False}
        elif request.target == f"/vector_stores/{STORE}":
            body = {"id": STORE, "file_counts": {"total": len(KEYS)}}
        else:
            body = answer(KEYS[int(request.target.rpartition("file-")[2])])
        return Response(200, {}, json.dumps(body).encode(), request.target)


@pytest.fixture
def answering() -> Iterator[Answering]:
    answering = Answering()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Client, "send", answering.send)
        yield answering


@pytest.fixture
def db(answering: Answering) -> Iterator[apsw.Connection]:
    """A connection with the table, and beside it `plain` with its rows, and `found` with those of searches."""
    db = openai_vtab.connect(api_key="k", base_url="http://127.0.0.1:9/v1")
    db.execute(CREATE)
    for number, key in enumerate(KEYS):
        attributes = {} if LANGS[number % 3] is None else {"lang": LANGS[number % 3]}
        add(db, key, file_id(key), state(key), json.dumps(attributes, separators=(",", ":")))
    names = ", ".join(COLUMNS)
    types = ", ".join(f"{name} {'INTEGER' if name == 'bytes' else 'TEXT'}" for name in COLUMNS)
    db.execute(f"CREATE TABLE plain ({types}, content TEXT)")
    content = "iif(status = 'completed', substr(file_id, 1), NULL)"
    db.execute(f"INSERT INTO plain SELECT {names}, {content} FROM handbook")
    db.execute(f"CREATE TABLE found (text TEXT, {types}, score REAL, rank REAL, passage TEXT)")
    for word in WORDS:
        for hit in hits(word):
            score, passage = hit["score"], hit["content"][0]["text"]
            known = db.execute(f"SELECT {names} FROM plain WHERE file_id = ?", (hit["file_id"],)).get
            row = known or (None, "completed", '{"lang":"en"}', "other.md", None, None, None, "file-unknown", STORE)
            marks = ", ".join("?" * (len(COLUMNS) + 4))
            db.execute(f"INSERT INTO found VALUES ({marks})", (word, *row, score, -score, passage))
    db.execute("CREATE TABLE local (n INTEGER, k TEXT, any_type, r REAL, word TEXT)")
    for n, key in enumerate([*KEYS, None, "other"]):
        number = 7 if n % 2 else 7.0
        db.execute("INSERT INTO local VALUES (?, ?, ?, ?, ?)", (n, key, number if n % 3 else key, number, WORDS[n % 4]))
    yield db
    db.close()


VALUES = [
    "'a'",
    "'b'",
    "'B'",
    "'7'",
    "7",
    "7.0",
    "'07'",
    "'é'",
    "''",
    "NULL",
    "x'61'",
    "'none'",
    "10",
    "'file-1'",
    "1e1",
]
value = st.sampled_from(VALUES)
values = st.lists(value, max_size=5).map(", ".join)
term = st.one_of(
    st.tuples(st.sampled_from(["key", "file_id", "h.rowid", "bytes"]), st.sampled_from(["=", "IS", "<>", ">"]), value)
    .map(" ".join),
    st.tuples(st.sampled_from(["key", "file_id", "h.rowid"]), values).map(lambda t: f"{t[0]} IN ({t[1]})"),
    st.sampled_from([
        "key = l.k", "l.k = key", "key = l.any_type", "key = l.r", "key IS l.k", "file_id = l.k", "h.rowid = l.n",
        "key IN (SELECT k FROM local WHERE n < 6)", "key IN (SELECT any_type FROM local)", "h.rowid IN (SELECT n FROM local)",
        "key = 'A' COLLATE NOCASE", "key LIKE 'docs/%'", "key GLOB '[a-b]'", "status = 'completed'", "status <> 'failed'",
        "attributes ->> 'lang' = 'en'", "attributes ->> 'lang' IS NULL", "file_id IS NULL", "length(key) = 1",
        "key BETWEEN 'a' AND 'c'", "NOT key = 'a'", "bytes > 1", "l.n % 2 = 0", "1",
    ]),
)  # fmt: skip
where = st.lists(st.lists(term, min_size=1, max_size=3).map(" AND ".join), min_size=1, max_size=2).map(
    lambda branches: " OR ".join(f"({branch})" for branch in branches)
)
outputs = st.sampled_from([
    "l.n, key, status", "count(*), min(key), max(bytes)", "DISTINCT status, attributes", "h.rowid, file_id, sha256",
    "l.n, row_number() OVER (ORDER BY l.n, h.rowid)", "group_concat(key ORDER BY key)", "key, filename, last_error_code",
    "typeof(key), typeof(bytes), typeof(h.rowid)", "key, content", "count(content), count(DISTINCT content)",
])  # fmt: skip
form = st.sampled_from([
    "SELECT {o} FROM local AS l JOIN {t} AS h ON {w}", "SELECT {o} FROM {t} AS h JOIN local AS l ON {w}",
    "SELECT {o} FROM local AS l LEFT JOIN {t} AS h ON {w}", "SELECT {o} FROM local AS l CROSS JOIN {t} AS h WHERE {w}",
    "SELECT l.n FROM local AS l WHERE EXISTS (SELECT 1 FROM {t} AS h WHERE {w})",
    "SELECT l.n FROM local AS l WHERE l.k NOT IN (SELECT key FROM {t} AS h WHERE {w})",
    "SELECT count(*) FROM {t} AS g, local AS l JOIN {t} AS h ON h.file_id = g.file_id AND g.key = l.k",
    "SELECT l.n, (SELECT status FROM {t} WHERE key = l.k) FROM local AS l",
])  # fmt: skip
queries = st.tuples(form, outputs, where).map(lambda q: q[0].replace("{o}", q[1]).replace("{w}", q[2]))


def same(db: apsw.Connection, answering: Answering, sql: str, other: str, ordered: bool = False) -> None:
    """The same rows, and no request twice, but for a text that was predicted in vain and is read after all."""

    def rows(sql: str) -> list[Any]:
        found = db.execute(sql).fetchall()
        return found if ordered else sorted(map(repr, found))  # without ORDER BY, SQLite promises no order

    expected = rows(other)
    for key in KEYS:  # the statement before has learned that they are completed
        db.execute("UPDATE handbook_files SET state = ? WHERE file_id = ?", (state(key), file_id(key)))
    answering.asked.clear()
    assert rows(sql) == expected
    repeated = Counter(answering.asked) - Counter(set(answering.asked))
    assert all(target.endswith("/content") and more == 1 for target, more in repeated.items()), repeated


@pytest.mark.parametrize("examples", few_and_many(15, 600))
def test_random_queries_of_documents(db: apsw.Connection, answering: Answering, examples: int) -> None:
    """The same rows as of an ordinary table."""

    @settings(max_examples=examples, deadline=None)
    @given(sql=queries)
    @example("SELECT key, content FROM local AS l LEFT JOIN {t} AS h ON (key = l.k) OR (attributes ->> 'lang' = 'en')")
    def run(sql: str) -> None:
        same(db, answering, sql.replace("{t}", "handbook"), sql.replace("{t}", "plain"))

    run()


@pytest.mark.parametrize("examples", few_and_many(8, 300))
def test_random_queries_of_documents_in_order(db: apsw.Connection, answering: Answering, examples: int) -> None:
    """With ORDER BY, LIMIT and OFFSET."""

    @settings(max_examples=examples, deadline=None)
    @given(
        condition=where,
        order=st.permutations(["key", "status DESC", "bytes", "l.n"]),
        limit=st.integers(-1, 9),
        offset=st.integers(0, 4),
    )
    def run(condition: str, order: list[str], limit: int, offset: int) -> None:
        sql = (
            f"SELECT l.n, key, status FROM local AS l JOIN {{t}} AS h ON {condition} "
            f"ORDER BY {', '.join(order)}, h.rowid LIMIT {limit} OFFSET {offset}"
        )
        same(db, answering, sql.replace("{t}", "handbook"), sql.replace("{t}", "plain"), ordered=True)

    run()


text = st.sampled_from(["'refund'", "'rail'", "'7'", "7", "'nothing'", "l.word", "NULL", "(SELECT 'rail')"])
narrow = st.lists(
    st.sampled_from([
        "1", "key = 'b'", "key = l.k", "key IS NULL", "score > 0.8", "rank < -0.85", "attributes ->> 'lang' = 'en'",
        "passage LIKE '%1'", "status = 'completed'", "file_id IN ('file-1', 'file-unknown')", "l.n < 5",
    ]),
    min_size=1,
    max_size=3,
).map(" AND ".join)  # fmt: skip
shown = st.sampled_from([
    "l.n, key, score", "count(*), max(score)", "key, rank, passage, filename", "DISTINCT file_id, status",
    "l.n, attributes, vector_store_id", "typeof(score), typeof(rank), typeof(passage)",
])  # fmt: skip
source = st.sampled_from([
    "local AS l JOIN {t} AS h ON {m} AND {w}", "{t} AS h JOIN local AS l ON {m} AND {w}",
    "local AS l CROSS JOIN {t} AS h WHERE {m} AND {w}", "local AS l LEFT JOIN {t} AS h ON {m} AND {w}",
    "(SELECT * FROM local LIMIT 4) AS l JOIN {t} AS h ON {m} AND {w}",
])  # fmt: skip


@pytest.mark.parametrize("examples", few_and_many(15, 600))
def test_random_searches_of_documents(db: apsw.Connection, answering: Answering, examples: int) -> None:
    """The same rows as of a table that has them for each text."""

    @settings(max_examples=examples, deadline=None)
    @given(
        output=shown, source=source, text=text, narrow=narrow, match=st.sampled_from(["MATCH", "="]),
        order=st.sampled_from(["", " ORDER BY rank, passage, l.n LIMIT 7", " ORDER BY score DESC, passage, l.n LIMIT 3"]),
    )  # fmt: skip
    def run(output: str, source: str, text: str, narrow: str, match: str, order: str) -> None:
        order = "" if "DISTINCT" in output or "count" in output else order
        sql = f"SELECT {output} FROM {source.replace('{w}', narrow)}{order}"
        ours = sql.replace("{t}", "handbook").replace("{m}", f"h.handbook {match} {text}")
        theirs = sql.replace("{t}", "found").replace("{m}", f"h.text = {text}")
        same(db, answering, ours, theirs, ordered=bool(order))

    run()


@pytest.mark.sample(10)
@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("order", ["rank", "rank ASC", "score DESC", "rank DESC", "score", "rank + 0", "key, rank"])
def test_random_order_of_one_search(db: apsw.Connection, answering: Answering, word: str, order: str) -> None:
    """Where the search's own order is taken, and where it is not."""
    columns = f"{', '.join(COLUMNS)}, {', '.join(HITS)}"
    for limit in ("", " LIMIT 2", " LIMIT 2 OFFSET 1"):
        ours = f"SELECT {columns} FROM handbook WHERE handbook MATCH '{word}' ORDER BY {order}{limit}"
        theirs = f"SELECT {columns} FROM found WHERE text = '{word}' ORDER BY {order}{limit}"
        same(db, answering, ours, theirs, ordered=True)
