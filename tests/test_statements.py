"""The query in a writing statement, and which functions may be run once more."""

from __future__ import annotations

from collections.abc import Iterator

import apsw
import apsw.ext
import pytest

from openai_vtab.sqlite.cursors import Cursors
from openai_vtab.sqlite.side_effects import is_harmless
from openai_vtab.sqlite.sql_text import select_part, without_parameters

PARTS = {
    "insert": ("INSERT INTO t (a, b) SELECT x, y FROM d", "SELECT x, y FROM d"),
    "conflict clause": ("INSERT OR IGNORE INTO t SELECT x FROM d", "SELECT x FROM d"),
    "replace": ("replace into t select x from d", "select x from d"),
    "upsert": ("INSERT INTO t SELECT x FROM d JOIN e ON d.i = e.i WHERE true ON CONFLICT (a) DO UPDATE SET b = 1", "SELECT x FROM d JOIN e ON d.i = e.i WHERE true"),
    "returning": ("INSERT INTO t SELECT x FROM d RETURNING a", "SELECT x FROM d"),
    "with before": ("WITH d AS (SELECT 1 AS x) INSERT INTO t SELECT x FROM d", "WITH d AS (SELECT 1 AS x) SELECT x FROM d"),
    "with within": ("INSERT INTO t WITH d AS (SELECT 1 AS x) SELECT x FROM d", "WITH d AS (SELECT 1 AS x) SELECT x FROM d"),
    "create table": ("CREATE TEMP TABLE IF NOT EXISTS n AS SELECT x FROM d", "SELECT x FROM d"),
    "words that are none": ("""INSERT INTO "select" ([from]) /* SELECT */ -- SELECT\n SELECT 'RETURNING', `on` FROM d""", "SELECT 'RETURNING', `on` FROM d"),
    "delete": ("DELETE FROM t WHERE EXISTS (SELECT 1 FROM d WHERE d.i = t.i) RETURNING i", "SELECT 1 FROM t WHERE EXISTS (SELECT 1 FROM d WHERE d.i = t.i)"),
    "update": ("UPDATE t SET a = (SELECT x FROM d WHERE d.i = t.i), b = 2 WHERE a IS NULL", "SELECT a = (SELECT x FROM d WHERE d.i = t.i), b = 2 FROM t WHERE a IS NULL"),
    "update of all": ("UPDATE OR REPLACE t AS u SET (a, b) = (SELECT x, y FROM d)", "SELECT (a, b) = (SELECT x, y FROM d) FROM t AS u"),
    "update from": ("UPDATE t SET a = d.x FROM d JOIN e USING (i) WHERE d.i = t.i", "SELECT a = d.x FROM t , d JOIN e USING (i) WHERE d.i = t.i"),
    "values": ("INSERT INTO t VALUES (1), (2)", "VALUES (1), (2)"),
}  # fmt: skip


@pytest.mark.parametrize(("sql", "part"), PARTS.values(), ids=PARTS)
def test_the_query_of_a_writing_statement(sql: str, part: str) -> None:
    """Word for word, and SQLite takes it."""
    found = select_part(sql)
    assert found is not None
    assert " ".join(found.split()) == part
    db = apsw.Connection(":memory:")
    db.execute('CREATE TABLE d (x, y, i, "on"); CREATE TABLE e (i); CREATE TABLE t (a, b, i)')
    db.execute(f"EXPLAIN {found}").fetchall()


@pytest.mark.parametrize(
    "sql",
    ["SELECT 1", "UPDATE t", "INSERT INTO t DEFAULT", "CREATE TABLE t (a)", "PRAGMA user_version", "", "WITH a AS (SELECT 1) SELECT * FROM a", "ATTACH 'x' AS y"],
)  # fmt: skip
def test_there_is_none(sql: str) -> None:
    """Of what has no query, or is one itself."""
    assert select_part(sql) is None


def test_functions_that_might_notice() -> None:
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
def test_virtual_tables_of_others_are_not_read_again(sql: str) -> None:
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
def test_virtual_tables_that_only_read_are_read_again(sql: str, registered: bool) -> None:
    """SQLite's own and those that are named as ours, also when another extension has one that the statement leaves alone."""
    db = apsw.Connection(":memory:")
    db.execute("CREATE TABLE t (a); CREATE VIRTUAL TABLE f USING fts5(x); CREATE VIRTUAL TABLE r USING rtree(i, a, b)")
    apsw.ext.make_virtual_module(db, "mine", Foreign())
    if registered:
        apsw.ext.make_virtual_module(db, "jobs", Foreign())
    assert is_harmless(db.cursor().execute, sql, {"Mine"})


def test_a_statement_is_explained_without_its_values() -> None:
    """Whatever its parameters are called; what only looks like one stays."""
    sql = """SELECT ?, ?12, :a, @b, $c::d(e), ':x', "?", [@y], `$z` -- ?\n, /* :q */ 1"""
    assert without_parameters(sql) == (
        """SELECT NULL, NULL, NULL, NULL, NULL, ':x', "?", [@y], `$z` -- ?\n, /* :q */ 1"""
    )
    apsw.Connection(":memory:").execute("EXPLAIN " + without_parameters("SELECT ? LIMIT :n"))


def test_a_statement_is_known_with_its_values() -> None:
    """Whatever the cursor's class, by execute, executemany and in a text of several statements."""

    class Mine(apsw.Cursor):
        """A user's own."""

    cursors, db = Cursors(), apsw.Connection(":memory:")
    db.cursor_factory = cursors.factory(Cursors().factory(Mine))
    assert isinstance(db.cursor(), Mine)
    found: list[str | None] = []
    db.create_scalar_function("look", lambda sql, _: found.append(cursors.with_values(sql)))
    db.execute("SELECT look('SELECT look(', ?)", (1,)).fetchall()
    assert found.pop() == "SELECT look("  # no parameter in it
    for sql, bindings in {"SELECT look(:sql, :b), :b": {"sql": "SELECT look(?", "b": "it's"}}.items():
        db.execute(sql, bindings).fetchall()
        assert found.pop() == "SELECT look('SELECT look(?', 'it''s'), 'it''s'"
    db.executemany("SELECT look(?, ?)", [("SELECT look(?", 1.5), ("SELECT look(?", b"x")]).fetchall()
    assert found == ["SELECT look('SELECT look(?', 1.5)", "SELECT look('SELECT look(?', x'78')"]
    found.clear()
    db.execute("SELECT 1, ?; SELECT look(?, ?)", (1, "SELECT look(?", None)).fetchall()
    assert found == ["SELECT look('SELECT look(?', NULL)"]


def test_two_that_run_with_different_values_are_not_told_apart() -> None:
    """Then nothing is predicted."""
    cursors, db = Cursors(), apsw.Connection(":memory:")
    db.cursor_factory = cursors.factory(db.cursor_factory)
    sql = "SELECT value FROM json_each(?)"
    first, second = db.execute(sql, ("[1, 2]",)), db.execute(sql, ("[3, 4]",))
    assert (next(first), next(second)) == ((1,), (3,))
    assert cursors.with_values(sql) is None
    second.close()
    assert cursors.with_values(sql) == "SELECT value FROM json_each('[1, 2]')"


def test_a_factory_may_return_anything() -> None:
    """What is no cursor of APSW is not asked."""
    cursors, db = Cursors(), apsw.Connection(":memory:")
    made = object()
    assert cursors.factory(lambda connection: made)(db) is made
    assert cursors.with_values("SELECT ?") is None
