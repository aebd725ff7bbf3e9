"""Results that do not fit the terminal: folded cells, lines in place of a box, and Markdown."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from openai_vtab.shell.app import Shell
from openai_vtab.shell.fitting import fold_cells, fold_text

from .command import run_shell

ID = "vsfb_" + "0123456789abcdef" * 2


def test_fold_breaks_no_id() -> None:
    """It breaks after blanks and commas; what is wider stays whole."""
    text = f'["{ID}","{ID}"] and a short text'
    assert fold_text(text, 20) == [f'["{ID}",', f'"{ID}"]', "and a short text"]
    assert fold_text("a\n\nb", 20) == ["a", "", "b"]
    assert fold_text("\x1b[31;1mtwo words\x1b[0m", 9) == ["\x1b[31;1mtwo words\x1b[0m"]


def test_fold_cells_uses_the_room_there_is() -> None:
    """Rows that fit stay; text is folded; None if an id, a number or a header would be broken, or a row too tall."""
    assert fold_cells(["id", "n"], [(ID, 1)], 46) == [[ID, 1]]
    folded = fold_cells(["id", "passage", "n"], [(ID, "one two three four five six seven", None)], 70)
    assert folded == [[ID, "one two three four\nfive six seven", None]]
    assert fold_cells(["id", "other"], [(ID, ID)], 70) is None
    assert fold_cells(["x"], [("word " * 200,)], 40) is None
    assert fold_cells(["x", "y"], [("日本語 日本語", b"x")], 34) == [["日本語\n日本語", b"x"]]


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_select_all_shows_whole_ids(open_shell: Callable[..., Shell], columns: int) -> None:
    """SELECT * of stores, as lines or as a box; no line is wider than the terminal."""
    shell = open_shell()
    shell.process_command(f".mode box --width {columns}")
    shell.process_sql("SELECT * FROM vector_stores; SELECT id, name, status, file_counts FROM vector_stores")
    lines = shell.stdout.getvalue().splitlines()
    assert "            id = vs_archive" in lines
    assert "   description = NULL" in lines
    assert sum("│ vs_archive │" in line for line in lines) == 1
    assert max(map(len, lines)) <= columns


def test_markdown_is_a_table() -> None:
    """Bars and line ends of values are escaped."""
    done = run_shell(text=".mode markdown\nSELECT 'a|b' AS x, 'one' || char(10) || 'two' AS long_name, NULL AS z;\n")
    assert done.stdout.splitlines() == [
        "| x    | long_name  | z   |",
        "| ---- | ---------- | --- |",
        "| a\\|b | one<br>two |     |",
    ]
