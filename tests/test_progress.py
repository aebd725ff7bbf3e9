"""The progress callback: what is told, on which thread, and when it is over."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.progress import Progress

T = "vector_store_file_batches"
MANY = "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 120)"
IN = f"{MANY} SELECT 1 FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id IN (SELECT 'vsfb_' || i FROM n)"
JOIN = f"{MANY} SELECT status FROM n LEFT JOIN {T} ON vector_store_id = 'vs_demo' AND batch_id = 'vsfb_' || i"
WAIT = f"SELECT 1 FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id IN ('vsfb_demo_finished', 'vsfb_demo_running') AND wait_seconds = 0.4"


@pytest.mark.parametrize(
    ("sql", "what", "total"),
    [(IN, "keys", 120), (JOIN, "keys", 120), (WAIT, "batches", 2), ("SELECT 1 FROM vector_stores", "pages", None)],
    ids=["in", "join", "wait", "pages"],
)
def test_a_statement_tells_how_far_it_is(
    connect: Callable[..., apsw.Connection], sandbox: Any, sql: str, what: str, total: int | None
) -> None:
    """On the user's thread, rising, at most every 100 ms, the last one finished."""
    told: list[tuple[float, int, Progress]] = []
    db = connect(progress=lambda p: told.append((time.monotonic(), threading.get_ident(), p)))
    sandbox.latency = 0.15 if what == "pages" else 0.05
    db.execute(sql).fetchall()
    steps = [progress for _, _, progress in told]
    assert len(steps) >= 2
    assert {thread for _, thread, _ in told} == {threading.get_ident()}
    assert [step.finished for step in steps] == [False] * (len(steps) - 1) + [True]
    assert steps[-1].what == what
    assert steps[-1].total == total
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    if what == "keys":
        assert steps[-1].done == 120
    times = [at for at, _, progress in told if not progress.finished]
    assert all(later - earlier > 0.09 for earlier, later in itertools.pairwise(times))


ROWS = f"{MANY} INSERT INTO {T} (vector_store_id, file_ids) SELECT 'vs_demo', '[\"file-new-01\"]' FROM n"


def test_a_commit_tells_how_many_rows_are_written(connect: Callable[..., apsw.Connection], sandbox: Any) -> None:
    """Of all that it sends; and a callback that fails does not keep it from knowing what was created."""
    told: list[Progress] = []

    def tell(progress: Progress) -> None:
        told.append(progress)
        raise RuntimeError("broken")

    db = connect(progress=tell)
    sandbox.latency = 0.05
    db.execute(ROWS)
    assert len(told) >= 2
    assert {(step.what, step.total) for step in told} == {("rows", 120)}
    assert [step.done for step in told] == sorted(step.done for step in told)
    assert [step.finished for step in told] == [False] * (len(told) - 1) + [True]
    assert len([request for request in sandbox.requests if request.method == "POST"]) == 120


def test_a_short_statement_tells_nothing(connect: Callable[..., apsw.Connection]) -> None:
    """There is nothing to wait for."""
    told: list[Progress] = []
    db = connect(progress=told.append)
    db.execute(f"SELECT 1 FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_finished'").fetchall()
    assert told == []


def test_what_the_callback_raises_ends_the_statement(connect: Callable[..., apsw.Connection], sandbox: Any) -> None:
    """A way to give up; and the end is told all the same."""
    told: list[Progress] = []

    def stop(progress: Progress) -> None:
        told.append(progress)
        if not progress.finished:
            raise LookupError("enough")

    db = connect(progress=stop)
    sandbox.latency = 0.05
    with pytest.raises(LookupError, match="enough"):
        db.execute(IN).fetchall()
    assert told[-1].finished
    assert db.execute("SELECT 1").get == 1


def test_a_callback_is_a_function() -> None:
    """Anything else is refused at connect()."""
    with pytest.raises(openai_vtab.InterfaceError, match="progress is True; write a function"):
        openai_vtab.connect(progress=True)
