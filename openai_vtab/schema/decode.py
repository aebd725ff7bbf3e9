"""How a column is read from an object of the API: JSON in, one SQLite value out.

It must not know where the object comes from, nor any particular column.

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
from .table import FAILURE, PLACE, WHOLE, Column
from .validators import SQLiteValue

DEEPEST = 1000  # levels of arrays and objects, https://www.sqlite.org/json1.html#interface_overview
_NOT_FINITE = re.compile(r'"(?:[^"\\]|\\.)*"|NaN|Infinity')
_IN_SQLITE = {"NaN": "null", "Infinity": "9.0e+999"}
_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]')


class Fields(Protocol):
    """An object of the API, or what stands for one: a dict, or a ledger's entry."""

    def get(self, name: str, /) -> Any:
        """A member, None when it is not there."""


def getter(column: Column) -> Callable[[Fields], SQLiteValue]:
    """How the column is read from an object."""
    if column.source == WHOLE:
        return _whole_object
    name, *path = column.source.split(".")
    is_json = column.is_json

    def get(fields: Fields) -> SQLiteValue:
        value = fields.get(name)
        for step in path:
            if isinstance(value, list):  # of content parts: their texts together
                texts = [part[step] for part in value if isinstance(part, dict) and isinstance(part.get(step), str)]
                value = "\n".join(texts) if texts else None
            else:
                value = value.get(step) if isinstance(value, dict) else None
        if is_json and (isinstance(value, str) or value in (math.inf, -math.inf)):
            return _json_column(value)
        if value is None or isinstance(value, str):
            return value if value is None or value.isascii() else whole(value)
        if column.type == "INTEGER" and isinstance(value, float) and value.is_integer():
            value = int(value)
        return sql_value(value)

    return get


def _whole_object(fields: Fields) -> SQLiteValue:
    found = fields if isinstance(fields, dict) else fields.get(WHOLE)
    if FAILURE in found:
        return None
    return sql_value({name: value for name, value in found.items() if name != PLACE})


def sql_value(value: Any) -> SQLiteValue:
    """A JSON value as SQLite stores it: arrays and objects as JSON text, true and false as 1 and 0."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else _float(value)
    if isinstance(value, float):
        return value if not math.isnan(value) else None
    return _json_column(value)


def _json_column(value: Any) -> str:
    try:
        return json_text(value)
    except RecursionError:
        problem = f"a JSON value of the answer is nested deeper than SQLite reads JSON ({DEEPEST} levels)"
    raise DataError(problem)


def json_text(value: Any) -> str:
    """JSON that SQLite's json_valid() accepts. Raises RecursionError for more than 1000 levels.

    Servers written in Python answer with NaN and Infinity, which are not JSON. They become what SQLite's own JSON
    functions make of them: null, and 9.0e+999, which SQLite reads as infinity.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except ValueError:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        text = _NOT_FINITE.sub(lambda found: _IN_SQLITE.get(found[0], found[0]), text)
    if text.count("[") + text.count("{") > DEEPEST and _depth(text) > DEEPEST:
        raise RecursionError
    return whole(text)


def _depth(text: str) -> int:
    """How many arrays and objects are open at once, at most."""
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


def whole(text: str) -> str:
    """The text without lone surrogates, which JSON can spell and UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode("utf-8")
