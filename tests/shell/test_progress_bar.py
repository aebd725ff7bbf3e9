"""The progress bar, drawn on a pseudo-terminal."""

from __future__ import annotations

import sys

import pytest

from openai_vtab.progress import Progress
from openai_vtab.shell.progress_bar import ProgressBar

from ..support.clock import FakeClock
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


def test_progress_bar_without_tqdm_is_a_line_that_counts(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    """tqdm is an extra of the package. The line is as wide as a bar, and is erased."""
    monkeypatch.setitem(sys.modules, "tqdm", None)
    clock = FakeClock()
    show = ProgressBar(screen.stream, clock)
    show(Progress("batches", 0, 1))
    clock.advance(75)
    show(Progress("batches", 1, 1))
    show(Progress("pages", 3))
    show(Progress("documents", 2, 5))
    first, second, third, fourth = screen.written().split("\r")[1:]
    assert first.rstrip() == "0 of 1 batches finished, 0 s"
    assert second.rstrip() == "1 of 1 batches finished, 75 s"
    assert third.rstrip() == "3 pages read, 75 s"
    assert fourth.rstrip() == "2 of 5 documents done, 75 s"
    assert len(first) == 37
    show(Progress("pages", 3, finished=True))
    assert screen.written() == BLANK


def test_progress_bar_on_a_console_without_a_size_has_80_columns() -> None:
    """Less the margin."""
    console = Console()
    show = ProgressBar(console)
    show(Progress("keys", 1, 2))
    assert max(map(len, console.getvalue().split("\r"))) == 77
    show(Progress("keys", 2, 2, finished=True))
    assert console.getvalue().endswith("\r" + " " * 79 + "\r")
