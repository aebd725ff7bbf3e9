"""A ledger in a file: its SQL, and what its tests read of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import apsw

from .batches import FINISHED, MODULE, RUNNING

CREATE = f"CREATE VIRTUAL TABLE my_batches USING {MODULE}"

SELECT = "SELECT id, status FROM my_batches"
ROWS = [(FINISHED, "completed"), (RUNNING, "in_progress")]


def fill(db: apsw.Connection, name: str = "my_batches") -> None:
    sql = f"INSERT INTO {name} (id, vector_store_id) VALUES (?, 'vs_demo')"
    db.executemany(sql, [(FINISHED,), (RUNNING,)])


def look_up(db: apsw.Connection, batch: str, name: str = "my_batches") -> str:
    found = db.execute(f"SELECT status FROM {name} WHERE vector_store_id = 'vs_demo' AND batch_id = ?", (batch,)).get
    return str(found)


def tables(db: apsw.Connection, schema: str = "main") -> list[str]:
    return [name for (name,) in db.execute(f"SELECT name FROM {schema}.sqlite_schema WHERE type = 'table' ORDER BY 1")]


def intact(file: str) -> None:
    """As SQLite alone sees the file."""
    with apsw.Connection(file) as db:
        assert db.execute("PRAGMA integrity_check").get == "ok"
        assert db.execute("SELECT count(*) FROM my_batches_ledger WHERE status = 'queued'").get == 0
    db.close()


CHILD = """
import os, signal, sys, threading, apsw, openai_vtab
db = openai_vtab.connect(sys.argv[1])
die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
"""


def run(code: str, sandbox: Any, file: str, *, killed: bool = False, when: Callable[[], bool] = lambda: False) -> str:
    """Run a program that has `db`, in an interpreter of its own, and kill it when it is time to; its output."""
    environment = {**os.environ, "OPENAI_BASE_URL": sandbox.base_url, "OPENAI_API_KEY": sandbox.api_key}
    program = [sys.executable, "-c", CHILD + code, file]
    deadline = time.monotonic() + 60
    with subprocess.Popen(program, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        while child.poll() is None and time.monotonic() < deadline:
            if when():
                break
            time.sleep(0.02)
        if child.poll() is None:
            child.kill()
        output, errors = child.communicate()
    assert time.monotonic() < deadline
    assert child.returncode == (-signal.SIGKILL if killed else 0), errors
    return output
