"""The checks of what is sent: ids, file lists, chunking strategies, attributes, filters, files.

A check takes an SQL value and the `Limits`, and returns what goes into the JSON body, or raises `Refused`
with the value's problem and what to write instead. It must not know tables, columns or HTTP: the caller
adds the names.

>>> file_ids('["file-a"]', Limits())
['file-a']

The limits: https://platform.openai.com/docs/api-reference/vector-stores-file-batches/createBatch
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unicodedata import category

from .local_file import File

SQLiteValue = int | float | bytes | str | None
JSON = Any


@dataclass(frozen=True)
class Limits:
    """What the API accepts where compatible servers differ, and where local files may be read from."""

    files_per_batch: int = 2000
    upload_root: Path | None = None


Check = Callable[[SQLiteValue, Limits], JSON]

MAX_FILES_OF_A_NEW_STORE = 500
MAX_FILE = 512 * 1024 * 1024  # bytes
MAX_ATTRIBUTES = 16
MAX_ATTRIBUTE_KEY = 64  # characters
MAX_ATTRIBUTE_TEXT = 512  # characters
MAX_RESULTS = 50
MAX_FILTER_DEPTH = 20
CHUNK_TOKENS = range(100, 4097)
# text that SQLite, too, takes for a number: float() also reads '1_0' and the digits of other scripts
_NUMBER = re.compile(r"[ \t\r\n]*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[ \t\r\n]*")


class InvalidValue(ValueError):  # noqa: N818 - it is what happened to the value
    """A value that must not be sent."""

    def __init__(self, problem: str, instead: str) -> None:
        super().__init__(f"{problem}; write {instead}")


def key_text(value: SQLiteValue) -> str | None:
    """The text of a key as SQLite compares it under TEXT affinity, or None when no id can equal it.

    `float` never reaches this: only SQLite knows how it writes one. "." and ".." are no path segments.
    """
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, str) or value in {"", ".", ".."}:
        return None
    return value


def identifier(value: SQLiteValue, _: Limits) -> str:
    """An id that goes into the path or the body of a write."""
    if not isinstance(value, str) or key_text(value) is None:
        raise InvalidValue(f"{shown(value)} is not an id", "the id as text, such as 'vs_abc123'")
    if any(character.isspace() or not character.isprintable() for character in value):
        raise InvalidValue(f"{shown(value)} contains white space or control characters", "the bare id")
    return value


def file_ids(value: SQLiteValue, limits: Limits) -> list[str]:
    """`file_ids`: a JSON array of 1 to `limits.files_per_batch` file ids."""
    items = _array(value, limits, "json_array('file-abc', …) or json_group_array(file_id)")
    for index, item in enumerate(items):
        if not _is_id(item):
            raise InvalidValue(f"item {index} is {shown_json(item)}, not a file id", "ids as text, such as 'file-abc'")
    return items


def files(value: SQLiteValue, limits: Limits) -> list[dict[str, JSON]]:
    """`files`: a JSON array of 1 to `limits.files_per_batch` objects {file_id, attributes?, chunking_strategy?}."""
    example = "json_group_array(json_object('file_id', file_id, 'attributes', json_object('lang', 'en')))"
    items = _array(value, limits, example)
    for index, item in enumerate(items):
        if not isinstance(item, dict):
            raise InvalidValue(f"item {index} is {shown_json(item)}, not an object", example)
        unknown = sorted(item.keys() - {"file_id", "attributes", "chunking_strategy"})
        if unknown:
            raise InvalidValue(
                f"item {index} has the unknown member {unknown[0]!r}",
                "only file_id, attributes and chunking_strategy",
            )
        if not _is_id(item.get("file_id")):
            raise InvalidValue(
                f"item {index} has the file_id {shown_json(item.get('file_id'))}", "an id such as 'file-abc'"
            )
        try:
            if "attributes" in item:
                _attributes(item["attributes"])
            if "chunking_strategy" in item:
                _chunking_strategy(item["chunking_strategy"])
        except InvalidValue as refused:
            problem, _, instead = str(refused).partition("; write ")
            raise InvalidValue(f"item {index}: {problem}", instead) from None
    return items


def attributes(value: SQLiteValue, _: Limits) -> dict[str, JSON] | None:
    """`attributes`: a JSON object of at most 16 pairs, keys to 64 and text values to 512 characters."""
    return _attributes(_parse(value, "json_object('lang', 'en')"))


def chunking_strategy(value: SQLiteValue, _: Limits) -> dict[str, JSON]:
    """`chunking_strategy`: {"type": "auto"}, or static with 100..4096 tokens and an overlap of at most half."""
    return _chunking_strategy(_parse(value, '\'{"type": "auto"}\''))


def metadata(value: SQLiteValue, _: Limits) -> dict[str, JSON] | None:
    """`metadata`: as attributes, but every value is text."""
    found = attributes(value, _)
    for key, item in (found or {}).items():
        if not isinstance(item, str):
            raise InvalidValue(f"the value of {key!r} is {shown_json(item)}, not text", "json_object('team', 'docs')")
    return found


def store_file_ids(value: SQLiteValue, _: Limits) -> list[str]:
    """`file_ids` of a new vector store: fewer than in a batch."""
    items = file_ids(value, Limits(sys.maxsize))
    if len(items) > MAX_FILES_OF_A_NEW_STORE:
        problem = f"{len(items)} files are more than the {MAX_FILES_OF_A_NEW_STORE} that a new vector store may have"
        raise InvalidValue(problem, "the store without them, and attach them by INSERT INTO vector_store_file_batches")
    return items


def store_expires_after(value: SQLiteValue, _: Limits) -> dict[str, JSON]:
    """`expires_after` of a vector store: {"anchor": "last_active_at", "days": 1..365}."""
    return _expires_after(value, "last_active_at", "days", range(1, 366))


def file_expires_after(value: SQLiteValue, _: Limits) -> dict[str, JSON]:
    """`expires_after` of a file: {"anchor": "created_at", "seconds": 3600..2592000}."""
    return _expires_after(value, "created_at", "seconds", range(3600, 2592001))


def text(value: SQLiteValue, _: Limits) -> str:
    """A name, a description, a purpose."""
    if not isinstance(value, str) or "\0" in value:
        raise InvalidValue(f"{shown(value)} is not text", "text")
    return value


def filename(value: SQLiteValue, _: Limits) -> str:
    """The name of an uploaded file."""
    name = text(value, _)
    if not name.strip() or any(category(character) in ("Cc", "Cs") for character in name):
        raise InvalidValue(f"{shown(value)} is not a file name", "a name such as 'returns.md'")
    if "%22" in name:  # in a form it is also how browsers write a quotation mark
        raise InvalidValue(
            f"{shown(value)} contains %22, which servers read as a quotation mark", "the name without it"
        )
    return name


def content(value: SQLiteValue, _: Limits) -> bytes:
    """The bytes of an uploaded file: a BLOB, or text, which is sent as UTF-8."""
    found = value.encode("utf-8", "replace") if isinstance(value, str) else value
    if not isinstance(found, bytes):
        raise InvalidValue(f"{shown(value)} is no content", "a BLOB or text, for instance readfile('returns.md')")
    if not found:
        raise InvalidValue("the content is empty", "at least one byte")
    if len(found) > MAX_FILE:
        raise InvalidValue(
            f"{len(found)} bytes are more than the {MAX_FILE} of a file", "it in parts, as several files"
        )
    return found


def path(value: SQLiteValue, limits: Limits) -> File:
    """A local file inside `upload_root`: neither `..` nor a symbolic link can leave it."""
    if limits.upload_root is None:
        raise InvalidValue("no file of this machine may be read", "content instead, or set upload_root for connect()")
    if not isinstance(value, str) or not value or "\0" in value:
        raise InvalidValue(f"{shown(value)} is not a path", "the path of a file below upload_root")
    try:
        root = limits.upload_root.resolve()
        found = (root / value).resolve()
        inside, is_file = found.is_relative_to(root), found.is_file()
    except (OSError, RuntimeError):  # too long, not to be looked at, or a circle of symbolic links
        inside, is_file = True, False
    if not inside:
        raise InvalidValue(f"{shown(value)} is outside upload_root", "a path below it")
    if not is_file:
        raise InvalidValue(f"{shown(value)} is not a file", "the path of a file below upload_root")
    file = File(filename(found.name, limits), found, root)
    try:
        size = len(file)
    except OSError as error:
        raise InvalidValue(f"{shown(value)} cannot be read ({error.strerror})", "the path of another file") from None
    if not 0 < size <= MAX_FILE:
        raise InvalidValue(f"{shown(value)} has {size} bytes", f"the path of a file of 1 to {MAX_FILE} bytes")
    return replace(file, size=size)


def query(value: SQLiteValue, _: Limits) -> str | list[str]:
    """What to search for: text, or a JSON array of texts."""
    example = "text such as 'refund policy', or json_array('refund', 'return')"
    if not isinstance(value, str) or not value.strip():
        raise InvalidValue(f"{shown(value)} is not a query", example)
    if not value.lstrip().startswith("["):
        return value
    try:
        items = json.loads(value)
    except (ValueError, RecursionError):
        return value  # text that begins with a bracket
    if not isinstance(items, list) or not items or not all(isinstance(item, str) and item for item in items):
        raise InvalidValue(f"{shown(value)} is not an array of texts", example)
    return items


def results(value: SQLiteValue, _: Limits) -> int:
    """How many results of a search."""
    if not isinstance(value, int) or not 1 <= value <= MAX_RESULTS:
        raise InvalidValue(f"{shown(value)} is not a number of results", f"a whole number from 1 to {MAX_RESULTS}")
    return value


def boolean(value: SQLiteValue, _: Limits) -> bool:
    """Yes or no, as the API wants it."""
    return bool(flag(value, _))


def filters(value: SQLiteValue, _: Limits) -> dict[str, JSON]:
    """`filters`: {"type": "eq", "key": "lang", "value": "en"}, or {"type": "and", "filters": […]}."""
    return _filter(_parse(value, FILTER), 0)


def ranking_options(value: SQLiteValue, _: Limits) -> dict[str, JSON]:
    """`ranking_options`: {"ranker": "auto", "score_threshold": 0.5}."""
    example = '\'{"ranker": "auto", "score_threshold": 0.5}\''
    found = _parse(value, example)
    if not isinstance(found, dict) or found.keys() - {"ranker", "score_threshold"}:
        raise InvalidValue(f"{shown_json(found)} are no ranking options", example)
    threshold = found.get("score_threshold", 0)
    if isinstance(threshold, bool) or not isinstance(threshold, (int, float)) or not 0 <= threshold <= 1:
        raise InvalidValue(f"score_threshold is {shown_json(threshold)}", "a number from 0 to 1")
    if not isinstance(found.get("ranker", ""), str):
        raise InvalidValue(f"ranker is {shown_json(found['ranker'])}", "'none', 'auto' or the name of a ranker")
    return found


def seconds(value: SQLiteValue, _: Limits) -> float:
    """A time to wait."""
    is_number = _NUMBER.fullmatch(value) if isinstance(value, str) else isinstance(value, (int, float))
    number = float(value) if is_number and value is not None else math.nan
    if not 0 <= number < math.inf:
        raise InvalidValue(f"{shown(value)} is not a number of seconds", "a number from 0, such as 600")
    return number


def flag(value: SQLiteValue, _: Limits) -> int:
    """Yes or no."""
    if value not in (0, 1):
        raise InvalidValue(f"{shown(value)} is neither yes nor no", "1 or 0")
    return int(value)


def shown(value: SQLiteValue) -> str:
    """The value as SQL would write it, shortened: an error message is one line."""
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"a BLOB of {len(value)} bytes"
    text = "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "…"


def shown_json(value: JSON) -> str:
    """The JSON value, shortened."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "…"


def _is_id(item: JSON) -> bool:
    return isinstance(item, str) and item != "" and item.isprintable() and not any(c.isspace() for c in item)


def _parse(value: SQLiteValue, example: str) -> JSON:
    if isinstance(value, bytes):
        raise InvalidValue(f"{shown(value)} is not JSON text", f"{example} (json_…, not jsonb_…)")
    if not isinstance(value, str):
        raise InvalidValue(f"{shown(value)} is not JSON text", example)
    try:
        return json.loads(value, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise InvalidValue(f"{shown(value)} is not JSON", example) from None


def _no_constant(name: str) -> JSON:
    raise ValueError(f"{name} is Python's, not JSON's")


def _array(value: SQLiteValue, limits: Limits, example: str) -> list[Any]:
    items = _parse(value, example)
    if not isinstance(items, list):
        raise InvalidValue(f"{shown(value)} is not a JSON array", example)
    if not items:
        raise InvalidValue("the array is empty", f"at least one file: {example}")
    if len(items) > limits.files_per_batch:
        raise InvalidValue(
            f"{len(items)} files are more than the {limits.files_per_batch} that one batch may have",
            "one row for each part: SELECT 'vs_…', json_group_array(file_id) FROM (SELECT file_id, "
            f"(row_number() OVER () - 1) / {limits.files_per_batch} AS part FROM documents) GROUP BY part",
        )
    return items


def _attributes(value: JSON) -> dict[str, JSON] | None:
    example = "json_object('lang', 'en')"
    if value is None:
        return None
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
        elif not _is_finite(item):
            raise InvalidValue(f"the attribute {key!r} is {shown_json(item)}", "text, a number, true or false")
    return value


def _is_finite(item: JSON) -> bool:
    """True for true, false and every number that JSON can spell; Python reads 1e999 as infinity."""
    return isinstance(item, (int, float)) and abs(item) <= sys.float_info.max


def _expires_after(value: SQLiteValue, anchor: str, unit: str, allowed: range) -> dict[str, JSON]:
    example = f"json_object('anchor', '{anchor}', '{unit}', {allowed.start})"
    found = _parse(value, example)
    if not isinstance(found, dict) or found.keys() != {"anchor", unit} or found["anchor"] != anchor:
        raise InvalidValue(f"{shown_json(found)} is no expires_after", example)
    if type(found[unit]) is not int or found[unit] not in allowed:
        raise InvalidValue(
            f"{unit} is {shown_json(found[unit])}", f"a number from {allowed.start} to {allowed.stop - 1}"
        )
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
    elif not isinstance(value["value"], str) and not _is_finite(value["value"]):
        raise InvalidValue(f"the value of {kind} is {shown_json(value['value'])}", "text, a number, true or false")
    return value  # type: ignore[no-any-return]


def _filter_list(kind: str, value: JSON) -> None:
    """The API compares an attribute with a list of texts and numbers: no true or false, no NULL, nothing nested."""
    example = "an array of texts and numbers, such as json_array('en', 7)"
    if not isinstance(value, list):
        raise InvalidValue(f"the value of {kind} is {shown_json(value)}", example)
    for index, item in enumerate(value):
        if not isinstance(item, str) and (isinstance(item, bool) or not _is_finite(item)):
            raise InvalidValue(f"item {index} of {kind} is {shown_json(item)}", example)


def _chunking_strategy(value: JSON) -> dict[str, JSON]:
    example = (
        '\'{"type": "auto"}\' or \'{"type": "static", "static": '
        '{"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400}}\''
    )
    if not isinstance(value, dict):
        raise InvalidValue(f"chunking_strategy is {shown_json(value)}, not an object", example)
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
