"""What the text of a statement says of its table, token by token as SQLite reads it."""

from __future__ import annotations

import pytest

from openai_vtab.sqlite.statement_text import (
    ChangedTable,
    NewTable,
    changed_table,
    created_table,
    dropped_if_exists,
    split,
)


@pytest.mark.parametrize(
    ("sql", "table"),
    [
        ("DELETE FROM files", "files"),
        ('delete from main . "fi""les" -- WHERE 1', 'fi"les'),
        ("DELETE FROM [Files] AS where\u00a0", "files"),
        ("DELETE FROM 'files' /* WHERE */ RETURNING (SELECT 1 WHERE 1)", "files"),
        (";;\ufeffDELETE FROM files", "files"),
        ("-- x\n\ufeff\ufeffDELETE \ufeffFROM \v files", "files"),
        (";;DELETE FROM files;", "files"),
        ("-- a\nUPDATE OR FAIL files SET x = :where, y = $where::a(where), z = a$where", "files"),
        ("UPDATE files SET x = 1 FROM (SELECT 1 WHERE 1) AS t", "files"),
        ("WITH replace AS (SELECT 1 WHERE 1), b(c) AS (SELECT 2) DELETE FROM files", "files"),
        ("\ufeffDELETE FROM `files`", "files"),
        ("DELETE FROM files WHERE 1", None),
        ("UPDATE files SET x = (SELECT 1) WHERE 0", None),
        ("WITH a AS (SELECT 1) REPLACE INTO files SELECT 1", None),
        ("INSERT INTO files VALUES (1) ON CONFLICT DO UPDATE SET x = 1", None),
        ("EXPLAIN DELETE FROM files", None),
        ("CREATE TRIGGER x AFTER DELETE ON t BEGIN DELETE FROM files; END", None),
        ("SELECT 1", None),
        ("DELETE", None),
        ("", None),
    ],
)
def test_where_is_looked_for_in_the_statement_itself(sql: str, table: str | None) -> None:
    """Not in subqueries, comments, names, parameters, or words that only begin like it."""
    changed = changed_table(sql)
    assert (None if changed is None or changed.is_bounded else changed.name) == table


def test_schema_of_the_table_that_is_changed() -> None:
    """As it is written, in lower case."""
    assert changed_table("INSERT OR FAIL INTO 'Archive' . Files VALUES (1)") == ChangedTable("archive", "files", True)
    assert changed_table("UPDATE archive.files SET x = 1") == ChangedTable("archive", "files", False)
    assert changed_table("DELETE FROM files WHERE 1") == ChangedTable("", "files", True)


def test_tables_that_are_created_and_dropped() -> None:
    """A schema before the name says that the table is meant."""
    text = "CREATE TABLE IF NOT EXISTS \"Files\" (a INT DEFAULT (1), 'b' TEXT, c, PRIMARY KEY (a, b))"
    assert created_table(text) == NewTable("files", ("a", "b", "c"), if_not_exists=True)
    assert created_table("CREATE TABLE files AS SELECT 1") == NewTable("files", ())
    assert created_table("create temporary view if not exists files(a) AS SELECT 1") == NewTable(
        "files", ("a",), if_not_exists=True, kind="VIEW", schema="temp"
    )
    for other in (
        "CREATE TABLE main.files (a)",
        "CREATE TEMP TABLE temp.files (a)",
        "CREATE VIEW main.files AS SELECT 1",
        "CREATE INDEX files ON t (a)",
        "CREATE",
        "CREATE TEMP",
    ):
        assert created_table(other) is None
    assert dropped_if_exists("/* */ drop table if exists main.Files;") == "files"
    assert dropped_if_exists("DROP TABLE files") is None
    assert dropped_if_exists("DROP TABLE IF EXISTS files; SELECT 1") is None


def test_split_divides_a_script() -> None:
    """Not within a trigger or a text; comments alone are no statement."""
    trigger = "CREATE TRIGGER t AFTER INSERT ON x BEGIN DELETE FROM y; SELECT 1; END;"
    script = f"; SELECT ';'; {trigger} -- the end; really\n SELECT 2 -- last"
    assert [part.strip() for part in split(script)] == ["SELECT ';';", trigger, "-- the end; really\n SELECT 2 -- last"]
    assert split("-- nothing;\n/* ; */") == []
