"""The checks of what is attached to a vector store: lists of files, their attributes, how they are cut into chunks.

>>> file_ids('["file-a"]', Limits())
['file-a']

https://platform.openai.com/docs/api-reference/vector-stores-file-batches/createBatch
"""

from __future__ import annotations

import sys
from typing import Any

from .values import (
    JSON,
    InvalidValue,
    Limits,
    SQLiteValue,
    any_object,
    is_finite,
    parse_json,
    shown_json,
    sql_literal,
)

MAX_FILES_OF_A_NEW_STORE = 500
MAX_ATTRIBUTES = 16
MAX_ATTRIBUTE_KEY = 64  # characters
MAX_ATTRIBUTE_TEXT = 512  # characters
# The error for NULL in a table of the user's, where a file is not uploaded yet
NO_NULLS = "WHERE file_id IS NOT NULL, which leaves out the rows of your table that have no file yet"
CHUNK_TOKENS = range(100, 4097)


def file_ids(value: SQLiteValue, limits: Limits) -> list[str]:
    """Check `file_ids`: a JSON array of 1 to `limits.files_per_batch` file ids."""
    items = _array(value, limits, "json_array('file-abc', …) or json_group_array(file_id)")
    for index, item in enumerate(items):
        if item is None:
            raise InvalidValue(f"item {index} of the array is null", NO_NULLS)
        if not _is_id(item):
            raise InvalidValue(f"item {index} is {shown_json(item)}, not a file id", "ids as text, such as 'file-abc'")
    return items


def files(value: SQLiteValue, limits: Limits) -> list[dict[str, JSON]]:
    """Check `files`: a JSON array of 1 to `limits.files_per_batch` objects.

    An object is {file_id, attributes?, chunking_strategy?}.
    """
    example = "json_group_array(json_object('file_id', file_id, 'attributes', json_object('lang', 'en')))"
    items = _array(value, limits, example)
    for index, item in enumerate(items):
        if not isinstance(item, dict):
            raise InvalidValue(f"item {index} is {shown_json(item)}, not an object", example)
        unknown = sorted(item.keys() - {"file_id", "attributes", "chunking_strategy"})
        if unknown and limits.strict:
            raise InvalidValue(
                f"item {index} has the unknown member {unknown[0]!r}",
                "only file_id, attributes and chunking_strategy",
            )
        if item.get("file_id", "") is None:
            raise InvalidValue(f"item {index} of the array has the file_id null", NO_NULLS)
        if not _is_id(item.get("file_id")):
            raise InvalidValue(
                f"item {index} has the file_id {shown_json(item.get('file_id'))}", "an id such as 'file-abc'"
            )
        try:
            if "attributes" in item:
                checked_attributes(item["attributes"], limits)
            if "chunking_strategy" in item:
                _checked_chunking(item["chunking_strategy"], limits)
            if not limits.strict:
                any_object(item, example)
        except InvalidValue as error:
            raise InvalidValue(f"item {index}: {error.problem}", error.instead) from None
    return items


def attributes(value: SQLiteValue, limits: Limits) -> dict[str, JSON] | None:
    """Check `attributes`: a JSON object of up to 16 pairs, with keys up to 64 and texts up to 512 characters."""
    return checked_attributes(parse_json(value, "json_object('lang', 'en')"), limits)


def chunking_strategy(value: SQLiteValue, limits: Limits) -> dict[str, JSON]:
    """Check `chunking_strategy`: {"type": "auto"}, or static with 100 to 4096 tokens and an overlap of up to half."""
    return _checked_chunking(parse_json(value, '\'{"type": "auto"}\''), limits)


def metadata(value: SQLiteValue, limits: Limits) -> dict[str, JSON] | None:
    """Check `metadata`: as attributes, but every value is text."""
    found = attributes(value, limits)
    for key, item in (found or {}).items():
        if limits.strict and not isinstance(item, str):
            raise InvalidValue(f"the value of {key!r} is {shown_json(item)}, not text", "json_object('team', 'docs')")
    return found


def store_file_ids(value: SQLiteValue, limits: Limits) -> list[str]:
    """Check `file_ids` of a new vector store, which takes fewer than a batch."""
    items = file_ids(value, Limits(sys.maxsize))
    if limits.strict and len(items) > MAX_FILES_OF_A_NEW_STORE:
        problem = f"{len(items)} files are more than the {MAX_FILES_OF_A_NEW_STORE} that a new vector store may have"
        raise InvalidValue(problem, "the store without them, and attach them by INSERT INTO vector_store_file_batches")
    return items


def _is_id(item: JSON) -> bool:
    return isinstance(item, str) and item != "" and item.isprintable() and not any(c.isspace() for c in item)


def _array(value: SQLiteValue, limits: Limits, example: str) -> list[Any]:
    items = parse_json(value, example)
    if not isinstance(items, list):
        raise InvalidValue(f"{sql_literal(value)} is not a JSON array", example)
    if not items:
        raise InvalidValue("the array is empty", f"at least one file: {example}")
    if len(items) > limits.files_per_batch:
        raise InvalidValue(
            f"{len(items)} files are more than the {limits.files_per_batch} that one batch may have",
            "one row for each part: SELECT 'vs_…', json_group_array(file_id) FROM (SELECT file_id, "
            f"(row_number() OVER () - 1) / {limits.files_per_batch} AS part FROM documents) GROUP BY part",
        )
    return items


def checked_attributes(value: JSON, limits: Limits) -> dict[str, JSON] | None:
    """Check the value that the JSON text of `attributes` has. Raises InvalidValue."""
    example = "json_object('lang', 'en')"
    if value is None:
        return None
    if not limits.strict:
        return any_object(value, example)
    if not isinstance(value, dict):
        raise InvalidValue(f"attributes are {shown_json(value)}, not an object", example)
    if len(value) > MAX_ATTRIBUTES:
        raise InvalidValue(f"{len(value)} attributes are more than {MAX_ATTRIBUTES}", "fewer")
    for key, item in value.items():
        if not key or len(key) > MAX_ATTRIBUTE_KEY:
            raise InvalidValue(
                f"the attribute key {shown_json(key)} has {len(key)} characters",
                f"a key of 1 to {MAX_ATTRIBUTE_KEY} characters",
            )
        if isinstance(item, str):
            if len(item) > MAX_ATTRIBUTE_TEXT:
                raise InvalidValue(
                    f"the attribute {key!r} has {len(item)} characters",
                    f"at most {MAX_ATTRIBUTE_TEXT}, for instance substr(text, 1, {MAX_ATTRIBUTE_TEXT})",
                )
        elif not is_finite(item):
            raise InvalidValue(f"the attribute {key!r} is {shown_json(item)}", "text, a number, true or false")
    return value


def _checked_chunking(value: JSON, limits: Limits) -> dict[str, JSON]:
    """Check the value that the JSON text of `chunking_strategy` has. Raises InvalidValue."""
    example = (
        '\'{"type": "auto"}\' or \'{"type": "static", "static": '
        '{"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400}}\''
    )
    if not isinstance(value, dict):
        raise InvalidValue(f"chunking_strategy is {shown_json(value)}, not an object", example)
    if not limits.strict:
        return any_object(value, example)
    if value == {"type": "auto"}:
        return value
    if value.get("type") != "static" or value.keys() != {"type", "static"} or not isinstance(value["static"], dict):
        raise InvalidValue(f"chunking_strategy is {shown_json(value)}", example)
    static = value["static"]
    if static.keys() != {"max_chunk_size_tokens", "chunk_overlap_tokens"}:
        raise InvalidValue(f"chunking_strategy.static is {shown_json(static)}", example)
    for name, item in static.items():
        if not isinstance(item, int) or isinstance(item, bool):
            raise InvalidValue(f"{name} is {shown_json(item)}, not a whole number", example)
    size, overlap = static["max_chunk_size_tokens"], static["chunk_overlap_tokens"]
    if size not in CHUNK_TOKENS:
        raise InvalidValue(
            f"max_chunk_size_tokens is {size}",
            f"a number from {CHUNK_TOKENS.start} to {CHUNK_TOKENS.stop - 1}",
        )
    if not 0 <= overlap <= size // 2:
        raise InvalidValue(
            f"chunk_overlap_tokens is {overlap}", f"a number from 0 to {size // 2}, half of the chunk size"
        )
    return value
