"""The join that the tests of read-ahead run: its SQL, its forty batches, and programs that run it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

T = "vector_store_file_batches"
ON = "t.vector_store_id = d.s AND t.batch_id = d.b"
JOIN = f"SELECT d.n, t.id FROM d JOIN {T} AS t ON {ON}"
N = 40
IDS = [f"vsfb_{number:03}" for number in range(N)]

ROWS = list(enumerate(IDS))

LATER = "vsfb_00[2-9]"  # keys of the path's part: when the third is looked up, three more are in flight

Run = Callable[..., Any]
Requests = Callable[[], list[str]]


def own_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("openai_vtab")}


def assert_no_threads(before: set[threading.Thread]) -> None:
    """No thread has come that is not over soon; those of earlier tests may last as long as their requests."""
    deadline = time.monotonic() + 20
    while own_threads() - before and time.monotonic() < deadline:
        time.sleep(0.005)
    assert own_threads() - before == set()


def python(arguments: list[str], sandbox: Any, text: str = "") -> str:
    environment = {**os.environ, "OPENAI_BASE_URL": sandbox.base_url, "OPENAI_API_KEY": sandbox.api_key}
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", *arguments],
        input=text, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.stderr, done.returncode) == ("", 0)
    return done.stdout
