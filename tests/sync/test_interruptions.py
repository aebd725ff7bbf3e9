"""Two syncs at once, and syncs that were killed: nothing is uploaded twice, nothing is lost."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from openai_vtab import WriteError
from openai_vtab.sync.database import LOCK

from ..shell.command import run_shell
from ..support.waiting import until
from .conftest import Done

Sync = Callable[..., Done]
Stored = Callable[[], list[tuple[str, str]]]


def test_lock_keeps_a_second_sync_away(sync: Sync, database: Path) -> None:
    """It says so, and sends nothing."""
    sync()
    with closing(apsw.Connection(f"{database}{LOCK}")) as other:
        other.execute("BEGIN EXCLUSIVE")
        done = sync()
    assert (done.status, done.requests) == (1, [])
    assert done.err == f"another openai-vtab sync is running with {database}; wait for its end\n"
    assert sync().status == 0


def test_lock_that_cannot_be_opened_is_named(folder: Path, tmp_path: Path) -> None:
    """The folder of the database does not exist."""
    database = tmp_path / "none" / "my.db"
    done = run_shell("sync", str(folder), "--store", "Handbook", str(database))
    assert done.returncode == 1
    assert done.stderr.startswith(f"{database}-sync, which keeps a second sync away, cannot be opened (")
    assert done.stderr.count("\n") == 1


def test_lock_of_the_database_is_waited_for(sync: Sync, database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program writes to the database: the sync stops before it sends, and the next one goes on."""
    sync()
    monkeypatch.setattr("openai_vtab.sync.database.BUSY_MILLISECONDS", 1)
    with closing(apsw.Connection(str(database))) as other:
        other.execute("BEGIN IMMEDIATE")
        done = sync()
    assert (done.status, done.requests) == (1, [])
    assert "locked" in done.err


def test_interrupt_says_how_to_go_on(sync: Sync, sandbox: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C has the status 130."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("openai_vtab.sync.job.FolderSync.run", interrupt)
    done = sync()
    assert (done.status, done.err) == (130, "interrupted; run the sync again to continue from there\n")


def test_interrupt_of_a_commit_is_told_in_a_few_lines(
    sync: Sync, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """How far the COMMIT has got, not the id of each file."""
    done = [(number, f"file-{number}") for number in range(30)]

    def interrupt(*_: object) -> None:
        error = WriteError("interrupted", done=done, not_done=[(31, "not sent")], unknown=[], partial=[])
        logging.getLogger("openai_vtab").warning("%s", error)
        raise KeyboardInterrupt

    monkeypatch.setattr("openai_vtab.sync.job.FolderSync.run", interrupt)
    assert sync().err.splitlines()[-1] == "interrupted; run the sync again to continue from there"
    assert caplog.messages[-1].splitlines() == [
        "interrupted",
        "  done: file-0, file-1, file-2 and 27 more",
        "  not done: 1 row, 1 of them not sent",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("requests_before", [0, 1, 5, 15, 28, 31, 33])
def test_kill_is_repaired_by_the_next_sync(
    requests_before: int, sync: Sync, sandbox: Any, stored: Stored, folder: Path, database: Path
) -> None:
    """Whatever was sent before kill -9: before the first upload, among them, before and after the batch.

    An upload of which the API has no file stays unknown until it is asked for again.
    """
    for number in range(27):
        (folder / f"{number:02}.md").write_text(f"text {number}")
    (folder / "a.md").write_text("longer than before")
    sandbox.latency = 0.02
    command = [sys.executable, "-m", "openai_vtab", "sync", str(folder), "--store", "Handbook", str(database)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        end = time.monotonic() + 60
        while len(sandbox.requests) < requests_before + 1 and process.poll() is None and time.monotonic() < end:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
    sandbox.latency = 0
    until(lambda: not sandbox.in_flight)
    done = sync()
    if done.status == 3:
        assert "no file of its name and size was created since" in done.out
        assert "  to upload what is unknown again: --retry-unknown\n" in done.out
        done = sync("--retry-unknown")
    assert (done.status, done.err) == (0, ""), done.out
    assert len(stored()) == 30
    assert sync().requests == []
