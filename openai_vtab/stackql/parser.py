"""Reads a StackQL statement token by token: words, dotted names, the arguments of EXEC.

>>> reader = Reader("DESCRIBE EXTENDED openai.files.files;", tokens(...))
>>> reader.takes("DESCRIBE"), reader.takes("EXTENDED"), reader.dotted_name()
(True, True, ['openai', 'files', 'files'])
"""

from __future__ import annotations

from typing import NamedTuple

from ..errors import ProgrammingError
from ..sqlite.tokens import Token, tokens


class Argument(NamedTuple):
    """One argument of EXEC: its name, its tokens, and their text."""

    name: str
    tokens: list[Token]
    text: str


class Reader:
    """The tokens of one statement without its comments and its semicolon, and the place of the next one."""

    def __init__(self, sql: str, at: int = 0) -> None:
        found = [token for token in tokens(sql) if token.kind != "comment" and token.start >= at]
        while found and found[-1].text == ";":
            found.pop()
        self._sql = sql
        self._tokens = found
        self._next = 0

    @property
    def at_end(self) -> bool:
        """Whether no token is left."""
        return self._next >= len(self._tokens)

    @property
    def rest(self) -> str:
        """The text from the next token to the last."""
        return "" if self.at_end else self._sql[self._peek().start : self._tokens[-1].end]

    def word(self) -> str:
        """Take the next token; return it in capitals, "" at the end."""
        self._next += 1
        return self._peek(-1).upper

    def takes(self, *words: str) -> bool:
        """Take the next token if it is one of the words. Returns whether it is."""
        if self._peek().upper in words:
            self._next += 1
            return True
        return False

    def string(self) -> str | None:
        """Take a string literal, and return it as it is written; None if the next token is another."""
        if self._peek().kind != "string":
            return None
        self._next += 1
        return self._peek(-1).text

    def dotted_name(self) -> list[str]:
        """Take a name, and return its parts; [] if the next token is no name. A part may have hyphens."""
        parts: list[str] = []
        while self._peek().name:
            parts.append(self._hyphenated())
            if not self.takes("."):
                break
        return parts

    def arguments(self, place: str) -> dict[str, Argument]:
        """Take all arguments, `@name = value`, by their names in lower case.

        The pages write `--required, ` after a value, and so lose the comma in a comment: it may be missing.
        """
        found: dict[str, Argument] = {}
        while not self.at_end:
            argument = self._argument(place)
            if argument.name.lower() in found:
                raise ProgrammingError(f"{place}: @{argument.name} is given twice; write it once")
            found[argument.name.lower()] = argument
            self.takes(",")
        return found

    def _argument(self, place: str) -> Argument:
        name = self._argument_name()
        if not name or not self.takes("="):
            shown = self.rest.split("\n")[0][:40]
            raise ProgrammingError(f"{place}: an argument is expected before {shown!r}; write @NAME = VALUE")
        begin = self._next
        depth = 0
        while not self.at_end and (depth or self._peek().upper != ","):
            if self._next > begin and not depth and self._begins_argument():
                break
            depth += {"(": 1, ")": -1}.get(self._peek().upper, 0)
            self._next += 1
            if depth < 0:
                break
        taken = self._tokens[begin : self._next]
        if not taken or depth:
            problem = "its parentheses do not match" if taken else "it has no value"
            raise ProgrammingError(f"{place}: @{name}: {problem}; write @{name} = 'VALUE'")
        return Argument(name, taken, self._sql[taken[0].start : taken[-1].end])

    def _begins_argument(self) -> bool:
        """Whether @NAME = or @@NAME = comes next."""
        before = self._next
        is_one = bool(self._argument_name()) and self.takes("=")
        self._next = before
        return is_one

    def _argument_name(self) -> str:
        """Take @NAME or @@NAME, and return the name, "@json" for the second; "" if something else comes."""
        prefix = "@" if self.takes("@") else ""
        token = self._peek()
        if token.kind != "parameter" or token.text[0] != "@":
            return ""
        return prefix + self._hyphenated().removeprefix("@")

    def _hyphenated(self) -> str:
        """Take a name, and parts that follow it with hyphens and without spaces, as in OpenAI-Organization."""
        token = self._peek()
        text = token.name or token.text
        self._next += 1
        while self._peek().text == "-" == self._sql[token.end : token.end + 1] and self._peek(1).start == token.end + 1:
            token = self._peek(1)
            text += "-" + token.text
            self._next += 2
        return text

    def _peek(self, ahead: int = 0) -> Token:
        at = self._next + ahead
        return self._tokens[at] if 0 <= at < len(self._tokens) else Token("end", "", len(self._sql))
