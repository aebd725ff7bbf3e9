"""Bars, batches, heights and folded lines."""

from __future__ import annotations

import pytest

from openai_vtab.shell.terminal_text import Terminal, bar, batch_lines, failed_files, fold, height


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


@pytest.mark.parametrize("width", [50, 67, 80, 200])
def test_batch_lines_fit_the_terminal(width: int) -> None:
    """Whatever its width."""
    counts = {"completed": 12, "failed": 3, "cancelled": 4, "in_progress": 1}
    lines = list(batch_lines([("vsfb_1", "in_progress", counts), ("vsfb_22", "failed", {})], Terminal(width=width)))
    assert max(map(len, lines)) < width
    assert sum("vsfb_1 " in line for line in lines) == 1


def test_batch_lines_keep_ids_whole() -> None:
    """In a terminal that is narrower than an id, too; height() counts the lines that it takes."""
    id = "vsfb_" + "0" * 40
    lines = list(batch_lines([(id, "completed", {"completed": 1})], Terminal(width=30)))
    assert lines == [f"    {id}", f"      completed   {'█' * 7} 1/1"]
    assert height(lines, 30) == 3


def test_failed_files_stand_out() -> None:
    """In red, at the end of a summary, and in a batch's numbers."""
    style = Terminal(colour=True)
    assert failed_files("mine: 2 completed; 3 of 20 files failed", style).endswith(
        "; \x1b[31m3 of 20 files failed\x1b[0m"
    )
    assert failed_files("mine: 2 completed", style) == "mine: 2 completed"
    (line,) = batch_lines([("vsfb_1", "completed", {"failed": 1})], style)
    assert line.endswith("0/1, \x1b[31m1 failed\x1b[0m")


def test_fold_indents_to_the_last_column() -> None:
    """A line without columns is indented by two more than it was."""
    assert fold("name  one two three", 14) == ["name  one two", "      three"]
    assert fold("  one two three", 10) == ["  one two", "    three"]
