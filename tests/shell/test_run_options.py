"""The options of `openai-vtab run`: which are its own, and which are the program's."""

from __future__ import annotations

from pathlib import Path

import pytest

from openai_vtab.shell.run_options import parse

from .command import run_shell


def test_options_end_at_the_program() -> None:
    """What follows belongs to the program, whatever it looks like."""
    given = parse(["--base-url", "http://127.0.0.1:1/v1", "datasette", "my.db", "--port", "1", "--", "--sandbox", "-m"])
    assert given.program == ["datasette", "my.db", "--port", "1", "--", "--sandbox", "-m"]
    assert given.settings == {"read_only": True, "base_url": "http://127.0.0.1:1/v1"}
    assert not given.sandbox
    given = parse(["--sandbox", "--errors-as-rows", "-m", "sqlite_utils", "-m", "--dry-run"])
    assert given.module == ["sqlite_utils", "-m", "--dry-run"]
    assert given.settings == {"read_only": True, "errors": "row"}
    assert given.sandbox


def test_options_are_read_only_unless_writes_are_allowed(tmp_path: Path) -> None:
    """The other settings keep their defaults; no file of this machine is readable, unlike in the shell."""
    assert parse(["x"]).settings == {"read_only": True}
    given = parse(["--allow-writes", "--upload-root", str(tmp_path), "x"])
    assert given.settings == {"read_only": False, "upload_root": str(tmp_path)}


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        ([], "PROGRAM is missing; write for instance: openai-vtab run datasette my.db"),
        (["-m"], "PROGRAM is missing"),
        (["--read-only", "datasette"], "unrecognized arguments: --read-only"),
        (["--sandbox", "--base-url", "http://127.0.0.1/v1", "x"], "not allowed with argument"),
        (["--upload-root", "none-such", "x"], "'none-such' is not a folder; give a folder that exists"),
        (["--base-url", "ftp://x", "pytest"], "base_url"),
        (["no-such-thing"], "PROGRAM is 'no-such-thing'"),
        (["-m", "no_such_thing"], "MODULE is 'no_such_thing'"),
    ],
)
def test_options_that_are_wrong_exit_with_status_2(args: list[str], problem: str) -> None:
    """Nothing is started."""
    result = run_shell("run", *args)
    assert (result.returncode, result.stdout) == (2, "")
    assert problem in result.stderr


def test_help_shows_the_options_and_the_command() -> None:
    """--help of the command itself, and of the shell."""
    result = run_shell("run", "--help")
    assert result.returncode == 0
    assert "--allow-writes" in result.stdout
    assert "(default: none)" in " ".join(result.stdout.split())
    assert "openai-vtab run PROGRAM" in run_shell("--help").stderr
