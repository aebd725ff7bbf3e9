"""Side effects: which functions and virtual tables may be run once more."""

from __future__ import annotations

from collections.abc import Iterator

import apsw
import apsw.ext
import pytest

from openai_vtab.sqlite.repeatable import is_harmless


def test_side_effects_of_functions() -> None:
    """SQLite's own may be called again, and those said to be deterministic; what writes may not be run."""
    db = apsw.Connection(":memory:")
    db.create_scalar_function("noticing", lambda x: x)
    db.create_scalar_function("pure", lambda x: x, deterministic=True)
    db.create_aggregate_function("total_of", lambda: (0, lambda *a: None, lambda *a: None))
    db.execute("CREATE TABLE t (a)")
    for sql, harmless in {
        "SELECT random(), abs(a), count(*), max(a) OVER () FROM t": True,
        "SELECT pure(a) FROM t": True,
        "SELECT a FROM t WHERE noticing(a)": False,
        "SELECT total_of(a) FROM t": False,
        "INSERT INTO t VALUES (1)": False,
        "SELECT a FROM t": True,
    }.items():
        assert is_harmless(db.cursor().execute, sql) is harmless, sql


def test_side_effects_of_a_view_that_was_replaced() -> None:
    """The same text of a statement, whose EXPLAIN APSW has cached."""
    db = apsw.Connection(":memory:")
    db.create_scalar_function("noticing", lambda x: x)
    for definition, harmless in (("SELECT 1 AS a", True), ("SELECT noticing(1) AS a", False), ("SELECT 2 AS a", True)):
        db.execute(f"DROP VIEW IF EXISTS v; CREATE VIEW v AS {definition}")
        assert is_harmless(db.cursor().execute, "SELECT a FROM v") is harmless, definition


class Foreign:
    """A user's table function that counts how often it is read."""

    columns = ("id",)
    column_access = apsw.ext.VTColumnAccess.By_Name

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self) -> Iterator[dict[str, int]]:
        self.runs += 1
        yield {"id": 1}


FOREIGN = {
    "by itself": "SELECT * FROM jobs",
    "in other letters": 'SELECT * FROM "JOBS"',
    "in brackets": "SELECT * FROM main.[jobs]()",
    "in a subquery": "SELECT (SELECT id FROM jobs)",
    "in a CTE": "WITH j AS MATERIALIZED (SELECT * FROM jobs) SELECT * FROM j, t",
    "in a view": "SELECT * FROM v",
    "in a view of a view": "SELECT * FROM temp.vv JOIN t",
    "created": "SELECT * FROM made",
    "created in another file": "SELECT * FROM more",
    "in a name of SQLite's": "SELECT * FROM json_tree",
}


@pytest.mark.parametrize("sql", FOREIGN.values(), ids=FOREIGN)
def test_side_effects_of_others_virtual_tables(sql: str) -> None:
    """Whatever they are named in: they may have effects."""
    db, foreign = apsw.Connection(":memory:"), Foreign()
    db.execute("ATTACH ':memory:' AS other; CREATE TABLE t (a)")
    apsw.ext.make_virtual_module(db, "jobs", foreign)
    apsw.ext.make_virtual_module(db, "json_tree", foreign)
    db.create_module("jobs_made", Made(), eponymous=False)
    db.execute(
        "CREATE VIRTUAL TABLE made USING jobs_made; CREATE VIRTUAL TABLE other.more USING /* x */ 'jobs_made'(a)"
    )
    db.execute("CREATE VIEW v AS SELECT id FROM jobs; CREATE TEMP VIEW vv AS SELECT * FROM v")
    assert not is_harmless(db.cursor().execute, sql)
    assert foreign.runs == 0


class Made:
    """A module for CREATE VIRTUAL TABLE, without rows."""

    def Create(self, *_: object) -> tuple[str, Made]:
        return "CREATE TABLE x (id)", self

    Connect = Create

    def BestIndex(self, *_: object) -> None:
        return None

    def Disconnect(self) -> None:
        return None

    Destroy = Disconnect


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT value FROM json_each('[1]'), t", "SELECT * FROM json_tree('[1]')", "SELECT name FROM pragma_table_list",
        "SELECT * FROM f WHERE f MATCH 'x'", "SELECT * FROM r WHERE i = 1", "SELECT name FROM dbstat", "SELECT * FROM mine",
    ],
)  # fmt: skip
@pytest.mark.parametrize("registered", [False, True], ids=["alone", "beside another"])
def test_side_effects_of_virtual_tables_that_only_read(sql: str, registered: bool) -> None:
    """SQLite's own and those that are named as ours, also when another extension has one that the statement leaves alone."""
    db = apsw.Connection(":memory:")
    db.execute("CREATE TABLE t (a); CREATE VIRTUAL TABLE f USING fts5(x); CREATE VIRTUAL TABLE r USING rtree(i, a, b)")
    apsw.ext.make_virtual_module(db, "mine", Foreign())
    if registered:
        apsw.ext.make_virtual_module(db, "jobs", Foreign())
    assert is_harmless(db.cursor().execute, sql, {"Mine"})
