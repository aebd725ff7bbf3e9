"""The rule that everything is SQLite's: random queries over the table and over an ordinary table with the same rows.

Requests are answered by a plain function in place of the network, so that thousands of queries can be compared.
"""

from __future__ import annotations

import json
from typing import Any

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import openai_vtab
from openai_vtab.protocol import Request, Response
from openai_vtab.transport.client import Client
from openai_vtab.transport.limits import WaitBudget

from ..support.slow import few_and_many

STORES = ["vs_1", "vs_2", "7"]
BATCHES = ["b_1", "b_2", "b_3", "B_1", "10", "é"]
STATUSES = ["in_progress", "completed", "failed", "cancelled"]
COLUMNS = [
    "id",
    "created_at",
    "file_counts",
    "object",
    "status",
    "vector_store_id",
    "batch_id",
    "failed_count",
    "total_count",
]


def batch(store: str, name: str) -> dict[str, Any]:
    number = STORES.index(store) * len(BATCHES) + BATCHES.index(name)
    counts = {"in_progress": 0, "completed": number, "failed": number % 3, "cancelled": 0, "total": number + number % 3}
    return {
        "id": name,
        "object": "vector_store.file_batch",
        "created_at": 1_700_000_000 + number % 4,
        "vector_store_id": store,
        "status": STATUSES[number % 4],
        "file_counts": counts,
    }


EXISTING = {
    (store, name): batch(store, name) for store in STORES for name in BATCHES if (store, name) != ("vs_2", "b_3")
}


class Answering:
    """A function Request → Response over EXISTING, which counts what it was asked."""

    def __init__(self) -> None:
        self.targets: list[str] = []
        self.failing: set[tuple[str, str]] = set()

    def send(self, request: Request, patience: WaitBudget, predicted: bool = False) -> Response:
        from urllib.parse import unquote

        assert request.method == "GET"
        self.targets.append(request.target)
        _, _, store, _, name = request.target.split("/")
        key = (unquote(store), unquote(name))
        if key in self.failing:
            return Response(500, {}, b"", request.target)
        found = EXISTING.get(key)
        absent = {"error": {"message": f"No file batch found with id '{key[1]}' in vector store '{key[0]}'."}}
        return Response(200 if found else 404, {}, json.dumps(found or absent).encode(), request.target)


@pytest.fixture(scope="module")
def answering() -> Any:
    answering = Answering()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Client, "send", answering.send)
        yield answering


@pytest.fixture(scope="module")
def db(answering: Answering) -> Any:
    """A connection with the table, and beside it `plain` with the same rows and some local tables."""
    yield from opened(read_ahead=True)


@pytest.fixture(scope="module")
def one_by_one(answering: Answering) -> Any:
    """The same without read-ahead."""
    yield from opened(read_ahead=False)


@pytest.fixture
def tolerant(answering: Answering) -> Any:
    """One that goes on without what cannot be read; in `plain`, too, only the keys of those are known."""
    for db in opened(read_ahead=True, errors="row"):
        for store, name in FAILING:
            unknown = [f"{column} = NULL" for column in COLUMNS if column not in ("id", "batch_id", "vector_store_id")]
            db.execute(f"UPDATE plain SET {', '.join(unknown)} WHERE vector_store_id = ? AND id = ?", (store, name))
        answering.failing = set(FAILING)
        yield db
        answering.failing = set()


FAILING = [("vs_1", "b_2"), ("vs_2", "b_1"), ("7", "10")]


def opened(read_ahead: bool, errors: Any = "raise") -> Any:
    db = openai_vtab.connect(api_key="k", base_url="http://127.0.0.1:9/v1", read_ahead=read_ahead, errors=errors)
    types = {c: "INTEGER" if c.endswith(("_at", "_count")) else "TEXT" for c in COLUMNS}
    db.execute(f"CREATE TABLE plain ({', '.join(f'{name} {type}' for name, type in types.items())})")
    for row in EXISTING.values():
        counts = json.dumps(row["file_counts"], separators=(",", ":"))
        db.execute(
            f"INSERT INTO plain VALUES ({', '.join('?' * len(COLUMNS))})",
            (row["id"], row["created_at"], counts, row["object"], row["status"], row["vector_store_id"], row["id"],
             row["file_counts"]["failed"], row["file_counts"]["total"]),
        )  # fmt: skip
    db.execute("CREATE TABLE local (n INTEGER, store TEXT, batch TEXT, any_type)")
    for number, (store, name) in enumerate(
        [(s, b) for s in [*STORES, None, "vs_none"] for b in [*BATCHES, None, "none"]]
    ):
        db.execute("INSERT INTO local VALUES (?, ?, ?, ?)", (number, store, name, number if number % 2 else name))
    yield db
    db.close()


# A value as SQL: ids that exist and that do not, numbers, NULL, a BLOB.
VALUES = [
    "'vs_1'",
    "'vs_2'",
    "'7'",
    "7",
    "'b_1'",
    "'b_2'",
    "'b_3'",
    "'B_1'",
    "10",
    "'10'",
    "'é'",
    "NULL",
    "'none'",
    "x'625f31'",
    "''",
    "1.5",
]
value = st.sampled_from(VALUES)
# pushed down, or not: the first two decide whether the query can run, the rest are only SQLite's
store_key = st.one_of(
    value.map(lambda v: f"vector_store_id = {v}"),
    st.lists(value, min_size=1, max_size=4).map(lambda vs: f"vector_store_id IN ({', '.join(vs)})"),
    st.sampled_from(["vector_store_id = l.store", "l.store = vector_store_id", "vector_store_id IS l.store"]),
    st.just("vector_store_id IN (SELECT store FROM local WHERE n < 9)"),
)
batch_key = st.one_of(
    st.tuples(st.sampled_from(["batch_id", "id"]), value).map(lambda t: f"{t[0]} = {t[1]}"),
    st.tuples(st.sampled_from(["batch_id", "id"]), st.lists(value, min_size=1, max_size=5)).map(
        lambda t: f"{t[0]} IN ({', '.join(t[1])})"
    ),
    st.sampled_from(["batch_id = l.batch", "l.batch = id", "id IS l.batch", "batch_id = l.any_type"]),
    st.just("batch_id IN (SELECT batch FROM local WHERE n % 3 = 0)"),
)
further = st.sampled_from(
    [
        "1", "status = 'completed'", "status = 'COMPLETED' COLLATE NOCASE", "status IN ('failed', 'cancelled')",
        "failed_count > 0", "created_at BETWEEN 1700000001 AND 1700000002", "file_counts ->> 'total' > 3", "id LIKE 'b%'",
        "lower(id) = 'b_1'", "NOT (total_count = 2)", "created_at IS NOT NULL", "id <> 'b_2'", "id > 'b'",
        "l.n % 2 = 0", "batch_id = 'b_1' OR failed_count = 1", "object IS 'vector_store.file_batch'",
    ]
)  # fmt: skip
outputs = st.sampled_from(
    [
        "l.n, id, status", "count(*), sum(failed_count), min(id)", "DISTINCT status, vector_store_id",
        "id, vector_store_id, created_at, file_counts, object", "l.n, row_number() OVER (ORDER BY l.n, id, vector_store_id)",
        "status, count(*)", "max(created_at), group_concat(id ORDER BY id)", "typeof(created_at), typeof(file_counts), typeof(id)",
    ]
)  # fmt: skip
branch = st.tuples(store_key, batch_key, further).map(lambda t: f"({t[0]} AND {t[1]} AND ({t[2]}))")
# SQLite does not look for keys in an OR in which anything is explicitly collated: the error says what is missing
where = (
    st.lists(branch, min_size=1, max_size=3)
    .filter(lambda branches: len(branches) == 1 or not any("COLLATE" in b for b in branches))
    .map(" OR ".join)
)
join = st.sampled_from(
    [
        "FROM local AS l JOIN {t} AS b ON {w}",
        "FROM {t} AS b JOIN local AS l ON {w}",
        "FROM local AS l LEFT JOIN {t} AS b ON {w}",
        "FROM local AS l, {t} AS b WHERE {w}",
        "FROM (SELECT * FROM local WHERE n < 20) AS l JOIN {t} AS b ON {w}",
        "FROM local AS l JOIN (SELECT id AS i, vector_store_id AS s FROM {t}) AS a ON a.s = l.store AND a.i = l.batch JOIN {t} AS b ON {w}",
        "FROM local AS l JOIN {t} AS b ON {w} LEFT JOIN (SELECT id AS i, vector_store_id AS s FROM {t}) AS a ON a.s = b.vector_store_id AND a.i = l.batch",
        "FROM local AS l JOIN (SELECT DISTINCT store AS s FROM local) AS m ON m.s = l.store JOIN {t} AS b ON {w}",
        "FROM (WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 30) SELECT local.* FROM n JOIN local ON local.n = n.i) AS l JOIN {t} AS b ON {w}",
        "FROM local AS l WHERE EXISTS (SELECT 1 FROM {t} AS b WHERE {w})",
        "FROM local AS l WHERE l.n NOT IN (SELECT failed_count FROM {t} AS b WHERE {w})",
    ]
)


@st.composite
def queries(draw: Any) -> str:
    """A query with {t} where the table stands."""
    form, condition = draw(join), draw(where)
    select = "l.n, l.store" if "WHERE EXISTS" in form or "NOT IN" in form else draw(outputs)
    group = " GROUP BY status" if select == "status, count(*)" else ""
    sql = f"SELECT {select} {form.replace('{w}', condition)}{group}"
    if draw(st.booleans()):
        sql = f"WITH q AS ({sql}) SELECT * FROM q {draw(st.sampled_from(['', 'UNION SELECT * FROM q', 'EXCEPT SELECT * FROM q WHERE 0']))}"
    return sql


def compare(db: apsw.Connection, one_by_one: apsw.Connection, answering: Answering, sql: str, ordered: bool) -> None:
    """The same rows over the table, with and without read-ahead, as over an ordinary one; and how often it asks."""

    def found(connection: apsw.Connection, table: str) -> list[Any]:
        answering.targets.clear()
        rows = connection.execute(sql.replace("{t}", table)).fetchall()
        return rows if ordered else sorted(map(repr, rows))  # without ORDER BY, SQLite promises no order

    expected = found(db, "plain")
    assert found(one_by_one, "vector_store_file_batches") == expected
    needed = list(answering.targets)
    assert len(needed) == len(set(needed))
    assert found(db, "vector_store_file_batches") == expected
    asked = list(answering.targets)
    assert len(asked) == len(set(asked))
    if " IN (" not in sql or not ("LIMIT" in sql or "EXISTS" in sql):
        # of an IN list that is not read to its end, those that were to come are under way, or not begun: as it happens
        assert set(needed) <= set(asked)
        assert len(asked) <= 2 * len(needed)


@pytest.mark.parametrize("examples", few_and_many(10, 400))
def test_random_queries_give_what_an_ordinary_table_gives(
    db: apsw.Connection, one_by_one: apsw.Connection, answering: Answering, examples: int
) -> None:
    """The same rows, no request twice in one statement, and never more than twice the requests it needs."""

    @settings(max_examples=examples, deadline=None)
    @given(sql=queries())
    def run(sql: str) -> None:
        compare(db, one_by_one, answering, sql, ordered=False)

    run()


@pytest.mark.parametrize("examples", few_and_many(5, 150))
def test_random_limits_send_few_requests(
    db: apsw.Connection, one_by_one: apsw.Connection, answering: Answering, examples: int
) -> None:
    """How many rows come is the same; which ones, SQLite does not promise."""

    @settings(max_examples=examples, deadline=None)
    @given(sql=queries(), limit=st.integers(0, 5))
    def run(sql: str, limit: int) -> None:
        sql = f"SELECT count(*) FROM (SELECT 1 FROM ({sql}) LIMIT {limit})"
        compare(db, one_by_one, answering, sql, ordered=True)

    run()


@pytest.mark.parametrize("examples", few_and_many(5, 150))
def test_random_orders_and_limits_give_the_same(
    db: apsw.Connection, one_by_one: apsw.Connection, answering: Answering, examples: int
) -> None:
    """With a total order the rows come in it."""

    @settings(max_examples=examples, deadline=None)
    @given(
        condition=where,
        order=st.permutations(["id", "vector_store_id DESC", "created_at", "l.n"]),
        limit=st.integers(0, 5),
    )
    def run(condition: str, order: list[str], limit: int) -> None:
        sql = f"SELECT l.n, id, vector_store_id, created_at FROM local AS l JOIN {{t}} AS b ON {condition} ORDER BY {', '.join(order)} LIMIT {limit}"
        compare(db, one_by_one, answering, sql, ordered=True)

    run()


@pytest.mark.parametrize("examples", few_and_many(5, 150))
def test_random_queries_with_error_rows_give_the_same(tolerant: apsw.Connection, examples: int) -> None:
    """With errors='row': SQLite joins, compares and counts it as a row with NULLs."""

    @settings(max_examples=examples, deadline=None)
    @given(sql=queries())
    def run(sql: str) -> None:
        rows = tolerant.execute(sql.replace("{t}", "vector_store_file_batches")).fetchall()
        assert sorted(map(repr, rows)) == sorted(map(repr, tolerant.execute(sql.replace("{t}", "plain")).fetchall()))

    run()
