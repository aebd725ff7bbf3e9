"""The tokens of SQL text, divided as SQLite's own tokenizer divides them; whitespace is left out.

A byte order mark before a token is whitespace, and within a name it belongs to the name.

>>> [token.text for token in tokens("SELECT a.b, @c -- d")]
['SELECT', 'a', '.', 'b', ',', '@c', '-- d']

https://www.sqlite.org/src/file/src/tokenize.c
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import apsw

# Possessive, so that a text without its end is read once, and not as a shorter text before it.
TEXT = r"'[^']*+(?:''[^']*+)*+'"
NAME = r'"[^"]*+(?:""[^"]*+)*+" | `[^`]*+(?:``[^`]*+)*+`'
BLOB = r"[xX]'[^']*'"
BRACKETED = r"\[[^\]]*\]"
COMMENT = r"--[^\n]* | /\*.*?(?:\*/|\Z)"
# Letters, digits, _, $ and all characters beyond ASCII. Written as what it is not, because re compiles a range up to
# U+10FFFF fifty times slower.
_IN_NAMES = r"[^\x00-\x23\x25-\x2f\x3a-\x40\x5b-\x5e\x60\x7b-\x7f]"
TOKEN = re.compile(
    rf"""(?P<string>{BLOB} | {TEXT}) | (?P<quoted>{NAME} | {BRACKETED}) | (?P<comment>{COMMENT})
    | (?P<number>0[xX][0-9a-fA-F_]+ | (?:[0-9][0-9_]*(?:\.[0-9_]*)? | \.[0-9][0-9_]*)(?:[eE][+-]?[0-9][0-9_]*)?)
    | (?P<parameter>\?[0-9]* | [:@$\#]{_IN_NAMES}+(?:::{_IN_NAMES}*)*(?:\([^)\s]*\))?)
    | (?P<word>(?!\ufeff){_IN_NAMES}+)
    | (?P<unfinished>['"`\[].*)
    | (?P<other>[^\s\ufeff])""",
    re.VERBOSE | re.DOTALL,
)


class Token(NamedTuple):
    """One token. `kind` is string, quoted (a name), comment, number, parameter, word, unfinished
    (a quotation mark without its end) or other."""

    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        """Where the text continues after it."""
        return self.start + len(self.text)

    @property
    def upper(self) -> str:
        """A word or a mark in capitals, "" for any other token: SQLite's keywords are ASCII."""
        return self.text.upper() if self.kind in ("word", "other") and self.text.isascii() else ""

    @property
    def name(self) -> str:
        """The name that a word or a quoted name stands for, "" for any other token."""
        if self.kind == "word":
            return self.text
        if self.kind != "quoted":
            return ""
        mark = self.text[-1]
        return self.text[1:-1] if mark == "]" else self.text[1:-1].replace(mark * 2, mark)


def scan(sql: str) -> Iterator[Token]:
    """Yield the tokens of the text, comments included, and read no further than it is asked."""
    for match in TOKEN.finditer(sql):
        yield Token(match.lastgroup or "other", match[0], match.start())


def tokens(sql: str) -> list[Token]:
    """Return all tokens of the text, comments included."""
    return list(scan(sql))


def statements(sql: str) -> list[str]:
    """Return the statements of a text, each with its semicolon and what stands before it; joined they are the text.

    A semicolon within a trigger's body does not end a statement. What follows the last semicolon is a statement, too.
    """
    found, begin = [], 0
    for token in tokens(sql):
        if token.text == ";" and apsw.complete(sql[begin : token.end]):
            found.append(sql[begin : token.end])
            begin = token.end
    return [*found, sql[begin:]] if sql[begin:] or not found else found
