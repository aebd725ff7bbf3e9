"""The search index: SQLite's FTS5 over the passages of each vector store's completed files.

The API ranks by meaning and the sandbox by words. The results have the same shape.

>>> hits = index.search(store, ["refund policy"], texts, now)
>>> next(hits)
Hit(score=1.0, file_id='file-1', text='The refund policy …')
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from .containers import VectorStore
from .objects import VectorStoreFile
from .parsing import passages


class Hit(NamedTuple):
    """A passage that was found. The score is 1 for the store's best passage, and at least 0."""

    score: float
    file_id: str
    text: str


class Indexed(NamedTuple):
    """A file in the index, with the rowids of its passages."""

    file: VectorStoreFile
    first: int
    last: int


class StoreIndex:
    """The passages of one vector store, in the table `name` of the database."""

    def __init__(self, database: sqlite3.Connection, name: str) -> None:
        self._database = database
        self._name = name
        self._files: dict[str, Indexed] = {}
        self._last = 0  # rowid
        database.execute(f"CREATE VIRTUAL TABLE {name} USING fts5(file_id UNINDEXED, text, tokenize=porter)")

    def update(self, store: VectorStore, text_of: Callable[[str], str], now: float) -> None:
        """Index files that were completed since the last search, and forget those that were detached."""
        for id, indexed in list(self._files.items()):
            if store.files.get(id) is not indexed.file:
                del self._files[id]
                self._database.execute(
                    f"DELETE FROM {self._name} WHERE rowid BETWEEN ? AND ?", (indexed.first, indexed.last)
                )
        for file in store.files.values():
            if file.id not in self._files and file.status(now) == "completed":
                self._add(file, text_of(file.id))

    def _add(self, file: VectorStoreFile, text: str) -> None:
        strategy = file.chunking_strategy["static"]
        cut = passages(text, strategy["max_chunk_size_tokens"], strategy["chunk_overlap_tokens"])
        first, self._last = self._last + 1, self._last + len(cut)
        self._database.executemany(
            f"INSERT INTO {self._name}(rowid, file_id, text) VALUES (?, ?, ?)",
            ((rowid, file.id, part) for rowid, part in enumerate(cut, first)),
        )
        self._files[file.id] = Indexed(file, first, self._last)

    def search(self, words: Sequence[str]) -> Iterator[Hit]:
        """The passages with any of the words, the best first."""
        found = self._database.execute(
            f"SELECT -bm25({self._name}), rowid, file_id FROM {self._name} WHERE {self._name} MATCH ? "
            "ORDER BY 1 DESC, rowid",
            (" OR ".join(f'"{word}"' for word in words),),
        ).fetchall()
        best = found[0][0] if found and found[0][0] > 0 else 1.0
        for score, rowid, file_id in found:
            (text,) = self._database.execute(f"SELECT text FROM {self._name} WHERE rowid = ?", (rowid,)).fetchone()
            yield Hit(max(0.0, score / best), file_id, text)

    def drop(self) -> None:
        """Forget everything."""
        self._database.execute(f"DROP TABLE {self._name}")


class SearchIndex:
    """The indexes of all vector stores, in one database in memory. Its calls must not overlap."""

    def __init__(self) -> None:
        self._database = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self._stores: dict[str, StoreIndex] = {}
        self._created = 0

    def search(
        self, store: VectorStore, queries: Sequence[str], text_of: Callable[[str], str], now: float
    ) -> Iterator[Hit]:
        """The passages with any word of a query, the best first. `text_of` returns the text of the file with an id."""
        words = sorted({word for query in queries for word in re.findall(r"\w+", query.lower())})
        if not words:
            return iter(())
        if store.id not in self._stores:
            self._created += 1
            self._stores[store.id] = StoreIndex(self._database, f"passages_{self._created}")
        index = self._stores[store.id]
        index.update(store, text_of, now)
        return index.search(words)

    def forget(self, store_id: str) -> None:
        """Drop the index of a vector store that was deleted."""
        if store_id in self._stores:
            self._stores.pop(store_id).drop()

    def close(self) -> None:
        """Close the database."""
        self._database.close()
