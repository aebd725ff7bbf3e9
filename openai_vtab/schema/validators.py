"""The checks of values that are sent: ids, texts, uploaded files, numbers.

A check takes an SQL value and the `Limits`. It returns the JSON that is sent, or raises InvalidValue with the problem
and what to write instead; the caller adds the names of the table and the column. Checks of what is attached to a
vector store are in attachment_validators.py, those of a search in search_validators.py.

>>> identifier("file-a", Limits())
'file-a'

https://platform.openai.com/docs/api-reference/files/create
"""

from __future__ import annotations

import math
import os
import re
from typing import BinaryIO
from unicodedata import category

from .file_to_upload import FileToUpload
from .upload_root import Place, locate, plain, reason, relative
from .values import JSON, InvalidValue, Limits, SQLiteValue, key_text, parse_json, parse_object, shown_json, sql_literal

MAX_FILE = 512 * 1024 * 1024  # bytes
# numbers as SQLite reads them: float() also reads '1_0' and the digits of other scripts
_NUMBER = re.compile(r"[ \t\r\n]*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[ \t\r\n]*")


def identifier(value: SQLiteValue, _: Limits) -> str:
    """Check an id: text without white space."""
    if not isinstance(value, str) or key_text(value) is None:
        raise InvalidValue(f"{sql_literal(value)} is not an id", "the id as text, such as 'vs_abc123'")
    if any(character.isspace() or not character.isprintable() for character in value):
        raise InvalidValue(f"{sql_literal(value)} contains white space or control characters", "the bare id")
    return value


def store_expires_after(value: SQLiteValue, limits: Limits) -> dict[str, JSON]:
    """Check a vector store's `expires_after`: {"anchor": "last_active_at", "days": 1..365}."""
    return _expires_after(value, limits, "last_active_at", "days", range(1, 366))


def file_expires_after(value: SQLiteValue, limits: Limits) -> dict[str, JSON]:
    """Check a file's `expires_after`: {"anchor": "created_at", "seconds": 3600..2592000}."""
    return _expires_after(value, limits, "created_at", "seconds", range(3600, 2592001))


def text(value: SQLiteValue, _: Limits) -> str:
    """Check a text, such as a name or a description."""
    if not isinstance(value, str) or "\0" in value:
        raise InvalidValue(f"{sql_literal(value)} is not text", "text")
    return value


def filename(value: SQLiteValue, _: Limits) -> str:
    """Check the name of an uploaded file."""
    name = text(value, _)
    has_controls = not name.isprintable() and any(category(character) in ("Cc", "Cs") for character in name)
    if not name.strip() or has_controls:
        raise InvalidValue(f"{sql_literal(value)} is not a file name", "a name such as 'returns.md'")
    if "%22" in name:  # browsers write a quotation mark so in a form
        raise InvalidValue(
            f"{sql_literal(value)} contains %22, which servers read as a quotation mark", "the name without it"
        )
    return name


def content(value: SQLiteValue, _: Limits) -> bytes:
    """Check the bytes of an uploaded file: a BLOB, or text, which is sent as UTF-8."""
    found = value.encode("utf-8", "replace") if isinstance(value, str) else value
    if not isinstance(found, bytes):
        raise InvalidValue(
            f"{sql_literal(value)} is not content", "a BLOB or text, for instance readfile('returns.md')"
        )
    if not found:
        raise InvalidValue("the content is empty", "at least one byte")
    if len(found) > MAX_FILE:
        raise InvalidValue(
            f"{len(found)} bytes are more than the {MAX_FILE} of a file", "it in parts, as several files"
        )
    return found


def path(value: SQLiteValue, limits: Limits) -> FileToUpload:
    """Check the path of a file below `upload_root`, which neither `..` nor a symbolic link can leave."""
    file, opened = open_path(value, limits)
    opened.close()
    return file


def open_path(value: SQLiteValue, limits: Limits) -> tuple[FileToUpload, BinaryIO]:
    """Check the path of a file as `path` does, and open the file."""
    place, opened = _opened(value, limits)
    try:
        name, size = filename(place.name, limits), os.fstat(opened.fileno()).st_size
        if not 0 < size <= MAX_FILE:
            instead = f"the path of a file of 1 to {MAX_FILE} bytes {relative(limits.upload_root)}"
            if size:
                problem = f"{sql_literal(value)} has {size} bytes, more than the {MAX_FILE} of a file"
                raise InvalidValue(problem, instead)
            left_out = "SELECT … FROM fsdir(…) WHERE length(data) > 0 leaves empty files out"
            raise InvalidValue(f"{sql_literal(value)} has 0 bytes", f"{instead}; {left_out}")
    except BaseException:
        opened.close()
        raise
    return FileToUpload(name, place, size), opened


def _opened(value: SQLiteValue, limits: Limits) -> tuple[Place, BinaryIO]:
    # following all links of each path costs as much as reading a small file
    found = plain(value, limits.upload_root)
    if found is not None:
        try:
            return found, found.open()
        except OSError:
            pass  # perhaps for a link
    place, root = locate(value, limits.upload_root), relative(limits.upload_root)
    try:
        return place, place.open()
    except OSError as error:
        if place.is_folder():
            files = "its files are SELECT name FROM fsdir(…) WHERE length(data) > 0"
            raise InvalidValue(f"{sql_literal(value)} is a folder", f"the path of a file {root}; {files}") from None
        if not place.is_file():
            raise InvalidValue(f"{sql_literal(value)} is not a file", f"the path of a file {root}") from None
        raise InvalidValue(
            f"{sql_literal(value)} cannot be read ({reason(error)})", f"the path of another file {root}"
        ) from None


def boolean(value: SQLiteValue, _: Limits) -> bool:
    """Check 1 or 0, which the API takes as true or false."""
    return bool(flag(value, _))


def seconds(value: SQLiteValue, _: Limits) -> float:
    """Check a number of seconds."""
    is_number = _NUMBER.fullmatch(value) if isinstance(value, str) else isinstance(value, (int, float))
    number = float(value) if is_number and value is not None else math.nan
    if not 0 <= number < math.inf:
        raise InvalidValue(f"{sql_literal(value)} is not a number of seconds", "a number from 0, such as 600")
    return number


def flag(value: SQLiteValue, _: Limits) -> int:
    """Check 1 or 0."""
    if value not in (0, 1):
        raise InvalidValue(f"{sql_literal(value)} is not a flag", "1 or 0")
    return int(value)


def _expires_after(value: SQLiteValue, limits: Limits, anchor: str, unit: str, allowed: range) -> dict[str, JSON]:
    example = f"json_object('anchor', '{anchor}', '{unit}', {allowed.start})"
    if not limits.strict:
        return parse_object(value, example)
    found = parse_json(value, example)
    if not isinstance(found, dict) or found.keys() != {"anchor", unit} or found["anchor"] != anchor:
        raise InvalidValue(f"{shown_json(found)} is not an expires_after object", example)
    if type(found[unit]) is not int or found[unit] not in allowed:
        raise InvalidValue(
            f"{unit} is {shown_json(found[unit])}", f"a number from {allowed.start} to {allowed.stop - 1}"
        )
    return found
