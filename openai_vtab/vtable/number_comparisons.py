"""Comparisons of a number with a text such as '2026-01-31': a mistake whose condition holds for every row, or for none.

Theory of operation
-------------------
SQLite calls every number less than any text that it cannot convert into a number, and less than any BLOB. So
`created_at < '2026-01-31'` and `created_at <> date('now')` are true for every row, and `created_at > date('now')` for
none. https://www.sqlite.org/datatype3.html#sort_order

A DELETE or UPDATE with such a condition could change every row. So if it writes to a virtual table, it is refused
before the scan sends anything, and so is a query that calls a function that writes. Any other statement gets SQLite's
rows, and a warning.

BestIndex sees only the values of literals. Filter sees those of all terms that it asks for (planner/comparisons.py):

    the value                               Filter sees it
    --------------------------------------  -----------------------------------------------------------------------
    a literal, a parameter, a function,     yes, for < <= > >= <> IS, IS NOT and BETWEEN, on either side
    a subquery that names no other table
    of =                                    only a literal; with any other text, it is true for no row
    the values of IN                        if APSW delivers them as one set (best_index.TAKES_WHOLE_LISTS)
    a column of another table in a join     if the scan has a key of that table, too: a comparison changes no join order
    of LIKE and GLOB                        for a column of times, with a warning, and never refused
    below OR, NOT, CASE, a function, or     no: SQLite offers no such term, but its program for the statement has it
    another comparison; of an expression
    such as created_at + 86400
    of NOT IN with several values, of a     no
    column of another table there

The program (EXPLAIN) is read if a DELETE or UPDATE names a column of numbers. It shows literals, values of parameters,
and date(), time(), datetime() and strftime() with a format for people, which return only texts
(sqlite/text_comparisons.py). The columns of all tables of the package count, because a subquery chooses rows, too.

>>> NumberComparisons(internal_sql, with_values).is_mistake(files, statement, "created_at<", "2026-01-31")
WARNING:openai_vtab:files.created_at < '2026-01-31' compares Unix seconds with a text, …
True
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from ..errors import ProgrammingError
from ..planner import column_and_operator
from ..schema.docs import DAY, compare_times
from ..schema.table import Table
from ..schema.values import SQLiteValue, sql_literal
from ..sqlite.internal_sql import InternalSQL
from ..sqlite.programs import own_part
from ..sqlite.sql_text import changes_rows
from ..sqlite.statement_text import names
from ..sqlite.text_comparisons import text_comparisons
from ..tables import TABLES
from .running_statement import RunningStatement

log = logging.getLogger("openai_vtab")

WRITING_FUNCTIONS = frozenset(method.function for table in TABLES for method in table.of("EXEC"))
MAX_WARNINGS = 100  # of one connection, each about another comparison
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[ T][0-9:.]+Z?)?")


class NumberComparisons:
    """Checks the values that columns of numbers are compared with. A connection warns of each comparison once.

    `with_values` returns the text of a running statement with the values of its parameters, None if they are not known.
    """

    def __init__(self, internal_sql: InternalSQL, with_values: Callable[[str], str | None]) -> None:
        self._internal_sql = internal_sql
        self._with_values = with_values
        self._warned: set[str] = set()

    def is_mistake(self, table: Table, statement: RunningStatement[Any] | None, name: str, value: Any) -> bool:
        """Whether the value of a term is a text or BLOB, or a set that contains one. Logs a warning if it is.

        name: the term's name in ScanPlan.compared.
        Raises ProgrammingError instead for a mistake in a statement that changes objects.
        """
        mistake = self._mistake(value if isinstance(value, (set, frozenset)) else (value,))
        if mistake is None:
            return False
        column, operator = column_and_operator(name)
        shown = f"IN (… {sql_literal(mistake)} …)" if value is not mistake else f"{operator} {sql_literal(mistake)}"
        kind, numbers = ("BLOB" if isinstance(mistake, bytes) else "text"), _numbers(table, column)
        problem = (
            f"{table.name}.{column} {shown} compares {numbers} with a {kind}, and every number is less than any {kind}"
        )
        instead = _instead(table, column, operator, mistake)
        if operator.isalpha():
            self._warn(problem, instead)
        elif statement is not None and self._changes_objects(statement):
            raise ProgrammingError(f"{problem}, so the statement is refused and nothing was sent; write {instead}")
        else:
            self._warn(problem, instead)
        return True

    def refuse_hidden(self, table: Table, path: str, statement: RunningStatement[Any]) -> None:
        """Raise ProgrammingError for a DELETE or UPDATE with such a comparison where SQLite offers no term of it.

        `path` is the name in SQL of a table that the statement reads, with its schema.
        """
        if table.number_names.isdisjoint(_changing_names(statement.sql)):
            return
        address = next((row[5] for row in self._internal_sql.program(f"SELECT 1 FROM {path}") if row[1] == "VOpen"), "")
        program = self._internal_sql.program(self._with_values(statement.sql) or statement.sql)
        for number, text, function, converts in text_comparisons(program, address, table.numbers):
            if text is not None and converts and not self._stays_text(text):
                continue
            column = table.numbers[number]
            value = f"{function}(…)" if text is None else sql_literal(text)
            time = "…" if text is None else f"'{text if _TIME.fullmatch(text) else DAY}'"
            instead = f"unixepoch({time})" if column.is_time else "a number"
            raise ProgrammingError(
                f"{table.name}.{column.name} is compared with {value}, and every number is less than any text, so the "
                f"statement is refused and nothing was sent; compare it with {instead}"
            )

    def _mistake(self, values: Iterable[SQLiteValue]) -> SQLiteValue:
        """The first of the values that is greater than every number, None if there is none."""
        for value in values:
            if isinstance(value, bytes) or (isinstance(value, str) and self._stays_text(value)):
                return value
        return None

    def _stays_text(self, text: str) -> bool:
        """Whether SQLite cannot convert the text into a number."""
        return bool(next(self._internal_sql.read("SELECT CAST(9e999 AS REAL) < ?", (text,)))[0])

    def _changes_objects(self, statement: RunningStatement[Any]) -> bool:
        """Whether it is a DELETE or UPDATE of a virtual table, not of a trigger, or calls a function that writes."""
        if not WRITING_FUNCTIONS.isdisjoint(names(statement.sql)):
            return True
        if statement.readonly or not changes_rows(statement.sql):
            return False
        return any(opcode == "VUpdate" for _, opcode, *_ in own_part(self._internal_sql.program(statement.sql)))

    def _warn(self, problem: str, instead: str) -> None:
        if problem in self._warned or len(self._warned) == MAX_WARNINGS:
            return
        self._warned.add(problem)
        log.warning("%s; write %s", problem, instead)


@lru_cache(maxsize=8)  # few, because the text may be long
def _changing_names(sql: str) -> frozenset[str]:
    """The names in a DELETE or UPDATE, in lower case; none for any other statement."""
    return frozenset(names(sql)) if changes_rows(sql) else frozenset()


def _numbers(table: Table, column: str) -> str:
    return "Unix seconds" if table.by_name[column].is_time else "a number"


def _instead(table: Table, column: str, operator: str, value: SQLiteValue) -> str:
    """What to write in place of the comparison."""
    if not table.by_name[column].is_time:
        return f"a number, such as {column} {operator} 1000"
    if isinstance(value, str) and _TIME.fullmatch(value) and not operator.isalpha():
        return compare_times(column, value, operator)
    return compare_times(column, DAY)
