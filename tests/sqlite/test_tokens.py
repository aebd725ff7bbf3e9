"""SQL text in tokens and statements, as SQLite's own tokenizer divides it."""

from __future__ import annotations

import apsw
import pytest

from openai_vtab.sqlite.tokens import statements, tokens

KINDS = {
    "'it''s'": "string", "x'00'": "string", '"a""b"': "quoted", "`a``b`": "quoted", "[a b]": "quoted", "-- a b": "comment",
    "/* a; */": "comment", "/* never ends": "comment", "1.5e-3": "number", ".5": "number", "0x1F": "number", "1_000": "number",
    "?": "parameter", "?12": "parameter", ":a": "parameter", "@é$1": "parameter", "$a::b(c)": "parameter", "#a": "parameter",
    "a$b": "word", "é1": "word", "_x": "word", "'never ends": "unfinished", "'it''s never": "unfinished", '"a': "unfinished", "[a": "unfinished", ";": "other", "(": "other",
}  # fmt: skip


@pytest.mark.parametrize(("text", "kind"), KINDS.items())
def test_tokens_have_the_kinds_of_sqlite(text: str, kind: str) -> None:
    """Each text is one token."""
    (token,) = tokens(f" {text}")
    assert (token.kind, token.text, token.start, token.end) == (kind, text, 1, 1 + len(text))


@pytest.mark.parametrize("text", [text for text, kind in KINDS.items() if kind in ("string", "number", "parameter")])
def test_tokens_agree_with_sqlite(text: str) -> None:
    """What is one value here is one there."""
    if text.startswith("#"):  # SQLite's own, for nested parses
        return
    db = apsw.Connection(":memory:")
    db.execute("SELECT " + text, {"a": 1, "é$1": 1, "a::b(c)": 1} if text[0] in ":@$" else (1,) * 12 if text == "?12" else (1,) if text == "?" else ()).fetchall()  # fmt: skip


def test_tokens_names_lose_their_quotes() -> None:
    """Words in capitals are keywords only in ASCII: SQLite knows no other."""
    found = tokens('"a""b" `c``d` [e"f] \'g\' ſelect Select')
    assert [token.name for token in found] == ['a"b', "c`d", 'e"f', "", "ſelect", "Select"]
    assert [token.upper for token in found][-3:] == ["", "", "SELECT"]


def test_tokens_begin_after_a_byte_order_mark() -> None:
    """SQLite takes it for whitespace before a token, and for a part of a name within one."""
    sql = "\ufeffSELECT \ufeff\ufeff'a' AS \ufeffa\ufeffb -- c\n\ufeff"
    assert [token.text for token in tokens(sql)] == ["SELECT", "'a'", "AS", "a\ufeffb", "-- c"]
    assert apsw.Connection(":memory:").execute(sql).get_description()[0][0] == "a\ufeffb"


def test_statements_are_divided_at_their_semicolons() -> None:
    """Not at those in strings, comments and triggers; joined they are the text."""
    trigger = "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT ';'; DELETE FROM t; END;"
    text = f"SELECT ';' /* ; */;; -- ;\n {trigger} SELECT 1 "
    assert statements(text) == ["SELECT ';' /* ; */;", ";", f" -- ;\n {trigger}", " SELECT 1 "]
    assert statements("") == [""]
