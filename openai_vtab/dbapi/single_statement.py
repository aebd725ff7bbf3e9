"""The text of a statement, before SQLite sees it: whether it changes rows, and whether it is a single statement.

>>> inspect_sql("/* new */ INSERT INTO t VALUES (';');  -- that's all")
SingleStatement(is_dml=True, statement="/* new */ INSERT INTO t VALUES (';');")
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

import apsw

# The first words that make sqlite3 begin a transaction: WITH … INSERT does not.
DML = frozenset({"INSERT", "UPDATE", "DELETE", "REPLACE"})
_BLANK = re.compile(r"(?:\s+|--[^\n]*|/\*(?:(?!\*/).)*(?:\*/|\Z))*", re.DOTALL)
_WORD = re.compile(r"[A-Za-z]*")
_TOKEN = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[^\]]*\] | --[^\n]* | /\*.*?(?:\*/|\Z) | ;""",
    re.VERBOSE | re.DOTALL,
)


class SingleStatement(NamedTuple):
    """Whether a text begins like DML, and its statement without what follows; None when another statement follows."""

    is_dml: bool
    statement: str | None


@lru_cache(maxsize=128)
def inspect_sql(sql: str) -> SingleStatement:
    """Inspect the text of one or more statements."""
    begin = _BLANK.match(sql)
    word = _WORD.match(sql, begin.end() if begin else 0)
    is_dml = word is not None and word[0].upper() in DML
    return SingleStatement(is_dml, _single_statement(sql))


def _single_statement(sql: str) -> str | None:
    """Return the text up to the semicolon that ends the statement; a semicolon within a trigger does not."""
    for match in _TOKEN.finditer(sql):
        if match[0] == ";" and apsw.complete(sql[: match.end()]):
            return sql[: match.end()] if _BLANK.fullmatch(sql, match.end()) else None
    return sql
