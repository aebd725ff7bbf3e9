"""Output of APSW's shell: control characters are escaped where people read, and JSON is written as JSON.

People read what is written to a terminal, the modes made for people, and errors. A file or a pipe gets data unchanged.

    .mode json
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any

import apsw
from apsw.shell import Shell

from ..errors import visible
from ..tables import TABLES

JSON_COLUMNS = {column.name for table in TABLES for column in table.columns if column.is_json}
MODES_FOR_PEOPLE = {"output_box", "output_column", "output_line"}
MODES_THAT_ESCAPE = {"output_json", "output_jsonl", "output_python"}
# Characters that JSON may contain as they are, and that a terminal would obey.
JSON_CONTROLS = re.compile("[\x7f-\x9f\u202a-\u202e\u2066-\u2069]|\r(?!\n)")


class JSONText(str):
    """Text that is JSON, to be written as it is."""

    __slots__ = ()


class OutputShell(Shell):
    """APSW's shell with safe output for people."""

    is_for_people = False  # whether people read what is written now, in any mode and through a pipe, too

    def write(self, dest: Any, text: str) -> None:
        """Write the text. Errors, which may quote a server, are escaped except for their own colour.

        Where people read, a character that the output's encoding lacks is escaped. Other data raises
        UnicodeEncodeError then, because a program would take the escape for the value.
        """
        if dest is self.stdout and (self.is_for_people or dest.isatty()):
            text = fit_encoding(text, getattr(dest, "encoding", None) or "utf-8")
        if dest is self.stderr:
            before, after = self.colour.error, self.colour.error_
            inner = text.removeprefix(before)
            before = text[: len(text) - len(inner)]
            inner, after = (inner.removesuffix(after), after) if inner.endswith(after) else (inner, "")
            text = before + visible(inner) + after
        super().write(dest, text)

    def write_value(self, value: Any, fmt: Callable[[Any], str] = apsw.format_sql_value) -> None:
        """Write a value in its colour."""
        super().write_value(value, (lambda value: visible(fmt(value))) if self._is_read_by_people() else fmt)

    @contextmanager
    def for_people(self) -> Iterator[None]:
        """Treat what is written in this context as read by people, through a pipe, too."""
        before, self.is_for_people = self.is_for_people, True
        try:
            yield
        finally:
            self.is_for_people = before

    def command_help(self, cmd: Sequence[str]) -> None:
        """help ?COMMAND?: Shows list of commands and their usage

        If COMMAND is specified then shows detail about that COMMAND.
        ("all" will show detailed help about all commands.)
        """
        with self.for_people():
            super().command_help(list(cmd))

    # APSW looks for this very annotation, Shell.Row, to decide what an output mode gets.

    def output_json(self, header: Any, line: Shell.Row) -> None:
        """
        Output a JSON array.  Blobs are output as base64 encoded strings, JSON as it is.
        """
        super().output_json(header, line if header else _with_json(line))

    def output_jsonl(self, header: Any, line: Shell.Row) -> None:
        """
        Output as JSON objects, newline separated.  Blobs are output as base64 encoded strings, JSON as it is.
        """
        super().output_jsonl(header, line if header else _with_json(line))

    def _fmt_json_value(self, v: Any) -> str:
        text = str(v) if isinstance(v, JSONText) else str(super()._fmt_json_value(v))
        if self._is_read_by_people():
            return JSON_CONTROLS.sub(lambda found: " " if found[0] == "\r" else f"\\u{ord(found[0]):04x}", text)
        return text

    def _is_read_by_people(self, mode: str = "") -> bool:
        return mode in MODES_FOR_PEOPLE or self.is_for_people or self.stdout.isatty()


def fit_encoding(text: str, encoding: str) -> str:
    """The text with characters that the encoding lacks replaced: an ellipsis by dots, others by escapes."""
    if encoding.lower().startswith("utf"):
        return text
    return text.replace("…", "...").encode(encoding, "backslashreplace").decode(encoding)


def _escaping(mode: Callable[..., None]) -> Callable[..., None]:
    """An output mode of APSW's that escapes control characters in names and values where people read."""

    @wraps(mode)  # APSW reads its name, docstring, attributes and signature
    def output(self: OutputShell, header: Any, values: Any) -> None:
        if not self._is_read_by_people(mode.__name__):
            mode(self, header, values)
        elif getattr(mode, "all_at_once", False):
            mode(self, _visible(header), [_visible(row) for row in values])
        else:
            mode(self, header, _visible(values))

    return output


for _name in dir(Shell):
    if _name.startswith("output_") and _name not in MODES_THAT_ESCAPE:
        setattr(OutputShell, _name, _escaping(getattr(Shell, _name)))


def _visible(values: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(visible(value) if isinstance(value, str) else value for value in values)


def _with_json(line: Shell.Row) -> Shell.Row:
    """The row with its JSON marked: the tables' JSON columns, and the results of SQLite's json functions."""
    row = tuple(
        JSONText(value) if isinstance(value, str) and _names_json(name) and _is_json(value) else value
        for name, value in zip(line.columns, line.row, strict=True)
    )
    return Shell.Row(line.is_first, line.is_last, row, line.columns)


def _names_json(name: str) -> bool:
    return name in JSON_COLUMNS or name.lower().startswith(("json(", "json_"))


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return text[:1] in ("{", "[")
