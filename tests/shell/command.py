"""The openai-vtab command in a subprocess whose input and output are pipes.

>>> run_shell("--sandbox", text=SELECT).stdout
'vsfb_demo_finished|completed\\n'
"""

from __future__ import annotations

import os
import subprocess
import sys

T = "vector_store_file_batches"
SELECT = f"SELECT id, status FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_finished';"
LEDGER = f"""CREATE VIRTUAL TABLE mine USING {T};
INSERT INTO mine (vector_store_id, id) VALUES ('vs_demo', 'vsfb_demo_finished'), ('vs_demo', 'vsfb_demo_failures');
"""


def run_shell(
    *args: str, text: str = "", environment: dict[str, str] | None = None, encoding: str = "utf-8"
) -> subprocess.CompletedProcess[str]:
    """Run the command with this standard input."""
    return subprocess.run(
        [sys.executable, "-X", "dev", "-m", "openai_vtab", *args],
        input=text,
        capture_output=True,
        encoding=encoding,
        env={**os.environ, "PYTHONIOENCODING": encoding, **(environment or {})},
        timeout=60,
        check=False,
    )
