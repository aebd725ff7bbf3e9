"""The openai-vtab command with its input and output in strings: in the test's process, or in one of its own.

>>> run_shell("--sandbox", text=SELECT).stdout
'vsfb_demo_finished|completed\\n'
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from unittest import mock

from openai_vtab.shell import main

T = "vector_store_file_batches"
SELECT = f"SELECT id, status FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_finished';"
LEDGER = f"""CREATE VIRTUAL TABLE mine USING {T};
INSERT INTO mine (vector_store_id, id) VALUES ('vs_demo', 'vsfb_demo_finished'), ('vs_demo', 'vsfb_demo_failures');
"""


def run_shell(*args: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command in this process, which takes a tenth of the time, with this standard input."""
    out, err = io.StringIO(), io.StringIO()
    status: object = 0
    with redirect_stdout(out), redirect_stderr(err), mock.patch.object(sys, "stdin", io.StringIO(text)):
        try:
            main(args)
        except SystemExit as exit:
            status = exit.code
    return subprocess.CompletedProcess(args, int(str(status or 0)), out.getvalue(), err.getvalue())


def run_process(
    *args: str, text: str = "", environment: dict[str, str] | None = None, encoding: str = "utf-8"
) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own: for logging, encodings, the environment, and interactive input."""
    return subprocess.run(
        [sys.executable, "-X", "dev", "-m", "openai_vtab", *args],
        input=text,
        capture_output=True,
        encoding=encoding,
        env={**os.environ, "PYTHONIOENCODING": encoding, **(environment or {})},
        timeout=60,
        check=False,
    )
