"""Rows of a documents table that were not written by its COMMIT: what a test says is at the API, and in the table.

>>> add(db, "docs/a.md", "file-a", state="in_progress")
"""

from __future__ import annotations

from typing import Any

import apsw

STORE = "vs_1"
CREATE = f"CREATE VIRTUAL TABLE handbook USING vector_store_documents(vector_store_id = '{STORE}')"


def add(
    db: apsw.Connection,
    key: str,
    file_id: str | None = None,
    state: str = "completed",
    attributes: str = "{}",
    **more: Any,
) -> int:
    """Add a document with a file, and return its rowid; with only a further file if the document is there."""
    found = db.execute("SELECT id FROM handbook_documents WHERE key = ?", (key,)).get
    if found is None:
        sql = "INSERT INTO handbook_documents (key, attributes, sha256, bytes, filename) VALUES (?, ?, ?, ?, ?)"
        db.execute(sql, (key, attributes, f"sha of {key}", len(key), key.rpartition("/")[2]))
        found = db.last_insert_rowid()
    columns = {"document": found, "file_id": file_id, "owned": 1, "state": state, "attributes": attributes, **more}
    marks = ", ".join("?" * len(columns))
    db.execute(f"INSERT INTO handbook_files ({', '.join(columns)}) VALUES ({marks})", tuple(columns.values()))
    return int(found)


def attach(sandbox: Any, texts: dict[str, str], seconds: float = 0, suffix: str = ".md") -> str:
    """Upload texts by their file ids, attach them with one batch that takes so long, and return its id."""
    for file_id, text in texts.items():
        sandbox.add_file(file_id.removeprefix("file-") + suffix, text.encode(), id=file_id)
    return str(sandbox.add_batch(STORE, list(texts), processing_seconds=seconds))
