"""inspect_sql: whether a text begins a transaction, and whether it is a single statement."""

from __future__ import annotations

import pytest

from openai_vtab.dbapi.single_statement import inspect_sql


@pytest.mark.parametrize(
    ("sql", "is_dml", "is_single"),
    [
        ("INSERT INTO t VALUES (1)", True, True),
        (" /* x; */ -- y;\n delete from t", True, True),
        ("replace into t values (';')", True, True),
        ("WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a", False, True),
        ("SELECT ';'; -- that is all", False, True),
        ("SELECT 1; /* open", False, True),
        ("SELECT 1; SELECT 2", False, False),
        ("SELECT 1;;", False, False),
        ("CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; SELECT 2; END;", False, True),
        ('SELECT ";", `;`, [;]', False, True),
        ("", False, True),
    ],
)
def test_inspect_sql_finds_dml_and_a_single_statement(sql: str, is_dml: bool, is_single: bool) -> None:
    """Comments, quotes, triggers and a trailing semicolon do not confuse it."""
    found = inspect_sql(sql)
    assert (found.is_dml, found.statement is not None) == (is_dml, is_single)
