"""Every cause of a failure after Sync through every door: a test for each cell."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

import openai_vtab
from openai_vtab.sandbox import Sandbox

from .causes import CAUSES, LEDGER, SCHEMA
from .commit import judge, run
from .doors import DOORS, NOTE

CELLS = [
    pytest.param(
        cause,
        door,
        table,
        id=f"{cause}-{door}-{'ledger' if table == LEDGER else 'table'}",
        marks=() if number == n % len(DOORS) else pytest.mark.slow,
    )
    for n, cause in enumerate(CAUSES)
    for number, door in enumerate(DOORS)
    for table in CAUSES[cause].tables
    if CAUSES[cause].meets(DOORS[door])
]


@pytest.mark.parametrize(("cause", "door", "table"), CELLS)
def test_commit_failure_names_what_was_created(server: Sandbox, cause: str, door: str, table: str) -> None:
    """The outcome of a commit that SQLite cannot finish follows from the rules."""
    seen = run(server, CAUSES[cause], DOORS[door], table)
    judge(CAUSES[cause], DOORS[door], table, seen)


def test_commit_busy_raises_its_own_error_within_an_except_block(sandbox: Sandbox, tmp_path: Path) -> None:
    """A commit that is merely busy is not taken for the exception that the program is handling."""
    file = str(tmp_path / "ours.db")
    db = openai_vtab.connect(file, base_url=sandbox.base_url, api_key=sandbox.api_key)
    db.execute(SCHEMA)
    reader = apsw.Connection(file)
    rows = reader.execute("SELECT x FROM note")
    next(rows)
    try:
        raise openai_vtab.RowError("an earlier one")
    except openai_vtab.RowError:
        with pytest.raises(apsw.BusyError), db:
            db.execute(NOTE)
    rows.close()
    db.close()
