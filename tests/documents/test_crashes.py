"""Processes that are killed in a COMMIT of a documents table: the next run repairs what they have left."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ..ledger.files import run
from ..support.clock import FakeClock
from ..support.meeting import holding
from ..support.slow import slow_except
from ..support.waiting import until
from .handbook import STEPS, STORE, SYNC, assert_holds, rows, uploaded, write
from .test_outcomes import OLD, change, changed, finish, repeat

JOB = """
db.execute("BEGIN")
db.execute("INSERT OR REPLACE INTO handbook (key, content) VALUES ('a.md', 'a'), ('b.md', 'changed'), ('d.md', 'd')")
db.execute("UPDATE handbook SET attributes = json_object('n', 1) WHERE key = 'a.md'")
db.execute("DELETE FROM handbook WHERE key = 'c.md'")
"""
UPLOADS = Counter({("b.md", "changed"): 1, ("d.md", "d"): 1})
MOMENTS = {  # the program, and whether it has committed
    "before COMMIT": (JOB + "die()", False),
    **{f"while {step} is under way": (JOB + "db.execute('COMMIT')", False) for step in STEPS if step != "store"},
    "between the last response and the local commit": (JOB + "db.set_commit_hook(die); db.execute('COMMIT')", False),
    "right after COMMIT": (JOB + "db.execute('COMMIT'); die()", True),
}


def killed(connect: Any, sandbox: Any, clock: FakeClock, file: str, moment: str) -> bool:
    """Write OLD, and kill a process in the job. Returns whether the job was committed."""
    db = connect(file, clock=clock)
    write(db, OLD)
    clock.advance(7200)
    assert {status for _, status in rows(db)} == {"completed"}
    db.close()
    code, committed = MOMENTS[moment]
    method, path = STEPS[moment.split()[1]] if moment.startswith("while") else (None, None)
    sandbox.reset_counters()

    def is_time() -> bool:
        """One request is under way, and those that are sent beside it have arrived, too."""
        beside = sum(request.path.endswith("/files") and request.method == "POST" for request in sandbox.requests)
        waits = moment == "while upload is under way" and beside < sum(UPLOADS.values())
        return held.most == 1 and sandbox.in_flight == 1 and not waits

    with holding(sandbox, times=1 if method else 0, method=method, path=path) as held:
        run(code, sandbox, file, killed=True, when=is_time)
    until(lambda: not sandbox.in_flight)  # the server carries it out all the same
    return committed


@pytest.mark.parametrize("moment", slow_except(MOMENTS, "while upload is under way"))
def test_crash_is_repaired_by_repeating_the_job(
    connect: Any, sandbox: Any, clock: FakeClock, file: str, moment: str
) -> None:
    """The store has exactly the documents, none twice, and nothing was uploaded twice."""
    killed(connect, sandbox, clock, file, moment)
    sandbox.reset_counters()
    before = uploaded(sandbox)
    db = connect(file, clock=clock)
    repeat(db, times=1)
    created = sum(request.method == "POST" and request.path.endswith("/files") for request in sandbox.requests)
    assert created == sum((UPLOADS - before).values())
    finish(db, clock)
    changed(sandbox)
    assert [path.name for path in Path(file).parent.glob("*-openai-intents-*")] == []
    assert db.execute("PRAGMA integrity_check").get == "ok"


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_crash_is_repaired_by_sync(connect: Any, sandbox: Any, clock: FakeClock, file: str, moment: str) -> None:
    """The store has exactly the committed documents, with the committed attributes."""
    committed = killed(connect, sandbox, clock, file, moment)
    db = connect(file, clock=clock)
    db.execute(SYNC)
    finish(db, clock)
    if committed:
        changed(sandbox)
        return
    there = {key: content for key, content in OLD.items() if (key, "missing") not in rows(db)}
    assert set(OLD) - set(there) <= {"c.md"}  # its file was deleted before the crash
    assert_holds(sandbox, there)
    assert not any(file.attributes for file in sandbox._state.stores[STORE].files.values())
    assert [key for key, _ in rows(db)] == list(OLD)
    write(db, OLD)
    assert_holds(sandbox, OLD)


@pytest.mark.slow
def test_crash_leaves_files_for_another_table_to_settle(
    connect: Any, sandbox: Any, clock: FakeClock, file: str
) -> None:
    """A ledger in the same file is opened first: it writes the documents table's rows, too."""
    killed(connect, sandbox, clock, file, "between the last response and the local commit")
    db = connect(file, clock=clock)
    db.execute("CREATE VIRTUAL TABLE my_batches USING vector_store_file_batches")
    db.execute("SELECT * FROM my_batches").fetchall()
    assert [path.name for path in Path(file).parent.glob("*-openai-intents-*")] == []
    sandbox.reset_counters()
    change(db)
    assert not any(request.path.endswith("/files") and request.method == "POST" for request in sandbox.requests)
