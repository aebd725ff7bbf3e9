"""The text of a statement: the query within one that writes, and its explanation."""

from __future__ import annotations

import apsw
import apsw.ext
import pytest

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
def test_sql_text_gives_the_query_of_a_writing_statement(sql: str, part: str) -> None:
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
def test_sql_text_without_a_query_gives_none(sql: str) -> None:
    """Of what has no query, or is one itself."""
    assert select_part(sql) is None


def test_explain_needs_no_bindings() -> None:
    """Whatever its parameters are called; what only looks like one stays."""
    sql = """SELECT ?, ?12, :a, @b, $c::d(e), ':x', "?", [@y], `$z` -- ?\n, /* :q */ 1"""
    assert without_parameters(sql) == (
        """SELECT NULL, NULL, NULL, NULL, NULL, ':x', "?", [@y], `$z` -- ?\n, /* :q */ 1"""
    )
    apsw.Connection(":memory:").execute("EXPLAIN " + without_parameters("SELECT ? LIMIT :n"))
