"""The shell's part in StackQL's statements: their translation, and the values of {{ placeholders }}.

    openai-vtab --var file_ids='["file-…"]' --manifest batch.yaml my.db

What SQLite can parse is not translated. Without --var and --manifest, {{ … }} in a string is text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import Error
from ..schema.values import JSON
from ..sqlite.dialect import Dialect
from ..sqlite.tokens import statements
from .commands import CommandShell


class StackQLShell(CommandShell):
    """APSW's shell, which translates a statement that SQLite cannot parse."""

    def __init__(self, **more: Any) -> None:
        self._values: dict[str, JSON] | None = None  # of placeholders; None: they are not filled
        super().__init__(**more)

    def take_values(self, manifests: Sequence[str], variables: Sequence[str]) -> None:
        """Read the values of placeholders: those of --manifest, and those of --var, which win."""
        values: dict[str, JSON] = {}
        for path in manifests:
            from ..stackql import parse_manifest  # most statements are not StackQL's

            try:
                text = Path(path).read_text(encoding="utf-8-sig")
            except UnicodeDecodeError:
                raise self.Error(f"--manifest {path} is not UTF-8; save it as UTF-8") from None
            values |= parse_manifest(text, path)
        for variable in variables:
            name, equals, value = variable.partition("=")
            if not name or not equals:
                raise self.Error(f"--var {variable!r} has no value; write --var NAME=VALUE")
            values[name.strip()] = value
        self._values = values if manifests or variables else None

    def process_complete_line(self, command: str) -> None:
        """Run a dot command or SQL, whose placeholders are filled before anything of it runs."""
        if self._values is not None and not command.startswith("."):
            from ..stackql import fill

            command = fill(command, self._values)
        super().process_complete_line(command)

    def _query_details(self, sql: str, bindings: Any) -> Any:
        """APSW's division of SQL into the first statement and the rest, with a translated first statement."""
        details = super()._query_details(sql, bindings)
        if details.exception is None:
            return details
        from ..stackql import divide, translate

        first = statements(sql)[0]
        try:
            translated = Dialect(translate, divide).translated(first, details.exception)
        except Error as error:
            return self._qd(first, sql[len(first) :], str(error), -1, error, None)
        if translated is None:
            return details
        found = super()._query_details(translated, bindings)
        return replace(found, remaining=sql[len(first) :])
