"""The API's checks of request parameters. A check returns the valid value, or raises an ErrorResponse with status 400.

>>> attributes({"lang": "en"})
{'lang': 'en'}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .errors import ErrorResponse, invalid, wrong_type
from .objects import JSON

AUTO_CHUNKING = {"type": "static", "static": {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400}}
MAX_PAIRS = 16  # of attributes, and of metadata
MAX_KEY_LENGTH, MAX_VALUE_LENGTH = 64, 512  # characters


def check_names(body: Mapping[str, Any], names: set[str]) -> None:
    """Reject a body with a parameter that is not among the names."""
    for name in body:
        if name not in names:
            raise ErrorResponse(400, f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")


def text(body: Mapping[str, Any], name: str) -> str | None:
    """The body's string of that name, None when it is absent or null."""
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise wrong_type(name, "a string")
    return value


def array(name: str, value: object, max_length: int, min_length: int = 1) -> list[Any]:
    """The value, which must be an array of an allowed length."""
    if not isinstance(value, list):
        raise wrong_type(name, "an array")
    if len(value) > max_length:
        message = (
            f"Invalid '{name}': array too long. Expected an array with maximum length {max_length}, but got an array "
            f"with length {len(value)} instead."
        )
        raise ErrorResponse(400, message, param=name, code="array_above_max_length")
    if len(value) < min_length:
        message = (
            f"Invalid '{name}': empty array. Expected an array with minimum length {min_length}, but got an empty "
            "array instead."
        )
        raise ErrorResponse(400, message, param=name, code="empty_array")
    return value


def attributes(value: object) -> JSON | None:
    """A file's attributes: up to 16 strings, numbers or booleans, by name."""
    if value is None:
        return None
    if not isinstance(value, dict) or len(value) > MAX_PAIRS:
        raise invalid("attributes", f"Expected an object with at most {MAX_PAIRS} properties.")
    for key, item in value.items():
        too_long = len(key) > MAX_KEY_LENGTH or (isinstance(item, str) and len(item) > MAX_VALUE_LENGTH)
        if too_long or not isinstance(item, (str, int, float)):
            raise invalid(f"attributes.{key}", "Expected a key of 64, a value of 512 characters at most.")
    return value


def metadata(value: object) -> JSON | None:
    """A store's metadata: like attributes, but every value is a string."""
    checked = attributes(value)
    if checked and not all(isinstance(item, str) for item in checked.values()):
        raise invalid("metadata", "Expected strings.")
    return checked


def store_expiry(value: object) -> JSON | None:
    """A store's expires_after: 1 to 365 days after its last use."""
    if value is None:
        return None
    if not isinstance(value, dict) or value.get("anchor") != "last_active_at" or not isinstance(value.get("days"), int):
        raise invalid("expires_after", "Expected an object with anchor 'last_active_at' and days.")
    if not 1 <= value["days"] <= 365:
        raise invalid("expires_after.days", "Expected a value between 1 and 365.")
    return value


def file_expiry(value: JSON | None) -> int | None:
    """The seconds of a file's expires_after, an hour to 30 days after its creation."""
    if value is None:
        return None
    seconds = value.get("seconds")
    if value.get("anchor") != "created_at" or not isinstance(seconds, int):
        raise invalid("expires_after", "Expected an object with anchor 'created_at' and seconds.")
    if not 3600 <= seconds <= 2592000:
        raise invalid("expires_after.seconds", "Expected a value between 3600 and 2592000.")
    return seconds


def chunking_strategy(value: object) -> JSON:
    """A static chunking strategy; null and "auto" are the API's default, 800 tokens with 400 of overlap."""
    if value is None or value == {"type": "auto"}:
        return AUTO_CHUNKING
    static = value.get("static") if isinstance(value, dict) and value.get("type") == "static" else None
    if not isinstance(static, dict) or set(static) != {"max_chunk_size_tokens", "chunk_overlap_tokens"}:
        raise invalid("chunking_strategy", f"{json.dumps(value)} is not a strategy.")
    size, overlap = static["max_chunk_size_tokens"], static["chunk_overlap_tokens"]
    if not isinstance(size, int) or not 100 <= size <= 4096:
        raise invalid("chunking_strategy.static.max_chunk_size_tokens", "Expected a value between 100 and 4096.")
    if not isinstance(overlap, int) or not 0 <= overlap <= size // 2:
        raise invalid("chunking_strategy.static.chunk_overlap_tokens", "Expected at most half of the chunk size.")
    return {"type": "static", "static": static}
