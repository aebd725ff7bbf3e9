"""Dialect: the statements of another language, which SQLite cannot parse, and their translations.

>>> Dialect(translate, divide).translated("EXEC …", error)
'SELECT …'
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..errors import Error

NOT_SQL = ("syntax error", 'unrecognized token: "{"')  # the ends of SQLite's messages for text that it cannot parse


@dataclass(frozen=True)
class Dialect:
    """Functions for statements that SQLite cannot parse.

    translate: returns the statement in SQLite's language, the same text if the dialect does not know it, or raises.
    divide: returns the parts of a script that are run one after another.
    """

    translate: Callable[[str], str]
    divide: Callable[[str], list[str]]

    def translated(self, sql: str, error: Exception) -> str | None:
        """Return the translation of a statement that SQLite has refused with this error, None if it has none."""
        if not str(error).endswith(NOT_SQL):
            return None
        try:
            translated = self.translate(sql)
        except Error as refused:
            raise refused from None  # SQLite's error, in whose place it is raised, says less
        return None if translated == sql else translated


SQLITE = Dialect(translate=lambda sql: sql, divide=lambda script: [script])
