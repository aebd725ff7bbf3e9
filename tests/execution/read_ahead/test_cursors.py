"""Several statements at once: interleaved, nested and dropped cursors, and close()."""

from __future__ import annotations

import gc
from typing import Any

import apsw
import apsw.ext
import pytest

from .joins import IDS, JOIN, ON, ROWS, N, Requests, T, assert_no_threads, own_threads

PATH = "/vector_stores/vs_demo/file_batches/"


def test_prefetch_with_interleaved_cursors(db: apsw.Connection, requests: Requests) -> None:
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


@pytest.mark.sample(3)
@pytest.mark.parametrize("late", LATE.values(), ids=LATE)
@pytest.mark.parametrize("other", [JOIN, LATE["list"]], ids=["join", "late list"])
@pytest.mark.parametrize("ends", ["before", "within", "after"])
def test_prefetch_of_a_table_that_sqlite_opens_late(
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


def test_prefetch_of_a_statement_within_a_function(db: apsw.Connection, requests: Requests) -> None:
    """A function that queries the table by the same connection belongs to the statement: one snapshot."""

    def inner(n: int) -> int:
        sql = f"{JOIN} WHERE d.n BETWEEN ? AND ?"
        return len(db.execute(sql, (n, n + 2)).fetchall())

    db.create_scalar_function("inner_join", inner, 1)
    rows = db.execute(f"SELECT d.n, t.id, inner_join(d.n) FROM d JOIN {T} AS t ON {ON} WHERE d.n < 10").fetchall()
    assert rows == [(*row, 3) for row in ROWS[:10]]
    assert sorted(requests()) == [f"GET {PATH}{name}" for name in IDS[:12]]


def test_cursor_that_is_half_read_may_be_dropped(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """What has not begun is not begun, and the next statement works."""
    sandbox.latency = 0.02
    cursor = db.execute(JOIN)
    assert [next(cursor) for _ in range(20)] == ROWS[:20]
    del cursor
    gc.collect()
    assert db.execute(f"{JOIN} WHERE d.n < 5").fetchall() == ROWS[:5]
    assert len(requests()) <= 40 + 5


def test_cursor_that_writes_is_over_when_dropped_within_a_replay(db: apsw.Connection) -> None:
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


def test_close_in_the_middle_of_a_join(connect: Any, fill: Any, sandbox: Any, requests: Requests) -> None:
    """The connection goes with what was predicted, and with its threads."""
    before = own_threads()
    db = fill(connect())
    sandbox.latency = 0.02
    cursor = db.execute(JOIN)
    assert [next(cursor) for _ in range(5)] == ROWS[:5]
    db.close(True)
    with pytest.raises((apsw.CursorClosedError, apsw.ConnectionClosedError)):
        next(cursor)
    assert len(requests()) <= 10
    assert_no_threads(before)


def test_threads_end_with_the_statement(connect: Any, fill: Any) -> None:
    """After close()."""
    before = own_threads()
    db = fill(connect())
    assert db.execute(JOIN).fetchall() == ROWS
    db.close()
    assert_no_threads(before)
