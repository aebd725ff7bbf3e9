"""A write that finds another writer: whether it waits.

>>> assert_first_write_waits(connect(file), file, "DELETE FROM my_batches")
"""

from __future__ import annotations

from contextlib import closing

import apsw
import pytest


def assert_first_write_waits(db: apsw.Connection, file: str, write: str) -> None:
    """Begin a transaction with a write while another connection has the write lock: the busy handler is asked."""
    waits: list[int] = []

    def busy(count: int) -> bool:
        waits.append(count)
        return count < 2

    with closing(apsw.Connection(file)) as other:
        other.execute("BEGIN IMMEDIATE")
        db.set_busy_handler(busy)
        db.execute("BEGIN")
        with pytest.raises(apsw.BusyError):
            db.execute(write)
        assert waits == [0, 1, 2]
        db.execute("ROLLBACK")
