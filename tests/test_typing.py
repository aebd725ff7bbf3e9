"""The types that a user's program sees: mypy, strict, on one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent / "typing" / "program.py"


@pytest.mark.slow
def test_types_of_a_users_program(tmp_path: Path) -> None:
    """No error; and what is wrong in it is one, or its `type: ignore` would be."""
    pytest.importorskip("mypy", reason="mypy is in the extra `slow`")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path), "--config-file", "", str(PROGRAM)],
        capture_output=True,
        text=True,
        cwd=PROGRAM.parent.parent.parent,
        check=False,
    )
    assert (done.stdout.splitlines()[-1:], done.stderr) == (["Success: no issues found in 1 source file"], ""), (
        done.stdout
    )
