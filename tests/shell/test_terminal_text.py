"""Bars, batches, clipped ids and folded lines."""

from __future__ import annotations

import pytest

from openai_vtab.shell.terminal_text import Terminal, bar, batch_lines, fold


@pytest.mark.parametrize(
    ("counts", "drawn"),
    [
        ({"completed": 2, "in_progress": 2}, "█████░░░░░"),
        ({"completed": 1999, "failed": 1}, "█████████×"),
        ({"completed": 1, "failed": 1, "cancelled": 1, "in_progress": 1997}, "█×-░░░░░░░"),
        ({"cancelled": 3}, "----------"),
        ({}, "          "),
    ],
)
def test_bar_shows_every_count(counts: dict[str, int], drawn: str) -> None:
    """In its length. Without Unicode it has other marks, and colours change nothing else."""
    assert bar(counts, 10, Terminal()) == drawn
    assert bar(counts, 10, Terminal(unicode=False)) == drawn.translate(str.maketrans("█×░", "#x."))
    coloured = bar(counts, 10, Terminal(colour=True))
    for code in ("\x1b[32m", "\x1b[31m", "\x1b[33m", "\x1b[90m", "\x1b[0m"):
        coloured = coloured.replace(code, "")
    assert coloured == drawn


@pytest.mark.parametrize("width", [20, 32, 50, 67, 68, 80, 200])
def test_batch_lines_fit_the_terminal(width: int) -> None:
    """Whatever its width."""
    counts = {"completed": 1200, "failed": 300, "cancelled": 400, "in_progress": 100}
    for line in batch_lines("vsfb_" + "0" * 40, "in_progress", counts, Terminal(width=width)):
        assert len(line) < width


def test_fold_indents_to_the_last_column() -> None:
    """A line without columns is indented by two more than it was."""
    assert fold("name  one two three", 14) == ["name  one two", "      three"]
    assert fold("  one two three", 10) == ["  one two", "    three"]
