"""The text of an SQL statement: its verb, its clauses, its parameters, and the query within a statement that writes.

>>> select_part("INSERT INTO mine SELECT d.title, b.status FROM d JOIN b USING (batch_id) RETURNING rowid")
'SELECT d.title, b.status FROM d JOIN b USING (batch_id) '
"""

from __future__ import annotations

import re

from .tokens import TOKEN

_CONFLICT_CLAUSE = re.compile(r"^\s*OR\s+\w+", re.IGNORECASE)
_MAY_BE_PARAMETER = re.compile(r"[?:@$#]")  # the first characters of a parameter
VERBS = ("INSERT", "REPLACE", "CREATE", "UPDATE", "DELETE")
CLAUSES = ("WITH", "SELECT", "VALUES", "SET", "FROM", "WHERE")


def select_part(sql: str) -> str | None:
    """Return the query of an INSERT … SELECT, CREATE TABLE … AS SELECT, UPDATE or DELETE; None if it has none.

    For an UPDATE it is a SELECT from the same table, with the assignments as comparisons.
    """
    at = _clauses(sql)
    if at is None:
        return None
    verb, verb_at = next((word, place) for word, place in at.items() if word in VERBS)
    with_before, end = sql[:verb_at], at["end"]
    if verb == "DELETE":
        return f"{with_before}SELECT 1 {sql[at['FROM'] : end]}" if "FROM" in at else None
    if verb == "UPDATE":
        if "SET" not in at:
            return None
        where = at.get("WHERE", end)
        source = at.get("FROM", where)
        table = _CONFLICT_CLAUSE.sub("", sql[verb_at + len(verb) : at["SET"]])
        further = f", {sql[source + len('FROM') : where]}" if source < where else " "
        return f"{with_before}SELECT {sql[at['SET'] + len('SET') : source]} FROM {table}{further}{sql[where:end]}"
    begin = min((at[word] for word in ("SELECT", "WITH", "VALUES") if at.get(word, -1) > verb_at), default=None)
    return None if begin is None else with_before + sql[begin:end]


def first_word(sql: str) -> str:
    """Return the first word of a statement in capitals, "" for an empty statement."""
    words = (match[0] for match in TOKEN.finditer(sql))
    return next((word.upper() for word in words if not word.startswith(("--", "/*", ";"))), "")


def module_of(sql: str) -> str:
    """Return the module of a CREATE VIRTUAL TABLE statement, without quotation marks; "" for another statement."""
    words = (match[0] for match in TOKEN.finditer(sql))
    for word in words:
        if word.upper() == "USING":
            return next(words, "").strip("\"`[]'").lower()
    return ""


def changes_rows(sql: str) -> bool:
    """Return whether the statement is an UPDATE or a DELETE."""
    return not {"UPDATE", "DELETE"}.isdisjoint(_clauses(sql) or ())


def _clauses(sql: str) -> dict[str, int] | None:
    """Return where the clauses of a writing statement begin, the first of each kind; None if it has no verb of VERBS.

    "end" is the position of RETURNING or ON CONFLICT, otherwise the length of the text.
    """
    at: dict[str, int] = {}
    depth, last, last_at = 0, "", 0
    for match in TOKEN.finditer(sql):
        word = match[0].upper()
        if word in ("(", ")"):
            depth += 1 if word == "(" else -1
        elif depth == 0 and word[0].isalpha():
            if not at:
                if word in VERBS:
                    at[word] = match.start()
                elif word in ("SELECT", "VALUES"):
                    return None
            elif word == "RETURNING" or (word == "CONFLICT" and last == "ON"):
                at["end"] = match.start() if word == "RETURNING" else last_at
                return at
            elif word in CLAUSES:
                at.setdefault(word, match.start())
            last, last_at = word, match.start()
    return {**at, "end": len(sql)} if at else None


def without_parameters(sql: str) -> str:
    """Return the statement with NULL in place of every parameter, so that EXPLAIN needs no values."""
    if not _MAY_BE_PARAMETER.search(sql):
        return sql  # at once, because an IN list may have thousands of literals
    return TOKEN.sub(lambda match: "NULL" if match.lastgroup == "parameter" else match[0], sql)
