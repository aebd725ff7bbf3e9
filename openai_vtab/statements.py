"""What is known of a statement that runs: its text, its values, and the query in it that can be run again.

SQLite's trace tells the text of every statement, on whatever cursor, but no bindings; a cursor that is known tells
those. It must not know tables or what a statement is run again for.

>>> select_part("INSERT INTO mine SELECT d.title, b.status FROM d JOIN b USING (batch_id) RETURNING rowid")
'SELECT d.title, b.status FROM d JOIN b USING (batch_id) '
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import apsw

_WORD = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[^\]]*\] | --[^\n]* | /\*.*?(?:\*/|$) | [^\W\d]\w* | \S""",
    re.VERBOSE | re.DOTALL,
)
_CONFLICT_CLAUSE = re.compile(r"^\s*OR\s+\w+", re.IGNORECASE)
VERBS = ("INSERT", "REPLACE", "CREATE", "UPDATE", "DELETE")
CLAUSES = ("WITH", "SELECT", "VALUES", "SET", "FROM", "WHERE")
DETERMINISTIC = 0x800  # of pragma_function_list, https://www.sqlite.org/pragma.html#pragma_function_list


def select_part(sql: str) -> str | None:
    """The query of an INSERT … SELECT, CREATE TABLE … AS SELECT, UPDATE or DELETE; None when there is none.

    Of an UPDATE it is SELECT, with the assignments read as comparisons, from the same table.
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
    """The first word of a statement, in capitals; "" when there is none."""
    words = (match[0] for match in _WORD.finditer(sql))
    return next((word.upper() for word in words if not word.startswith(("--", "/*"))), "")


def changes_rows(sql: str) -> bool:
    """Whether it is an UPDATE or DELETE."""
    return not {"UPDATE", "DELETE"}.isdisjoint(_clauses(sql) or ())


def _clauses(sql: str) -> dict[str, int] | None:
    """Where the clauses of a writing statement begin, the first of each after its verb; None when it has no such verb.

    What ends the query (RETURNING, ON CONFLICT, or the text) is its "end".
    """
    at: dict[str, int] = {}
    depth, last, last_at = 0, "", 0
    for match in _WORD.finditer(sql):
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


def is_harmless(run: Callable[..., Iterable[tuple[Any, ...]]], sql: str) -> bool:
    """Whether it writes nothing and calls no function that might notice: only SQLite's own and deterministic ones.

    https://www.sqlite.org/opcode.html
    """
    names: set[str] = set()
    for _, opcode, _, p2, _, p4, *_ in run(f"EXPLAIN {sql}"):
        if opcode == "Transaction" and p2:
            return False
        if opcode in ("Function", "PureFunc", "AggStep", "AggInverse"):
            names.add(str(p4).rpartition("(")[0].lower())
    if not names:
        return True
    others = run("SELECT name FROM pragma_function_list WHERE NOT builtin AND NOT flags & ?", (DETERMINISTIC,))
    return names.isdisjoint(name.lower() for (name,) in others)


class Cursors:
    """The cursors of a connection, to learn from them what a statement is run with."""

    def __init__(self) -> None:
        self._cursors: weakref.WeakSet[Any] = weakref.WeakSet()

    def factory(self, given: Callable[[apsw.Connection], Any]) -> Callable[[apsw.Connection], Any]:
        """The connection's own cursor factory, and every cursor that it makes is known.

        A factory, not a class with an execute() of its own: a frame of Python's between Connection.execute() and the
        cursor's makes APSW 3.54 crash when an exception's traceback outlives the connection.
        """
        base = getattr(given, "known_cursors_of", given)

        def make(connection: apsw.Connection) -> Any:
            cursor = base(connection)
            if isinstance(cursor, apsw.Cursor):
                self._cursors.add(cursor)
            return cursor

        make.known_cursors_of = base  # type: ignore[attr-defined]
        return make

    def with_values(self, sql: str) -> str | None:
        """The text of a running statement with its values for its parameters; None when it cannot be told."""
        places = [match.start() for match in _WORD.finditer(sql) if match[0][0] in "?:@$"]
        if not places:
            return sql
        found: set[str] = set()
        for cursor in list(self._cursors):
            try:
                text = cursor.expanded_sql
            except apsw.Error:  # it is not running
                continue
            if text.startswith(sql[: places[0]]):
                found.add(text)
        return found.pop() if len(found) == 1 else None
