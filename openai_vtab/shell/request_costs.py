"""What .timer says of the requests of a statement.

>>> summary_since(db, 12, cached=2)
'5 (3 prefetched, 2 cached, waited 0.31 s)'
"""

from __future__ import annotations

import time
from typing import Any

import apsw


def last_number(db: apsw.Connection) -> int:
    """The number of the connection's latest request, 0 before the first."""
    return int(db.execute("SELECT coalesce(max(number), 0) FROM openai_requests").get)


def summary_since(db: apsw.Connection, number: int, *, cached: int = 0, dry_run: bool = False) -> str:
    """The count of the requests after this number, with what happened to them.

    That is: how many were prefetched, how many retries there were, how often a response was used again (`cached`), and
    the seconds in which at least one request was under way.
    """
    rows = db.execute("SELECT predicted, retries, at, milliseconds FROM openai_requests WHERE number > ?", (number,))
    requests: list[Any] = rows.fetchall()
    count = last_number(db) - number
    prefetched, retries = (sum(request[column] for request in requests) for column in (0, 1))
    counts = ((prefetched, "prefetched"), (retries, "retry" if retries == 1 else "retries"), (cached, "cached"))
    notes = [f"{n:,} {what}" for n, what in counts if n]
    if count:
        notes.append("not sent" if dry_run else f"waited {_under_way([request[2:] for request in requests]):.2f} s")
    return f"{count:,}" + (f" ({', '.join(notes)})" if notes else "")


def _under_way(requests: list[tuple[float, float | None]]) -> float:
    """The seconds in which at least one of the requests was under way; each is its beginning and its length."""
    seconds, until = 0.0, 0.0
    for at, milliseconds in sorted(requests, key=lambda request: request[0]):
        end = time.time() if milliseconds is None else at + milliseconds / 1000
        seconds += max(0.0, end - max(at, until))
        until = max(until, end)
    return seconds
