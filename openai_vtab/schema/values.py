"""SQL values: how a check and a parser read them, and how an error message shows them.

>>> sql_literal("it's")
"'it''s'"
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SQLiteValue = int | float | bytes | str | None
JSON = Any

MAX_SHOWN = 60  # characters of a value in an error message
# an escape in a JSON string; the group is half of a surrogate pair without its other half
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)


@dataclass(frozen=True)
class Limits:
    """What is checked of a value, and the folder that local files may be uploaded from.

    files_per_batch: the most files of a batch.
    strict: refuse what OpenAI refuses. Otherwise any JSON of the right kind (an object, an array of files) passes,
        because a compatible server may take it.
    """

    files_per_batch: int = 2000
    upload_root: Path | None = None
    strict: bool = True


Check = Callable[[SQLiteValue, Limits], JSON]


class InvalidValue(ValueError):  # noqa: N818 - it is about a value, and becomes an error of the package
    """A value that must not be sent, with its problem and what to write instead."""

    def __init__(self, problem: str, instead: str) -> None:
        super().__init__(f"{problem}; write {instead}")
        self.problem = problem
        self.instead = instead


def key_text(value: SQLiteValue) -> str | None:
    """The text of a key as SQLite compares it under TEXT affinity; None when no id can be equal to it.

    A float must be converted before: only SQLite knows how it writes one. "." and ".." are not path segments.
    """
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, str) or value in {"", ".", ".."}:
        return None
    return value


def sql_literal(value: SQLiteValue) -> str:
    """The value as SQL writes it, on one line and shortened, for an error message."""
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"a BLOB of {len(value)} bytes"
    return shortened("'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value))


def shown_json(value: JSON) -> str:
    """The JSON value, shortened, for an error message."""
    return shortened(json.dumps(value, ensure_ascii=False))


def load_json(text: str | bytes, decoder: json.JSONDecoder | None = None) -> JSON:
    """The value of a JSON text, without lone surrogates. Raises ValueError or RecursionError.

    JSON can spell half of a surrogate pair; UTF-8, and so SQLite, cannot.
    """
    if isinstance(text, str):
        decoded = text
    else:
        encoding = json.detect_encoding(text)
        try:
            decoded = text.decode(encoding)
        except UnicodeDecodeError:
            decoded = strip_surrogates(text.decode(encoding, "surrogatepass"))
    # one character is found fifty times as fast as several
    if "\\" in decoded and ("\\ud" in decoded or "\\uD" in decoded):
        decoded = _ESCAPE.sub(lambda escape: "?" if escape[1] else escape[0], decoded)
    return json.loads(decoded) if decoder is None else decoder.decode(decoded)


def strip_surrogates(text: str) -> str:
    """The text with a question mark for each lone surrogate."""
    return text.encode("utf-8", "replace").decode("utf-8")


def parse_json(value: SQLiteValue, example: str) -> JSON:
    """The value of a JSON text that a statement gives. Raises InvalidValue, which says to write `example`."""
    if isinstance(value, bytes):
        raise InvalidValue(f"{sql_literal(value)} is not JSON text", f"{example} (json_…, not jsonb_…)")
    if not isinstance(value, str):
        raise InvalidValue(f"{sql_literal(value)} is not JSON text", example)
    try:
        return load_json(value, _STRICT)
    except (ValueError, RecursionError):
        raise InvalidValue(f"{sql_literal(value)} is not JSON", example) from None


def parse_object(value: SQLiteValue, example: str) -> dict[str, JSON]:
    """The same for a text that has to be a JSON object, whatever its members are. No number in it is infinite."""
    return any_object(parse_json(value, example), example)


def any_object(found: JSON, example: str) -> dict[str, JSON]:
    """The JSON value if it is an object that can be sent, whatever its members are. Raises InvalidValue otherwise."""
    if not isinstance(found, dict):
        raise InvalidValue(f"{shown_json(found)} is not a JSON object", example)
    try:
        json.dumps(found, allow_nan=False)
    except ValueError:
        raise InvalidValue(f"{shown_json(found)} has an infinite number", example) from None
    return found


def is_finite(item: JSON) -> bool:
    """True for true, false and every number that JSON can spell: Python reads 1e999 as infinity."""
    return isinstance(item, (int, float)) and abs(item) <= sys.float_info.max


def _no_constant(name: str) -> JSON:
    raise ValueError(f"{name} is Python's, not JSON's")


_STRICT = json.JSONDecoder(parse_constant=_no_constant)  # json.loads() would make one for each text


def shortened(text: str) -> str:
    """The text, cut to MAX_SHOWN characters at most, for an error message."""
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "…"
