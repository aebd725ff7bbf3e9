"""LIMIT and read-ahead over lists: which pages are requested, and when."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.sandbox import Slow

from ..support.meeting import meeting
from ..support.waiting import until
from .lists import LISTS, List, every, ids, paged, plan, statused

pytestmark = pytest.mark.usefixtures("many")

Requests = Callable[[], list[str]]


@pytest.mark.sample(8)
@every
@pytest.mark.parametrize(
    ("more", "limit", "order"),
    [
        ("LIMIT 5", 5, "desc"),
        ("LIMIT 5 OFFSET 3", 8, "desc"),
        ("ORDER BY created_at DESC LIMIT 15", 15, "desc"),
        ("ORDER BY created_at LIMIT 35", 35, "asc"),
        ("ORDER BY created_at LIMIT 25 OFFSET 2", 27, "asc"),
        ("LIMIT 1", 1, "desc"),
    ],
)
def test_limit_reads_one_page_of_that_size(
    db: apsw.Connection, requests: Requests, it: List, more: str, limit: int, order: str
) -> None:
    """Nothing is read that is thrown away, but for OFFSET's rows."""
    found = db.execute(it.sql("id, created_at", more)).fetchall()
    assert requests() == [it.get(limit=limit, order=order)]
    everything = db.execute(it.sql("id, created_at", f"ORDER BY +created_at {order}, id {order}")).fetchall()
    offset = limit - len(found)
    if "created_at" in more:
        assert [at for _, at in found] == [at for _, at in everything[offset:limit]]
    assert len(found) == int(more.partition("LIMIT ")[2].split()[0])


@statused
def test_limit_with_a_status_reads_one_page_of_that_size(db: apsw.Connection, requests: Requests, it: List) -> None:
    """The API filters, so that no row is thrown away."""
    sql = it.sql("id, status", "AND status = 'failed' ORDER BY created_at DESC LIMIT 15")
    numbers = (248, 247, 245, 244, 242, 241, 239, 238, 236, 235, 233, 232, 230, 229, 227)
    assert db.execute(sql).fetchall() == [(f"file-{n}", "failed") for n in numbers]
    assert requests() == [it.get("filter=failed&", limit=15)]
    assert plan(db, sql).endswith("status,LIMIT desc")


def test_limit_with_a_purpose_reads_one_page_of_that_size(
    db: apsw.Connection, sandbox: Any, requests: Requests
) -> None:
    """As with the status."""
    sandbox.add_file("b.md", id="file-b", purpose="user_data")
    assert db.execute("SELECT id FROM files WHERE purpose = 'user_data' LIMIT 5").fetchall() == [("file-b",)]
    assert db.execute("SELECT id FROM files WHERE purpose = 'a b&c/ü' LIMIT 5").fetchall() == []
    query = "limit=5&order=desc"
    assert requests() == [f"GET /files?purpose=user_data&{query}", f"GET /files?purpose=a%20b%26c%2F%C3%BC&{query}"]


@pytest.mark.sample(8)
@paged
@pytest.mark.parametrize(
    "more",
    [
        "AND id LIKE '%7' LIMIT 5",
        "ORDER BY id LIMIT 5",
        "ORDER BY created_at, id LIMIT 5",
        "GROUP BY id LIMIT 5",
        "AND created_at > 0 LIMIT 5",
        "AND usage_bytes >= 0 ORDER BY created_at DESC LIMIT 5",
    ],
)
def test_limit_is_not_pushed_where_sqlite_filters(db: apsw.Connection, requests: Requests, it: List, more: str) -> None:
    """It must not ask for page after page of five."""
    assert len(db.execute(it.sql("id", more)).fetchall()) == 5
    assert requests()[0] in (it.get(), it.get(order="asc"))


@paged
def test_limit_above_a_page(db: apsw.Connection, requests: Requests, it: List) -> None:
    """Whole pages until there are enough, and none more."""
    found = [id for (id,) in db.execute(it.sql("id", "LIMIT 150"))]
    assert len(found) == 150
    assert requests() == [it.get(), it.get(after=found[99])]


@paged
def test_prefetch_of_a_limits_later_pages(connect: Any, sandbox: Any, requests: Requests, it: List) -> None:
    """The second page is needed, and is asked for while the first is read."""
    rows = connect().execute(it.sql("id", "LIMIT 150"))
    for _ in range(80):
        next(rows)
    until(lambda: len(sandbox.requests) >= 2)
    assert len(requests()) == 2
    rows.close(True)


@paged
def test_prefetch_requests_the_next_page_while_one_is_read(
    db: apsw.Connection, sandbox: Any, requests: Requests, it: List
) -> None:
    """Not before half of it has been read, and not two pages ahead."""
    rows = db.execute(it.sql())
    for _ in range(40):
        next(rows)
    time.sleep(0.05)  # whatever was begun too early would have arrived
    assert len(requests()) == 1
    for _ in range(40):
        next(rows)
    until(lambda: sandbox.requests)
    assert len(requests()) == 1
    for _ in range(40):
        next(rows)
    time.sleep(0.05)  # whatever was begun too early would have arrived
    assert requests() == []
    rows.close(True)


@ids(LISTS[1:2])
def test_prefetch_does_not_delay_the_page_that_is_read(connect: Any, sandbox: Any, it: List) -> None:
    """The second page takes long: the rows of the first do not wait for it."""
    sandbox.inject(Slow(30), path=it.path, after=1)
    rows = connect().execute(it.sql())
    began = time.monotonic()
    for _ in range(100):
        next(rows)
    assert time.monotonic() - began < 20
    rows.close(True)


@pytest.mark.parametrize("source", ["a local table", "the list of stores"])
def test_prefetch_paginates_the_lists_of_a_join_concurrently(
    connect: Any, sandbox: Any, requests: Requests, source: str
) -> None:
    """Read ahead; each list once."""
    db = connect(max_concurrency=8)
    names = [f"vs_{n:03}" for n in range(40)]
    for name in names:
        sandbox.add_batch(name, ["file-000", "file-001"], processing_seconds=0)
    db.execute("CREATE TABLE mine (store TEXT)")
    db.executemany("INSERT INTO mine VALUES (?)", [(name,) for name in names])
    sandbox.reset_counters()
    join = (
        "mine AS m JOIN vector_store_files AS f ON f.vector_store_id = m.store"
        if source == "a local table"
        else "vector_stores AS v JOIN vector_store_files AS f ON f.vector_store_id = v.id WHERE v.total_count = 2"
    )
    with meeting(sandbox, 8, path="vs_0[12]./files"):
        counted = dict(db.execute(f"SELECT f.vector_store_id, count(*) FROM {join} GROUP BY 1"))
    assert {name: counted[name] for name in names} == dict.fromkeys(names, 2)
    assert sandbox.max_in_flight == 8
    taken = [request for request in requests() if "/files" in request]
    assert len(taken) == len(set(taken)) == len(counted)


def test_prefetch_error_is_ignored_by_a_query_that_stops_before(db: apsw.Connection, sandbox: Any) -> None:
    """A store that is gone comes after the rows that are wanted."""
    for name in ("vs_001", "vs_002", "vs_003", "vs_004"):
        sandbox.add_batch(name, ["file-000"], processing_seconds=0)
    db.execute("CREATE TABLE mine (store)")
    db.execute("INSERT INTO mine VALUES ('vs_001'), ('vs_002'), ('vs_003'), ('vs_004'), ('vs_gone')")
    sql = "SELECT f.vector_store_id FROM mine AS m CROSS JOIN vector_store_files AS f ON f.vector_store_id = m.store"
    rows = db.execute(sql)
    for name in ("vs_001", "vs_002", "vs_003", "vs_004"):
        assert next(rows) == (name,)
    until(lambda: any("vs_gone" in request.path for request in sandbox.requests))
    rows.close(True)
    with pytest.raises(openai_vtab.APIError, match="vs_gone"):
        db.execute(sql).fetchall()
