"""SQL values, and how a check reads them and an error message shows them.

>>> sql_literal("it's")
"'it''s'"
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SQLiteValue = int | float | bytes | str | None
JSON = Any


@dataclass(frozen=True)
class Limits:
    """What the API accepts where compatible servers differ, and where local files may be read from."""

    files_per_batch: int = 2000
    upload_root: Path | None = None


Check = Callable[[SQLiteValue, Limits], JSON]


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


def sql_literal(value: SQLiteValue) -> str:
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


def parse_json(value: SQLiteValue, example: str) -> JSON:
    if isinstance(value, bytes):
        raise InvalidValue(f"{sql_literal(value)} is not JSON text", f"{example} (json_…, not jsonb_…)")
    if not isinstance(value, str):
        raise InvalidValue(f"{sql_literal(value)} is not JSON text", example)
    try:
        return json.loads(value, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise InvalidValue(f"{sql_literal(value)} is not JSON", example) from None


def _no_constant(name: str) -> JSON:
    raise ValueError(f"{name} is Python's, not JSON's")


def is_finite(item: JSON) -> bool:
    """True for true, false and every number that JSON can spell; Python reads 1e999 as infinity."""
    return isinstance(item, (int, float)) and abs(item) <= sys.float_info.max
