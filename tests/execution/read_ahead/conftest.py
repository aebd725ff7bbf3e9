"""Forty batches in a sandbox, a local table that names them, and connections with and without read-ahead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import apsw
import apsw.ext
import pytest

from ...support.meeting import meeting
from .joins import IDS, LATER, ROWS, Requests, Run


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
def same(db: apsw.Connection, one_by_one: apsw.Connection, sandbox: Any, requests: Requests) -> Run:
    """Run a statement on both: the same plan, rows and counters, and few requests in vain. Returns both's requests.

    `in_flight`: how many requests must be in flight at once when the statement is read ahead.
    """

    def run(
        sql: str, bindings: Any = None, before: Sequence[str] = (), in_flight: int = 0
    ) -> tuple[list[str], list[str]]:
        found = []
        for connection in (one_by_one, db):
            for statement in before:
                connection.execute(statement)
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", bindings)]
            begin = connection.total_changes()
            requests()
            with meeting(sandbox, in_flight if connection is db else 0, path=LATER):
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
