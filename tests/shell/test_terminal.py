"""The shell on a terminal: a session, the progress bar, .watch and Ctrl-C, as a user sees them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from openai_vtab.sandbox import Cut

from .command import SELECT, T
from .conftest import NEW_BATCH
from .terminal import Terminal

SLOW = (
    "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {0}) SELECT i, status FROM n "
    f"LEFT JOIN {T} ON vector_store_id = 'vs_demo' AND batch_id = 'vsfb_' || i;"
)


def test_terminal_session(tmp_path: Path) -> None:
    """Banner, prompt, a box, an error that does not end the shell, and the end by Ctrl-D with status 0."""
    shell = Terminal(["--sandbox", "-nocolour"], {"HOME": str(tmp_path)}, 120)
    try:
        assert "openai-vtab" in shell.text
        assert (
            "Connected to the sandbox, which forgets everything when the shell ends; try:\r\n  CREATE VIRTUAL TABLE demo"
            in shell.text
        )
        assert "Dry run" not in shell.text
        assert "│ vsfb_demo_finished │ completed │" in shell.run(SELECT, "╯")
        shell.run(f"SELECT * FROM {T};", "missing: vector_store_id, batch_id")
        shell.run("SELECT 40 + 2;", "42 │")
        shell.type("\x04")
        assert shell.process.wait(20) == 0
    finally:
        shell.close()


@pytest.mark.slow
@pytest.mark.parametrize("columns", [80, 50])
def test_progress_bar_leaves_no_trace(terminal: Callable[..., Terminal], sandbox: Any, columns: int) -> None:
    """It is there while a statement fetches, on one line, and not among the rows."""
    sandbox.latency = 0.15
    shell = terminal(columns=columns)
    shell.run(".mode list")
    shell.run(SLOW.format(60), "/60 [", "60|")
    drawn = [part for part in shell.text.replace("\n", "\r").split("\r") if "keys" in part]
    assert drawn
    assert max(map(len, drawn)) <= columns - 3
    seen = shell.screen()
    assert [line for line in seen if line.endswith("|")] == [f"{n}|" for n in range(1, 61)]
    assert not [line for line in seen if "keys" in line or "%" in line]


@pytest.mark.slow
def test_progress_bar_is_not_shown_with_quiet(terminal: Callable[..., Terminal], sandbox: Any) -> None:
    """Though the statement takes long enough for one."""
    sandbox.latency = 0.15
    shell = terminal("--quiet")
    shell.run(SLOW.format(20), "╯")
    assert "%" not in shell.text


def test_interrupt_ends_the_statement_not_the_shell(terminal: Callable[..., Terminal], sandbox: Any) -> None:
    """Ctrl-C ends it before its last row. The bar is gone, and the next statement runs."""
    sandbox.latency = 0.3
    shell = terminal()
    shell.type(SLOW.format(500) + "\n")
    shell.until("/500 [")
    shell.type("\x03")
    shell.until("interrupted\r\n", "sqlite> ")
    assert not [line for line in shell.screen() if "keys" in line]
    shell.run("SELECT 40 + 2;", "42")
    shell.run(SELECT, "completed")


def test_wait_says_why(terminal: Callable[..., Terminal], sandbox: Any) -> None:
    """A server that cannot be reached is tried for seconds."""
    sandbox.inject(Cut("accept"), times=None)
    shell = terminal()
    shell.type(SELECT + "\n")
    shell.until("* GET", "retrying")
    shell.type("\x03")
    shell.until("interrupted\r\n", "sqlite> ")


@pytest.mark.slow
def test_watch_draws_over_itself_until_interrupted(terminal: Callable[..., Terminal], sandbox: Any) -> None:
    """Two lines for each batch on a narrow terminal. Ctrl-C ends the watch, and so does a finished batch."""
    shell = terminal(columns=50)
    shell.run(f"CREATE VIRTUAL TABLE mine USING {T}; {NEW_BATCH};", "\n")
    shell.type(".watch 0.2\n")
    shell.until("mine: 1 in_progress", "in vs_demo", "  in_progress", "░ 0/1")
    shell.type("\x03")
    shell.until("sqlite> ")
    shell.type(".watch 0.2\n")
    shell.until("░ 0/1")
    sandbox.finish()
    shell.until("\x1b[4A\x1b[J", "mine: 1 completed", "█ 1/1", "sqlite> ")


@pytest.mark.slow
def test_watch_shows_what_others_add(
    terminal: Callable[..., Terminal], connect: Callable[..., Any], sandbox: Any, tmp_path: Path
) -> None:
    """A batch, and a ledger, that another connection to the file makes. The watch goes on until they are finished."""
    shell = terminal()
    shell.run(f"CREATE VIRTUAL TABLE mine USING {T}; {NEW_BATCH};", "\n")
    shell.type(".watch 0.2\n")
    shell.until("mine: 1 in_progress", "░ 0/1")
    other = connect(str(tmp_path / "my.db"))
    other.set_busy_timeout(5000)
    other.execute(NEW_BATCH)
    shell.until("mine: 2 in_progress", "░ 0/1", "░ 0/1")
    other.execute(f"CREATE VIRTUAL TABLE theirs USING {T}")
    other.execute(NEW_BATCH.replace("mine", "theirs"))
    shell.until("theirs: 1 in_progress", "░ 0/1")
    sandbox.finish()
    shell.until("mine: 2 completed", "theirs: 1 completed", "█ 1/1", "sqlite> ")
