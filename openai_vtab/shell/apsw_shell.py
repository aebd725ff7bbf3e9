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

from ..documents import MODULE
from ..sqlite.sql_text import module_of
from ..tables import TABLES
from ..vtable.hiding_tables import hiding
from .box import BoxShell
from .fitting import fold_text

# The tables that describe the others, and the table of local files, with their descriptions.
META_TABLES = {
    "openai_tables": "The operations of the tables: a row for each SELECT, INSERT, UPDATE, DELETE and function.",
    "openai_columns": "The columns of the tables.",
    "openai_requests": "The latest 1,000 requests of this connection.",
    "fsdir": "The files in a folder below upload_root: fsdir('docs').",
}
TABLE_NAMES = [table.name for table in TABLES]
SCHEMA_WIDTH = 76  # columns of .schema


class TableShell(BoxShell):
    """APSW's shell, with the tables known to its commands."""

    _lines_before = ""  # the text of the statement in the lines before the present one

    _command_params: Any = {  # noqa: RUF012 - APSW's attribute
        **Shell._command_params,
        "describe": [MODULE, *TABLE_NAMES, *META_TABLES],
        "schema": TABLE_NAMES,
        "tables": TABLE_NAMES,
    }

    def command_tables(self, cmd: Sequence[str]) -> None:
        """tables ?PATTERN?: Lists names of tables matching LIKE pattern

        This also returns views, and the tables of OpenAI's API, which every
        database has: .describe shows what they are. One that a table of the
        database hides is listed as openai.NAME.
        """
        super().command_tables(list(cmd))
        hidden = {name.lower(): f"{schema}.{name}" for schema, name in hiding(self.db)}
        for pattern in cmd or ["%"]:
            for name in [*TABLE_NAMES, *META_TABLES]:
                if self._is_like(name, pattern):
                    self.write(self.stdout, f"openai.{name}\n" if name in hidden else f"{name}\n")
                    if name in hidden:
                        self.write(self.stderr, f"* {hidden[name]} hides the API's table {name}\n")

    def command_schema(self, cmd: Sequence[str]) -> None:
        """schema ?TABLE? [TABLE...]: Shows SQL for table

        If you give one or more tables then their schema is listed
        (including indices).  If you don't specify any then all
        schemas are listed. TABLE is a like pattern so you can use % for
        wildcards. The tables of OpenAI's API exist without CREATE TABLE, so
        their schemas are comments, with their hidden columns if you name them.
        """
        super().command_schema(list(cmd))
        for pattern in cmd or ["%"]:
            for table in TABLES:
                if self._is_like(table.name, pattern):
                    visible = ", ".join(column.name for column in table.columns if not column.hidden)
                    columns = table.schema.partition("(")[2].removesuffix(")").split(", ")
                    inner = ",\n  ".join(columns) if cmd else "\n  ".join(fold_text(visible, SCHEMA_WIDTH))
                    self.write(self.stdout, f"/* built in: {table.name}(\n  {inner}\n) */\n")

    def command_quit(self, cmd: Sequence[str]) -> Any:
        """quit ?CODE?: The same as .exit"""
        return self.command_exit(list(cmd))

    def complete_sql(self, line: str, token: str, beg: int, end: int) -> list[str]:
        """APSW's completions and the tables' columns, hidden ones included. After WHERE, what the tables need."""
        from .completion import can_run, completions  # with stackql/; nothing completes the statements of a script

        offered = completions(self._lines_before + line[:beg], token, self._own_tables())
        if offered is not None:
            return offered
        found = [word for word in cast("list[str]", super().complete_sql(line, token, beg, end)) if can_run(word)]
        names = sorted({column.name for table in TABLES for column in table.columns})
        ours = [name for name in names if token and name.startswith(token.lower())]
        return found + [name for name in ours if name not in found]

    def _own_tables(self) -> dict[str, str]:
        """The tables of the open database, each with its module, "" for an ordinary one."""
        sql = "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        found = {str(name): module_of(str(text)) for name, text in self.db.execute(sql)}
        shadows = tuple(f"{name}_" for name, module in found.items() if module)
        return {name: module for name, module in found.items() if not (shadows and name.startswith(shadows))}

    def get_complete_line(self) -> str | None:
        """Read a dot command, or lines up to the end of a statement or comment. Returns None at the end of the input.

        Up to release 3.53, APSW reads on after lines that hold only a comment, and takes the dot command that follows
        for SQL.
        """
        try:
            self._completion_first, self._lines_before = True, ""
            command = cast("str | None", self.get_line(self.prompt))
            if command is None or not command.strip():
                return command and ""
            if command.startswith("?"):
                command = ".help " + command[1:]
            while not command.startswith(".") and not _is_complete(command):
                self._completion_first, self._lines_before = False, f"{command}\n"
                line = self.get_line(self.moreprompt)
                if line is None:
                    name = getattr(self.stdin, "name", "<stdin>")
                    raise self.Error(f"Incomplete SQL (line {self.input_line_number} of {name}): {command}\n")
                command += "\n" + line
        except KeyboardInterrupt:
            if self.bail or not self.interactive:
                raise
            self.write(self.stderr, "^C\n")  # nothing was running
            return ""
        return command

    def _is_like(self, name: str, pattern: str) -> bool:
        return bool(self.db.execute("SELECT ? LIKE ?", (name, pattern)).get)


def _is_complete(sql: str) -> bool:
    """Whether the text ends where a statement ends, or holds only comments.

    SQLite calls text complete when only comments follow its last semicolon, so one is put before the text.
    """
    return bool(apsw.complete(f";{sql}\n"))
