"""A connection with a ledger, empty and filled, and a ledger in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw
import pytest

from . import files
from .batches import FINISHED, MODULE, ONE, RUNNING, Requests, adopt, look_up


@pytest.fixture
def db(db: apsw.Connection) -> apsw.Connection:
    """A connection to the sandbox with an empty ledger."""
    db.execute(f"CREATE VIRTUAL TABLE my_batches USING {MODULE}")
    return db


@pytest.fixture
def filled(db: apsw.Connection, requests: Requests) -> apsw.Connection:
    """A ledger of three: created, adopted, looked up."""
    db.execute(ONE)
    adopt(db, RUNNING)
    look_up(db, FINISHED)
    requests()
    return db


@pytest.fixture
def file(tmp_path: Path, connect: Any, requests: Requests) -> str:
    """A database with a ledger of two: one finished, one not."""
    path = str(tmp_path / "ours.db")
    db = connect(path)
    db.execute(files.CREATE)
    files.fill(db)
    db.close()
    requests()
    return path
