"""Search in a vector store, ranked for real: SQLite's FTS5 with bm25, scaled to 0..1.

It must not know HTTP. A vector store finds meanings, this finds words; the answer has the same shape.

>>> ranked(["refund policy"], [("file-1", "returns.md", "The refund policy …")])
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

CHUNK = 400  # characters; a stand-in for the API's 800 tokens


def chunks(text: str) -> list[str]:
    """The text in parts, cut between words."""
    parts: list[str] = []
    while text:
        end = len(text) if len(text) <= CHUNK else (text.rfind(" ", 1, CHUNK) + 1 or CHUNK)
        parts.append(text[:end])
        text = text[end:]
    return parts or [""]


def ranked(queries: Sequence[str], documents: Iterable[tuple[str, str, str]]) -> list[tuple[float, str, str, str]]:
    """(score, file id, filename, chunk) of the chunks that contain any word of a query, best first."""
    words = sorted({word for query in queries for word in re.findall(r"\w+", query.lower())})
    if not words:
        return []
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute(
            "CREATE VIRTUAL TABLE passages USING fts5(id UNINDEXED, name UNINDEXED, text, tokenize=porter)"
        )
        for id, name, text in documents:
            connection.executemany("INSERT INTO passages VALUES (?, ?, ?)", [(id, name, part) for part in chunks(text)])
        match = " OR ".join(f'"{word}"' for word in words)
        rows = connection.execute(
            "SELECT -bm25(passages), id, name, text FROM passages WHERE passages MATCH ? ORDER BY 1 DESC, rowid",
            (match,),
        ).fetchall()
    finally:
        connection.close()
    best = max((row[0] for row in rows), default=0.0) or 1.0
    return [(max(0.0, score / best), id, name, text) for score, id, name, text in rows]


def passes(filters: Any, attributes: dict[str, Any]) -> bool:
    """Whether attributes satisfy a comparison or compound filter of the API."""
    kind = filters["type"]
    if kind in ("and", "or"):
        results = [passes(inner, attributes) for inner in filters["filters"]]
        return all(results) if kind == "and" else any(results)
    if kind not in ("eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"):
        raise KeyError(kind)
    value, wanted = attributes.get(filters["key"]), filters["value"]
    if kind in ("in", "nin"):
        return bool((value in wanted) == (kind == "in"))
    if kind in ("eq", "ne"):
        return bool((value == wanted) == (kind == "eq"))
    if value is None or isinstance(value, str) != isinstance(wanted, str):
        return False
    return bool({"gt": value > wanted, "gte": value >= wanted, "lt": value < wanted, "lte": value <= wanted}[kind])
