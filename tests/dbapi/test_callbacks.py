"""Functions, collations and handlers: where they differ from sqlite3's."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from openai_vtab import dbapi


def test_callback_exception_is_the_cause(con: dbapi.Connection) -> None:
    """sqlite3 drops the exception."""
    con.create_function("bad", 0, lambda: 1 / 0)
    with pytest.raises(dbapi.OperationalError, match="user-defined function raised exception") as caught:
        con.execute("SELECT bad()")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_collation_exception_fails_the_statement(con: dbapi.Connection) -> None:
    """sqlite3 continues, as if the texts were equal."""
    con.create_collation("bad", lambda a, b: 1 // 0)
    with pytest.raises(dbapi.OperationalError, match="collation raised"):
        con.execute("SELECT 1 FROM (VALUES ('a'), ('b')) ORDER BY column1 COLLATE bad").fetchall()


def test_callback_tracebacks_show_ignored_exceptions(con: dbapi.Connection, capsys: pytest.CaptureFixture[str]) -> None:
    """enable_callback_tracebacks() passes them to sys.unraisablehook, or writes them to stderr."""
    con.set_trace_callback(lambda _: 1 / 0)
    con.execute("SELECT 1")
    hook, sys.unraisablehook = sys.unraisablehook, sys.__unraisablehook__
    dbapi.enable_callback_tracebacks(True)
    try:
        con.execute("SELECT 1")
        assert "ZeroDivisionError" in capsys.readouterr().err
        shown: list[Any] = []
        sys.unraisablehook = shown.append
        con.execute("SELECT 1")
        assert [type(each.exc_value) for each in shown] == [ZeroDivisionError]
    finally:
        dbapi.enable_callback_tracebacks(False)
        sys.unraisablehook = hook


def test_function_must_be_deterministic_for_schemas(con: dbapi.Connection) -> None:
    """An index may use a deterministic function; a view must not use any other: schemas are not trusted."""
    con.execute("CREATE TABLE t (a)")
    con.create_function("lowered", 1, str.lower, deterministic=True)
    con.create_function("noisy", 1, str.lower)
    con.execute("CREATE INDEX i ON t (lowered(a))")
    con.execute("CREATE VIEW v AS SELECT noisy(a) FROM t")
    with pytest.raises(dbapi.OperationalError, match="unsafe use of noisy"):
        con.execute("SELECT * FROM v")
