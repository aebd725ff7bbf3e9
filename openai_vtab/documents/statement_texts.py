"""The texts of the statements on shadow tables that are executed for every row of the user's: each is made once.

>>> insert('"main"."handbook_files"', ("document", "state"))
'INSERT INTO "main"."handbook_files"(document, state) VALUES (?, ?)'
"""

from __future__ import annotations

from functools import lru_cache

from .rows import Document, StoredFile

DOCUMENT = ", ".join(f"d.{name}" for name in Document._fields)
FILE = ", ".join(f"f.{name}" for name in StoredFile._fields)
CHANGED = "version = version + 1"  # in every UPDATE of a file


@lru_cache(maxsize=256)
def insert(path: str, columns: tuple[str, ...]) -> str:
    """Return the INSERT of a row."""
    return f"INSERT INTO {path}({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


@lru_cache(maxsize=256)
def update(path: str, columns: tuple[str, ...], *, is_file: bool) -> str:
    """Return the UPDATE of the row with an id."""
    sets = ", ".join(f"{name} = ?" for name in columns)
    return f"UPDATE {path} SET {sets}{', ' + CHANGED if is_file else ''} WHERE id = ?"


@lru_cache(maxsize=256)
def listed(documents: str, files: str, where: str, limit: int) -> str:
    """Return the SELECT of documents with their newest files."""
    # SQLite prepares a statement again each time that something is bound beside the parameter of a LIMIT
    return (
        f"SELECT {DOCUMENT}, {FILE} FROM {documents} AS d LEFT JOIN {files} AS f "
        f"ON f.id = (SELECT max(id) FROM {files} WHERE document = d.id) WHERE {where} ORDER BY d.id"
        + (f" LIMIT {limit}" if limit >= 0 else "")
    )
