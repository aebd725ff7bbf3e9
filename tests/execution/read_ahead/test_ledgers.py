"""Read-ahead with ledgers, polling, the request log and functions that read."""

from __future__ import annotations

import functools
import logging
from typing import Any

import apsw
import apsw.ext
import pytest

from .joins import IDS, JOIN, ON, ROWS, N, Requests, T

PATH = "/vector_stores/vs_demo/file_batches/"


def test_prefetch_skips_finished_batches_of_a_ledger(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
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


def test_listing_of_a_ledger_is_concurrent_and_stops_with_the_statement(
    db: apsw.Connection, requests: Requests
) -> None:
    """As an outer table with LIMIT it asks for one window."""
    db.execute(f"CREATE VIRTUAL TABLE mine USING {T}")
    db.executemany("INSERT INTO mine (vector_store_id, id) VALUES ('vs_demo', ?)", [(name,) for name in IDS])
    requests()
    sql = f"SELECT m.id FROM mine AS m CROSS JOIN {T} AS t ON t.vector_store_id = m.vector_store_id AND t.batch_id = m.id LIMIT 3"
    assert db.execute(sql).fetchall() == [(name,) for name in IDS[:3]]
    sent = requests()
    assert len(sent) == len(set(sent)) <= N


def test_polling_in_a_join(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
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


def test_request_log_of_a_join(db: apsw.Connection, caplog: pytest.LogCaptureFixture) -> None:
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


@pytest.mark.sample(4)
@pytest.mark.parametrize("way", ["execute", "a new cursor", "a known cursor", "apsw.Cursor", "a traced cursor"])
@pytest.mark.parametrize("read_ahead", [True, False])
def test_replay_with_a_function_that_caches_what_it_reads(
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


def test_replay_with_a_dbapi_function_that_reads(sandbox: Any, fill: Any) -> None:
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
