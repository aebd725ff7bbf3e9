"""BestIndex of a documents table: which terms of a query are used, and what EXPLAIN QUERY PLAN shows of that."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.documents.columns import columns
from openai_vtab.planner import Constraint
from openai_vtab.planner.constraints import EQ, ISNULL
from openai_vtab.schema.table import Table
from openai_vtab.vtable.documents_plan import MATCH, choose

from ..documents.rows import CREATE

TABLE = Table("handbook", "Documents.", columns("handbook"), (), "vector_store.file")
NUMBER = {column.name: number for number, column in enumerate(TABLE.columns)}


@pytest.fixture
def table(db: apsw.Connection) -> apsw.Connection:
    db.execute(CREATE)
    db.execute("CREATE TABLE local (n INTEGER PRIMARY KEY, path TEXT, question TEXT)")
    return db


def on(name: str, op: int = EQ, **more: object) -> Constraint:
    return Constraint(NUMBER.get(name, -1), op, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sql", "plan"),
    [
        ("SELECT key, sha256 FROM handbook", ["3:"]),
        ("SELECT key, status FROM handbook", ["2:"]),
        ("SELECT last_error_message FROM handbook WHERE status = 'failed' AND wait_seconds = 600", ["2:wait_seconds"]),
        ("SELECT key FROM handbook WHERE refresh = 1", ["2:refresh"]),
        ("SELECT bytes FROM handbook WHERE key = 'a'", ["3:key"]),
        ("SELECT raw FROM handbook WHERE key IN ('a', 'b')", ["2:key"]),
        ("SELECT key FROM handbook WHERE file_id = 'a'", ["3:file_id"]),
        ("SELECT key FROM handbook WHERE rowid = 1 AND key = 'a'", ["1:rowid"]),
        ("SELECT key FROM handbook WHERE key LIKE 'a%' AND bytes > 5", ["3:"]),
        ("SELECT key FROM handbook WHERE key = 'a' COLLATE NOCASE", ["3:"]),
        ("SELECT key FROM handbook WHERE file_id IS NULL", ["3:"]),
        ("SELECT content FROM handbook WHERE key = 'a'", ["2:key content"]),
        ("SELECT key FROM handbook WHERE handbook MATCH 'x'", ["4:MATCH"]),
        ("SELECT key FROM handbook WHERE handbook = 'x'", ["4:MATCH"]),
        ("SELECT key FROM handbook('x', 5)", ["4:MATCH,max_num_results"]),
        ("SELECT key FROM handbook WHERE filters = '{}' AND handbook MATCH 'x'", ["4:MATCH,filters"]),
        ("SELECT key FROM handbook('x') WHERE key = 'a'", ["4:MATCH"]),
        ("SELECT key FROM handbook('x') ORDER BY rank", ["4:MATCH asc"]),
        ("SELECT content FROM handbook('x') ORDER BY score DESC", ["4:MATCH asc content"]),
        ("SELECT key FROM handbook('x') ORDER BY rank DESC", ["4:MATCH", "TEMP B-TREE"]),
        ("SELECT key FROM handbook('x') ORDER BY rank, key", ["4:MATCH", "TEMP B-TREE"]),
        ("SELECT 1 FROM handbook('x') WHERE wait_seconds = 5", ["4:MATCH,wait_seconds"]),
        ("SELECT 1 FROM local CROSS JOIN handbook ON key = local.path", ["SCAN local", "3:key"]),
        ("SELECT 1 FROM handbook('x') AS h JOIN local AS l ON h.key = l.path", ["4:MATCH", "SEARCH l"]),
        ("SELECT 1 FROM local JOIN handbook ON handbook MATCH question", ["SCAN local", "4:MATCH"]),
        ("SELECT 1 FROM handbook(question) JOIN local", ["SCAN local", "4:MATCH"]),
        ("SELECT 1 FROM handbook WHERE handbook MATCH 'x' OR key = 'a'", ["OR", "4:MATCH", "3:key"]),
        ("DELETE FROM handbook WHERE key = 'a'", ["3:key"]),
    ],
)  # fmt: skip
def test_plan_is_shown(table: apsw.Connection, sql: str, plan: list[str]) -> None:
    """In the order of the loops."""
    lines = [line for *_, line in table.execute(f"EXPLAIN QUERY PLAN {sql}")]
    text = "\n".join(line if line.rpartition("INDEX ")[2] == line else f"{line}." for line in lines)
    at = 0
    for expected in plan:
        part = f"INDEX {expected}." if expected[1] == ":" else expected
        assert part in text[at:], text
        at = text.index(part, at) + len(part)


@pytest.mark.parametrize("constraints", list(permutations([on("max_num_results"), on("handbook", MATCH), on("key")])))
def test_plan_takes_the_terms_in_any_order(constraints: tuple[Constraint, ...]) -> None:
    """argv points into the list as SQLite gave it, and SQLite checks the key."""
    chosen = choose(TABLE, constraints)
    assert chosen.plan.encode() == (4, "MATCH,max_num_results")
    assert [constraints[position].column for position in chosen.argv] == [
        NUMBER["handbook"], NUMBER["max_num_results"]
    ]  # fmt: skip
    assert sorted(chosen.omit) == sorted(chosen.argv)


@pytest.mark.parametrize(
    ("constraints", "unique"),
    [([on("rowid")], True), ([on("key")], True), ([on("file_id")], True), ([on("key", many=True)], False), ([], False)],
)
def test_plan_of_one_value_is_one_row(constraints: list[Constraint], unique: bool) -> None:
    """SQLite may then begin with it."""
    assert choose(TABLE, constraints).unique is unique


def test_plan_prefers_one_key_to_a_list_of_them() -> None:
    """IN is read as a whole."""
    chosen = choose(TABLE, [on("key", many=True), on("key")])
    assert (chosen.argv, chosen.in_lists) == ((1,), ())


@pytest.mark.parametrize("term", [on("key", MATCH), on("key", ISNULL), on("status"), on("key", usable=False)])
def test_plan_leaves_other_terms_to_sqlite(term: Constraint) -> None:
    """All documents are listed."""
    assert choose(TABLE, [term]).plan.encode() == (3, "")


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT 1 FROM handbook WHERE max_num_results = 5", "arguments of a search; write handbook MATCH"),
        ("SELECT 1 FROM handbook WHERE filters = '{}'", "arguments of a search; write handbook MATCH"),
        ("SELECT 1 FROM handbook WHERE handbook MATCH key",
         "handbook.handbook: it has no value of its own .*; write handbook MATCH"),
        ("SELECT 1 FROM handbook AS a, handbook AS b WHERE a.handbook MATCH b.key AND b.handbook MATCH a.key",
         "its value is not known when the table is read"),
        ("SELECT 1 FROM handbook WHERE max_num_results < 5", "handbook.max_num_results: it has no value of its own"),
        ("SELECT upper(handbook) FROM handbook", "handbook.handbook: it has no value of its own"),
        ("SELECT 1 FROM handbook('')", "handbook.handbook: '' is not a query"),
        ("SELECT 1 FROM handbook('x', 51)", "handbook.max_num_results: 51 is not a number of results"),
        ("SELECT 1 FROM handbook('x', 5, 'y')", "handbook.filters: 'y' is not JSON"),
        ("SELECT 1 FROM handbook WHERE wait_seconds = 'x'", "handbook.wait_seconds"),
    ],
)  # fmt: skip
def test_plan_that_cannot_be_carried_out_says_what_to_write(table: apsw.Connection, sql: str, message: str) -> None:
    """Also where SQLite calls the scan for no document."""
    table.execute("INSERT INTO handbook_documents (key, attributes) VALUES ('a', '{}')")
    with pytest.raises(openai_vtab.ProgrammingError, match=message):
        table.execute(sql).fetchall()


def test_plan_of_an_update_sends_nothing(table: apsw.Connection, requests: Any) -> None:
    """SQLite names every column of the table in an UPDATE, and reads only those of the WHERE clause."""
    table.execute("INSERT INTO handbook_documents (key, attributes) VALUES ('a', '{}')")
    table.execute("INSERT INTO handbook_files (document, file_id, owned, state) VALUES (1, 'file-1', 1, 'in_progress')")
    table.execute("BEGIN")
    table.execute("UPDATE handbook SET attributes = '{\"a\":1}' WHERE key = 'a'")
    assert table.execute("SELECT attributes FROM handbook").get == '{"a":1}'
    table.execute("ROLLBACK")
    assert requests() == []
