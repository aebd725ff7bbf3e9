"""Completions of INSERT, UPDATE and DELETE: the tables that can be written, and the columns that they take.

After `INSERT INTO t (`, the completions are the columns that the INSERT still needs, then the optional ones. After
`SET`, they are the columns that an UPDATE can change.

>>> written_names("INSERT INTO vector_store_files (", {})
['vector_store_id', 'file_id']
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..documents import MODULE
from ..documents.description import described
from ..schema.table import Table
from ..sqlite.tokens import Token, scan
from ..tables import TABLES


@dataclass(frozen=True)
class Writable:
    """The statements and columns that a table takes.

    inserts: for each way to INSERT, the columns that it needs.
    optional: the columns that an INSERT may have.
    updated: the columns that an UPDATE can change.
    """

    verbs: frozenset[str]
    inserts: tuple[tuple[str, ...], ...]
    optional: tuple[str, ...]
    updated: tuple[str, ...]


def _of_table(table: Table) -> Writable:
    inserts, updates = table.of("INSERT"), table.of("UPDATE")
    return Writable(
        frozenset(verb for verb in ("INSERT", "UPDATE", "DELETE") if table.of(verb)),
        tuple(method.needs for method in inserts),
        tuple(name for name in table.by_name if any(name in method.accepts for method in inserts)),
        tuple(dict.fromkeys(name for method in updates for name in (*method.body, *method.only_when_set_to))),
    )


def _of_documents() -> Writable:
    found = [(each.verb, each.required, each.optional) for each in described().operations]
    changed = " ".join(f"{required} {optional}" for verb, required, optional in found if verb == "UPDATE")
    return Writable(
        frozenset(("INSERT", "UPDATE", "DELETE")),
        tuple(tuple(required.split(", ")) for verb, required, _ in found if verb == "INSERT"),
        tuple(name for verb, _, optional in found if verb == "INSERT" for name in optional.split(", ")),
        tuple(dict.fromkeys(name for name in re.findall(r"\w+", changed) if name != "or")),
    )


WRITABLE = {table.name: _of_table(table) for table in TABLES} | {MODULE: _of_documents()}


def written_names(before: str, own: Mapping[str, str]) -> list[str] | None:
    """Return the names that may follow the text `before` in an INSERT, UPDATE or DELETE; None for any other place.

    own: the tables of the open database, each with its module, "" for an ordinary table.
    """
    tokens = [token for token in scan(before.rpartition(";")[2]) if token.kind != "comment"]
    verb = next((token.upper for token in tokens if token.upper in ("INSERT", "REPLACE", "UPDATE", "DELETE")), "")
    if not verb:
        return None
    verb = "INSERT" if verb == "REPLACE" else verb
    if _begins_table(verb, tokens):
        return [*(name for name, table in WRITABLE.items() if verb in table.verbs and name != MODULE), *own]
    if tokens[-1].text not in ("(", ",") and tokens[-1].upper != "SET":
        return None
    named, following = _target(verb, tokens)
    table = WRITABLE.get(own.get(named, named))
    given = [token.name.lower() for token in following]
    if table is None:
        return None
    if verb == "INSERT" and [token.text for token in following if token.text in "()"] == ["("]:
        return _inserted(table, given)
    if verb == "UPDATE" and "SET" in (token.upper for token in following) and not _is_past_column(following):
        return [name for name in table.updated if name not in given]
    return None


def _begins_table(verb: str, tokens: Sequence[Token]) -> bool:
    """Whether the next token is the name of the table."""
    last = tokens[-1].upper
    if verb == "UPDATE":
        return last == "UPDATE" or [token.upper for token in tokens[-3:-1]] == ["UPDATE", "OR"]
    return last == {"INSERT": "INTO", "DELETE": "FROM"}[verb] and len(tokens) <= len(("INSERT", "OR", "FAIL", "INTO"))


def _target(verb: str, tokens: Sequence[Token]) -> tuple[str, Sequence[Token]]:
    """The name of the table, in lower case, and the tokens after it."""
    words = [token.upper for token in tokens]
    before = {"INSERT": "INTO", "DELETE": "FROM"}.get(verb, verb)
    at = words.index(before) + 1 if before in words else len(words)
    if verb == "UPDATE" and words[at : at + 1] == ["OR"]:
        at += 2
    if words[at + 1 : at + 2] == ["."]:
        at += 2
    return (tokens[at].name.lower(), tokens[at + 1 :]) if at < len(tokens) else ("", ())


def _inserted(table: Writable, given: Sequence[str]) -> list[str]:
    """The columns that an INSERT still needs. Once one of its ways has all columns, the optional ones."""
    lacking = [[name for name in needs if name not in given] for needs in table.inserts]
    if not all(lacking):
        return [name for name in dict.fromkeys(table.optional) if name not in given]
    # the way that has the most of its columns is the one that is meant: (path, …) needs no content
    has = [len(needs) - len(left) for needs, left in zip(table.inserts, lacking, strict=True)]
    meant = [left for left, count in zip(lacking, has, strict=True) if count == max(has)]
    return list(dict.fromkeys(name for left in meant for name in left))


def _is_past_column(following: Sequence[Token]) -> bool:
    """Whether the next token is no column of SET: it is within parentheses, or in a later clause."""
    texts = [token.text for token in following]
    later = any(token.upper in ("WHERE", "FROM", "RETURNING") for token in following)
    return later or texts.count("(") > texts.count(")")
