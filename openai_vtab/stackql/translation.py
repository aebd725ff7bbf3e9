"""translate(): StackQL's statements as SQLite's SQL, statement by statement, decided by their tokens alone.

>>> translate("SELECT 1; DELETE FROM openai.files.files WHERE file_id = 'file-…'")
'SELECT 1; DELETE FROM "openai.files.files" WHERE file_id = \\'file-…\\''

A statement of SQLite's stays as it is, byte for byte: none begins with EXEC, SHOW, DESCRIBE or another verb of
StackQL's, and none has a name of three parts where a table stands. The shell and dbapi do not rely on that: they let
SQLite prepare each statement first, and translate only one that is a syntax error.
"""

from __future__ import annotations

import re

from ..errors import ProgrammingError
from ..sqlite.tokens import Token, statements, tokens
from . import exec_statement, other_statements, show_statement, table_names
from .parser import Reader
from .placeholders import PLACEHOLDER, no_value, placeholder

_VERBS = ("EXEC", "SHOW", "DESCRIBE", "DESC", "REGISTRY", *other_statements.VERBS)
# What a script holds if StackQL's statements are in it: a verb after a statement, a line or a comment, or such a name.
_SIGN = re.compile(rf"(?:\A|[;/\n])(?:[^\S\n]|\ufeff)*(?:{'|'.join(_VERBS)})\b|\bopenai[\"`\]]?\s*\.", re.IGNORECASE)


def translate(sql: str) -> str:
    """Return the text with StackQL's statements translated, and all others as they are.

    Raises ProgrammingError for a StackQL statement that cannot run here, with what to write instead.
    """
    return "".join(map(_translated, statements(sql)))


def divide(script: str) -> list[str]:
    """Return the statements of a script if any may be StackQL's, otherwise the script as a whole.

    The search is fast enough for a dump of megabytes.
    """
    return statements(script) if _SIGN.search(script) else [script]


def _translated(statement: str) -> str:
    found = tokens(statement)
    code = [token for token in found if token.kind != "comment" and token.text != ";"]
    begin = _after_explain(code)
    if begin == len(code):
        return statement
    _refuse_templates(statement, code)
    text = _of_verb(statement, code[begin], [token.text for token in found if token.kind == "comment"])
    if text is None:
        text = table_names.translated(statement, found)
    else:
        text = statement[: code[begin].start] + text + statement[code[-1].end :]
    if text != statement and (missing := [name for token in found if (name := _placeholder(token))]):
        raise ProgrammingError(no_value(dict.fromkeys(missing)))
    return text


def _of_verb(statement: str, first: Token, comments: list[str]) -> str | None:
    """The SQL for a statement that begins with a verb of StackQL's, None for any other statement."""
    verb = first.upper
    reader = Reader(statement, first.end)
    if verb == "EXEC":
        return exec_statement.translated(reader)
    if verb == "SHOW":
        return show_statement.show(reader, " ".join(comments))
    if verb in ("DESCRIBE", "DESC"):
        return show_statement.describe(reader, verb)
    if verb == "REGISTRY":
        return show_statement.registry(reader)
    other_statements.refuse(verb, reader)
    return None


def _refuse_templates(statement: str, code: list[Token]) -> None:
    """Raise ProgrammingError for a placeholder between strings, a loop of a template, or values within the SQL."""
    if statement[code[0].start :].startswith("<<<"):
        raise ProgrammingError("<<<: values do not stand in the SQL; start with --manifest FILE or --var NAME=VALUE")
    for token in code:
        if token.text == "{" and statement.startswith("{{", token.start):
            template = statement[token.start :]
            if PLACEHOLDER.match(template):
                raise ProgrammingError(no_value(dict.fromkeys(PLACEHOLDER.findall(statement))))
            raise ProgrammingError(
                f"{template.partition('}}')[0]}}}}}: only {{{{ NAME }}}} is filled; for a loop, write "
                """INSERT INTO … SELECT value FROM json_each('["…", "…"]')"""
            )


def _after_explain(code: list[Token]) -> int:
    """The number of the statement's first token after EXPLAIN and EXPLAIN QUERY PLAN."""
    words = [token.upper for token in code[:3]]
    if words == ["EXPLAIN", "QUERY", "PLAN"]:
        return 3
    return 1 if words[:1] == ["EXPLAIN"] else 0


def _placeholder(token: Token) -> str:
    """The name of the placeholder that a string consists of."""
    return placeholder(token.text[1:-1]) if token.kind == "string" else ""
