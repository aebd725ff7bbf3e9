"""Read-ahead over SQLite: joins are concurrent, and a statement gives the same rows with and without it."""

from __future__ import annotations

from typing import Any

import apsw
import apsw.ext
import pytest

from ...support.meeting import meeting
from .joins import IDS, JOIN, LATER, ON, ROWS, Requests, Run, T

PATH = "/vector_stores/vs_demo/file_batches/"


def test_prefetch_makes_a_join_concurrent(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """The same rows, each key once, several at once and never more than allowed."""
    sandbox.reset_counters()
    with meeting(sandbox, 16, path="vsfb_0[23]"):
        assert db.execute(JOIN).fetchall() == ROWS
    assert sorted(requests()) == [f"GET {PATH}{name}" for name in IDS]
    assert sandbox.max_in_flight == 16


def test_prefetch_can_be_switched_off(one_by_one: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """read_ahead=False: one after another, in the join's order; the cursor class is APSW's own."""
    sandbox.reset_counters()
    assert one_by_one.execute(JOIN).fetchall() == ROWS
    assert requests() == [f"GET {PATH}{name}" for name in IDS]
    assert sandbox.max_in_flight == 1
    assert type(one_by_one.execute("SELECT 1")) is apsw.Cursor


@pytest.mark.sample(1)
@pytest.mark.parametrize("most", [1, 2, 5])
def test_prefetch_never_exceeds_max_concurrency(connect: Any, fill: Any, sandbox: Any, most: int) -> None:
    """Whatever is predicted, also by two statements at once."""
    db = fill(connect(max_concurrency=most))
    sandbox.reset_counters()
    with meeting(sandbox, most, path="vsfb_0[12]"):
        first, second = db.execute(JOIN), db.execute(f"{JOIN} ORDER BY d.n DESC")
        rows = list(zip(first, second, strict=True))
    assert rows == list(zip(ROWS, reversed(ROWS), strict=True))
    assert sandbox.max_in_flight == most


QUERIES = {
    "all": JOIN,
    "limit": f"{JOIN} LIMIT 3",
    "limit and offset": f"{JOIN} LIMIT 3 OFFSET 5",
    "ordered by a local column": f"{JOIN} ORDER BY d.n DESC LIMIT 4",
    "ordered by an answer": f"{JOIN} WHERE d.n < 9 ORDER BY t.id DESC LIMIT 4",
    "left": f"SELECT d.n, t.id FROM d LEFT JOIN {T} AS t ON {ON} LIMIT 7",
    "left with NULL keys": f"SELECT l.n, t.id FROM (SELECT n, s, CASE WHEN n % 3 THEN b END AS b FROM d) AS l LEFT JOIN {T} AS t ON t.vector_store_id = l.s AND t.batch_id = l.b",
    "unknown keys": f"SELECT d.n, t.id FROM d LEFT JOIN {T} AS t ON t.vector_store_id = d.s AND t.batch_id = d.b || 'x' LIMIT 9",
    "no match at all": f"SELECT d.n, t.id FROM d JOIN {T} AS t ON t.vector_store_id = d.s AND t.batch_id = d.b || 'x'",
    "scalar subquery": f"SELECT n, (SELECT status FROM {T} AS t WHERE {ON}) FROM d LIMIT 6",
    "two scalar subqueries": f"SELECT n, (SELECT status FROM {T} AS t WHERE {ON}), (SELECT id FROM {T} AS t WHERE t.vector_store_id = d.s AND t.id = 'vsfb_' || printf('%03d', 39 - n)) FROM d LIMIT 6",
    "exists": f"SELECT n FROM d WHERE EXISTS (SELECT 1 FROM {T} AS t WHERE {ON}) LIMIT 5",
    "not exists": f"SELECT n FROM d WHERE NOT EXISTS (SELECT 1 FROM {T} AS t WHERE {ON})",
    "not in": f"SELECT n FROM d WHERE n NOT IN (SELECT failed_count FROM {T} AS t WHERE {ON}) LIMIT 5",
    "not exists before exists": f"SELECT n FROM d WHERE NOT EXISTS (SELECT 1 FROM {T} AS t WHERE {ON} AND n % 2) AND EXISTS (SELECT 1 FROM {T} AS t WHERE t.vector_store_id = d.s AND t.batch_id = 'vsfb_demo_finished')",
    "three of them": f"SELECT d.n, a.id, b.id, c.id FROM d JOIN {T} a ON a.vector_store_id = d.s AND a.batch_id = d.b JOIN {T} b ON b.vector_store_id = a.vector_store_id AND b.batch_id = 'vsfb_' || printf('%03d', d.n + 1) JOIN {T} c ON c.vector_store_id = b.vector_store_id AND c.batch_id = a.id LIMIT 5",
    "left of left": f"SELECT d.n, a.id, b.id FROM d LEFT JOIN {T} a ON a.vector_store_id = d.s AND a.batch_id = d.b LEFT JOIN {T} b ON b.vector_store_id = d.s AND b.batch_id = 'vsfb_' || printf('%03d', (d.n * 7) % 40) LIMIT 9",
    "row values": f"SELECT id FROM {T} WHERE (vector_store_id, batch_id) IN (SELECT s, b FROM d) LIMIT 4",
    "values": f"SELECT id FROM (VALUES ('vsfb_003'), ('vsfb_001'), ('vsfb_002')) AS v JOIN {T} AS t ON t.vector_store_id = 'vs_demo' AND t.batch_id = v.column1",
    "json": f"SELECT t.id FROM json_each('[\"vsfb_003\", \"vsfb_001\", \"vsfb_none\", null, \"vsfb_003\"]') AS j JOIN {T} AS t ON t.vector_store_id = 'vs_demo' AND t.batch_id = j.value",
    "or": f"SELECT d.n, t.id FROM d JOIN {T} AS t ON ({ON} AND d.n % 2) OR (t.vector_store_id = d.s AND t.batch_id = 'vsfb_demo_finished') ORDER BY 1, 2",
    "a list in each row": f"SELECT d.n, t.id FROM d JOIN {T} AS t ON t.vector_store_id = d.s AND t.batch_id IN (d.b, 'vsfb_demo_finished') ORDER BY 1, 2 LIMIT 9",
    "distinct": f"SELECT DISTINCT status FROM d JOIN {T} AS t ON {ON}",
    "group and having": f"SELECT d.n % 3, count(*) FROM d JOIN {T} AS t ON {ON} GROUP BY 1 HAVING count(*) > 13",
    "window": f"SELECT d.n, sum(total_count) OVER (ORDER BY d.n), lag(t.id) OVER (ORDER BY d.n) FROM d JOIN {T} AS t ON {ON} LIMIT 12",
    "union": f"{JOIN} WHERE n < 5 UNION {JOIN} WHERE n BETWEEN 3 AND 8",
    "except": f"{JOIN} WHERE n < 9 EXCEPT {JOIN} WHERE n BETWEEN 3 AND 20",
    "union all, lazily": f"SELECT * FROM ({JOIN} UNION ALL {JOIN}) LIMIT 3",
    "recursive": f"WITH RECURSIVE w(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM w WHERE i < 60) SELECT i, t.id FROM w LEFT JOIN {T} AS t ON t.vector_store_id = 'vs_demo' AND t.batch_id = 'vsfb_' || printf('%03d', i) LIMIT 20",
    "recursive by the answers": f"WITH RECURSIVE w(id) AS (SELECT 'vsfb_000' UNION ALL SELECT 'vsfb_' || printf('%03d', substr(t.id, 6) + 1) FROM w JOIN {T} AS t ON t.vector_store_id = 'vs_demo' AND t.batch_id = w.id) SELECT * FROM w LIMIT 9",
    "never ending": f"WITH RECURSIVE w(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM w) SELECT i, t.id FROM w CROSS JOIN {T} AS t ON t.vector_store_id = 'vs_demo' AND t.batch_id = 'vsfb_' || printf('%03d', i) LIMIT 9",
    "keys depend on an answer": f"SELECT d.n, b.id FROM d JOIN {T} a ON a.vector_store_id = d.s AND a.batch_id = d.b JOIN {T} b ON b.vector_store_id = d.s AND b.batch_id = 'vsfb_' || printf('%03d', a.total_count + 7)",
    "case": f"SELECT n, CASE WHEN n % 2 THEN (SELECT id FROM {T} AS t WHERE {ON}) ELSE 'none' END FROM d LIMIT 11",
    "the same key in each row": f"SELECT count(*) FROM d JOIN {T} AS t ON t.vector_store_id = d.s AND t.batch_id = 'vsfb_' || printf('%03d', d.n % 2)",
}  # fmt: skip


@pytest.mark.sample(12)
@pytest.mark.parametrize("sql", QUERIES.values(), ids=QUERIES)
def test_prefetch_does_not_change_a_querys_result(same: Run, sql: str) -> None:
    """Plan, rows, counters; at most twice the requests."""
    needed, _ = same(sql)
    assert needed


@pytest.mark.parametrize(
    ("sql", "bindings"),
    [
        (f"{JOIN} WHERE d.n < ? AND d.n > ?", (30, 3)),
        (f"{JOIN} WHERE d.n < ?2 AND d.n > ?1", [3, 30]),
        (f"{JOIN} WHERE d.n < :high AND d.n > $low", {"high": 30, "low": 3}),
        (f"{JOIN} WHERE d.n < @high AND d.n > ?", (30, 3)),
        (f"{JOIN} WHERE d.n < ?2 AND d.n > ?1", iter((3, 30))),
    ],
    ids=["positional", "numbered", "named", "mixed", "given by an iterator"],
)
def test_prefetch_with_bindings(db: apsw.Connection, requests: Requests, sql: str, bindings: Any) -> None:
    """Are those of the statement in every form that APSW takes."""
    assert db.execute(sql, bindings).fetchall() == ROWS[4:30]
    assert sorted(requests()) == [f"GET {PATH}{name}" for name in IDS[4:30]]


def test_prefetch_with_several_statements_in_one_string(db: apsw.Connection, requests: Requests) -> None:
    """Each takes its share of the bindings."""
    sql = f"{JOIN} WHERE d.n < ?; SELECT 'between'; {JOIN} WHERE d.n > ? AND d.n < ?;"
    assert db.execute(sql, (5, 30, 35)).fetchall() == [*ROWS[:5], ("between",), *ROWS[31:35]]
    assert sorted(requests()) == [f"GET {PATH}{name}" for name in IDS[:5] + IDS[31:35]]
    sql = f"{JOIN} WHERE d.n < :a; {JOIN} WHERE d.n > :b"
    assert db.execute(sql, {"a": 5, "b": 36}).fetchall() == [*ROWS[:5], *ROWS[37:]]
    assert sorted(requests()) == [f"GET {PATH}{name}" for name in IDS[:5] + IDS[37:]]


def test_prefetch_in_executemany(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """Each run has its bindings, by whatever name they are given."""
    with meeting(sandbox, 4, path=LATER):
        cursor = db.executemany(f"{JOIN} WHERE d.n BETWEEN ? AND ?", [(0, 9), (20, 29)])
        assert cursor.fetchall() == ROWS[:10] + ROWS[20:30]
    assert len(requests()) == 20
    db.execute("CREATE TABLE e (n, id)")
    sql = f"INSERT INTO e {JOIN} WHERE d.n BETWEEN :a AND :b"
    db.cursor().executemany(sql, sequenceofbindings=({"a": n, "b": n + 9} for n in (0, 10)))
    assert db.execute("SELECT * FROM e").fetchall() == ROWS[:20]
    assert sorted(requests()) == [f"GET {PATH}{name}" for name in IDS[:20]]


def test_prefetch_forgets_bindings_of_a_statement_that_never_began(
    db: apsw.Connection, sandbox: Any, requests: Requests
) -> None:
    """They are not taken for those of the next, of a cursor that notes none."""
    with pytest.raises(apsw.SQLError):
        db.execute("SELECT ? FROM nowhere", ("x",))
    with meeting(sandbox, 4, path=LATER):
        assert apsw.Cursor(db).execute(JOIN).fetchall() == ROWS
