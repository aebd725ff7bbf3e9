"""Fixtures: shells on a pseudo-terminal, in a subprocess and in the test's own process."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from openai_vtab.shell.app import Shell

from .command import T
from .terminal import Screen, Terminal

NEW_BATCH = "INSERT INTO mine (vector_store_id, file_ids) VALUES ('vs_demo', json_array('file-new-01'))"


class Pauses:
    """A clock whose sleep() runs the test's next action, and raises KeyboardInterrupt after the last."""

    def __init__(self) -> None:
        self.actions: list[Callable[[], None]] = []
        self.seconds: list[float] = []

    def monotonic(self) -> float:
        """The seconds slept."""
        return sum(self.seconds)

    def sleep(self, seconds: float, /) -> None:
        """Do what the test has prepared."""
        self.seconds.append(seconds)
        if not self.actions:
            raise KeyboardInterrupt
        self.actions.pop(0)()


@pytest.fixture
def terminal(sandbox: Any, tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """Open a shell in a subprocess on a terminal, connected to the sandbox."""
    opened: list[Terminal] = []

    def open_terminal(*args: str, columns: int = 80) -> Terminal:
        environment = {"OPENAI_BASE_URL": sandbox.base_url, "OPENAI_API_KEY": sandbox.api_key, "HOME": str(tmp_path)}
        opened.append(Terminal([*args, "-nocolour", str(tmp_path / "my.db")], environment, columns))
        return opened[-1]

    yield open_terminal
    for each in opened:
        each.close()


@pytest.fixture
def screen() -> Iterator[Screen]:
    """A terminal within this process."""
    opened = Screen()
    yield opened
    opened.close()


@pytest.fixture
def pauses() -> Pauses:
    """The clock of the shells in this process."""
    return Pauses()


@pytest.fixture
def open_shell(sandbox: Any, pauses: Pauses, tmp_path: Path) -> Iterator[Callable[..., Shell]]:
    """Open a shell in this process, connected to the sandbox; its output is a StringIO unless given."""
    opened: list[Shell] = []

    def open_shell_on(stdout: Any = None) -> Shell:
        shell = Shell(
            {"base_url": sandbox.base_url, "api_key": sandbox.api_key},
            stdout=stdout or io.StringIO(),
            stderr=io.StringIO(),
            clock=pauses,
        )
        opened.append(shell)
        shell.db = None, str(tmp_path / "my.db")
        shell.open_with_tables(shell.db)
        return shell

    yield open_shell_on
    for each in opened:
        each.close()


@pytest.fixture
def shell_on_screen(open_shell: Callable[..., Shell], screen: Screen) -> Shell:
    """A shell on the screen, with a ledger of five batches in progress."""
    shell = open_shell(screen.stream)
    shell.db.execute(f"CREATE VIRTUAL TABLE mine USING {T}")
    for _ in range(5):
        shell.db.execute(NEW_BATCH)
    return shell
