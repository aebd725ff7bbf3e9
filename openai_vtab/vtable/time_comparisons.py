"""Comparisons of a time, which is a number, with a text such as '2026-01-31': a mistake that returns no row, or all.

SQLite calls every number less than any text: https://www.sqlite.org/datatype3.html#sort_order

>>> TimeComparisons().look(files, info)
WARNING:openai_vtab:files.created_at > '2026-01-31' compares Unix seconds with a text, …
"""

from __future__ import annotations

import logging
import re

import apsw

from ..schema.docs import DAY, compare_times
from ..schema.table import Table
from ..schema.values import sql_literal

log = logging.getLogger("openai_vtab")

OPERATORS = {
    apsw.SQLITE_INDEX_CONSTRAINT_EQ: "=",
    apsw.SQLITE_INDEX_CONSTRAINT_NE: "<>",
    apsw.SQLITE_INDEX_CONSTRAINT_GT: ">",
    apsw.SQLITE_INDEX_CONSTRAINT_GE: ">=",
    apsw.SQLITE_INDEX_CONSTRAINT_LT: "<",
    apsw.SQLITE_INDEX_CONSTRAINT_LE: "<=",
    apsw.SQLITE_INDEX_CONSTRAINT_LIKE: "LIKE",
    apsw.SQLITE_INDEX_CONSTRAINT_GLOB: "GLOB",
}
MOST = 100  # comparisons that a connection remembers, and warns of
_NUMBER = re.compile(r"\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\s*")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[ T][0-9:.]+Z?)?")


class TimeComparisons:
    """Logs a warning for each comparison of one connection, once."""

    def __init__(self) -> None:
        self._warned: set[str] = set()

    def look(self, table: Table, info: apsw.IndexInfo) -> None:
        """Look for comparisons with a literal text among the terms of a query that SQLite plans."""
        times = table.times
        for number in range(info.nConstraint):
            column = times.get(info.get_aConstraint_iColumn(number))
            operator = OPERATORS.get(info.get_aConstraint_op(number)) if column else None
            value = info.get_aConstraint_rhs(number) if operator else None
            if column and operator and isinstance(value, str) and not _NUMBER.fullmatch(value):
                self._warn(f"{table.name}.{column} {operator} {sql_literal(value)}", column, operator, value)

    def _warn(self, comparison: str, column: str, operator: str, value: str) -> None:
        if comparison in self._warned or len(self._warned) == MOST:
            return
        self._warned.add(comparison)
        instead = compare_times(column, value, operator) if _TIME.fullmatch(value) else compare_times(column, DAY)
        log.warning(
            "%s compares Unix seconds with a text, and every number is less than any text; write %s",
            comparison,
            instead,
        )
