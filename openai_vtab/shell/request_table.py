"""The latest requests as a box that fits a terminal: a path is folded after a slash, so that the ids in it stay whole.

>>> names, rows = request_table(db, 20, width=80)
>>> rows[0]
['12:34:56', 'GET', '/vector_stores/\\nvs_demo', 200, 12]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import apsw

from .fitting import PATHS, fold_cells

SELECT = """
SELECT strftime('%H:%M:%S', at, 'unixepoch', 'localtime') AS time, method, path, status,
       CAST(milliseconds AS INTEGER) AS ms, bytes,
       concat_ws(' ', iif(predicted, 'ahead', NULL), iif(retries, 'retries ' || retries, NULL),
                 iif(milliseconds IS NULL, 'pending', NULL), iif(status IS NULL, error, NULL)) AS note
FROM (SELECT * FROM openai_requests ORDER BY number DESC LIMIT ?) ORDER BY number
"""
NAMES = ("time", "method", "path", "status", "ms", "bytes", "note")
LEFT_OUT = ("bytes", "time", "ms")  # in this order, where a box has no room for all columns


def request_table(db: apsw.Connection, number: int, width: int) -> tuple[list[str], list[list[Any]]]:
    """Return the names and the rows of the latest `number` requests, for a box of this width."""
    found = db.execute(SELECT, (number,)).fetchall()
    names = [name for name in NAMES if name != "note" or any(note for *_, note in found)]
    for kept in [names, *(_without(names, LEFT_OUT[:count]) for count in range(1, len(LEFT_OUT) + 1))]:
        rows = [[value for name, value in zip(NAMES, row, strict=True) if name in kept] for row in found]
        folded = fold_cells(kept, rows, width, PATHS)
        if folded is not None:
            return kept, folded
    return names, [list(row[: len(names)]) for row in found]  # output_box writes them as lines


def _without(names: Sequence[str], left_out: Sequence[str]) -> list[str]:
    return [name for name in names if name not in left_out]
