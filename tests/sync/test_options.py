"""The command line of openai-vtab sync."""

from __future__ import annotations

import pytest

from openai_vtab.shell.sync_options import parse

from ..shell.command import run_shell


def test_options_stand_in_any_order() -> None:
    """The database may stand before them and after them."""
    for args in (
        ["docs", "--store", "S", "my.db"],
        ["docs", "my.db", "--store", "S"],
        ["--store", "S", "docs", "my.db"],
    ):
        given = parse(args)
        assert (given.folder, given.database, given.store, given.glob) == ("docs", "my.db", "S", None)
    assert parse(["docs", "--store", "S", "--glob", "*.md", "--glob", "*.txt"]).glob == ["*.md", "*.txt"]


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        ("docs", "one of the arguments --store --vector-store-id is required"),
        ("--store S", "the following arguments are required: DIR"),
        ("docs --store S --vector-store-id vs_1", "not allowed with argument --store"),
        ("docs --store S --no-wait --timeout 5", "not allowed with argument --no-wait"),
        ("docs --store S --timeout soon", "'soon' is not a number of seconds; write a number, such as 600"),
        ("docs --store S --timeout -1", "'-1' is not a number of seconds"),
        ("docs --store S --timeout inf", "'inf' is not a number of seconds"),
        ("docs --store S --max-delete half", "'half' is not a number of documents; write a whole number, such as 100"),
        ("docs --store S --rebuild --dry-run", "--rebuild reads the vector store"),
        ("docs --store S --unknown", "unrecognized arguments: --unknown"),
    ],
)
def test_options_that_are_wrong_have_status_2(args: str, problem: str) -> None:
    """Nothing has begun then."""
    done = run_shell("sync", *args.split(" "))
    assert (done.returncode, done.stdout) == (2, "")
    assert problem in done.stderr


def test_help_shows_options_and_exit_status(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within 80 columns, and the shell's own help names the command."""
    monkeypatch.setenv("COLUMNS", "80")  # argparse fills the terminal that runs the tests
    done = run_shell("sync", "--help")
    assert done.returncode == 0
    for text in ("--store NAME", "--max-delete N", "--rebuild", "--base-url URL", "exit status:", "OPENAI_API_KEY"):
        assert text in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "openai-vtab sync DIR --store NAME" in run_shell("--help").stderr
