"""Which table a statement deletes from, updates, creates or drops, as its text says, token by token as SQLite reads it.

SQLite tells a virtual table neither that a DELETE has no WHERE, nor that an ordinary table is about to hide it.

>>> changed_table("WITH x AS (SELECT 1) DELETE FROM main.files -- WHERE id = 'file-1'")
ChangedTable(schema='main', name='files', is_bounded=False)

https://www.sqlite.org/src/file/src/tokenize.c
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

import apsw

_LETTER = r"A-Za-z_\x80-\U0010ffff"
# SQLite skips a byte order mark at the beginning of any token, and \v after another blank.
_TOKEN = re.compile(
    rf"""(?P<blank> [ \t\n\f\r][ \t\n\v\f\r]* | \ufeff | --[^\n]* | /\*(?:.*?\*/|.*) )
    | (?P<name> "(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[^\]]*\] | '(?:[^']|'')*' )
    | (?P<word> [{_LETTER}][{_LETTER}0-9$]* )
    | (?P<other> [?]\d* | [:@$#][{_LETTER}0-9$:]+ | \d[{_LETTER}0-9.]* | . )""",
    re.VERBOSE | re.DOTALL,
)
_VERBS = ("DELETE", "UPDATE", "INSERT", "SELECT", "VALUES")  # reserved: no common table expression has such a name
_CONSTRAINTS = ("CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN")  # they begin no column of CREATE TABLE


@dataclass(frozen=True)
class Token:
    """A token that is not blank. `word` is a bare word in capitals, "" for anything else; `end` is its end."""

    text: str
    word: str
    is_name: bool
    end: int

    @property
    def name(self) -> str:
        """The name without its quotation marks, in lower case."""
        quote = self.text[0]
        if self.word:
            return self.text.lower()
        inner = self.text[1:-1]
        return (inner if quote == "[" else inner.replace(quote * 2, quote)).lower()


@dataclass(frozen=True)
class NewTable:
    """A CREATE TABLE without a schema: its name and its columns in lower case; no columns for one AS SELECT.

    `if_not_exists` tells whether it says so.
    """

    name: str
    columns: tuple[str, ...]
    if_not_exists: bool = False


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
    if first is not None and first.word == "OR" and verb != "DELETE":
        next(tokens, None)
        first = next(tokens, None)
    if first is not None and first.word == {"DELETE": "FROM", "INSERT": "INTO"}.get(verb):
        first = next(tokens, None)
    schema, table, rest = _qualified(first, tokens)
    if table is None:
        return None
    return ChangedTable(schema, table.name, verb == "INSERT" or any(token.word == "WHERE" for token in rest))


def first_word(sql: str) -> str:
    """Return the first word of the text, in capitals, beyond its comments; "" if it begins with anything else."""
    first = next((token for token in _tokens(sql) if token.text != ";"), None)
    return "" if first is None else first.word


@lru_cache(maxsize=128)
def dropped_if_exists(sql: str) -> str | None:
    """Return the table of a DROP TABLE IF EXISTS, without its schema; None for any other text, as one with more."""
    tokens = _outside_parentheses(sql)
    if [token.word for token in _take(tokens, 4)] != ["DROP", "TABLE", "IF", "EXISTS"]:
        return None
    _, table, rest = _qualified(next(tokens, None), tokens)
    return None if table is None or any(token.text != ";" for token in rest) else table.name


@lru_cache(maxsize=128)
def created_table(sql: str) -> NewTable | None:
    """Return what a CREATE TABLE without a schema and without TEMP creates; None for any other statement."""
    tokens = _tokens(sql)
    if [token.word for token in _take(tokens, 2)] != ["CREATE", "TABLE"]:
        return None
    table = next(tokens, None)
    if_not_exists = table is not None and table.word == "IF"
    if if_not_exists:
        table = next((token for token in tokens if token.word not in ("NOT", "EXISTS")), None)
    following = next(tokens, None)
    if table is None or not table.is_name or following is None or following.text == ".":
        return None
    return NewTable(table.name, tuple(_columns(tokens)) if following.text == "(" else (), if_not_exists)


def names(sql: str) -> set[str]:
    """Return the words and the quoted names of a text, in lower case."""
    return {token.name for token in _tokens(sql) if token.is_name}


def words(sql: str) -> list[str]:
    """Return the words of a text that stand in no quotation marks, in capitals."""
    return [token.word for token in _tokens(sql) if token.word]


def split(sql: str) -> list[str]:
    """Divide a script into its statements, without empty ones; a semicolon within a trigger ends none."""
    statements = []
    begin = 0
    is_empty = True
    for token in _tokens(sql):
        is_empty = is_empty and token.text == ";"
        if token.text == ";" and apsw.complete(sql[begin : token.end]):
            statements += [] if is_empty else [sql[begin : token.end]]
            begin, is_empty = token.end, True
    return statements if is_empty else [*statements, sql[begin:]]


def _tokens(sql: str) -> Iterator[Token]:
    """The tokens of the text up to its end, without blanks and comments."""
    for match in _TOKEN.finditer(sql):
        if match.lastgroup != "blank":
            is_word = match.lastgroup == "word"
            yield Token(match[0], match[0].upper() if is_word else "", match.lastgroup != "other", match.end())


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
    if first is None or first.word != "WITH":
        return "" if first is None else first.word
    return next((token.word for token in tokens if token.word in _VERBS), "")


def _qualified(first: Token | None, tokens: Iterator[Token]) -> tuple[str, Token | None, Iterator[Token]]:
    """The schema and the table's token of NAME or SCHEMA.NAME, and the tokens after it."""
    if first is None or not first.is_name:
        return "", None, tokens
    following = next(tokens, None)
    if following is None:
        return "", first, tokens
    if following.text != ".":
        return "", first, chain([following], tokens)
    last = next(tokens, None)
    return first.name, (last if last is not None and last.is_name else None), tokens


def _columns(tokens: Iterator[Token]) -> Iterator[str]:
    """The names of the columns of a CREATE TABLE, after its parenthesis."""
    depth, begins = 1, True
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0:
            return
        if begins and token.is_name and token.word not in _CONSTRAINTS:
            yield token.name
        begins = depth == 1 and token.text == ","


def _take(tokens: Iterator[Token], count: int) -> Sequence[Token]:
    return [token for _, token in zip(range(count), tokens, strict=False)]
