"""SQL on openai_requests: the columns of .requests that fit a terminal, and what .timer says of a statement.

>>> summary_since(db, 12)
'5 requests (3 prefetched)'
"""

from __future__ import annotations

import apsw

NARROW = 70  # columns, below which .requests leaves out the time, the bytes and the note


def last_number(db: apsw.Connection) -> int:
    """The number of the connection's latest request, 0 before the first."""
    return int(db.execute("SELECT coalesce(max(number), 0) FROM openai_requests").get)


def summary_since(db: apsw.Connection, number: int, *, dry_run: bool = False) -> str:
    """The count of the requests after this number, with those of them that were prefetched, retried or not sent."""
    sql = "SELECT sum(predicted), sum(retries) FROM openai_requests WHERE number > ?"
    prefetched, retries = db.execute(sql, (number,)).fetchall()[0]
    count = last_number(db) - number
    notes = [f"{n} {what}" for n, what in ((prefetched, "prefetched"), (retries, "retries")) if n]
    notes += ["not sent"] if count and dry_run else []
    return f"{count} request{'' if count == 1 else 's'}" + (f" ({', '.join(notes)})" if notes else "")


def columns_that_fit(width: int) -> str:
    """The result columns for a box of this width. A path that is too long loses its beginning, which tells least."""
    status = "status, CAST(milliseconds AS INTEGER) AS ms"
    if width < NARROW:
        return f"{_clipped('path', max(width - 36, 8))} AS path, method, {status}"
    return (
        f"strftime('%H:%M:%S', at, 'unixepoch', 'localtime') AS time, method, "
        f"{_clipped('path', max(width - 60, 12))} AS path, {status}, bytes, "
        "concat_ws(' ', iif(predicted, 'ahead', NULL), iif(retries, 'retries ' || retries, NULL), "
        "iif(milliseconds IS NULL, 'pending', NULL), iif(status IS NULL, error, NULL)) AS note"
    )


def _clipped(column: str, length: int) -> str:
    return f"iif(length({column}) > {length}, '…' || substr({column}, {1 - length}), {column})"
