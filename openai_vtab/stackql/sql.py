"""SQL text: values as literals, names in quotes, and a query that returns given rows.

>>> literal(["it's"])
"'[\\"it''s\\"]'"
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from ..errors import DataError
from ..schema.values import JSON


def quoted(text: str, mark: str = "'") -> str:
    """The text between quotation marks, which it cannot leave. Raises DataError for a null character."""
    if "\0" in text:
        raise DataError("a value contains a null character, which SQL text cannot hold; bind the value instead")
    return mark + text.replace(mark, mark * 2) + mark


def json_of(value: JSON) -> str:
    """The value as JSON. Raises DataError for a number that JSON or Python's text of it cannot hold."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        raise DataError(
            "a value is infinite, NaN or an integer of more than 4,300 digits, or contains one; such a number cannot "
            "be written in SQL text; write a finite number, or text in quotation marks"
        ) from None


def text_of(value: JSON) -> str:
    """The value as text: an array, an object, a number, true and false as JSON, text as it is."""
    return value if isinstance(value, str) else json_of(value)


def literal(value: JSON) -> str:
    """The value as an SQL literal: an array or an object is JSON text, true is 1."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(int(value))
    return text_of(value) if isinstance(value, (int, float)) else quoted(text_of(value))


def rows_as_query(columns: Sequence[str], rows: Iterable[Sequence[JSON]], condition: str = "") -> str:
    """A query that returns the rows, as far as they fulfil the condition."""
    values = ",\n  ".join(f"({', '.join(map(literal, row))})" for row in rows)
    return f"WITH shown({', '.join(columns)}) AS (VALUES\n  {values}\n)\nSELECT * FROM shown{condition}"
