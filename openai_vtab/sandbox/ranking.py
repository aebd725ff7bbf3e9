"""Full-text ranking of chunks with SQLite's FTS5: bm25, scaled to 0..1.

The API ranks by meaning and the sandbox by words; the results have the same shape.

>>> rank(["refund policy"], [("file-1", "returns.md", "The refund policy …")])
[(1.0, 'file-1', 'returns.md', 'The refund policy …')]
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Sequence

CHUNK_LENGTH = 400  # characters, in place of the API's 800 tokens


def chunks(text: str) -> list[str]:
    """The text in chunks of up to CHUNK_LENGTH characters, cut between words where possible."""
    parts: list[str] = []
    while text:
        end = len(text) if len(text) <= CHUNK_LENGTH else (text.rfind(" ", 1, CHUNK_LENGTH) + 1 or CHUNK_LENGTH)
        parts.append(text[:end])
        text = text[end:]
    return parts or [""]


def rank(queries: Sequence[str], documents: Iterable[tuple[str, str, str]]) -> list[tuple[float, str, str, str]]:
    """(score, file id, filename, chunk) of each chunk with any word of a query, the best first.

    A document is (file id, filename, text).
    """
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
