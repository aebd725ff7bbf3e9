"""Cursors: rows of the tables, the last rowid, and how long a cursor holds its statement."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator

import pytest

from openai_vtab import dbapi

T = "vector_store_file_batches"
SELECT = f"SELECT status FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = ?"
INSERT = f"INSERT INTO {T} (vector_store_id, file_ids) VALUES (?, '[\"file-new-01\"]')"


def test_execute_reads_the_tables(con: dbapi.Connection, requests: Callable[[], list[str]]) -> None:
    """Positional and named parameters send one request each; a join is read ahead."""
    assert con.execute(SELECT, ("vsfb_demo_finished",)).fetchone() == ("completed",)
    named = SELECT.replace("?", ":batch")
    assert con.execute(named, {"batch": "vsfb_demo_finished"}).fetchall() == [("completed",)]
    assert len(requests()) == 2
    con.execute(
        'CREATE TABLE keys AS SELECT value AS id FROM json_each(\'["vsfb_demo_finished", "vsfb_demo_failures"]\')'
    )
    join = f"SELECT keys.id, status FROM keys CROSS JOIN {T} AS b ON b.batch_id = keys.id AND vector_store_id = ?"
    assert len(con.execute(join, ("vs_demo",)).fetchall()) == 2


def test_lastrowid_finds_the_new_batch(con: dbapi.Connection) -> None:
    """The rowid of an INSERT finds the created batch."""
    cursor = con.execute(INSERT, ("vs_demo",))
    assert cursor.rowcount == 1
    con.commit()
    assert con.execute(f"SELECT status FROM {T} WHERE rowid = ?", (cursor.lastrowid,)).fetchone() == ("in_progress",)


def test_cursor_refuses_recursive_use(con: dbapi.Connection) -> None:
    """The parameters of executemany() must not use the same cursor."""
    cursor = con.execute("CREATE TABLE t (a)")

    def parameters() -> Iterator[tuple[int]]:
        cursor.execute("SELECT 1")
        yield (1,)

    with pytest.raises(dbapi.ProgrammingError, match="Recursive use"):
        cursor.executemany("INSERT INTO t VALUES (?)", parameters())


def test_cursor_releases_its_lock_when_dropped(con: dbapi.Connection) -> None:
    """A dropped cursor ends its statement without the garbage collector."""
    con.executescript("CREATE TABLE t (a); INSERT INTO t VALUES (1), (2), (3)")
    gc.disable()
    try:
        cursor = con.execute("SELECT a FROM t")
        assert cursor.fetchone() == (1,)
        del cursor
        con.execute("DROP TABLE t")
    finally:
        gc.enable()
