"""A ledger of batches: its SQL, and what its tests read of it and of the sandbox."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import apsw

MODULE = "vector_store_file_batches"

FINISHED, RUNNING, FAILURES = (f"vsfb_demo_{name}" for name in ("finished", "running", "failures"))

ONE = "INSERT INTO my_batches (vector_store_id, file_ids) VALUES ('vs_demo', '[\"file-new-01\"]')"

Requests = Callable[[], list[str]]


def adopt(db: apsw.Connection, batch: str, store: str = "vs_demo", name: str = "my_batches") -> None:
    db.execute(f"INSERT INTO {name} (id, vector_store_id) VALUES (?, ?)", (batch, store))


def look_up(db: apsw.Connection, batch: str, store: str = "vs_demo", columns: str = "status") -> list[Any]:
    sql = f"SELECT {columns} FROM my_batches WHERE vector_store_id = ? AND batch_id = ?"
    return db.execute(sql, (store, batch)).fetchall()


def listed(db: apsw.Connection) -> list[str | None]:
    """The ids in the ledger, in its order, without a request."""
    return [id for (id,) in db.execute("SELECT id FROM my_batches")]


def created(sandbox: Any) -> list[str]:
    """The batches made through the API, in its order."""
    return [id for _, id in sandbox.batches if "demo" not in id and "archive" not in id]
