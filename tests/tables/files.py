"""Files in the sandbox."""

from __future__ import annotations

from typing import Any

import apsw


def upload(db: apsw.Connection, **columns: Any) -> None:
    marks = ", ".join("?" * len(columns))
    db.execute(f"INSERT INTO files ({', '.join(columns)}) VALUES ({marks})", tuple(columns.values()))
