"""A documents table, in memory and in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw
import pytest

from ..support.clock import FakeClock
from . import handbook


@pytest.fixture
def db(connect: Any, sandbox: Any, clock: FakeClock, requests: handbook.Requests) -> apsw.Connection:
    """A connection to the sandbox, and an empty table of its vector store."""
    sandbox.add_store(handbook.STORE)
    db: apsw.Connection = connect(clock=clock)
    db.execute(handbook.CREATE)
    return db


@pytest.fixture
def file(tmp_path: Path, connect: Any, sandbox: Any) -> str:
    """A database file with an empty table."""
    sandbox.add_store(handbook.STORE)
    path = str(tmp_path / "ours.db")
    db = connect(path)
    db.execute(handbook.CREATE)
    db.close()
    return path
