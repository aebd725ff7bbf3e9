"""vector_store_search: what is sent for a query, and the passages that come back."""

from __future__ import annotations

import json
import math
import re
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
Bodies = Callable[[], list[tuple[str, Any]]]
T = "vector_store_search"
POST = "POST /vector_stores/vs_demo/search"
FILE_1 = next(iter(FILES))
EN = {"type": "eq", "key": "lang", "value": "en"}


@pytest.mark.vcr
@pytest.mark.parametrize(
    "filters",
    [
        pytest.param(None, marks=pytest.mark.capability("search: passages, with the files that they are from")),
        pytest.param(EN, marks=pytest.mark.capability("search: filters")),
    ],
    ids=["all", "filtered"],
)
def test_search_finds_a_passage(
    replayed: apsw.Connection, place: Place, cassette: Any, sent: Sent, pause: Callable[[], None], filters: Any
) -> None:
    """Attach with an attribute, wait, search, also with a filter by it."""
    store = place.real(STORE)
    attach = (
        "INSERT INTO vector_store_files (vector_store_id, file_id, attributes) VALUES (?, ?, json_object('lang', 'en'))"
    )
    replayed.execute(attach, (store, place.real(FILE_1)))
    while (
        replayed.execute("SELECT status FROM vector_store_files WHERE rowid = last_insert_rowid()").get == "in_progress"
    ):
        pause()
    sql = f"SELECT file_id, filename, score, content, attributes FROM {T}(?, 'some words of text', 3, ?)"
    rows = replayed.execute(sql, (store, filters and json.dumps(filters))).fetchall()
    assert [row[:2] for row in rows] == [(place.real(FILE_1), "returns.md")]
    assert 0 <= rows[0][2] <= 1
    assert json.loads(rows[0][4]) == {"lang": "en"}
    assert sent(cassette)[-1] == (
        f"POST /vector_stores/{STORE}/search",
        {"query": "some words of text", "max_num_results": 3, **({"filters": filters} if filters else {})},
    )


@pytest.mark.parametrize(
    ("source", "body"),
    [
        ("('vs_demo', 'refund policy')", {"query": "refund policy"}),
        ("('vs_demo', 'refund policy', 5)", {"query": "refund policy", "max_num_results": 5}),
        (" WHERE query = 'refund policy' AND vector_store_id = 'vs_demo'", {"query": "refund policy"}),
        ("('vs_demo', '[\"refund\", \"policy\"]')", {"query": ["refund", "policy"]}),
        ("('vs_demo', json_array('refund'), 50)", {"query": ["refund"], "max_num_results": 50}),
        ("('vs_demo', '[refund] policy')", {"query": "[refund] policy"}),
        ("('vs_demo', 'refund', 1, NULL)", {"query": "refund", "max_num_results": 1}),
        ("('vs_demo', 'refund') WHERE filters IS NULL AND rewrite_query = NULL", {"query": "refund"}),
        ("('vs_demo', NULL, 1)", None),
        ("('vs_demo', 'refund') WHERE rewrite_query = 1", {"query": "refund", "rewrite_query": True}),
        ("('vs_demo', 'refund') WHERE rewrite_query = 0", {"query": "refund", "rewrite_query": False}),
        (
            '(\'vs_demo\', \'refund\', 7, \'{"type":"ne","key":"lang","value":"de"}\', \'{"ranker":"auto","score_threshold":0.25}\', 1)',
            {
                "query": "refund",
                "max_num_results": 7,
                "filters": {"type": "ne", "key": "lang", "value": "de"},
                "ranking_options": {"ranker": "auto", "score_threshold": 0.25},
                "rewrite_query": True,
            },
        ),
    ],
)
def test_request_body_has_the_arguments(db: apsw.Connection, bodies: Bodies, source: str, body: Any) -> None:
    """In the order of the hidden columns, or named. An option that is NULL is not given; a query that is, finds nothing."""
    rows = db.execute(f"SELECT filename, score FROM {T}{source}").fetchall()
    if body is None:
        assert (rows, bodies()) == ([], [])
    else:
        assert rows == [("returns.md", 1.0)]
        assert bodies() == [(POST, body)]


def test_arguments_come_back_as_they_were_given(db: apsw.Connection) -> None:
    """So that SQLite, which compares them again, loses no row."""
    filters = ' {"type": "ne", "key": "a", "value": 1} '
    sql = f"SELECT vector_store_id, query, max_num_results, filters, ranking_options, rewrite_query FROM {T}('vs_demo', ?, 3, ?, ?, 1)"
    given = (' ["refund"] ', filters, '{ "score_threshold": 0 }')
    assert db.execute(sql, given).get == ("vs_demo", given[0], 3, filters, given[2], 1)


def test_columns_of_a_hit(db: apsw.Connection, sandbox: Any) -> None:
    """The passage as text and as the API gives it."""
    hit = {
        "file_id": "f",
        "filename": "n",
        "score": 0.5,
        "attributes": {"a": 1},
        "content": [{"type": "text", "text": "one"}, {"type": "image"}, {"type": "text", "text": "two ü"}],
        "new": 7,
    }
    sandbox.inject(
        Answer(
            {
                "object": "vector_store.search_results.page",
                "search_query": ["q"],
                "data": [hit],
                "has_more": True,
                "next_page": "x",
            }
        )
    )
    cursor = db.execute(f"SELECT *, raw ->> 'new' FROM {T}('vs_demo', 'q')")
    names = [column[0] for column in cursor.get_description()][:6]
    assert names == ["file_id", "filename", "score", "content", "content_parts", "attributes"]
    row = next(cursor)
    assert row == (
        "f",
        "n",
        0.5,
        "one\ntwo ü",
        json.dumps(hit["content"], separators=(",", ":"), ensure_ascii=False),
        '{"a":1}',
        7,
    )


@pytest.mark.parametrize("search_query", ["refund", ["refund"], None, ...])
def test_response_in_either_shape_of_search_query(db: apsw.Connection, sandbox: Any, search_query: Any) -> None:
    """The description says a list, its example has a text; it is not needed."""
    page = {
        "object": "vector_store.search_results.page",
        "search_query": search_query,
        "data": [],
        "has_more": False,
        "next_page": None,
    }
    sandbox.inject(Answer({name: value for name, value in page.items() if value is not ...}))
    assert db.execute(f"SELECT * FROM {T}('vs_demo', 'refund')").fetchall() == []


def test_hits_without_content(db: apsw.Connection, sandbox: Any) -> None:
    """NULL, no exception."""
    hits = [
        {"file_id": "a"},
        {"file_id": "b", "content": []},
        {"file_id": "c", "content": "text"},
        {"file_id": "d", "content": [5, None, {"text": 7}]},
    ]
    sandbox.inject(Answer({"data": hits}))
    assert db.execute(f"SELECT file_id, content, score FROM {T}('vs_demo', 'refund')").fetchall() == [
        (id, None, None) for id in "abcd"
    ]


def test_filters_and_ranking_work_in_the_sandbox(db: apsw.Connection) -> None:
    """Best first, from 0 to 1; attributes compared, weak hits left out."""
    db.execute(
        "UPDATE vector_store_files SET attributes = json_object('lang', 'en', 'year', 2024) WHERE vector_store_id = 'vs_demo' AND id = 'file-demo-01'"
    )
    scores = [
        score
        for (score,) in db.execute(f"SELECT score FROM {T}('vs_demo', 'the refund policy covers postage within days')")
    ]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) > 2
    assert all(0 <= score <= 1 for score in scores)

    def found(filters: Any) -> list[str]:
        return [
            name
            for (name,) in db.execute(
                f"SELECT filename FROM {T}('vs_demo', 'refund warranty', 50, ?)", (json.dumps(filters),)
            )
        ]

    assert found(EN) == ["returns.md"]
    assert found({"type": "and", "filters": [EN, {"type": "gte", "key": "year", "value": 2024}]}) == ["returns.md"]
    assert found({"type": "and", "filters": [EN, {"type": "gt", "key": "year", "value": 2024}]}) == []
    assert found(
        {
            "type": "or",
            "filters": [
                {"type": "nin", "key": "lang", "value": ["en"]},
                {"type": "in", "key": "lang", "value": ["en"]},
            ],
        }
    ) == ["returns.md", "warranty.txt"]
    strict = db.execute(
        f"SELECT count(*) FROM {T}('vs_demo', 'the refund policy covers postage') WHERE ranking_options = '{{\"score_threshold\": 0.99}}'"
    )
    assert strict.get == 1


def test_join_with_a_table_of_queries(connect: Any, sandbox: Any, bodies: Bodies) -> None:
    """A search for each, several at once, each query once."""
    db = connect(max_concurrency=8)
    db.execute("CREATE TABLE questions (n INTEGER PRIMARY KEY, text TEXT)")
    words = ["refund", "warranty", "warehouse", "address"]
    db.executemany(
        "INSERT INTO questions (text) VALUES (?)",
        [(f"{word} {n // 8}",) for n in range(32) for word in (words[n % 4],)],
    )
    sandbox.reset_counters()
    sql = f"SELECT q.text, s.filename FROM questions AS q LEFT JOIN {T} AS s ON s.vector_store_id = 'vs_demo' AND s.query = q.text AND s.max_num_results = 1"
    with meeting(sandbox, 3, after=1):
        rows = db.execute(sql).fetchall()
    assert len(rows) == 32
    assert dict(rows)["refund 1"] == "returns.md"
    sent = [json.dumps(body) for _, body in bodies()]
    assert len(sent) == len(set(sent)) == 16


def test_in_list_over_queries_and_stores(db: apsw.Connection, bodies: Bodies) -> None:
    """Each with each."""
    sql = f"SELECT vector_store_id, query, count(*) FROM {T} WHERE vector_store_id IN ('vs_demo', 'vs_archive') AND query IN ('returns', 'warranty') GROUP BY 1, 2"
    assert {(s, q): n for s, q, n in db.execute(sql)} == {
        ("vs_archive", "returns"): 2,
        ("vs_demo", "returns"): 1,
        ("vs_demo", "warranty"): 1,
    }
    assert sorted((r, b["query"]) for r, b in bodies()) == [
        (f"POST /vector_stores/{store}/search", query)
        for store in ("vs_archive", "vs_demo")
        for query in ("returns", "warranty")
    ]


def test_or_over_two_queries(db: apsw.Connection) -> None:
    """A hit of one search is not a hit of the other."""
    rows = db.execute(
        f"SELECT query, filename FROM {T} WHERE vector_store_id = 'vs_demo' AND (query = 'refund' OR query = 'refund policy')"
    ).fetchall()
    assert sorted(rows) == [("refund", "returns.md"), ("refund policy", "returns.md")]


@pytest.mark.parametrize(
    ("where", "problem"),
    [
        ("query = ''", f"{T}.query: '' is not a query; write text such as 'refund policy'"),
        ("query = ' '", "is not a query"),
        ("query = 5", "5 is not a query"),
        ("query = '[]'", "is not an array of texts"),
        ("query = '[1]'", "is not an array of texts"),
        ("query = '[\"\"]'", "is not an array of texts"),
        (
            "query = 'q' AND max_num_results = 0",
            f"{T}.max_num_results: 0 is not a number of results; write a whole number from 1 to 50",
        ),
        ("query = 'q' AND max_num_results = 51", "51 is not a number of results"),
        ("query = 'q' AND max_num_results = 1.5", "1.5 is not a number of results"),
        ("query = 'q' AND filters = 'x'", f'{T}.filters: \'x\' is not JSON; write \'{{"type": "eq"'),
        ("query = 'q' AND filters = '{}'", "{} is not a filter"),
        (
            "query = 'q' AND filters = json_object('type', 'gte', 'key', 'year', 'value', 9e999)",
            f"{T}.filters: the value of gte is Infinity; write text, a number, true or false",
        ),
        (
            "query = 'q' AND filters = json_object('type', 'in', 'key', 'lang', 'value', json_array('en', NULL))",
            f"{T}.filters: item 1 of in is null; write an array of texts and numbers, such as json_array('en', 7)",
        ),
        ("query = 'q' AND ranking_options = '{\"x\":1}'", "is not a ranking_options object"),
        ("query = 'q' AND rewrite_query = 2", f"{T}.rewrite_query: 2 is not a flag; write 1 or 0"),
    ],
)
def test_arguments_that_are_wrong_are_refused(
    db: apsw.Connection, requests: Requests, where: str, problem: str
) -> None:
    """Before they are sent, with the column and what to write."""
    with pytest.raises(openai_vtab.ProgrammingError) as caught:
        db.execute(f"SELECT * FROM {T} WHERE vector_store_id = 'vs_demo' AND {where}").fetchall()
    assert problem in str(caught.value)
    assert requests() == []


@pytest.mark.parametrize(
    ("where", "missing"),
    [
        ("", "vector_store_id, query"),
        ("WHERE query = 'q'", "vector_store_id"),
        ("WHERE vector_store_id = 'vs_demo'", "query"),
        ("WHERE vector_store_id = 'vs_demo' AND query LIKE 'x%'", "query"),
    ],
)
def test_missing_keys_are_named(db: apsw.Connection, requests: Requests, where: str, missing: str) -> None:
    """The store and the query are needed."""
    with pytest.raises(
        openai_vtab.MissingColumnsError, match=f"{T} needs vector_store_id = … AND query = … .*missing: {missing}$"
    ):
        db.execute(f"SELECT * FROM {T} {where}").fetchall()
    assert requests() == []


def test_absent_store_raises(db: apsw.Connection, requests: Requests) -> None:
    """Not an empty result. The error says what to check."""
    with pytest.raises(openai_vtab.APIError, match=r"No vector store found .*; the vector store was deleted, or"):
        db.execute(f"SELECT * FROM {T}('vs_gone', 'q')").fetchall()


def test_retry_of_a_search(db: apsw.Connection, sandbox: Any, bodies: Bodies) -> None:
    """It changes nothing, although it is a POST."""
    sandbox.inject(openai_vtab.sandbox.Cut("answer"))
    assert db.execute(f"SELECT filename FROM {T}('vs_demo', 'refund')").get == "returns.md"
    assert bodies() == [(POST, {"query": "refund"})] * 2


@pytest.mark.parametrize(
    "sql",
    [
        f"INSERT INTO {T} (content) VALUES ('x')",
        f"DELETE FROM {T} WHERE vector_store_id = 'vs_demo' AND query = 'refund'",
        f"UPDATE {T} SET content = 'x' WHERE vector_store_id = 'vs_demo' AND query = 'refund'",
    ],
)
def test_writes_are_refused(db: apsw.Connection, sql: str) -> None:
    """And says so."""
    with pytest.raises(openai_vtab.UnsupportedWriteError, match=f"{T}: the API has no way to {sql[:6]}"):
        db.execute(sql)


def hits(attributes: str, score: str = "0.5") -> Answer:
    """An answer with one hit, written by hand."""
    hit = '{"file_id": "f", "filename": "a", "score": %s, "attributes": %s, "content": []}' % (score, attributes)
    return Answer(('{"object": "x", "data": [%s], "has_more": false}' % hit).encode())


@pytest.mark.parametrize(
    ("number", "json_", "score"),
    [
        ("NaN", "null", None),
        ("Infinity", "9.0e+999", math.inf),
        ("-Infinity", "-9.0e+999", -math.inf),
        ("1e400", "9.0e+999", math.inf),
        ("0.5", "0.5", 0.5),
        ("1" + "0" * 400, "1" + "0" * 400, math.inf),
    ],
)
def test_json_of_nan_and_infinity_is_valid(
    db: apsw.Connection, sandbox: Any, number: str, json_: str, score: float | None
) -> None:
    """Python's servers write NaN and Infinity: they become what SQLite's JSON functions make of them."""
    sandbox.inject(hits(f'{{"w": {number}, "\\"NaN": "Infinity, NaN"}}', number))
    row = db.execute(
        f"SELECT attributes, json_valid(attributes), json_valid(raw), raw ->> '$.attributes.\"\\\"NaN\"', score FROM {T}('vs_demo', 'x')"
    ).get
    assert row == (f'{{"w":{json_},"\\"NaN":"Infinity, NaN"}}', 1, 1, "Infinity, NaN", score)


@pytest.mark.parametrize(
    "attributes", ['"text"', '"\\ud800"', '{"\\udfff": "\\ud800"}', "5", "true", "1e999", "[]", '{"a": "\\u0000\\u001f"}', "null", '""']
)  # fmt: skip
def test_json_columns_are_valid_for_any_response(db: apsw.Connection, sandbox: Any, attributes: str) -> None:
    """Texts, lone surrogates and control characters."""
    sandbox.inject(hits(attributes))
    sql = f"SELECT coalesce(json_valid(attributes), 1), json_valid(content_parts), json_valid(raw) FROM {T}('vs_demo', 'x')"
    assert db.execute(sql).get == (1, 1, 1)


@pytest.mark.parametrize("depth", [5, 800, 997, 998, 999, 1000, 1001, 3000, 100_000])
def test_json_that_is_too_deep_for_sqlite_raises(db: apsw.Connection, sandbox: Any, depth: int) -> None:
    """SQLite reads a thousand levels."""
    sandbox.inject(hits("[" * depth + "]" * depth))
    sql = f"SELECT json_valid(attributes), json_valid(raw) FROM {T}('vs_demo', 'x')"
    problem = ""
    try:
        found = db.execute(sql).get
    except openai_vtab.Error as error:
        problem, found = str(error), None
    if depth <= 800:
        assert found == (1, 1)
    elif depth >= 1000:
        assert found is None
    assert found == (1, 1) or re.search("levels deep|not a JSON object", problem)


def test_json_of_brackets_in_texts_is_not_deep(db: apsw.Connection, sandbox: Any) -> None:
    """Only what is open at once counts."""
    sandbox.inject(hits(json.dumps({"a": '[{\\"' * 2000, "b": [[]] * 2000})))
    assert db.execute(f"SELECT json_valid(attributes), json_valid(raw) FROM {T}('vs_demo', 'x')").get == (1, 1)
