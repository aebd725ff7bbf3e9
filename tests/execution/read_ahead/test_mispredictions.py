"""Wrong predictions: what they cost, and that errors which only a replay meets stay unseen."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import apsw
import apsw.ext
import pytest

import openai_vtab
from openai_vtab.sandbox import Status

from ...support.meeting import meeting
from .joins import IDS, JOIN, LATER, ON, ROWS, N, Requests, Run, T

PATH = "/vector_stores/vs_demo/file_batches/"


def test_prefetch_of_random_keys(db: apsw.Connection, requests: Requests) -> None:
    """Another key each time it runs: not more than one in vain for each that was used."""
    sql = (
        "WITH r AS MATERIALIZED (SELECT 'vsfb_' || printf('%03d', abs(random()) % 40) AS b FROM d) "
        f"SELECT t.id FROM r CROSS JOIN {T} AS t ON t.vector_store_id = 'vs_demo' AND t.batch_id = r.b"
    )
    sent: list[str] = []
    used = 0
    for limit in (3, 7, 40):
        rows = db.execute(f"{sql} LIMIT {limit}").fetchall()
        assert len(rows) == limit
        sent += requests()
        assert {f"GET {PATH}{name}" for (name,) in rows} <= set(sent)
        used += len(set(rows))
    assert len(sent) <= 2 * used


def test_prefetch_over_random_rows(db: apsw.Connection, requests: Requests) -> None:
    """A WHERE that decides anew."""
    rows = db.execute(f"{JOIN} WHERE random() % 2").fetchall()
    assert set(rows) <= set(ROWS)
    sent = requests()
    assert {f"GET {PATH}{name}" for _, name in rows} <= set(sent)
    assert len(sent) <= 2 * len(rows)


@pytest.mark.parametrize("where", ["f(n)", "n IN (SELECT f(n) FROM d)", "(SELECT max(f(e.n)) FROM d AS e) + 1"])
def test_replay_calls_a_function_no_more_often(db: apsw.Connection, one_by_one: apsw.Connection, where: str) -> None:
    """It may have side effects."""
    calls: list[int] = []

    def f(n: int) -> int:
        calls.append(n)
        return n

    for connection in (one_by_one, db):
        connection.create_scalar_function("f", f)
        calls.append(-1)
        connection.execute(f"{JOIN} WHERE {where}").fetchall()
    apart = calls.index(-1, 1)
    assert calls[:apart] == calls[apart:]


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT t.id FROM jobs AS j JOIN {T} AS t ON t.vector_store_id = 'vs_demo' AND t.batch_id = j.id",
        f"WITH j AS (SELECT id FROM jobs) SELECT t.id FROM j JOIN {T} AS t ON t.vector_store_id = 'vs_demo' AND t.batch_id = j.id",
        f"SELECT t.id FROM waiting AS j JOIN {T} AS t ON t.vector_store_id = 'vs_demo' AND t.batch_id = j.id",
        f"SELECT id FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id IN (SELECT id FROM jobs)",
        f"SELECT id FROM {T} WHERE (vector_store_id, batch_id) IN (SELECT 'vs_demo', id FROM jobs)",
        f"INSERT INTO taken SELECT t.id FROM jobs AS j JOIN {T} AS t ON t.vector_store_id = 'vs_demo' AND t.batch_id = j.id RETURNING id",
    ],
    ids=["join", "CTE", "view", "IN", "row value", "insert"],
)
def test_replay_reads_other_virtual_tables_once(db: apsw.Connection, requests: Requests, sql: str) -> None:
    """A queue that is emptied by being read: all of it comes, in one run."""
    queue, runs = list(IDS), []

    def jobs() -> Iterator[dict[str, str]]:
        runs.append(True)
        while queue:
            yield {"id": queue.pop(0)}

    jobs.columns, jobs.column_access = ("id",), apsw.ext.VTColumnAccess.By_Name  # type: ignore[attr-defined]
    apsw.ext.make_virtual_module(db, "jobs", jobs)  # type: ignore[arg-type]
    db.execute("CREATE TEMP VIEW waiting AS SELECT * FROM jobs; CREATE TABLE taken (id)")
    requests()
    assert sorted(id for (id,) in db.execute(sql)) == IDS
    assert len(runs) == 1
    assert sorted(requests()) == [f"GET {PATH}{id}" for id in IDS]


def test_replay_calls_no_function_with_side_effects(db: apsw.Connection, one_by_one: apsw.Connection) -> None:
    """Aggregates, window functions, functions in views, an overridden function of SQLite, names with brackets."""

    class Window:
        def __init__(self) -> None:
            calls.append("begin")

        def step(self, value: int) -> None:
            calls.append("step")

        def inverse(self, value: int) -> None:
            calls.append("inverse")

        def value(self) -> int:
            return 1

        final = value

    calls: list[str] = []
    counts = []
    for connection in (one_by_one, db):
        connection.create_aggregate_function("agg", lambda: ([], lambda c, v: calls.append("agg"), lambda c: 1))
        connection.create_window_function("win", Window)
        connection.create_scalar_function("upper", lambda x: calls.append("upper") or x, 1)
        connection.create_scalar_function("odd(name", lambda x: calls.append("odd") or x, 1)
        connection.execute("CREATE TEMP VIEW v AS SELECT n, s, upper(b) AS b FROM d")
        for sql in (
            f"SELECT agg(d.n) FROM d JOIN {T} AS t ON {ON}",
            f"SELECT win(d.n) OVER (ORDER BY d.n) FROM d JOIN {T} AS t ON {ON}",
            f"SELECT t.id FROM v AS d JOIN {T} AS t ON {ON}",
            f'SELECT t.id FROM d JOIN {T} AS t ON {ON} WHERE "odd(name"(n) < 9',
        ):
            connection.execute(sql).fetchall()
        counts.append(sorted(calls))
        calls.clear()
    assert counts[0] == counts[1]
    assert {"agg", "step", "upper", "odd", "begin"} <= set(counts[0])


def test_replay_calls_a_deterministic_function_that_may_fail(db: apsw.Connection, sandbox: Any) -> None:
    """Where the table answers no rows it is given NULL, which it need not know."""
    db.create_scalar_function("shout", lambda text: text.upper(), 1, deterministic=True)
    with meeting(sandbox, 4, path=LATER):
        rows = db.execute(f"SELECT d.n, shout(t.id) FROM d JOIN {T} AS t ON {ON} WHERE shout(d.b) > 'A'").fetchall()
    assert rows == [(n, name.upper()) for n, name in ROWS]
    rows = db.execute(f"SELECT d.n, shout(t.id) FROM d LEFT JOIN {T} AS t ON {ON}").fetchall()
    assert rows == [(n, name.upper()) for n, name in ROWS]


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        (f"SELECT d.n, t.id FROM d JOIN json_each(CASE WHEN d.n < 3 THEN '[1]' ELSE '[' END) JOIN {T} AS t ON {ON} LIMIT 3", ROWS[:3]),
        (f"{JOIN} UNION ALL SELECT 1, id FROM {T} WHERE status = 'completed' LIMIT 3", ROWS[:3]),
        (f"SELECT d.n, t.id FROM d JOIN {T} AS t ON {ON} AND t.wait_seconds IS iif(d.n < 3, NULL, -5) OR {ON} LIMIT 3", ROWS[:3]),
        (f"SELECT * FROM ({JOIN} LIMIT 3) UNION ALL SELECT -1, (SELECT t.id FROM {T} AS t WHERE t.vector_store_id = 'vs_demo' AND t.batch_id = 'vsfb_001')", [*ROWS[:3], (-1, "vsfb_001")]),
        (f"SELECT d.n, t.id FROM d LEFT JOIN {T} AS t ON {ON} WHERE t.id IS NOT NULL OR abs(-9223372036854775807 - 1) LIMIT 3", ROWS[:3]),
    ],
    ids=["malformed JSON", "a missing key", "a bad wait", "none", "an overflow without a row"],
)  # fmt: skip
def test_replay_hides_an_error_that_only_it_meets(db: apsw.Connection, sql: str, rows: list[Any]) -> None:
    """The real statement never comes so far."""
    assert db.execute(sql).fetchall() == rows


def test_prefetch_does_not_change_the_statements_error(db: apsw.Connection, one_by_one: apsw.Connection) -> None:
    """At the same row."""
    for connection in (one_by_one, db):
        cursor = connection.execute(
            f"SELECT d.n, t.id FROM d JOIN {T} AS t ON {ON} WHERE json_extract(iif(d.n < 5, '[1]', '['), '$[0]')"
        )
        assert [next(cursor) for _ in range(5)] == ROWS[:5]
        with pytest.raises(apsw.SQLError, match="malformed JSON"):
            next(cursor)


def test_prefetch_raises_an_error_response_only_where_it_is_read(
    db: apsw.Connection, sandbox: Any, requests: Requests
) -> None:
    """Predicted and never wanted, it fails nothing."""
    db.execute("UPDATE d SET b = 'no id of a batch' WHERE n = 3")
    cursor = db.execute(JOIN)
    assert [next(cursor) for _ in range(3)] == ROWS[:3]
    while len(sandbox.requests) < 6:
        time.sleep(0.001)
    cursor.close()
    assert f"GET {PATH}no%20id%20of%20a%20batch" in requests(), "it was predicted"
    cursor = db.execute(JOIN)
    assert [next(cursor) for _ in range(3)] == ROWS[:3]
    with pytest.raises(openai_vtab.APIError, match="no id of a batch") as caught:
        next(cursor)
    assert caught.value.status == 400
    assert db.execute(JOIN + " WHERE d.n <> 3").fetchall() == ROWS[:3] + ROWS[4:]


def test_prefetch_retries_a_failed_request_as_any_other(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """503 once is no error."""
    sandbox.inject(Status(503, headers={"retry-after-ms": "5"}), times=3, path="vsfb_00")
    assert db.execute(f"{JOIN} LIMIT 12").fetchall() == ROWS[:12]
    assert len(requests()) <= 24 + 3


def test_prefetch_of_absent_keys_returns_no_row(same: Run) -> None:
    """404, predicted or not."""
    needed, sent = same(
        f"SELECT d.n, t.id FROM d LEFT JOIN {T} AS t ON {ON}", before=["UPDATE d SET b = b || 'x' WHERE n % 3 = 1"]
    )
    assert len(needed) == len(sent) == N


def test_prefetch_while_data_change_between_two_steps(db: apsw.Connection, requests: Requests) -> None:
    """What was predicted and is gone is asked for in vain, and what is new is found."""
    db.execute("DELETE FROM d WHERE n >= 20")
    cursor = db.execute(JOIN)
    rows = [next(cursor) for _ in range(4)]
    db.execute("DELETE FROM d WHERE n BETWEEN 8 AND 15")
    db.execute("INSERT INTO d VALUES (100, 'vs_demo', 'vsfb_demo_finished')")
    rows += cursor.fetchall()
    assert rows == [*ROWS[:8], *ROWS[16:20], (100, "vsfb_demo_finished")]
    assert len(requests()) <= 2 * len(rows)


def test_prefetch_while_the_schema_changes_between_two_steps(db: apsw.Connection) -> None:
    """What cannot be prepared again is only not predicted."""
    cursor = db.execute(f"{JOIN} WHERE d.n IN (SELECT column1 FROM (VALUES (1), (2), (3)))")
    first = next(cursor)
    db.execute("ALTER TABLE d RENAME COLUMN n TO m")
    assert [first, *cursor] == ROWS[1:4]


def test_prefetch_after_a_change_of_the_schema(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """A prepared statement that SQLite prepares again is one statement: it reads ahead, and asks once for a key."""
    sql = f"SELECT a.id FROM d JOIN {T} a ON a.vector_store_id = d.s AND a.batch_id = d.b JOIN {T} b ON b.vector_store_id = d.s AND b.batch_id = d.b"
    db.execute(sql).fetchall()
    db.execute("CREATE TABLE another (a)")
    requests()
    with meeting(sandbox, 4, path=LATER):
        assert db.execute(sql).fetchall() == [(name,) for name in IDS]
    assert len(requests()) == N


def test_schema_change_before_a_failed_insert_sends_nothing(db: apsw.Connection, requests: Requests) -> None:
    """What it had queued goes with it."""
    db.execute("CREATE TABLE files (f); INSERT INTO files VALUES ('[\"file-new-01\"]'), ('no list')")
    sql = f"INSERT INTO {T} (vector_store_id, file_ids) SELECT 'vs_demo', f FROM files"
    for _ in range(2):
        db.execute("CREATE TABLE IF NOT EXISTS another (a)")
        db.execute("BEGIN")
        with pytest.raises(openai_vtab.RowError):
            db.execute(sql)
        db.execute("COMMIT")
        db.execute("DROP TABLE another; CREATE TABLE another (a)")
    assert requests() == []


def test_replay_of_a_large_table_without_a_match(same: Run) -> None:
    """Local rows are cheap to pass twice."""
    before = [
        "CREATE TABLE big AS WITH RECURSIVE i(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM i WHERE n < 100000) SELECT n, 'vs_demo' AS s, 'vsfb_' || n AS b FROM i"
    ]
    begin = time.monotonic()
    needed, _ = same(f"SELECT d.n, t.id FROM big AS d JOIN {T} AS t ON {ON} WHERE d.n % 10000 = 77", before=before)
    assert len(needed) == 10
    assert time.monotonic() - begin < 20


def test_replay_that_never_ends_costs_a_moment(db: apsw.Connection, requests: Requests) -> None:
    """It is cut short, and not begun again and again."""
    sql = (
        "WITH RECURSIVE i(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM i) "
        f"SELECT n, t.id FROM i CROSS JOIN {T} AS t ON t.vector_store_id = 'vs_demo' AND t.batch_id = 'vsfb_' || printf('%03d', n % 5) LIMIT 200"
    )
    begin = time.monotonic()
    assert db.execute(sql).fetchall() == [(n, IDS[n % 5]) for n in range(200)]
    assert time.monotonic() - begin < 20
    assert len(requests()) == 5


def test_replay_with_a_slow_function_is_short(db: apsw.Connection, requests: Requests) -> None:
    """The clock is looked at often enough."""
    calls = []

    def slow(n: int) -> bool:
        calls.append(n)
        time.sleep(0.003)
        return n < 3

    db.create_scalar_function("slow", slow, 1, deterministic=True)
    db.execute(
        "CREATE TABLE big AS WITH RECURSIVE i(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM i WHERE n < 3000) SELECT n FROM i"
    )
    sql = f"SELECT n, t.id FROM big CROSS JOIN {T} AS t ON t.vector_store_id = 'vs_demo' AND t.batch_id = 'vsfb_' || printf('%03d', n) WHERE slow(n) LIMIT 3"
    begin = time.monotonic()
    assert db.execute(sql).fetchall() == ROWS[:3]
    assert time.monotonic() - begin < 30
    assert len(calls) < 500
    assert len(requests()) <= 6
