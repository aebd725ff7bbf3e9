"""Which table a statement deletes from, updates, creates or drops, as its text says, token by token as SQLite reads it.

SQLite tells a virtual table neither that a DELETE has no WHERE, nor that an ordinary table is about to hide it.

>>> changed_table("WITH x AS (SELECT 1) DELETE FROM main.files -- WHERE id = 'file-1'")
ChangedTable(schema='main', name='files', is_bounded=False)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

from .tokens import Token, scan, statements

_VERBS = ("DELETE", "UPDATE", "INSERT", "SELECT", "VALUES")  # reserved: no common table expression has such a name
_CONSTRAINTS = ("CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN")  # they begin no column of CREATE TABLE


@dataclass(frozen=True)
class NewTable:
    """A CREATE TABLE or CREATE VIEW without a schema: the name and the columns in lower case; none for AS SELECT.

    if_not_exists: whether it says so. kind: TABLE or VIEW. schema: where it creates the table, `temp` or `main`.
    """

    name: str
    columns: tuple[str, ...]
    if_not_exists: bool = False
    kind: str = "TABLE"
    schema: str = "main"


@dataclass(frozen=True)
class ChangedTable:
    """The table of an INSERT, UPDATE or DELETE, in lower case; `schema` is "" where none is written.

    `is_bounded` is False for an UPDATE or DELETE that has no WHERE of its own.
    """

    schema: str
    name: str
    is_bounded: bool


@lru_cache(maxsize=8)  # few, because the text of an INSERT may be long
def changed_table(sql: str) -> ChangedTable | None:
    """Return the table that an INSERT, UPDATE or DELETE names as its target; None for any other statement."""
    tokens = _outside_parentheses(sql)
    verb = _verb(tokens)
    if verb not in ("DELETE", "UPDATE", "INSERT"):
        return None
    first = next(tokens, None)
    if first is not None and first.upper == "OR" and verb != "DELETE":
        next(tokens, None)
        first = next(tokens, None)
    if first is not None and first.upper == {"DELETE": "FROM", "INSERT": "INTO"}.get(verb):
        first = next(tokens, None)
    schema, table, rest = _qualified(first, tokens)
    if not table:
        return None
    return ChangedTable(schema, table, verb == "INSERT" or any(token.upper == "WHERE" for token in rest))


@lru_cache(maxsize=128)
def dropped_if_exists(sql: str) -> str | None:
    """Return the table of a DROP TABLE IF EXISTS, without its schema; None for any other text, as one with more."""
    tokens = _outside_parentheses(sql)
    if [token.upper for token in _take(tokens, 4)] != ["DROP", "TABLE", "IF", "EXISTS"]:
        return None
    _, table, rest = _qualified(next(tokens, None), tokens)
    return None if not table or any(token.text != ";" for token in rest) else table


@lru_cache(maxsize=128)
def created_table(sql: str) -> NewTable | None:
    """Return what a CREATE TABLE or CREATE VIEW without a schema creates; None for any other statement."""
    tokens = _tokens(sql)
    begin = [token.upper for token in _take(tokens, 2)]
    is_temporary = begin in (["CREATE", "TEMP"], ["CREATE", "TEMPORARY"])
    if is_temporary:
        begin[1:] = [token.upper for token in _take(tokens, 1)]
    if begin not in (["CREATE", "TABLE"], ["CREATE", "VIEW"]):
        return None
    table = next(tokens, None)
    if_not_exists = table is not None and table.upper == "IF"
    if if_not_exists:
        table = next((token for token in tokens if token.upper not in ("NOT", "EXISTS")), None)
    name, following = _name(table), next(tokens, None)
    if not name or following is None or following.text == ".":
        return None
    columns = tuple(_columns(tokens)) if following.text == "(" else ()
    return NewTable(name, columns, if_not_exists, begin[1], "temp" if is_temporary else "main")


def names(sql: str) -> set[str]:
    """Return the words and the quoted names of a text, in lower case."""
    return {name for name in map(_name, _tokens(sql)) if name}


def words(sql: str) -> list[str]:
    """Return the words of a text that stand in no quotation marks, in capitals."""
    return [token.text.upper() for token in _tokens(sql) if token.kind == "word"]


def split(sql: str) -> list[str]:
    """Divide a script into its statements, without empty ones; a semicolon within a trigger ends none."""
    return [each for each in statements(sql) if any(token.text != ";" for token in _tokens(each))]


def _tokens(sql: str) -> Iterator[Token]:
    """The tokens of the text up to its end, without comments."""
    return (token for token in scan(sql) if token.kind != "comment")


def _name(token: Token | None) -> str:
    """The name that the token may stand for, in lower case; "" for none. SQLite takes a string for a name, too."""
    if token is None:
        return ""
    if token.kind == "string" and token.text.startswith("'"):
        return token.text[1:-1].replace("''", "'").lower()
    return token.name.lower()


def _outside_parentheses(sql: str) -> Iterator[Token]:
    """The tokens that stand in no parentheses; "(" stands for all of a pair."""
    depth = 0
    for token in _tokens(sql):
        depth -= token.text == ")"
        if depth == 0 and token.text != ")":
            yield token
        depth += token.text == "("


def _verb(tokens: Iterator[Token]) -> str:
    """Read up to the word that says what the statement does, beyond its common table expressions."""
    first = next((token for token in tokens if token.text != ";"), None)
    if first is None or first.upper != "WITH":
        return "" if first is None else first.upper
    return next((token.upper for token in tokens if token.upper in _VERBS), "")


def _qualified(first: Token | None, tokens: Iterator[Token]) -> tuple[str, str, Iterator[Token]]:
    """The schema and the table of NAME or SCHEMA.NAME, each "" where there is none, and the tokens after it."""
    name = _name(first)
    following = next(tokens, None) if name else None
    if following is None:
        return "", name, tokens
    if following.text != ".":
        return "", name, chain([following], tokens)
    return name, _name(next(tokens, None)), tokens


def _columns(tokens: Iterator[Token]) -> Iterator[str]:
    """The names of the columns of a CREATE TABLE, after its parenthesis."""
    depth, begins = 1, True
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0:
            return
        if begins and _name(token) and token.upper not in _CONSTRAINTS:
            yield _name(token)
        begins = depth == 1 and token.text == ","


def _take(tokens: Iterator[Token], count: int) -> Sequence[Token]:
    return [token for _, token in zip(range(count), tokens, strict=False)]
