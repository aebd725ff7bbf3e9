"""The output modes box and markdown: a box whose ids are whole, or lines where the terminal has no room for one.

>>> shell.process_command(".mode markdown")
>>> shell.process_sql("SELECT 1 AS one")
| one |
| --- |
| 1   |
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import wraps
from typing import Any

from apsw.shell import Shell

from ..errors import visible
from .fitting import NULL, fold_cells, fold_text
from .output import OutputShell
from .terminal_text import MARGIN

# APSW gives such a mode all rows in one call: it looks for an attribute, which wraps() copies.
ALL_AT_ONCE = wraps(Shell.output_box, assigned=())
MIN_WIDTH = 32  # columns that a terminal is believed to have


class BoxShell(OutputShell):
    """APSW's shell with boxes that break no id."""

    def __init__(self, **streams: Any) -> None:
        super().__init__(**streams)
        if self._using_a_terminal():
            self.box_options["text_width"] = 0  # the terminal's width, as it is when a box is drawn

    @ALL_AT_ONCE
    def output_box(  # type: ignore[override] # the wrapped method has the same parameters
        self, column_names: Sequence[str], rows: Sequence[Sequence[Any]]
    ) -> None:
        """
        Outputs using line drawing and auto sizing columns; lines of the form 'column = value' if a box is too wide
        """
        names = [visible(name) for name in column_names]
        shown = [[visible(value) if isinstance(value, str) else value for value in row] for row in rows]
        width = self.box_options["text_width"] or self._terminal_width(MIN_WIDTH)
        quoted = width // 2 if self.box_options["quote"] else width  # quotation marks make a value wider
        folded = fold_cells(names, shown, quoted)
        if folded is None:
            self._write_records(names, shown, width)
        else:
            super().output_box(names, folded)

    @ALL_AT_ONCE
    def output_markdown(self, column_names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """
        A Markdown table
        """
        table = [[self._markdown_cell(value) for value in row] for row in (column_names, *rows)]
        widths = [max(3, *(len(row[i]) for row in table)) for i in range(len(column_names))]
        table.insert(1, ["-" * width for width in widths])
        for row in table:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self.write(self.stdout, f"| {' | '.join(cells)} |\n")

    def _write_records(self, names: Sequence[str], rows: Sequence[Sequence[Any]], width: int) -> None:
        """Write a line for each value, and an empty line after each row."""
        longest = max(map(len, names))
        room = width - MARGIN - longest - len(" = ")
        for row in rows:
            for name, value in zip(names, row, strict=True):
                text = NULL if value is None else str(self._fmt_text_col(value))
                hang = "\n" + " " * (longest + len(" = "))
                folded = hang.join(fold_text(text, room))
                self.write(self.stdout, f"{name:>{longest}} = {self.colour.colour_value(value, folded)}\n")
            self.write(self.stdout, "\n")

    def _markdown_cell(self, value: Any) -> str:
        text = visible(str(self._fmt_text_col(value))) if self._is_read_by_people() else str(self._fmt_text_col(value))
        return text.replace("|", "\\|").replace("\r\n", "<br>").replace("\n", "<br>")
