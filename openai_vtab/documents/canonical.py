"""JSON in one form, so that equal values are equal texts.

>>> canonical({"b": 1.0, "a": None})
'{"b":1}'
"""

from __future__ import annotations

import json

from ..schema import attachment_validators
from ..schema.values import JSON, Limits, SQLiteValue, parse_json
from .rows import NO_ATTRIBUTES

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True)
AUTO = {"type": "auto"}  # the API's default chunking strategy


def attributes(value: SQLiteValue, limits: Limits) -> str:
    """Check a document's `attributes`, and return them as canonical JSON; NULL is an object without members.

    Members that are null are left out before the API's limits are checked: a LEFT JOIN makes many of them.
    """
    if value is None:
        return NO_ATTRIBUTES
    found = parse_json(value, "json_object('lang', 'en')")
    if isinstance(found, dict):
        found = {name: item for name, item in found.items() if item is not None}
    return canonical(attachment_validators.checked_attributes(found, limits) or {})


def chunking(value: SQLiteValue, limits: Limits) -> str | None:
    """Check a `chunking_strategy`, and return it as canonical JSON; None for the API's default."""
    return canonical_chunking(attachment_validators.chunking_strategy(value, limits))


def canonical_chunking(strategy: dict[str, JSON]) -> str | None:
    """Return a chunking strategy as canonical JSON; None for the API's default."""
    return None if strategy == AUTO else canonical(strategy)


def canonical(value: dict[str, JSON]) -> str:
    """Return an object as JSON with its members in order, without white space, and with 1.0 written as 1.

    JSON does not tell 1.0 from 1, and the API may return either.
    """
    numbers = {name: _number(item) for name, item in value.items()}
    return _ENCODER.encode(numbers)


def _number(item: JSON) -> JSON:
    return int(item) if type(item) is float and item.is_integer() and abs(item) < 2**53 else item
