"""The progress bar, drawn on a pseudo-terminal."""

from __future__ import annotations

import sys

import pytest

from openai_vtab.progress import Progress
from openai_vtab.shell.progress_bar import ProgressBar

from .terminal import Console, Screen

BLANK = "\r" + " " * 39 + "\r"


def test_progress_bar_is_one_line_and_leaves_none(screen: Screen) -> None:
    """As wide as the terminal but for a margin. Another unit starts another bar; the end erases it."""
    show = ProgressBar(screen.stream)
    show(Progress("keys", 0, finished=True))
    assert screen.written() == ""
    show(Progress("keys", 5, 20))
    drawn = screen.written()
    assert " 25%|" in drawn
    assert " 5/20 [" in drawn
    assert max(map(len, drawn.split("\r"))) <= 37
    show(Progress("rows", 3, None))
    assert "\r3 rows [" in screen.written()
    show.hide()
    show.hide()
    assert screen.written() == BLANK
    show(Progress("rows", 4, 4))
    assert "4/4 [" in screen.written()
    show(Progress("rows", 4, 4, finished=True))
    assert screen.written().endswith(BLANK)
    show.close()
    assert screen.written() == ""


def test_progress_bar_without_tqdm_draws_nothing(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    """tqdm is an extra of the package; nothing fails without it."""
    monkeypatch.setitem(sys.modules, "tqdm", None)
    show = ProgressBar(screen.stream)
    for step in (Progress("keys", 1, 2), Progress("keys", 2, 2), Progress("keys", 2, 2, finished=True)):
        show(step)
    assert screen.written() == ""


def test_progress_bar_on_a_console_without_a_size_has_80_columns() -> None:
    """Less the margin."""
    console = Console()
    show = ProgressBar(console)
    show(Progress("keys", 1, 2))
    assert max(map(len, console.getvalue().split("\r"))) == 77
    show(Progress("keys", 2, 2, finished=True))
    assert console.getvalue().endswith("\r" + " " * 79 + "\r")
