"""Processes that are killed in a commit, and several that write into one ledger."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import apsw
import pytest

from openai_vtab.sandbox import Slow

from ..support.meeting import holding, meeting
from ..support.slow import slow_except
from ..support.waiting import until
from .batches import FINISHED, ONE, RUNNING, Requests, created
from .files import CHILD, ROWS, SELECT, intact, run

JOURNAL = "db.execute('INSERT INTO journal VALUES (1)')\n"
BOTH = f"db.execute('BEGIN'); db.execute({ONE!r})\n{JOURNAL}"
NONE = "INSERT INTO my_batches (vector_store_id, file_ids) VALUES ('vs_none', '[\"file-new-02\"]')"
STEPS: dict[str, tuple[str, int, Any, int]] = {
    # the program, how many batches are created, listed ("unknown" without its id), and rows in the journal
    "before the COMMIT": (BOTH + "die()", 0, 0, 0),
    "while the POST is under way": (BOTH + "db.execute('COMMIT')", 1, "unknown", 0),
    "between the answer and the local commit": (BOTH + "db.set_commit_hook(die); db.execute('COMMIT')", 1, 1, 0),
    "right after the COMMIT": (BOTH + "db.execute('COMMIT'); die()", 1, 1, 1),
    "right after an autocommit": (f"db.execute({ONE!r}); die()", 1, 1, 0),
    "after a read of the transaction": (BOTH + f"db.execute({SELECT!r}).fetchall(); die()", 1, 1, 0),
    "after the ROLLBACK": (BOTH + f"db.execute({SELECT!r}).fetchall(); db.execute('ROLLBACK'); die()", 1, 1, 0),
    "in the middle of a listing": (f"db.execute({ONE!r}); c = db.execute({SELECT!r}); next(c); die()", 1, 1, 0),
    "while a listing asks": (f"db.execute({ONE!r}); threading.Timer(0.1, die).start(); db.execute({SELECT!r} || '').get".replace(" || ''", ""), 1, 1, 0),
    "after a COMMIT that failed": (BOTH + f"db.execute({NONE!r})\ntry: db.execute('COMMIT')\nexcept openai_vtab.WriteError: die()", 1, 1, 0),
    "in the COMMIT of a second one": (f"db.execute({ONE!r})\n" + BOTH + "db.set_commit_hook(die); db.execute('COMMIT')", 2, 2, 0),
    "in a rename": (f"db.execute({ONE!r}); db.execute('BEGIN; ALTER TABLE my_batches RENAME TO yours; SELECT * FROM yours'); die()", 1, 1, 0),
    "in a drop": ("db.execute('BEGIN; DROP TABLE my_batches'); die()", 0, 0, 0),
    "in a delete": ("db.execute('BEGIN; DELETE FROM my_batches'); die()", 0, 0, 0),
}  # fmt: skip


@pytest.mark.sample(1)
@pytest.mark.parametrize("mode", slow_except(["wal", "delete"], "wal"))
@pytest.mark.parametrize("step", slow_except(STEPS, "while the POST is under way", "in the COMMIT of a second one"))
def test_crash_by_sigkill_leaves_a_ledger_that_is_right(
    file: str, connect: Any, sandbox: Any, requests: Requests, step: str, mode: str
) -> None:
    """Nothing that was created is lost, nothing is queued for ever, and the next statement works."""
    code, made, remembered, journal = STEPS[step]
    plain = apsw.Connection(file)
    plain.execute(f"PRAGMA journal_mode = {mode}").fetchall()
    plain.execute("CREATE TABLE journal (n)")
    plain.close()
    if "listing asks" in step:
        sandbox.inject(Slow(0.5), method="GET", times=None)
    sandbox.reset_counters()
    with ExitStack() as stack:
        if "under way" in step:
            stack.enter_context(holding(sandbox, method="POST"))
        if "failed" in step:  # the failure stops what has not been sent
            stack.enter_context(meeting(sandbox, 2, method="POST"))
        run(code, sandbox, file, killed=True, when=lambda: "under way" in step and sandbox.in_flight > 0)
    sandbox.clear_faults()
    intact(file)
    until(lambda: len(created(sandbox)) >= made)
    ids = created(sandbox)
    assert len(ids) == made
    db = connect(file)
    listed = [(None, "unknown")] if remembered == "unknown" else [(id, "in_progress") for id in ids[:remembered]]
    expected = [*ROWS, *listed]
    assert db.execute(SELECT).fetchall() == expected
    assert [path.name for path in Path(file).parent.glob("*-openai-intents-*")] == []
    assert db.execute("SELECT count(*) FROM journal").get == journal
    db.execute(ONE)
    assert len(db.execute(SELECT).fetchall()) == len(expected) + 1
    assert db.execute("PRAGMA integrity_check").get == "ok"


@pytest.mark.slow
def test_concurrent_writers_share_a_ledger(file: str, sandbox: Any, connect: Any) -> None:
    """Two processes that create and list in turn: every batch is listed once."""
    code = f"db.set_busy_timeout(10000)\nfor n in range(8): db.execute({ONE!r}); db.execute({SELECT!r}).fetchall()\n"
    environment = {**os.environ, "OPENAI_BASE_URL": sandbox.base_url, "OPENAI_API_KEY": sandbox.api_key}
    plain = apsw.Connection(file)
    plain.execute("PRAGMA journal_mode = wal").fetchall()
    command = [sys.executable, "-c", CHILD + code, file]
    children = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) for _ in range(2)]
    for child in children:
        _, err = child.communicate(timeout=60)
        assert (child.returncode, err) == (0, b"")
    plain.close()
    ids = [id for (id,) in connect(file).execute("SELECT id FROM my_batches")]
    assert sorted(ids) == sorted([FINISHED, RUNNING, *created(sandbox)])
    assert len(created(sandbox)) == 16
    assert json.dumps(ids)
    intact(file)
