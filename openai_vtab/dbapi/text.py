"""What has to be known of a statement before SQLite sees it: what it begins with, and that it is one.

It must not run any.

>>> look("/* new */ INSERT INTO t VALUES (';');  -- that's all")
Look(changes=True, statement="/* new */ INSERT INTO t VALUES (';');")
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

import apsw

# What sqlite3 takes for the beginning of a statement that changes rows: WITH … INSERT is none.
DML = frozenset({"INSERT", "UPDATE", "DELETE", "REPLACE"})
_BLANK = re.compile(r"(?:\s+|--[^\n]*|/\*(?:(?!\*/).)*(?:\*/|\Z))*", re.DOTALL)
_WORD = re.compile(r"[A-Za-z]*")
_TOKEN = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[^\]]*\] | --[^\n]* | /\*.*?(?:\*/|\Z) | ;""",
    re.VERBOSE | re.DOTALL,
)


class Look(NamedTuple):
    """Whether the statement changes rows, and its text alone; None when more follows than comments."""

    changes: bool
    statement: str | None


@lru_cache(maxsize=128)
def look(sql: str) -> Look:
    """Look at the text of one or more statements."""
    begin = _BLANK.match(sql)
    word = _WORD.match(sql, begin.end() if begin else 0)
    changes = word is not None and word[0].upper() in DML
    return Look(changes, _only(sql))


def _only(sql: str) -> str | None:
    """The statement up to the first semicolon that ends it; one within a trigger does not."""
    for match in _TOKEN.finditer(sql):
        if match[0] == ";" and apsw.complete(sql[: match.end()]):
            return sql[: match.end()] if _BLANK.fullmatch(sql, match.end()) else None
    return sql
