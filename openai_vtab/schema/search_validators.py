"""The checks of what is sent to search a vector store.

>>> query("refund policy", Limits())
'refund policy'

https://platform.openai.com/docs/api-reference/vector-stores/search
"""

from __future__ import annotations

import sys

from .values import (
    JSON,
    InvalidValue,
    Limits,
    SQLiteValue,
    is_finite,
    load_json,
    parse_json,
    parse_object,
    shown_json,
    sql_literal,
)

MAX_RESULTS = 50
MAX_FILTER_DEPTH = 20


def query(value: SQLiteValue, _: Limits) -> str | list[str]:
    """Check a query: text, or a JSON array of texts."""
    example = "text such as 'refund policy', or json_array('refund', 'return')"
    if not isinstance(value, str) or not value.strip():
        raise InvalidValue(f"{sql_literal(value)} is not a query", example)
    if not value.lstrip().startswith("["):
        return value
    try:
        items = load_json(value)
    except (ValueError, RecursionError):
        return value  # a text that begins with a bracket
    if not isinstance(items, list) or not items or not all(isinstance(item, str) and item for item in items):
        raise InvalidValue(f"{sql_literal(value)} is not an array of texts", example)
    return items


def results(value: SQLiteValue, limits: Limits) -> int:
    """Check the number of results."""
    most = MAX_RESULTS if limits.strict else sys.maxsize
    if not isinstance(value, int) or not 1 <= value <= most:
        instead = f"a whole number from 1 to {MAX_RESULTS}" if limits.strict else "a whole number of at least 1"
        raise InvalidValue(f"{sql_literal(value)} is not a number of results", instead)
    return value


def filters(value: SQLiteValue, limits: Limits) -> dict[str, JSON]:
    """Check `filters`: {"type": "eq", "key": "lang", "value": "en"}, or {"type": "and", "filters": […]}."""
    if not limits.strict:
        return parse_object(value, FILTER)
    return _filter(parse_json(value, FILTER), 0)


def ranking_options(value: SQLiteValue, limits: Limits) -> dict[str, JSON]:
    """Check `ranking_options`: {"ranker": "auto", "score_threshold": 0.5}."""
    example = '\'{"ranker": "auto", "score_threshold": 0.5}\''
    if not limits.strict:
        return parse_object(value, example)
    found = parse_json(value, example)
    if not isinstance(found, dict) or found.keys() - {"ranker", "score_threshold"}:
        raise InvalidValue(f"{shown_json(found)} is not a ranking_options object", example)
    threshold = found.get("score_threshold", 0)
    if isinstance(threshold, bool) or not isinstance(threshold, (int, float)) or not 0 <= threshold <= 1:
        raise InvalidValue(f"score_threshold is {shown_json(threshold)}", "a number from 0 to 1")
    if not isinstance(found.get("ranker", ""), str):
        raise InvalidValue(f"ranker is {shown_json(found['ranker'])}", "'none', 'auto' or the name of a ranker")
    return found


FILTER = '\'{"type": "eq", "key": "lang", "value": "en"}\''


def _filter(value: JSON, depth: int) -> dict[str, JSON]:
    kind = value.get("type") if isinstance(value, dict) else None
    if kind in ("and", "or") and value.keys() == {"type", "filters"} and isinstance(value["filters"], list):
        if depth > MAX_FILTER_DEPTH or not value["filters"]:
            raise InvalidValue(f"{shown_json(value)} is empty, or nested too deeply", FILTER)
        for inner in value["filters"]:
            _filter(inner, depth + 1)
    elif kind not in ("eq", "ne", "gt", "gte", "lt", "lte", "in", "nin") or value.keys() != {"type", "key", "value"}:
        raise InvalidValue(
            f"{shown_json(value)} is not a filter", f"{FILTER}, or 'and' and 'or' with a list of filters"
        )
    elif not isinstance(value["key"], str) or not value["key"]:
        raise InvalidValue(f"the key is {shown_json(value['key'])}", f"the name of an attribute, as in {FILTER}")
    elif kind in ("in", "nin"):
        _filter_list(kind, value["value"])
    elif not isinstance(value["value"], str) and not is_finite(value["value"]):
        raise InvalidValue(f"the value of {kind} is {shown_json(value['value'])}", "text, a number, true or false")
    return value  # type: ignore[no-any-return]


def _filter_list(kind: str, value: JSON) -> None:
    """Check the list of `in` or `nin`: the API compares with texts and numbers only."""
    example = "an array of texts and numbers, such as json_array('en', 7)"
    if not isinstance(value, list):
        raise InvalidValue(f"the value of {kind} is {shown_json(value)}", example)
    for index, item in enumerate(value):
        if not isinstance(item, str) and (isinstance(item, bool) or not is_finite(item)):
            raise InvalidValue(f"item {index} of {kind} is {shown_json(item)}", example)
