"""SQL on the shadow tables that is executed for each row of the user's. Each text is made once, and then cached.

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
    """Return the INSERT of a row into the table whose quoted name is `path`."""
    return f"INSERT INTO {path}({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


@lru_cache(maxsize=256)
def update(path: str, columns: tuple[str, ...], *, is_file: bool) -> str:
    """Return the UPDATE of the row with an id, which is the last parameter. That of a file increases its version."""
    sets = ", ".join(f"{name} = ?" for name in columns)
    return f"UPDATE {path} SET {sets}{', ' + CHANGED if is_file else ''} WHERE id = ?"


@lru_cache(maxsize=256)
def listed(documents: str, files: str, where: str, limit: int) -> str:
    """Return the SELECT of documents with their newest files. A negative limit means no limit."""
    # the limit is a literal: a statement with a parameter for it is prepared again each time that a value is bound
    return (
        f"SELECT {DOCUMENT}, {FILE} FROM {documents} AS d LEFT JOIN {files} AS f "
        f"ON f.id = (SELECT max(id) FROM {files} WHERE document = d.id) WHERE {where} ORDER BY d.id"
        + (f" LIMIT {limit}" if limit >= 0 else "")
    )
