"""The package's own SQL on the user's connection."""

from __future__ import annotations

import weakref

import apsw
import pytest

from openai_vtab.sqlite.internal_sql import InternalSQL


@pytest.fixture
def db() -> apsw.Connection:
    return apsw.Connection(":memory:")


def test_query_that_can_be_prepared_is_not_executed(db: apsw.Connection) -> None:
    """Within BEGIN, it would begin to read."""
    sql = InternalSQL(weakref.ref(db))
    db.execute("CREATE TABLE t (a); BEGIN")
    assert sql.can_prepare("SELECT a FROM main.t")
    assert not sql.can_prepare("SELECT b FROM main.t")
    assert db.txn_state() == apsw.SQLITE_TXN_NONE


def test_query_can_be_prepared_as_the_schema_is_now(db: apsw.Connection) -> None:
    """SQLite does not look at the schema again when it shows a program that was prepared before."""
    sql = InternalSQL(weakref.ref(db))
    for _ in range(2):
        db.execute("CREATE TABLE t (a)")
        assert sql.can_prepare("SELECT a FROM main.t")
        db.execute("DROP TABLE t")
        assert not sql.can_prepare("SELECT a FROM main.t")


def test_program_is_that_of_the_schema_now(db: apsw.Connection) -> None:
    """An index changes it."""
    sql = InternalSQL(weakref.ref(db))
    db.execute("CREATE TABLE t (a, b)")
    query = "SELECT b FROM t WHERE a = 1"
    before = sql.program(query)
    db.execute("CREATE INDEX i ON t (a)")
    opcodes = [instruction[1] for instruction in sql.program(query)]
    assert "SeekGE" in opcodes
    assert "SeekGE" not in [instruction[1] for instruction in before]
