"""APSW's shell with the tables in its .tables, .schema and completions.

APSW reads sqlite_schema for those, which does not contain the tables.

    .tables vector%
    .schema files
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import apsw
from apsw.shell import Shell

from ..documents.protection import MODULE
from ..tables import TABLES
from .output import OutputShell

# The tables that describe the others, and the table of local files, with their descriptions.
META_TABLES = {
    "openai_tables": "The operations of the tables: a row for each SELECT, INSERT, UPDATE, DELETE and function.",
    "openai_columns": "The columns of the tables.",
    "openai_requests": "The latest 1,000 requests of this connection.",
    "fsdir": "The files in a folder below upload_root: fsdir('docs').",
}
TABLE_NAMES = [table.name for table in TABLES]


class TableShell(OutputShell):
    """APSW's shell, with the tables known to its commands."""

    _command_params: Any = {  # noqa: RUF012 - APSW's attribute
        **Shell._command_params,
        "describe": [MODULE, *TABLE_NAMES, *META_TABLES],
        "schema": TABLE_NAMES,
        "tables": TABLE_NAMES,
    }

    def command_tables(self, cmd: Sequence[str]) -> None:
        """tables ?PATTERN?: Lists names of tables matching LIKE pattern

        This also returns views, and the tables of OpenAI's API, which every
        database has: .describe shows what they are.
        """
        super().command_tables(list(cmd))
        for pattern in cmd or ["%"]:
            for name in [*TABLE_NAMES, *META_TABLES]:
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
                    self.write(self.stdout, f"-- built in\nCREATE TABLE {table.name}(\n  {columns}\n);\n")

    def command_quit(self, cmd: Sequence[str]) -> Any:
        """quit ?CODE?: The same as .exit"""
        return self.command_exit(list(cmd))

    def complete_sql(self, line: str, token: str, beg: int, end: int) -> list[str]:
        """APSW's completions, and the tables' columns, hidden ones included, after a dot, too."""
        found = cast("list[str]", super().complete_sql(line, token, beg, end))
        before, dot, last = token.rpartition(".")
        names = {column.name for table in TABLES for column in table.columns}
        if dot:
            names.update(TABLE_NAMES)
        ours = sorted(name for name in names if name.startswith(last.lower()) and (last or dot))
        return found + [word for name in ours if (word := before + dot + name) not in found]

    def get_complete_line(self) -> str | None:
        """Read a dot command, or lines up to the end of a statement or comment. Returns None at the end of the input.

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

    def _is_like(self, name: str, pattern: str) -> bool:
        return bool(self.db.execute("SELECT ? LIKE ?", (name, pattern)).get)


def _is_complete(sql: str) -> bool:
    """Whether the text ends where a statement ends, or holds only comments.

    SQLite calls text complete when only comments follow its last semicolon, so one is put before the text.
    """
    return bool(apsw.complete(f";{sql}\n"))
