"""JSON in, SQL values out: how a response is parsed, and how a column is read from an object of the API.

>>> getter(Column("failed_count", "INTEGER", "Failed files.", source="file_counts.failed"))(batch)
2
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any, Protocol

from ..errors import DataError
from .table import Column, SpecialSource
from .values import SQLiteValue

MAX_DEPTH = 1000  # levels of arrays and objects, https://www.sqlite.org/json1.html#interface_overview
_NOT_FINITE = re.compile(r'"(?:[^"\\]|\\.)*"|NaN|Infinity')
_IN_SQLITE = {"NaN": "null", "Infinity": "9.0e+999"}
_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]')


class APIObject(Protocol):
    """An object of the API: a dict, or a row of a ledger."""

    def get(self, name: str, /) -> Any:
        """The member, None when the object has none of this name."""


def getter(column: Column) -> Callable[[APIObject], SQLiteValue]:
    """The function that reads the column from an object."""
    if column.source == SpecialSource.OBJECT:
        return _whole_object
    name, *path = column.source.split(".")
    is_json = column.is_json
    if not path and not is_json:

        def get_member(fields: APIObject) -> SQLiteValue:
            value = fields.get(name)
            return value if value is None or isinstance(value, str) else _number(column, value)

        return get_member

    def get(fields: APIObject) -> SQLiteValue:
        value = fields.get(name)
        for step in path:
            if isinstance(value, list):  # a list of content parts: the column has their texts, one a line
                texts = [part[step] for part in value if isinstance(part, dict) and isinstance(part.get(step), str)]
                value = "\n".join(texts) if texts else None
            else:
                value = value.get(step) if isinstance(value, dict) else None
        if is_json and (isinstance(value, str) or value in (math.inf, -math.inf)):
            return _json_column(value)
        return value if value is None or isinstance(value, str) else _number(column, value)

    return get


def _number(column: Column, value: Any) -> SQLiteValue:
    """The value of a column that is neither null nor text; a whole number of an INTEGER column is an integer."""
    if column.type == "INTEGER" and isinstance(value, float) and value.is_integer():
        value = int(value)
    return sql_value(value)


def sql_value(value: Any) -> SQLiteValue:
    """A JSON value as SQLite stores it: arrays and objects as JSON text, true and false as 1 and 0.

    Raises DataError for JSON that is nested more deeply than SQLite reads it.
    """
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else _float(value)
    if isinstance(value, float):
        return value if not math.isnan(value) else None
    return _json_column(value)


def json_text(value: Any) -> str:
    """JSON that SQLite's json_valid() accepts. Raises RecursionError for more than MAX_DEPTH levels.

    Servers written in Python send NaN and Infinity, which are not JSON. They become what SQLite's own JSON functions
    make of them: null, and 9.0e+999, which SQLite reads as infinity.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except ValueError:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        text = _NOT_FINITE.sub(lambda found: _IN_SQLITE.get(found[0], found[0]), text)
    if text.count("[") + text.count("{") > MAX_DEPTH and _depth(text) > MAX_DEPTH:
        raise RecursionError
    return text


def _whole_object(fields: APIObject) -> SQLiteValue:
    found = fields if isinstance(fields, dict) else fields.get(SpecialSource.OBJECT)
    if SpecialSource.ERROR in found:
        return None
    return sql_value({name: value for name, value in found.items() if name != SpecialSource.POSITION})


def _json_column(value: Any) -> str:
    try:
        return json_text(value)
    except RecursionError:
        problem = f"a JSON value of the response is nested more than {MAX_DEPTH} levels deep, which SQLite cannot read"
    raise DataError(problem)  # outside of the handler: a traceback of a thousand levels helps no reader


def _depth(text: str) -> int:
    """The largest number of arrays and objects that are open at once."""
    deepest = depth = 0
    for found in _BRACKET.finditer(text):
        depth += (found[0] in "[{") - (found[0] in "]}")
        deepest = max(deepest, depth)
    return deepest


def _float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
