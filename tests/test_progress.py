"""The progress callback: what is reported, on which thread, how often, and when it ends."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.progress import INTERVAL, Progress, ProgressReporter

T = "vector_store_file_batches"
MANY = "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 120)"
IN = f"{MANY} SELECT 1 FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id IN (SELECT 'vsfb_' || i FROM n)"
JOIN = f"{MANY} SELECT status FROM n LEFT JOIN {T} ON vector_store_id = 'vs_demo' AND batch_id = 'vsfb_' || i"
WAIT = f"SELECT 1 FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id IN ('vsfb_demo_finished', 'vsfb_demo_running') AND wait_seconds = 0.4"
ROWS = f"{MANY} INSERT INTO {T} (vector_store_id, file_ids) SELECT 'vs_demo', '[\"file-new-01\"]' FROM n"


class Clock:
    """A clock that moves only when it sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float, /) -> None:
        self.now += seconds


@pytest.mark.sample(2)
@pytest.mark.parametrize(
    ("sql", "what", "total"),
    [(IN, "keys", 120), (JOIN, "keys", 120), (WAIT, "batches", 2), ("SELECT 1 FROM vector_stores", "pages", None)],
    ids=["in", "join", "wait", "pages"],
)
def test_progress_of_a_statement(
    connect: Callable[..., apsw.Connection], sandbox: Any, sql: str, what: str, total: int | None
) -> None:
    """It rises, comes on the user's thread, and the last report is finished."""
    reports: list[tuple[int, Progress]] = []
    db = connect(progress=lambda progress: reports.append((threading.get_ident(), progress)))
    sandbox.latency = 0.15 if what == "pages" else 0.05
    db.execute(sql).fetchall()
    steps = [progress for _, progress in reports]
    assert len(steps) >= 2
    assert {thread for thread, _ in reports} == {threading.get_ident()}
    assert [step.finished for step in steps] == [False] * (len(steps) - 1) + [True]
    assert steps[-1].what == what
    assert steps[-1].total == total
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    if what == "keys":
        assert steps[-1].done == 120


def test_progress_of_a_commit(connect: Callable[..., apsw.Connection], sandbox: Any) -> None:
    """It counts the rows written. A callback that raises does not keep the commit from knowing what was created."""
    reports: list[Progress] = []

    def report(progress: Progress) -> None:
        reports.append(progress)
        raise RuntimeError("broken")

    db = connect(progress=report)
    sandbox.latency = 0.05
    db.execute(ROWS)
    assert len(reports) >= 2
    assert {(step.what, step.total) for step in reports} == {("rows", 120)}
    assert [step.done for step in reports] == sorted(step.done for step in reports)
    assert [step.finished for step in reports] == [False] * (len(reports) - 1) + [True]
    assert len([request for request in sandbox.requests if request.method == "POST"]) == 120


def test_progress_callback_that_raises_ends_the_statement(
    connect: Callable[..., apsw.Connection], sandbox: Any
) -> None:
    """The end is reported all the same, and the connection remains usable."""
    reports: list[Progress] = []

    def stop(progress: Progress) -> None:
        reports.append(progress)
        if not progress.finished:
            raise LookupError("enough")

    db = connect(progress=stop)
    sandbox.latency = 0.05
    with pytest.raises(LookupError, match="enough"):
        db.execute(IN).fetchall()
    assert reports[-1].finished
    assert db.execute("SELECT 1").get == 1


def test_progress_must_be_a_function() -> None:
    """Anything else raises at connect()."""
    with pytest.raises(openai_vtab.InterfaceError, match="progress is True; write a function"):
        openai_vtab.connect(progress=True)


def test_reporter_reports_at_intervals() -> None:
    """Not before the first interval is over, and then once in each; the end is reported at once."""
    clock, reports = Clock(), []
    reporter = ProgressReporter(reports.append, clock)
    for _ in range(25):
        reporter.came("keys", 100)
        clock.sleep(INTERVAL / 8)
    assert [report.done for report in reports] == [9, 17, 25]
    reporter.close()
    reporter.close()
    assert reports[-1] == Progress("keys", 25, 100, finished=True)
    assert [report.finished for report in reports] == [False, False, False, True]


def test_reporter_is_silent_about_a_short_statement() -> None:
    """It does not report the end either."""
    clock, reports = Clock(), []
    reporter = ProgressReporter(reports.append, clock)
    reporter.came("keys", 1)
    clock.sleep(INTERVAL / 2)
    reporter.close()
    assert reports == []


def test_reporter_logs_an_exception_of_the_last_report(caplog: pytest.LogCaptureFixture) -> None:
    """SQLite would lose it."""
    clock = Clock()

    def report(progress: Progress) -> None:
        if progress.finished:
            raise RuntimeError("broken")

    reporter = ProgressReporter(report, clock)
    clock.sleep(INTERVAL)
    reporter.came("pages", None)
    with caplog.at_level(logging.ERROR, "openai_vtab"):
        reporter.close()
    assert [record.message for record in caplog.records] == ["the progress callback failed"]
