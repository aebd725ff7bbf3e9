"""Read-ahead: what it predicts, what a wrong prediction costs, and that nothing but the time shows it."""

from __future__ import annotations

import functools
import gc
import itertools
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import apsw
import apsw.ext
import pytest

import openai_vtab
from openai_vtab.execution import read_ahead
from openai_vtab.execution.read_ahead import ReadAhead
from openai_vtab.protocol import Request
from openai_vtab.sandbox import Slow, Status

T = "vector_store_file_batches"
ON = "t.vector_store_id = d.s AND t.batch_id = d.b"
JOIN = f"SELECT d.n, t.id FROM d JOIN {T} AS t ON {ON}"
N = 40
IDS = [f"vsfb_{number:03}" for number in range(N)]
PATH = "/vector_stores/vs_demo/file_batches/"
ROWS = list(enumerate(IDS))

Run = Callable[..., Any]
Requests = Callable[[], list[str]]


# by itself


class Statement:
    """Asks by ReadAhead for `keys` one after another; replays say they are going to be `coming`."""

    def __init__(self, coming: Iterable[str], most: int = 64, known: Iterable[str] = ()) -> None:
        self.coming = [Request("GET", key) for key in coming]
        self.asked = dict.fromkeys(known, True)
        self.replays = 0
        self.patience: list[float] = []
        self.complete = True
        self.ahead = ReadAhead(self.start, most, self.replay)

    def start(self, request: Request) -> bool:
        new = request.target not in self.asked
        self.asked[request.target] = True
        return new

    def replay(self, note: Callable[[Request], None], patience: float) -> bool:
        self.replays += 1
        self.patience.append(patience)
        time.sleep(0 if self.complete else patience)
        for request in self.coming:
            note(request)
        return self.complete

    def look_up(self, *keys: str) -> list[str]:
        """What has been asked for beside these keys."""
        before = len(self.asked)
        for key in keys:
            request = Request("GET", key)
            self.start(request)
            self.ahead.looked_up(request)
        return [key for key in list(self.asked)[before:] if key not in keys]


def keys(count: int) -> list[str]:
    return [f"/{number}" for number in range(count)]


def test_the_window_is_what_has_been_used() -> None:
    """Nothing at the first look-up; then as many unused as used, to the most."""
    statement = Statement(keys(100), most=8)
    unused = []
    for used, key in enumerate(keys(60), start=1):
        statement.look_up(key)
        unused.append(len(statement.asked) - used)
    assert unused == [0, 2, 3, 4, 5, 6, 7, *[8] * 53]
    assert statement.replays == 1


def test_the_first_lookup_replays_nothing() -> None:
    """One look-up alone costs what it has always cost."""
    statement = Statement(keys(10))
    assert statement.look_up("/0") == []
    assert statement.replays == 0
    assert statement.look_up("/0", "/0") == [], "the same key again is no second look-up"
    assert statement.replays == 0


@pytest.mark.parametrize("stop", range(1, 20))
def test_a_statement_that_stops_has_asked_for_at_most_twice_what_it_used(stop: int) -> None:
    """LIMIT."""
    statement = Statement(keys(1000))
    statement.look_up(*keys(stop))
    assert len(statement.asked) <= 2 * stop


@pytest.mark.parametrize(
    "real",
    [
        [f"/other{number}" for number in range(50)],
        keys(100)[::-1],
        keys(100)[::7],
        [key for pair in zip(keys(50), [f"/other{n}" for n in range(50)], strict=True) for key in pair],
        [*keys(3), *keys(100)[50:], *keys(50)],
    ],
    ids=["all wrong", "backwards", "few", "every second", "jumps"],
)
def test_wrong_predictions_are_never_more_than_what_was_used(real: list[str]) -> None:
    """At each moment, however wrong they are."""
    statement = Statement(keys(100), most=1000)
    for used, key in enumerate(real, start=1):
        statement.look_up(key)
        wrong = statement.asked.keys() - set(real[:used])
        assert len(wrong) <= used


def test_what_was_asked_for_otherwise_is_not_counted(caplog: pytest.LogCaptureFixture) -> None:
    """A key of an IN list in the same statement, for example, is no prediction."""
    statement = Statement(keys(6), known=keys(6))
    with caplog.at_level(logging.DEBUG, "openai_vtab"):
        assert statement.look_up(*keys(6)) == []
        statement.ahead.close()
    assert caplog.messages == []


def test_the_end_of_a_statement_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """How many were predicted, used and wasted."""
    statement = Statement(keys(10))
    with caplog.at_level(logging.DEBUG, "openai_vtab"):
        statement.look_up("/0", "/1", "/3", "/4")
        statement.ahead.close()
    assert [record.levelname for record in caplog.records] == ["DEBUG"]
    assert caplog.messages == ["read-ahead: 6 keys predicted, 2 used, 4 wasted"]


def test_more_keys_than_are_noted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next are noted before the first are used up; each is predicted once, in order."""
    monkeypatch.setattr(read_ahead, "KEYS", 10)
    statement = Statement(keys(95), most=4)
    held = 0
    for key in keys(95):
        statement.look_up(key)
        held = max(held, len(statement.ahead._coming))
    assert list(statement.asked) == keys(95)
    assert 9 <= statement.replays <= 17
    assert held <= 13


def test_a_complete_replay_is_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even when it told nothing."""
    statement = Statement([])
    statement.look_up(*keys(50))
    assert statement.replays == 1


def test_a_replay_that_was_cut_short_is_tried_again_only_with_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """It begins anew each time: with no more time than before it would come no farther."""
    monkeypatch.setattr(read_ahead, "PATIENCE", 0.02)
    statement = Statement([])
    statement.complete = False
    begin = time.monotonic()
    for number in itertools.count():
        statement.look_up(f"/{number}")
        time.sleep(0.001)
        if time.monotonic() - begin > 0.5:
            break
    assert 2 <= statement.replays <= 5
    assert all(later >= 2 * before for before, later in itertools.pairwise(statement.patience))
    assert sum(statement.patience) < 0.3, "it is never more than half of the time"


def test_a_replay_that_fails_by_python_leaves_the_rest_as_it_was() -> None:
    """Ctrl-C comes through; the next look-up can go on."""
    statement = Statement(keys(5))
    statement.look_up("/0")

    def interrupted(note: Callable[[Request], None], patience: float) -> bool:
        raise KeyboardInterrupt

    statement.ahead._replay = interrupted
    with pytest.raises(KeyboardInterrupt):
        statement.look_up("/1")
    statement.ahead._replay = statement.replay
    assert statement.look_up("/2") == ["/3", "/4"]


# over SQLite


@pytest.fixture
def fill(sandbox: Any) -> Callable[[apsw.Connection], apsw.Connection]:
    """Forty batches, and the local table `d` (n, s, b) that names them."""
    for name in IDS:
        sandbox.add_batch("vs_demo", ["file-demo-01"], id=name)
    sandbox.requests.clear()

    def fill_in(db: apsw.Connection) -> apsw.Connection:
        db.execute("CREATE TABLE d (n INTEGER PRIMARY KEY, s TEXT, b TEXT)")
        with db:
            apsw.Cursor(db).executemany("INSERT INTO d VALUES (?, 'vs_demo', ?)", ROWS)
        return db

    return fill_in


@pytest.fixture
def db(connect: Any, fill: Any) -> apsw.Connection:
    """A connection that reads ahead."""
    return fill(connect())  # type: ignore[no-any-return]


@pytest.fixture
def one_by_one(connect: Any, fill: Any) -> apsw.Connection:
    """The same without."""
    return fill(connect(read_ahead=False))  # type: ignore[no-any-return]


@pytest.fixture
def same(db: apsw.Connection, one_by_one: apsw.Connection, requests: Requests) -> Run:
    """Run a statement on both: the same plan, rows and counters, and few requests in vain. Returns both's requests."""

    def run(sql: str, bindings: Any = None, before: Sequence[str] = ()) -> tuple[list[str], list[str]]:
        found = []
        for connection in (one_by_one, db):
            for statement in before:
                connection.execute(statement)
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", bindings)]
            begin = connection.total_changes()
            requests()
            rows = connection.execute(sql, bindings).fetchall()
            counters = (connection.changes(), connection.last_insert_rowid(), connection.in_transaction)
            found.append((plan, rows, connection.total_changes() - begin, counters))
            asked.append(requests())
        assert found[0] == found[1]
        needed, sent = asked[-2:]
        assert set(needed) <= set(sent)
        assert len(sent) == len(set(sent))
        assert len(sent) <= 2 * len(needed)
        return needed, sent

    asked: list[list[str]] = []
    return run


def test_a_join_is_concurrent(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """The same rows, each key once, several at once and never more than allowed."""
    sandbox.latency = 0.02
    sandbox.reset_counters()
    assert db.execute(JOIN).fetchall() == ROWS
    assert sorted(requests()) == [f"GET {PATH}{name}" for name in IDS]
    assert 8 <= sandbox.max_in_flight <= 16


def test_it_can_be_switched_off(one_by_one: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """read_ahead=False: one after another, in the join's order; the cursor class is APSW's own."""
    sandbox.reset_counters()
    assert one_by_one.execute(JOIN).fetchall() == ROWS
    assert requests() == [f"GET {PATH}{name}" for name in IDS]
    assert sandbox.max_in_flight == 1
    assert type(one_by_one.execute("SELECT 1")) is apsw.Cursor


@pytest.mark.parametrize("most", [1, 2, 5])
def test_max_concurrency_is_never_exceeded(connect: Any, fill: Any, sandbox: Any, most: int) -> None:
    """Whatever is predicted, also by two statements at once."""
    db = fill(connect(max_concurrency=most))
    sandbox.latency = 0.005
    sandbox.reset_counters()
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


@pytest.mark.parametrize("sql", QUERIES.values(), ids=QUERIES)
def test_a_query_is_the_same_with_and_without(same: Run, sql: str) -> None:
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
def test_bindings(db: apsw.Connection, requests: Requests, sql: str, bindings: Any) -> None:
    """Are those of the statement in every form that APSW takes."""
    assert db.execute(sql, bindings).fetchall() == ROWS[4:30]
    assert sorted(requests()) == [f"GET {PATH}{name}" for name in IDS[4:30]]


def test_several_statements_in_one_string(db: apsw.Connection, requests: Requests) -> None:
    """Each takes its share of the bindings."""
    sql = f"{JOIN} WHERE d.n < ?; SELECT 'between'; {JOIN} WHERE d.n > ? AND d.n < ?;"
    assert db.execute(sql, (5, 30, 35)).fetchall() == [*ROWS[:5], ("between",), *ROWS[31:35]]
    assert sorted(requests()) == [f"GET {PATH}{name}" for name in IDS[:5] + IDS[31:35]]
    sql = f"{JOIN} WHERE d.n < :a; {JOIN} WHERE d.n > :b"
    assert db.execute(sql, {"a": 5, "b": 36}).fetchall() == [*ROWS[:5], *ROWS[37:]]
    assert sorted(requests()) == [f"GET {PATH}{name}" for name in IDS[:5] + IDS[37:]]


def test_executemany(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """Each run has its bindings, by whatever name they are given."""
    sandbox.latency = 0.01
    sandbox.reset_counters()
    cursor = db.executemany(f"{JOIN} WHERE d.n BETWEEN ? AND ?", [(0, 9), (20, 29)])
    assert cursor.fetchall() == ROWS[:10] + ROWS[20:30]
    assert sandbox.max_in_flight > 3
    assert len(requests()) == 20
    db.execute("CREATE TABLE e (n, id)")
    sql = f"INSERT INTO e {JOIN} WHERE d.n BETWEEN :a AND :b"
    db.cursor().executemany(sql, sequenceofbindings=({"a": n, "b": n + 9} for n in (0, 10)))
    assert db.execute("SELECT * FROM e").fetchall() == ROWS[:20]
    assert sorted(requests()) == [f"GET {PATH}{name}" for name in IDS[:20]]


def test_bindings_of_a_statement_that_never_began_are_forgotten(
    db: apsw.Connection, sandbox: Any, requests: Requests
) -> None:
    """They are not taken for those of the next, of a cursor that notes none."""
    with pytest.raises(apsw.SQLError):
        db.execute("SELECT ? FROM nowhere", ("x",))
    sandbox.latency = 0.01
    sandbox.reset_counters()
    assert apsw.Cursor(db).execute(JOIN).fetchall() == ROWS
    assert sandbox.max_in_flight > 3


# wrong predictions


def test_random_keys(db: apsw.Connection, requests: Requests) -> None:
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


def test_random_rows(db: apsw.Connection, requests: Requests) -> None:
    """A WHERE that decides anew."""
    rows = db.execute(f"{JOIN} WHERE random() % 2").fetchall()
    assert set(rows) <= set(ROWS)
    sent = requests()
    assert {f"GET {PATH}{name}" for _, name in rows} <= set(sent)
    assert len(sent) <= 2 * len(rows)


@pytest.mark.parametrize("where", ["f(n)", "n IN (SELECT f(n) FROM d)", "(SELECT max(f(e.n)) FROM d AS e) + 1"])
def test_a_function_is_called_as_often_as_without(db: apsw.Connection, one_by_one: apsw.Connection, where: str) -> None:
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
def test_other_virtual_tables_are_read_once(db: apsw.Connection, requests: Requests, sql: str) -> None:
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


def test_other_functions_with_side_effects_are_not_called_again(
    db: apsw.Connection, one_by_one: apsw.Connection
) -> None:
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


def test_a_deterministic_function_is_run_again_and_may_fail(db: apsw.Connection, sandbox: Any) -> None:
    """Where the table answers no rows it is given NULL, which it need not know."""
    db.create_scalar_function("shout", lambda text: text.upper(), 1, deterministic=True)
    sandbox.latency = 0.01
    sandbox.reset_counters()
    rows = db.execute(f"SELECT d.n, shout(t.id) FROM d JOIN {T} AS t ON {ON} WHERE shout(d.b) > 'A'").fetchall()
    assert rows == [(n, name.upper()) for n, name in ROWS]
    assert sandbox.max_in_flight > 3
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
def test_an_error_that_only_the_replay_meets_is_no_error(db: apsw.Connection, sql: str, rows: list[Any]) -> None:
    """The real statement never comes so far."""
    assert db.execute(sql).fetchall() == rows


def test_the_error_that_the_statement_meets_is_the_same(db: apsw.Connection, one_by_one: apsw.Connection) -> None:
    """At the same row."""
    for connection in (one_by_one, db):
        cursor = connection.execute(
            f"SELECT d.n, t.id FROM d JOIN {T} AS t ON {ON} WHERE json_extract(iif(d.n < 5, '[1]', '['), '$[0]')"
        )
        assert [next(cursor) for _ in range(5)] == ROWS[:5]
        with pytest.raises(apsw.SQLError, match="malformed JSON"):
            next(cursor)


def test_an_answer_that_is_an_error_counts_when_it_is_asked_for(
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


def test_a_failed_prediction_is_repeated_as_any_request(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """503 once is no error."""
    sandbox.inject(Status(503, headers={"retry-after-ms": "5"}), times=3, path="vsfb_00")
    assert db.execute(f"{JOIN} LIMIT 12").fetchall() == ROWS[:12]
    assert len(requests()) <= 24 + 3


def test_what_does_not_exist_is_no_row(same: Run) -> None:
    """404, predicted or not."""
    needed, sent = same(
        f"SELECT d.n, t.id FROM d LEFT JOIN {T} AS t ON {ON}", before=["UPDATE d SET b = b || 'x' WHERE n % 3 = 1"]
    )
    assert len(needed) == len(sent) == N


def test_data_that_changes_between_two_steps(db: apsw.Connection, requests: Requests) -> None:
    """What was predicted and is gone is asked for in vain, and what is new is found."""
    db.execute("DELETE FROM d WHERE n >= 20")
    cursor = db.execute(JOIN)
    rows = [next(cursor) for _ in range(4)]
    db.execute("DELETE FROM d WHERE n BETWEEN 8 AND 15")
    db.execute("INSERT INTO d VALUES (100, 'vs_demo', 'vsfb_demo_finished')")
    rows += cursor.fetchall()
    assert rows == [*ROWS[:8], *ROWS[16:20], (100, "vsfb_demo_finished")]
    assert len(requests()) <= 2 * len(rows)


def test_a_schema_that_changes_between_two_steps(db: apsw.Connection) -> None:
    """What cannot be prepared again is only not predicted."""
    cursor = db.execute(f"{JOIN} WHERE d.n IN (SELECT column1 FROM (VALUES (1), (2), (3)))")
    first = next(cursor)
    db.execute("ALTER TABLE d RENAME COLUMN n TO m")
    assert [first, *cursor] == ROWS[1:4]


def test_a_join_after_a_change_of_the_schema(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """A prepared statement that SQLite prepares again is one statement: it reads ahead, and asks once for a key."""
    sql = f"SELECT a.id FROM d JOIN {T} a ON a.vector_store_id = d.s AND a.batch_id = d.b JOIN {T} b ON b.vector_store_id = d.s AND b.batch_id = d.b"
    db.execute(sql).fetchall()
    db.execute("CREATE TABLE another (a)")
    requests()
    sandbox.latency = 0.01
    sandbox.reset_counters()
    assert db.execute(sql).fetchall() == [(name,) for name in IDS]
    assert sandbox.max_in_flight > 3
    assert len(requests()) == N


def test_a_failed_insert_after_a_change_of_the_schema_sends_nothing(db: apsw.Connection, requests: Requests) -> None:
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


def test_a_large_table_without_a_match(same: Run) -> None:
    """Local rows are cheap to pass twice."""
    before = [
        "CREATE TABLE big AS WITH RECURSIVE i(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM i WHERE n < 100000) SELECT n, 'vs_demo' AS s, 'vsfb_' || n AS b FROM i"
    ]
    begin = time.monotonic()
    needed, _ = same(f"SELECT d.n, t.id FROM big AS d JOIN {T} AS t ON {ON} WHERE d.n % 10000 = 77", before=before)
    assert len(needed) == 10
    assert time.monotonic() - begin < 3


def test_a_replay_that_never_ends_costs_a_moment(db: apsw.Connection, requests: Requests) -> None:
    """It is cut short, and not begun again and again."""
    sql = (
        "WITH RECURSIVE i(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM i) "
        f"SELECT n, t.id FROM i CROSS JOIN {T} AS t ON t.vector_store_id = 'vs_demo' AND t.batch_id = 'vsfb_' || printf('%03d', n % 5) LIMIT 200"
    )
    begin = time.monotonic()
    assert db.execute(sql).fetchall() == [(n, IDS[n % 5]) for n in range(200)]
    assert time.monotonic() - begin < 1
    assert len(requests()) == 5


def test_a_slow_function_does_not_make_a_replay_long(db: apsw.Connection, requests: Requests) -> None:
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
    assert time.monotonic() - begin < 2
    assert len(calls) < 500
    assert len(requests()) <= 6


# several statements at once


def test_interleaved_cursors(db: apsw.Connection, requests: Requests) -> None:
    """The same SQL with other bindings, and other SQL: each its own rows, and at most twice its requests."""
    sql = f"{JOIN} WHERE d.n >= ? ORDER BY d.n"
    cursors = [db.execute(sql, (0,)), db.execute(sql, (25,)), db.execute(f"{JOIN} ORDER BY d.n DESC")]
    rows = [[next(cursor) for _ in range(10)] for cursor in cursors]
    assert rows == [ROWS[:10], ROWS[25:35], ROWS[::-1][:10]]
    assert len(requests()) <= 60
    rest = list(zip(*cursors, strict=False))
    assert rest == list(zip(ROWS[10:], ROWS[35:], ROWS[::-1][10:], strict=False))


LATE = {
    "join": f"SELECT -1, 'first' UNION ALL {JOIN}",
    "list": f"SELECT -1, 'first' UNION ALL SELECT substr(id, 6) + 0, id FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id IN (SELECT b FROM d)",
    "scalar subquery": f"SELECT -1, 'first' UNION ALL SELECT n, (SELECT id FROM {T} AS t WHERE {ON}) FROM d",
}


@pytest.mark.parametrize("late", LATE.values(), ids=LATE)
@pytest.mark.parametrize("other", [JOIN, LATE["list"]], ids=["join", "late list"])
@pytest.mark.parametrize("ends", ["before", "within", "after"])
def test_a_table_that_sqlite_opens_late(
    connect: Any, fill: Any, requests: Requests, late: str, other: str, ends: str
) -> None:
    """Another statement begins before, and ends before or within it: both give their rows."""
    db = fill(connect(max_concurrency=2))
    cursor = db.execute(late)
    assert next(cursor) == (-1, "first")
    second = db.execute(other)
    rows = [next(second)]
    if ends == "before":
        rows += second.fetchall()
    found = [next(cursor) for _ in range(3)]
    if ends == "within":
        second.close()
    found += cursor.fetchall()
    assert found == ROWS
    if ends == "after":
        rows += second.fetchall()
    if ends != "within":
        assert rows[-N:] == ROWS
    assert len(requests()) <= 3 * N


def test_a_statement_within_a_function(db: apsw.Connection, requests: Requests) -> None:
    """A function that queries the table by the same connection belongs to the statement: one snapshot."""

    def inner(n: int) -> int:
        sql = f"{JOIN} WHERE d.n BETWEEN ? AND ?"
        return len(db.execute(sql, (n, n + 2)).fetchall())

    db.create_scalar_function("inner_join", inner, 1)
    rows = db.execute(f"SELECT d.n, t.id, inner_join(d.n) FROM d JOIN {T} AS t ON {ON} WHERE d.n < 10").fetchall()
    assert rows == [(*row, 3) for row in ROWS[:10]]
    assert sorted(requests()) == [f"GET {PATH}{name}" for name in IDS[:12]]


def test_a_half_read_cursor_is_forgotten(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """What has not begun is not begun, and the next statement works."""
    sandbox.latency = 0.02
    cursor = db.execute(JOIN)
    assert [next(cursor) for _ in range(20)] == ROWS[:20]
    del cursor
    gc.collect()
    assert db.execute(f"{JOIN} WHERE d.n < 5").fetchall() == ROWS[:5]
    assert len(requests()) <= 40 + 5


def test_a_writing_cursor_that_is_forgotten_within_a_replay_is_over(db: apsw.Connection) -> None:
    """The garbage collector comes at any time: the ledger is written all the same."""
    db.execute(f"CREATE VIRTUAL TABLE mine USING {T}; CREATE TABLE e (a)")
    held = [db.execute("INSERT INTO e VALUES (1), (2) RETURNING a")]
    assert next(held[0]) == (1,)
    seen: list[int] = []

    def forget(n: int) -> int:
        if n == 5 and n not in seen:
            held.clear()
        seen.append(n)
        return n

    db.create_scalar_function("forget", forget, 1, deterministic=True)
    assert db.execute(f"{JOIN} WHERE forget(d.n) < 8").fetchall() == ROWS[:8]
    assert seen[:3] == [0, 1, 0], "it was run again"
    assert db.execute(f"SELECT d.n, t.id FROM d JOIN mine AS t ON {ON} WHERE d.n < 8").fetchall() == ROWS[:8]
    assert db.execute("SELECT a FROM e").fetchall() == [(1,), (2,)]
    assert db.execute("SELECT id FROM mine_ledger ORDER BY seq").fetchall() == [(name,) for name in IDS[:8]]


def test_close_in_the_middle(connect: Any, fill: Any, sandbox: Any, requests: Requests) -> None:
    """The connection goes with what was predicted, and with its threads."""
    db = fill(connect())
    sandbox.latency = 0.02
    cursor = db.execute(JOIN)
    assert [next(cursor) for _ in range(5)] == ROWS[:5]
    db.close(True)
    with pytest.raises((apsw.CursorClosedError, apsw.ConnectionClosedError)):
        next(cursor)
    assert len(requests()) <= 10
    assert_no_threads()


def assert_no_threads() -> None:
    deadline = time.monotonic() + 2
    while (
        ours := [t for t in threading.enumerate() if t.name.startswith("openai_vtab")]
    ) and time.monotonic() < deadline:
        time.sleep(0.005)
    assert ours == []


def test_no_thread_is_left(connect: Any, fill: Any) -> None:
    """After close()."""
    db = fill(connect())
    assert db.execute(JOIN).fetchall() == ROWS
    db.close()
    assert_no_threads()


# interrupts


def test_interrupt_during_a_replay(db: apsw.Connection, requests: Requests) -> None:
    """It is the statement that stops."""
    seen: list[int] = []

    def f(n: int) -> int:
        if n == 9 and n not in seen:
            db.interrupt()
        seen.append(n)
        return n

    db.create_scalar_function("f", f, 1, deterministic=True)
    with pytest.raises(apsw.InterruptError):
        db.execute(f"{JOIN} WHERE f(d.n) >= 0").fetchall()
    assert seen[:3] == [0, 1, 0]
    assert len(requests()) <= 4
    assert db.execute(f"{JOIN} WHERE f(d.n) >= 0").fetchall() == ROWS


def test_interrupt_during_the_waits(db: apsw.Connection, sandbox: Any) -> None:
    """At once, and nothing more is begun."""
    sandbox.inject(Slow(3), times=None, path="vsfb_01")
    timer = threading.Timer(0.2, db.interrupt)
    timer.start()
    begin = time.monotonic()
    with pytest.raises(apsw.InterruptError):
        db.execute(JOIN).fetchall()
    assert time.monotonic() - begin < 1
    timer.join()
    sandbox.clear_faults()
    assert db.execute(f"{JOIN} WHERE d.n < 5").fetchall() == ROWS[:5]


def test_ctrl_c_during_a_replay(db: apsw.Connection) -> None:
    """It comes through, and the connection works on as before."""
    seen: list[int] = []

    def f(n: int) -> int:
        seen.append(n)
        if n == 9 and seen.count(9) == 1:
            raise KeyboardInterrupt
        return n

    db.create_scalar_function("f", f, 1, deterministic=True)
    with pytest.raises(KeyboardInterrupt):
        db.execute(f"{JOIN} WHERE f(d.n) >= 0").fetchall()
    assert seen == [0, 1, *range(10)]
    assert db.execute(f"{JOIN} WHERE f(d.n) >= 0").fetchall() == ROWS


def test_ctrl_c_during_the_waits(connect: Any, sandbox: Any, fill: Any) -> None:
    """A program that catches it goes on."""
    fill(apsw.Connection(":memory:"))
    sandbox.inject(Slow(5), times=None, path="vsfb_005")
    code = (
        "import _thread, threading, time, openai_vtab\n"
        "db = openai_vtab.connect()\n"
        f"db.execute('CREATE TABLE d (n, s, b)'); db.executemany(\"INSERT INTO d VALUES (?, 'vs_demo', ?)\", {ROWS!r})\n"
        "threading.Timer(0.4, _thread.interrupt_main).start()\n"
        f"try: db.execute({JOIN!r}).fetchall()\n"
        "except KeyboardInterrupt: print('stopped')\n"
        f"print(len(db.execute({JOIN + ' WHERE d.n < 5'!r}).fetchall()))\n"
    )
    begin = time.monotonic()
    assert python(["-c", code], sandbox) == "stopped\n5\n"
    assert time.monotonic() - begin < 4


def python(arguments: list[str], sandbox: Any, text: str = "") -> str:
    environment = {**os.environ, "OPENAI_BASE_URL": sandbox.base_url, "OPENAI_API_KEY": sandbox.api_key}
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", *arguments],
        input=text, env=environment, capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert (done.stderr, done.returncode) == ("", 0)
    return done.stdout


# what the user has set


def test_progress_handlers_stay(db: apsw.Connection) -> None:
    """They are called as before, and can stop the statement."""
    calls = []
    db.set_progress_handler(lambda: bool(calls.append(1)), 50)
    assert db.execute(JOIN).fetchall() == ROWS
    assert calls
    calls.clear()
    db.execute("WITH RECURSIVE i(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM i WHERE n < 100) SELECT sum(n) FROM i").get  # noqa: B018
    assert calls, "it is still there"
    db.set_progress_handler(lambda: True, 50)
    with pytest.raises(apsw.InterruptError):
        db.execute(JOIN).fetchall()
    db.set_progress_handler(None)
    assert db.execute(JOIN).fetchall() == ROWS


@pytest.mark.parametrize("deny", ["nothing", "denies", "raises"])
def test_authorizers_stay(db: apsw.Connection, requests: Requests, deny: str) -> None:
    """One that forbids PRAGMA forbids us to look whether a function is harmless: then nothing is predicted."""

    def authorize(operation: int, *names: Any) -> int:
        if operation == apsw.SQLITE_PRAGMA and deny == "raises":
            raise PermissionError("no PRAGMA")
        if operation == apsw.SQLITE_PRAGMA and deny == "denies":
            return apsw.SQLITE_DENY
        return apsw.SQLITE_OK

    db.authorizer = authorize
    assert db.execute(f"{JOIN} WHERE abs(d.n) >= 0").fetchall() == ROWS
    assert len(requests()) == N
    assert db.authorizer is authorize


def test_traces_see_what_they_saw(db: apsw.Connection, one_by_one: apsw.Connection) -> None:
    """exec_trace and row_trace of the connection and of a cursor, which stays as it is set."""
    seen: list[Any] = []

    def on_row(cursor: apsw.Cursor, row: tuple[Any, ...]) -> Any:
        seen.append(row)
        return row[1]

    def on_statement(cursor: apsw.Cursor, sql: str, bindings: Any) -> bool:
        seen.append((sql, bindings))
        return True

    for connection in (one_by_one, db):
        seen.append("apart")
        connection.exec_trace = on_statement
        connection.row_trace = on_row
        assert connection.execute(f"{JOIN} WHERE n >= ?", (0,)).fetchall() == IDS
        connection.exec_trace = connection.row_trace = None
        cursor = connection.cursor()
        cursor.exec_trace = on_statement
        cursor.row_trace = on_row
        assert cursor.execute(f"{JOIN} WHERE n >= ?", (0,)).fetchall() == IDS
    middle = seen.index("apart", 1)
    assert seen[:middle] == seen[middle:]
    assert len(seen) == 2 * (1 + 2 * (N + 1))


def test_hooks_of_the_transaction_see_nothing(db: apsw.Connection) -> None:
    """Commit, rollback and update hooks are told of the user's changes only."""
    seen: list[Any] = []
    db.set_commit_hook(lambda: bool(seen.append("commit")))
    db.set_rollback_hook(lambda: seen.append("rollback"))
    db.set_update_hook(lambda *what: seen.append(what[0]))
    assert db.execute(JOIN).fetchall() == ROWS
    assert seen == []
    db.execute(f"CREATE TABLE e AS {JOIN} LIMIT 3")
    assert set(seen) == {"commit"}


class Upper(apsw.Cursor):
    """A user's cursor, with arguments of its own."""

    def __init__(self, connection: apsw.Connection) -> None:
        super().__init__(connection)
        self.executed: list[str] = []

    def execute(self, sql: str, parameters: Sequence[Any] = (), **more: Any) -> Any:  # type: ignore[override]
        self.executed.append(sql)
        return super().execute(sql, [int(parameter) for parameter in parameters] or None, **more)

    def executemany(self, sql: str, rows: Sequence[Any]) -> Any:  # type: ignore[override]
        assert len(rows) > 0
        return super().executemany(sql, rows)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", ["class", "function"])
def test_a_cursor_factory_of_the_user(sandbox: Any, fill: Any, requests: Requests, when: str, kind: str) -> None:
    """Set before or after: its cursors are used, with the arguments that they take."""
    db = fill(apsw.Connection(":memory:"))
    factory = Upper if kind == "class" else lambda connection: Upper(connection)  # noqa: PLW0108 - no class
    if when == "before":
        db.cursor_factory = factory
    openai_vtab.register(db, base_url=sandbox.base_url, api_key=sandbox.api_key)
    if when == "after":
        db.cursor_factory = factory
    sandbox.latency = 0.01
    sandbox.reset_counters()
    cursor = db.cursor()
    assert isinstance(cursor, Upper)
    assert cursor.execute(sql=JOIN).fetchall() == ROWS
    assert sandbox.max_in_flight > 3
    assert len(requests()) == N
    sandbox.reset_counters()
    assert cursor.execute(f"{JOIN} WHERE d.n >= ?", parameters=["20"]).fetchall() == ROWS[20:]
    assert (sandbox.max_in_flight > 3) is (when == "before")  # after, it is not known with which values it runs
    assert cursor.executed == [JOIN, f"{JOIN} WHERE d.n >= ?"]
    cursor.executemany(sql="INSERT INTO d VALUES (?, '', '')", rows=[(100,), (101,)])
    assert db.execute("SELECT count(*) FROM d").get == N + 2
    db.close()


def test_a_converter_of_bindings(db: apsw.Connection) -> None:
    """What only the user's cursor can convert cannot be bound again: it is only not predicted."""
    cursor = db.cursor()
    cursor.convert_binding = lambda cursor, number, value: int(value.real)
    assert cursor.execute(f"{JOIN} WHERE d.n >= ?", (complex(5, 0),)).fetchall() == ROWS[5:]


def test_registering_twice(connect: Any, fill: Any, sandbox: Any, requests: Requests) -> None:
    """The later settings hold, also whether it reads ahead; the cursors stay APSW's."""
    db = fill(connect(read_ahead=False))
    again = {"base_url": sandbox.base_url, "api_key": sandbox.api_key}
    for _ in range(3):
        openai_vtab.register(db, **again)
    assert type(db.cursor()) is apsw.Cursor
    sandbox.latency = 0.01
    sandbox.reset_counters()
    assert db.execute(f"{JOIN} WHERE n >= ?", (0,)).fetchall() == ROWS
    assert sandbox.max_in_flight > 3
    openai_vtab.register(db, **again, read_ahead=False)
    sandbox.reset_counters()
    assert db.execute(f"{JOIN} WHERE n >= ?", (0,)).fetchall() == ROWS
    assert sandbox.max_in_flight == 1
    db.close()
    assert_no_threads()


def test_as_a_connection_hook(sandbox: Any, fill: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every connection reads ahead, also by the cursors of its own class."""
    monkeypatch.setenv("OPENAI_BASE_URL", sandbox.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", sandbox.api_key)
    apsw.connection_hooks.append(openai_vtab.register)
    try:
        db = fill(apsw.Connection(":memory:"))
    finally:
        apsw.connection_hooks.remove(openai_vtab.register)
    sandbox.latency = 0.01
    sandbox.reset_counters()
    assert db.execute(f"{JOIN} WHERE n >= ?", (0,)).fetchall() == ROWS
    assert sandbox.max_in_flight > 3
    db.close()


@pytest.mark.parametrize("mode", ["box", "json", "list"])
def test_the_shell_is_concurrent(sandbox: Any, fill: Any, requests: Requests, mode: str) -> None:
    """In every output mode; each key once."""
    fill(apsw.Connection(":memory:"))
    sandbox.latency = 0.02
    sandbox.reset_counters()
    values = ", ".join(f"({n}, 'vs_demo', '{name}')" for n, name in ROWS)
    text = f".mode {mode}\nCREATE TABLE d (n, s, b);\nINSERT INTO d VALUES {values};\n{JOIN};\n"
    output = python(["-m", "openai_vtab"], sandbox, text)
    assert all(name in output for name in IDS)
    assert sandbox.max_in_flight > 3
    assert len(requests()) == N


def test_on_an_ordinary_connection(sandbox: Any, fill: Any, tmp_path: Any) -> None:
    """register() alone, on a file, in WAL mode, beside another connection that writes."""
    db = fill(apsw.Connection(str(tmp_path / "my.db")))
    db.pragma("journal_mode", "wal")
    openai_vtab.register(db, base_url=sandbox.base_url, api_key=sandbox.api_key)
    sandbox.latency = 0.01
    sandbox.reset_counters()
    cursor = db.execute(JOIN)
    rows = [next(cursor)]
    other = apsw.Connection(str(tmp_path / "my.db"))
    other.execute("DELETE FROM d WHERE n > 30")
    assert rows + cursor.fetchall() == ROWS
    assert sandbox.max_in_flight > 3
    assert db.execute(JOIN).fetchall() == ROWS[:31]
    db.close()


def test_a_trigger_that_reads_the_table(sandbox: Any, fill: Any, requests: Requests) -> None:
    """Where the schema is trusted: its keys are asked for one by one, once in each statement."""
    for ahead in (False, True):
        db = apsw.Connection(":memory:")
        fill(db)
        openai_vtab.register(db, base_url=sandbox.base_url, api_key=sandbox.api_key, read_ahead=ahead)
        db.execute("CREATE TABLE e (n, status)")
        db.execute(
            f"CREATE TEMP TRIGGER look AFTER INSERT ON e BEGIN UPDATE e SET status = (SELECT t.status FROM d JOIN {T} AS t ON {ON} WHERE d.n = new.n) WHERE n = new.n; END"
        )
        db.execute("INSERT INTO e (n) VALUES (3), (4), (5)")
        db.execute("INSERT INTO e (n) SELECT n FROM d WHERE n < 3")
        assert db.execute("SELECT n FROM e WHERE status = 'in_progress'").fetchall() == [
            (3,),
            (4,),
            (5,),
            (0,),
            (1,),
            (2,),
        ]
        assert requests() == [f"GET {PATH}{IDS[n]}" for n in (3, 4, 5, 0, 1, 2)]
        db.close()


def test_a_temp_view(same: Run) -> None:
    """A join in a view is the view's."""
    needed, sent = same("SELECT * FROM joined WHERE n > 3", before=[f"CREATE TEMP VIEW joined AS {JOIN}"])
    assert len(needed) == len(sent) == N - 4


# statements that write


WRITES = {
    "insert": f"INSERT INTO e {JOIN}",
    "insert with a conflict": f"INSERT INTO e {JOIN} WHERE true ON CONFLICT DO NOTHING",
    "insert and return": f"INSERT INTO e {JOIN} RETURNING n, id",
    "replace": f"REPLACE INTO e {JOIN}",
    "with before insert": f"WITH q AS ({JOIN}) INSERT INTO e SELECT * FROM q",
    "create table": f"CREATE TABLE f AS {JOIN}",
    "update": f"UPDATE d SET b = (SELECT status FROM {T} AS t WHERE {ON}) WHERE n < 20",
    "update from": f"UPDATE d SET b = t.status FROM {T} AS t WHERE {ON}",
    "update or ignore": f"UPDATE OR IGNORE d SET b = (SELECT status FROM {T} AS t WHERE {ON})",
    "delete": f"DELETE FROM d WHERE EXISTS (SELECT 1 FROM {T} AS t WHERE {ON}) AND n % 2",
    "delete what is not there": f"DELETE FROM d WHERE NOT EXISTS (SELECT 1 FROM {T} AS t WHERE {ON})",
}


@pytest.mark.parametrize("sql", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("begin", ["", "BEGIN", "SAVEPOINT s"])
def test_a_writing_statement_is_the_same_with_and_without(
    same: Run, db: apsw.Connection, one_by_one: apsw.Connection, sandbox: Any, sql: str, begin: str
) -> None:
    """Rows, counters and what is in the tables, within a transaction or not; and it is concurrent."""
    sandbox.latency = 0.01
    before = ["CREATE TABLE e (n INTEGER PRIMARY KEY, id)", *([begin] if begin else [])]
    same(sql, before=before)
    assert sandbox.max_in_flight > 3
    for table in ("d", "e", *(["f"] if sql.startswith("CREATE") else [])):
        found = [connection.execute(f"SELECT * FROM {table}").fetchall() for connection in (one_by_one, db)]
        assert found[0] == found[1]
    if begin:
        for connection in (one_by_one, db):
            connection.execute("ROLLBACK")
            assert connection.execute("SELECT * FROM d").fetchall() == [(n, "vs_demo", name) for n, name in ROWS]
            assert not connection.in_transaction


def test_a_replay_sends_no_write(db: apsw.Connection, requests: Requests) -> None:
    """What is queued is sent by the first real read of another statement, or at COMMIT; once."""
    db.execute("BEGIN")
    db.execute(f"INSERT INTO {T} (vector_store_id, file_ids) VALUES ('vs_demo', '[\"file-new-01\"]')")
    assert db.execute("SELECT count(*) FROM d").get == N
    assert requests() == []
    assert db.execute(JOIN).fetchall() == ROWS
    sent = requests()
    assert sent[0] == "POST /vector_stores/vs_demo/file_batches"
    assert [request.partition(" ")[0] for request in sent[1:]] == ["GET"] * N
    db.execute("COMMIT")
    assert requests() == []


def test_a_statement_that_joins_and_creates_batches_reads_first(db: apsw.Connection, requests: Requests) -> None:
    """Its own rows are sent at its end, not by its replay."""
    db.execute(
        f"INSERT INTO {T} (vector_store_id, file_ids) SELECT d.s, json_array('file-new-01') FROM d JOIN {T} AS t ON {ON} WHERE d.n < 12"
    )
    assert [request.partition(" ")[0] for request in requests()] == ["GET"] * 12 + ["POST"] * 12


def test_an_update_of_the_table_by_a_join(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """Cancels each once."""
    db.execute(
        f"UPDATE {T} SET status = 'cancelled' WHERE (vector_store_id, batch_id) IN (SELECT s, b FROM d WHERE n < 10)"
    )
    sent = requests()
    assert sorted(r for r in sent if "cancel" in r) == [f"POST {PATH}{name}/cancel" for name in IDS[:10]]
    assert len(sent) == 20
    assert {sandbox.batches["vs_demo", name]["status"] for name in IDS[:10]} <= {"cancelled", "cancelling"}


def test_our_own_function_is_never_run_by_a_replay(db: apsw.Connection, requests: Requests) -> None:
    """It cancels exactly what the statement cancels."""
    rows = db.execute(
        f"SELECT d.n, cancel_vector_store_file_batch(t.vector_store_id, t.id) IS NOT NULL FROM d JOIN {T} AS t ON {ON} WHERE d.n < 6 LIMIT 4"
    ).fetchall()
    assert rows == [(n, 1) for n in range(4)]
    rows = db.execute(
        f"SELECT d.n, cancel_vector_store_file_batch(d.s, d.b) IS NOT NULL, t.id FROM d JOIN {T} AS t ON {ON} WHERE d.n BETWEEN 6 AND 9"
    ).fetchall()
    assert [n for n, *_ in rows] == [6, 7, 8, 9]
    sent = requests()
    assert [r for r in sent if r.startswith("POST")] == [f"POST {PATH}{name}/cancel" for name in IDS[:4] + IDS[6:10]]
    assert len(sent) == 16


def test_counters_and_transactions_are_the_users(db: apsw.Connection) -> None:
    """A join between two changes leaves them as they are."""
    db.execute("INSERT INTO d VALUES (100, 'a', 'b'), (101, 'a', 'b')")
    db.execute("BEGIN")
    before = (db.changes(), db.total_changes(), db.last_insert_rowid(), db.in_transaction)
    assert before == (2, N + 2, 101, True)
    sql = (
        f"SELECT d.n, t.id, changes(), total_changes(), last_insert_rowid() FROM d JOIN {T} AS t ON {ON} WHERE d.n < 40"
    )
    assert db.execute(sql).fetchall() == [(*row, 2, N + 2, 101) for row in ROWS]
    assert (db.changes(), db.total_changes(), db.last_insert_rowid(), db.in_transaction) == before


# ledgers, waiting


def test_a_ledger_is_not_asked_for_what_is_finished(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """Neither by the statement nor by its replay; by a listing as the outer table, too."""
    db.execute(f"CREATE VIRTUAL TABLE mine USING {T}")
    sandbox.finish()
    sandbox.add_batch("vs_demo", ["file-demo-01"], id="vsfb_new", processing_seconds=3600)
    db.execute("UPDATE d SET b = 'vsfb_new' WHERE n = 20")
    join = f"SELECT d.n, t.id, t.status FROM d JOIN mine AS t ON {ON}"
    rows = [(n, "vsfb_new", "in_progress") if n == 20 else (n, name, "completed") for n, name in ROWS]
    assert db.execute(join).fetchall() == rows
    assert len(requests()) == N
    assert db.execute(join).fetchall() == rows
    assert requests() == [f"GET {PATH}vsfb_new"]
    sql = f"SELECT m.id, t.status FROM mine AS m CROSS JOIN {T} AS t ON t.vector_store_id = m.vector_store_id AND t.batch_id = m.id"
    assert sorted(db.execute(sql).fetchall()) == sorted((name, status) for _, name, status in rows)
    assert sorted(requests()) == sorted(f"GET {PATH}{name}" for _, name, _ in rows)


def test_a_listing_alone_is_concurrent_and_stops_where_it_is_stopped(db: apsw.Connection, requests: Requests) -> None:
    """As an outer table with LIMIT it asks for one window."""
    db.execute(f"CREATE VIRTUAL TABLE mine USING {T}")
    db.executemany("INSERT INTO mine (vector_store_id, id) VALUES ('vs_demo', ?)", [(name,) for name in IDS])
    requests()
    sql = f"SELECT m.id FROM mine AS m CROSS JOIN {T} AS t ON t.vector_store_id = m.vector_store_id AND t.batch_id = m.id LIMIT 3"
    assert db.execute(sql).fetchall() == [(name,) for name in IDS[:3]]
    sent = requests()
    assert len(sent) == len(set(sent)) <= N


def test_waiting_in_a_join(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """wait_seconds asks until it is settled: nothing is read ahead that would not be waited for."""
    for name in ("vsfb_s1", "vsfb_s2", "vsfb_s3"):
        sandbox.add_batch("vs_demo", ["file-demo-01"], id=name, processing_seconds=0.2)
    sandbox.quirks.poll_after_ms = 60
    db.execute("UPDATE d SET b = 'vsfb_s' || n WHERE n BETWEEN 1 AND 3")
    rows = db.execute(
        f"SELECT d.n, t.status FROM d JOIN {T} AS t ON {ON} AND t.wait_seconds = 5 WHERE d.n BETWEEN 1 AND 3"
    ).fetchall()
    assert rows == [(1, "completed"), (2, "completed"), (3, "completed")]
    assert {request.rpartition("/")[2] for request in requests()} == {"vsfb_s1", "vsfb_s2", "vsfb_s3"}


def test_the_log_of_a_join(db: apsw.Connection, caplog: pytest.LogCaptureFixture) -> None:
    """One line for each statement that predicted something."""
    with caplog.at_level(logging.DEBUG, "openai_vtab"):
        db.execute(JOIN).fetchall()
        db.execute(f"{JOIN} LIMIT 3").fetchall()
        db.execute(f"{JOIN} LIMIT 1").fetchall()
    lines = [message for message in caplog.messages if "read-ahead" in message]
    assert lines == [
        "read-ahead: 38 keys predicted, 38 used, 0 wasted",
        "read-ahead: 4 keys predicted, 1 used, 3 wasted",
    ]


@pytest.mark.parametrize("way", ["execute", "a new cursor", "a known cursor", "apsw.Cursor", "a traced cursor"])
@pytest.mark.parametrize("read_ahead", [True, False])
def test_a_function_that_remembers_what_it_reads(
    connect: Any, fill: Any, requests: Requests, read_ahead: bool, way: str
) -> None:
    """A replay ends where the user's own statement would begin: its tables would say that they have no rows."""
    db = fill(connect(read_ahead=read_ahead))
    known = db.cursor()
    if way == "a traced cursor":
        known.exec_trace = lambda *_: True
    run = {
        "execute": db.execute,
        "a new cursor": lambda *given: db.cursor().execute(*given),
        "apsw.Cursor": lambda *given: apsw.Cursor(db).execute(*given),
    }.get(way, known.execute)

    # a cursor that is in use cannot run a second statement, which is the function's own error
    caught = () if run == known.execute else Exception

    @functools.cache
    def status(batch: str) -> Any:
        try:
            return run(
                f"SELECT status FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = ?", (batch,)
            ).fetchall()[0][0]
        except caught:
            return "not read"

    db.create_scalar_function("status", status, 1, deterministic=True)
    trace, factory = db.exec_trace, db.cursor_factory
    rows = db.execute(f"SELECT d.n, t.id, status(d.b) FROM d JOIN {T} AS t ON {ON} WHERE status(d.b) <> ''").fetchall()
    assert rows == [(n, name, "in_progress") for n, name in ROWS]
    assert (db.exec_trace, db.cursor_factory) == (trace, factory)
    assert (known.exec_trace is not None) == (way == "a traced cursor")
    assert len(requests()) <= 2 * N


def test_a_function_of_a_dbapi_connection_that_reads(sandbox: Any, fill: Any) -> None:
    """Its cursors have traces of their own."""
    from openai_vtab import dbapi

    fill(apsw.Connection(":memory:"))
    con = dbapi.connect(":memory:", base_url=sandbox.base_url, api_key=sandbox.api_key)
    con.execute("CREATE TABLE d (n, s, b)")
    con.executemany("INSERT INTO d VALUES (?, 'vs_demo', ?)", ROWS)
    cursor = con.cursor()

    @functools.cache
    def status(batch: str) -> Any:
        sql = f"SELECT status FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = ?"
        return (cursor if batch < "vsfb_020" else con).execute(sql, (batch,)).fetchall()[0][0]

    con.create_function("status", 1, status, deterministic=True)
    found = con.execute(f"SELECT d.n, t.id, status(d.b) FROM d JOIN {T} AS t ON {ON} WHERE status(d.b) <> ''")
    assert found.fetchall() == [(n, name, "in_progress") for n, name in ROWS]
    con.close()
