"""Comparisons: keys of every type and in every form of a term, against an ordinary table with the same rows.

Requests are answered by a plain function in place of the network.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator

import apsw
import pytest

import openai_vtab
from openai_vtab.protocol import Request, Response
from openai_vtab.transport.client import Client
from openai_vtab.transport.limits import WaitBudget

TABLE = "vector_store_file_batches"
STORES = ["5", "-7", "1.5", "vs_1", "VS_1", "é", "9007199254740993"]
BATCHES = ["5", "b_1", "B_1", "10"]
TYPES = ["", "TEXT", "INTEGER", "REAL", "NUMERIC", "BLOB"]
VALUES = [
    "5", "-7", "5.0", "1.5", "'5'", "'5.0'", "'1.5'", "' 5'", "'05'", "'vs_1'", "'VS_1'", "'é'", "x'35'", "x'76735F31'", "NULL", "''",
    "9007199254740993", "9e999", "1e300", "'b_1'", "'10'", "10", "true",
]  # fmt: skip
ROWS = list(itertools.product(STORES, BATCHES))


def answer(client: Client, request: Request, patience: WaitBudget, predicted: bool = False) -> Response:
    from urllib.parse import unquote

    _, _, store, _, batch = request.target.split("/")
    key = unquote(store), unquote(batch)
    body = {"id": key[1], "vector_store_id": key[0], "status": "completed", "object": "vector_store.file_batch"}
    absent = {"error": {"message": f"No file batch found with id {key[1]!r}."}}
    found = key in ROWS
    return Response(200 if found else 404, {}, json.dumps(body if found else absent).encode(), request.target)


@pytest.fixture(scope="module")
def db() -> Iterator[apsw.Connection]:
    """A connection with the table; `plain` with the same rows; a local table of keys for each type."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Client, "send", answer)
        db = openai_vtab.connect(api_key="k", base_url="http://127.0.0.1:9/v1")
        db.execute("CREATE TABLE plain (vector_store_id TEXT, batch_id TEXT)")
        db.executemany("INSERT INTO plain VALUES (?, ?)", ROWS)
        for type in TYPES:
            name = f"keys_{type.lower()}"
            db.execute(f"CREATE TABLE {name} (n INTEGER PRIMARY KEY, s {type}, b {type}, t {type} COLLATE NOCASE)")
            db.execute(f"CREATE TABLE unique_{name} (s {type}, b {type}, UNIQUE (s, b))")
            for store, batch in itertools.product(VALUES, ["5", "'5'", "'b_1'", "5.0", "10", "'10'"]):
                db.execute(f"INSERT INTO {name}(s, b, t) VALUES ({store}, {batch}, {store})")
            db.execute(f"INSERT OR IGNORE INTO unique_{name} SELECT s, b FROM {name}")
        yield db
        db.close()


# {k} is a table of keys, {v} and {w} a value
FORMS = {
    "row value": "(vector_store_id, batch_id) IN (SELECT s, b FROM {k})",
    "row value, the other way round": "(batch_id, vector_store_id) IN (SELECT b, s FROM {k})",
    "row value over a unique index": "(vector_store_id, batch_id) IN (SELECT s, b FROM unique_{k})",
    "row value with a collation": "(vector_store_id, batch_id) IN (SELECT t, b FROM {k})",
    "row value, collated": "(vector_store_id, +batch_id) IN (SELECT s, b FROM {k}) AND batch_id IN ('5', 'b_1', '10')",
    "row value of expressions": "(vector_store_id, batch_id) IN (SELECT +s, b || '' FROM {k})",
    "row value, half an expression": "(vector_store_id, batch_id) IN (SELECT s, b + 0 FROM {k})",
    "row value of casts": "(vector_store_id, batch_id) IN (SELECT CAST(s AS NUMERIC), CAST(b AS BLOB) FROM {k})",
    "two row values": "(vector_store_id, batch_id) IN (SELECT s, b FROM {k}) AND (vector_store_id, batch_id) IN (SELECT s, b FROM keys_text)",
    "row value or list": "(vector_store_id, batch_id) IN (SELECT s, b FROM {k} WHERE n % 2) OR (vector_store_id IN ('vs_1', 5) AND batch_id IN ('b_1', 10))",
    "row value and a parameter": "(vector_store_id, batch_id) IN (SELECT s, b FROM {k} WHERE n < 1000000 AND s IS NOT {v})",
    "row values as values": "(vector_store_id, batch_id) IN (VALUES ({v}, '5'), ({v}, 5), ((SELECT s FROM {k} WHERE n = 1), 'b_1'))",
    "two lists": "vector_store_id IN (SELECT s FROM {k}) AND batch_id IN (SELECT b FROM {k})",
    "list and equal": "vector_store_id IN (SELECT s FROM {k}) AND batch_id = 'b_1'",
    "literals": "vector_store_id IN ({v}, 'vs_1') AND batch_id IN (5, 'b_1')",
    "equal": "vector_store_id = {v} AND batch_id = 5",
    "equal to an expression": "vector_store_id = +{v} AND batch_id = '5' || ''",
    "equal to a subquery": "vector_store_id = (SELECT s FROM {k} WHERE n = 3) AND batch_id IN ('5', 10)",
    "is": "vector_store_id IS (+{v}) AND batch_id IS 'b_1'",
    "a row value that is equal": "(vector_store_id, batch_id) = ({v}, '5')",
    "a row value that is a query": "(vector_store_id, batch_id) = (SELECT s, b FROM {k} WHERE s = {v} AND b = 5)",
    "not in": "vector_store_id IN ('5', 'vs_1') AND batch_id = '5' AND vector_store_id NOT IN (SELECT s FROM {k} WHERE s IS NOT NULL)",
}
JOINS = {
    "join": "SELECT n, vector_store_id, batch_id FROM {k} JOIN {t} ON vector_store_id = s AND batch_id = b",
    "left join": "SELECT n, vector_store_id, batch_id FROM {k} LEFT JOIN {t} ON vector_store_id = s AND batch_id = b",
    "join by IS": "SELECT n, vector_store_id, batch_id FROM {k} JOIN {t} ON vector_store_id IS s AND batch_id IS b",
    "join of expressions": "SELECT n, vector_store_id FROM {k} JOIN {t} ON vector_store_id = +s AND batch_id = b || ''",
    "join by a collated column": "SELECT n, vector_store_id FROM {k} JOIN {t} ON vector_store_id = t AND batch_id = b",
    "correlated row value": "SELECT n FROM {k} AS k WHERE EXISTS (SELECT 1 FROM {t} WHERE (vector_store_id, batch_id) IN (SELECT k.s, k.b))",
    "row value in a subquery": "SELECT n FROM {k} AS k WHERE k.n % 7 = 0 AND k.s IN (SELECT vector_store_id FROM {t} WHERE (vector_store_id, batch_id) IN (SELECT s, b FROM {k}))",
    "two tables": "SELECT x.vector_store_id, y.vector_store_id FROM {t} AS x, {t} AS y WHERE (x.vector_store_id, x.batch_id) IN (SELECT s, b FROM {k}) AND (y.vector_store_id, y.batch_id) IN (SELECT s, b FROM {k} WHERE n > 20)",
}


def compare(db: apsw.Connection, sql: str) -> None:
    """The same rows over both tables."""
    ours, theirs = (sorted(map(repr, db.execute(sql.replace("{t}", table)))) for table in (TABLE, "plain"))
    assert ours == theirs, sql


@pytest.mark.sample(24)
@pytest.mark.parametrize("type", TYPES)
@pytest.mark.parametrize("form", FORMS)
def test_comparison_in_a_term_is_that_of_an_ordinary_table(db: apsw.Connection, form: str, type: str) -> None:
    """Numbers, texts, BLOBs and NULL, in columns of every affinity and without one."""
    if form == "row value over a unique index" and type == "REAL" and apsw.SQLITE_VERSION_NUMBER >= 3_054_000:
        pytest.skip("SQLite 3.54 compares 5.0 of such an index as the text '5.0', and drops the row itself")
    for value in VALUES if "{v}" in FORMS[form] else VALUES[:1]:
        where = FORMS[form].replace("{k}", f"keys_{type.lower()}").replace("{v}", value)
        compare(db, f"SELECT vector_store_id, batch_id FROM {{t}} WHERE {where}")


@pytest.mark.sample(12)
@pytest.mark.parametrize("type", TYPES)
@pytest.mark.parametrize("form", JOINS)
def test_comparison_in_a_join_is_that_of_an_ordinary_table(db: apsw.Connection, form: str, type: str) -> None:
    """Also the row value of a subquery that is run again and again, and two in one statement."""
    compare(db, JOINS[form].replace("{k}", f"keys_{type.lower()}"))
