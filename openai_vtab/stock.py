"""APSW's own commands, output modes and completions, taught the tables: they are in no sqlite_schema.

It must not know HTTP, and sends nothing.

    .tables vector%
    .mode json
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any, cast

import apsw
from apsw.shell import Shell

from .errors import visible
from .tables import TABLES

OTHERS = {
    "openai_tables": "What can be done with the tables: a row for each SELECT, INSERT, UPDATE, DELETE and function.",
    "openai_columns": "The columns of the tables.",
    "openai_requests": "What this connection has sent, the latest 1,000.",
}
JSON_COLUMNS = {column.name for table in TABLES for column in table.columns if column.is_json}


FOR_PEOPLE = {"output_box", "output_column", "output_line"}
OWN_ESCAPES = {"output_json", "output_jsonl", "output_python"}
# what JSON may hold as it is and a terminal would obey
_JSON_CONTROLS = re.compile("[\x7f-\x9f\u202a-\u202e\u2066-\u2069]|\r(?!\n)")


class Json(str):
    """Text that is JSON, to be written as it is."""

    __slots__ = ()


class Stock(Shell):
    """APSW's shell, knowing the tables, with control characters made visible where people read.

    That is on a terminal, in the modes that are made for people, and in errors. A file or a pipe gets data as it is.
    """

    is_for_people = False  # also what a pipe gets, in any mode

    _command_params: Any = {  # noqa: RUF012 - APSW's name and kind
        **Shell._command_params,
        "describe": [*(table.name for table in TABLES), *OTHERS],
        "schema": [table.name for table in TABLES],
        "tables": [table.name for table in TABLES],
    }

    def command_tables(self, cmd: Sequence[str]) -> None:
        """tables ?PATTERN?: Lists names of tables matching LIKE pattern

        This also returns views, and the tables of OpenAI's API, which are
        always there: .describe says what they are.
        """
        super().command_tables(list(cmd))
        for pattern in cmd or ["%"]:
            for name in [*(table.name for table in TABLES), *OTHERS]:
                if self._is_like(name, pattern):
                    self.write(self.stdout, name + "\n")

    def command_schema(self, cmd: Sequence[str]) -> None:
        """schema ?TABLE? [TABLE...]: Shows SQL for table

        If you give one or more tables then their schema is listed
        (including indices).  If you don't specify any then all
        schemas are listed. TABLE is a like pattern so you can use % for
        wildcards. The tables of OpenAI's API are listed when they are named.
        """
        super().command_schema(list(cmd))
        for pattern in cmd:
            for table in TABLES:
                if self._is_like(table.name, pattern):
                    columns = table.schema.partition("(")[2].removesuffix(")").replace(", ", ",\n  ")
                    self.write(self.stdout, f"-- always there\nCREATE TABLE {table.name}(\n  {columns}\n);\n")

    def complete_sql(self, line: str, token: str, beg: int, end: int) -> list[str]:
        """APSW's completions, and the columns of the tables, hidden ones included; after a dot, too."""
        found = cast("list[str]", super().complete_sql(line, token, beg, end))
        before, dot, last = token.rpartition(".")
        names = {column.name for table in TABLES for column in table.columns}
        if dot:
            names |= {table.name for table in TABLES}
        ours = sorted(name for name in names if name.startswith(last.lower()) and (last or dot))
        return found + [word for name in ours if (word := before + dot + name) not in found]

    def write(self, dest: Any, text: str) -> None:
        """Write; errors, whose words may be a server's, with no control characters but their own colour.

        Where people read, characters that the output's encoding lacks are escaped. Other data raises
        UnicodeEncodeError then: a program would take the escapes for the value.
        """
        if dest is self.stdout and (self.is_for_people or dest.isatty()):
            text = legible(text, getattr(dest, "encoding", None) or "utf-8")
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
        """What is written meanwhile is for people, also in a pipe."""
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

    def _is_read_by_people(self, mode: str = "") -> bool:
        return mode in FOR_PEOPLE or self.is_for_people or self.stdout.isatty()

    def command_quit(self, cmd: Sequence[str]) -> Any:
        """quit ?CODE?: The same as .exit"""
        return self.command_exit(list(cmd))

    def get_complete_line(self) -> str | None:
        """Read one dot command, or lines up to the end of a statement or comment. Returns None at the end of the input.

        Up to release 3.53, APSW reads on after lines that hold only a comment, and takes the dot command that follows
        for SQL.
        """
        try:
            self._completion_first = True
            command = cast("str | None", self.get_line(self.prompt))
            if command is None or not command.strip():
                return command and ""
            if command.startswith("?"):
                command = ".help " + command[1:]
            while not command.startswith(".") and not _is_complete(command):
                self._completion_first = False
                line = self.get_line(self.moreprompt)
                if line is None:
                    name = getattr(self.stdin, "name", "<stdin>")
                    raise self.Error(f"Incomplete SQL (line {self.input_line_number} of {name}): {command}\n")
                command += "\n" + line
        except KeyboardInterrupt:
            self.handle_interrupt()
            return ""
        return command

    # of the annotations, APSW looks for this very text: Shell.Row

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
        text = str(v) if isinstance(v, Json) else str(super()._fmt_json_value(v))
        if self._is_read_by_people():
            return _JSON_CONTROLS.sub(lambda found: " " if found[0] == "\r" else f"\\u{ord(found[0]):04x}", text)
        return text

    def _is_like(self, name: str, pattern: str) -> bool:
        return bool(self.db.execute("SELECT ? LIKE ?", (name, pattern)).get)


def _visible(values: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(visible(value) if isinstance(value, str) else value for value in values)


def _escaping(mode: Callable[..., None]) -> Callable[..., None]:
    """An output mode of APSW's with control characters made visible in names and values, where people read it."""

    @wraps(mode)  # APSW reads its name, its text, its attributes and its signature
    def output(self: Stock, header: Any, values: Any) -> None:
        if not self._is_read_by_people(mode.__name__):
            mode(self, header, values)
        elif getattr(mode, "all_at_once", False):
            mode(self, _visible(header), [_visible(row) for row in values])
        else:
            mode(self, header, _visible(values))

    return output


for _name in dir(Shell):
    if _name.startswith("output_") and _name not in OWN_ESCAPES:
        setattr(Stock, _name, _escaping(getattr(Shell, _name)))


def legible(text: str, encoding: str) -> str:
    """The text with characters that an encoding lacks written as in ASCII: an ellipsis as dots, others as escapes."""
    if encoding.lower().startswith("utf"):
        return text
    return text.replace("…", "...").encode(encoding, "backslashreplace").decode(encoding)


def _is_complete(sql: str) -> bool:
    """Whether the text ends where a statement ends, or holds only comments.

    To SQLite, text is complete when nothing but comments follows the last semicolon: one is put before the text.
    """
    return bool(apsw.complete(f";{sql}\n"))


def _with_json(line: Shell.Row) -> Shell.Row:
    """The row with what is JSON marked: columns that are described so, and what SQLite's json functions give."""
    row = tuple(
        Json(value) if isinstance(value, str) and _names_json(name) and _is_json(value) else value
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
