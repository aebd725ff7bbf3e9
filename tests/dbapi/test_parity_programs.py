"""Parity with Python's sqlite3 in longer programs: functions of the module that return what they observed."""

from __future__ import annotations

import sqlite3
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import pytest

from openai_vtab import dbapi


def run(program: Callable[[Any], Any], module: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # sqlite3's default adapters, from Python 3.12 on
        return program(module)


def error_of(call: Callable[[], Any]) -> tuple[str, int | None, str | None]:
    with pytest.raises(Exception) as caught:
        call()
    error = caught.value
    code, name = getattr(error, "sqlite_errorcode", None), getattr(error, "sqlite_errorname", None)
    return type(error).__name__, code, name


def transactions(sql: Any) -> Any:
    db = sql.connect(":memory:")
    seen: list[Any] = []
    db.set_trace_callback(seen.append)
    db.execute("CREATE TABLE t (a)")
    db.executemany("INSERT INTO t VALUES (?)", [(1,), (2,)])
    seen.append(db.in_transaction)
    db.rollback()
    db.execute("-- a comment\n REPLACE INTO t VALUES (3)")
    db.executescript("INSERT INTO t VALUES (4);SELECT 1")
    seen.append(db.in_transaction)
    db.isolation_level = "IMMEDIATE"
    with db:
        db.execute("UPDATE t SET a = a + 1")
    with pytest.raises(ZeroDivisionError), db:
        db.execute("DELETE FROM t")
        raise ZeroDivisionError
    db.isolation_level = None
    db.execute("WITH new(a) AS (VALUES (9)) INSERT INTO t SELECT a FROM new")
    seen.append(db.execute("SELECT a FROM t ORDER BY a").fetchall())
    seen.append(db.total_changes)
    db.close()
    return seen


def counts(sql: Any) -> Any:
    db = sql.connect(":memory:")
    cursor = db.cursor()
    seen: list[Any] = [(cursor.rowcount, cursor.lastrowid, cursor.description, cursor.fetchone(), cursor.arraysize)]
    for statement in (
        "CREATE TABLE t (a INTEGER PRIMARY KEY, b)",
        "INSERT INTO t (b) VALUES (1), (2), (3)",
        "UPDATE t SET b = 0 WHERE a > 1",
        'SELECT a, b AS "x [y]" FROM t',
        "SELECT a FROM t WHERE 0",
        "PRAGMA user_version",
        "DELETE FROM t WHERE 0 RETURNING a",
        "",
        "-- nothing",
    ):
        cursor.execute(statement)
        seen.append((cursor.rowcount, cursor.lastrowid, cursor.description, cursor.fetchmany(2), cursor.fetchall()))
    cursor.execute("DELETE FROM t RETURNING a")
    seen += [cursor.rowcount, cursor.fetchone(), cursor.fetchall(), cursor.rowcount, list(cursor)]
    cursor.executemany("INSERT INTO t (b) VALUES (:b)", ({"b": n} for n in range(5)))
    seen += [cursor.rowcount, cursor.lastrowid, cursor.description]
    for statement in ("INSERT INTO t VALUES (99, 1), (1, 1)", "SELECT no_such_column FROM t"):
        with suppress(sql.Error):
            cursor.execute(statement)
        seen.append(cursor.rowcount)
    with suppress(sql.Error):
        cursor.executemany("INSERT INTO t VALUES (?, 1)", [(99,), (99,)])
    seen.append(cursor.rowcount)
    db.close()
    return seen


def schema_changes(sql: Any) -> Any:
    db = sql.connect(":memory:")
    db.executescript("CREATE TABLE t (a); CREATE TABLE empty (a)")
    db.execute("INSERT INTO t VALUES (1)")
    before = [db.execute(f"SELECT * FROM {name}").description for name in ("t", "empty")]
    db.executescript("ALTER TABLE t ADD COLUMN b; ALTER TABLE empty ADD COLUMN b")
    after = [db.execute(f"SELECT * FROM {name}").description for name in ("t", "empty")]
    db.close()
    return before, after


def values(sql: Any) -> Any:
    db = sql.connect(":memory:", detect_types=sql.PARSE_DECLTYPES | sql.PARSE_COLNAMES)
    db.execute("CREATE TABLE t (d DATE, ts TIMESTAMP, i INTEGER)")
    row = (sql.Date(2024, 2, 29), sql.Timestamp(2024, 2, 29, 1, 2, 3, 456000), True)
    db.execute("INSERT INTO t VALUES (?, ?, ?)", row)
    seen = [db.execute('SELECT d, ts, i, "2024-02-29" AS "day [date]" FROM t').fetchall()]
    plain = [None, 1, -(2**63), 1.5, float("nan"), "ä\0b", b"\0", bytearray(b"x"), memoryview(b"y")]
    seen += [db.execute("SELECT ?, typeof(?1)", (value,)).fetchone() for value in plain]
    for factory in (bytes, bytearray, lambda data: data.upper()):
        db.text_factory = factory
        seen.append(db.execute("SELECT 'text', x'00', 1").fetchone())
    db.close()
    return seen


def rows(sql: Any) -> Any:
    db = sql.connect(":memory:")
    db.row_factory = sql.Row
    row = db.execute("SELECT 1 AS a, 2 AS B").fetchone()
    seen = [
        row["A"],
        row["b"],
        row[-1],
        row[:1],
        tuple(row),
        row.keys(),
        len(row),
        dict(row),
        (2 in row, 3 in row, list(reversed(row))),
        isinstance(row, Sequence),
        [name for name in ("index", "count", "__contains__", "__reversed__") if hasattr(row, name)],
    ]
    db.close()
    return seen


def functions(sql: Any) -> Any:
    class Sum:
        def __init__(self) -> None:
            self.total = 0

        def step(self, value: int) -> None:
            self.total += value

        def inverse(self, value: int) -> None:
            self.total -= value

        def value(self) -> int:
            return self.total

        finalize = value

    db = sql.connect(":memory:")
    db.create_function("half", 1, lambda x: x / 2)
    db.create_aggregate("total_of", 1, Sum)
    db.create_window_function("running", 1, Sum)
    db.create_collation("backwards", lambda a, b: (a < b) - (a > b))
    numbers = "(VALUES (1), (2), (3))"
    seen: list[Any] = [
        db.execute("SELECT half(3)").fetchone(),
        db.execute(f"SELECT total_of(column1), total_of(column1) FILTER (WHERE 0) FROM {numbers}").fetchone(),
        db.execute(f"SELECT running(column1) OVER (ROWS 1 PRECEDING) FROM {numbers}").fetchall(),
        db.execute("SELECT column1 FROM (VALUES ('a'), ('b')) ORDER BY 1 COLLATE backwards").fetchall(),
    ]
    db.create_function("half", 1, None)
    seen.append(error_of(lambda: db.execute("SELECT half(1)")))
    db.set_authorizer(lambda action, *_: sql.SQLITE_DENY if action == sql.SQLITE_PRAGMA else sql.SQLITE_OK)
    seen.append(error_of(lambda: db.execute("PRAGMA user_version"))[0])
    db.set_authorizer(None)
    db.set_progress_handler(lambda: 1, 1)
    seen.append(error_of(lambda: db.execute(f"SELECT * FROM {numbers}, {numbers}").fetchall()))
    db.set_progress_handler(None, 1)
    db.close()
    return seen


def copies(sql: Any) -> Any:
    db, other = sql.connect(":memory:"), sql.connect(":memory:")
    db.executescript("""
        CREATE TABLE t (a INTEGER PRIMARY KEY AUTOINCREMENT, "b'c" BLOB); INSERT INTO t VALUES (1, x'00'), (2, 'it''s');
        CREATE VIEW v AS SELECT 1; CREATE TABLE u (x); CREATE INDEX i ON u (x)
    """)
    steps: list[Any] = []
    db.backup(other, pages=1, progress=lambda *step: steps.append(step))
    seen: list[Any] = [list(other.iterdump()), steps]
    with db.blobopen("t", "b'c", 1) as blob:
        blob[0] = 7
        seen += [blob.read(), len(blob), blob.tell(), blob[0], blob[-1:]]
    if hasattr(sql.Connection, "serialize"):  # some distributions build SQLite without it
        other.deserialize(db.serialize())
        seen.append(other.execute("SELECT * FROM t").fetchall())
    before = db.setlimit(sql.SQLITE_LIMIT_VARIABLE_NUMBER, 1)
    seen += [db.getlimit(sql.SQLITE_LIMIT_VARIABLE_NUMBER), before > 1]
    seen.append(error_of(lambda: db.execute("SELECT ?, ?", (1, 2))))
    db.close()
    other.close()
    return seen


def errors(sql: Any) -> Any:
    db = sql.connect(":memory:")
    db.executescript("CREATE TABLE t (a UNIQUE NOT NULL, b CHECK (b > 0)); INSERT INTO t VALUES (1, 1)")
    cursor = db.cursor()
    closed = db.cursor()
    closed.close()
    calls: list[Callable[[], Any]] = [
        lambda: db.execute("SELEC"),
        lambda: db.execute("SELECT nonsense"),
        lambda: db.execute("INSERT INTO t VALUES (1, 1)"),
        lambda: db.execute("INSERT INTO t VALUES (NULL, 1)"),
        lambda: db.execute("INSERT INTO t VALUES (2, 0)"),
        lambda: db.execute("SELECT ?"),
        lambda: db.execute("SELECT :a", {}),
        lambda: db.execute("SELECT ?", (object(),)),
        lambda: db.execute("SELECT ?", 42),
        lambda: db.execute("SELECT ?", (2**63,)),
        lambda: db.execute(42),
        lambda: db.executemany("SELECT ?", [(1,)]),
        lambda: db.executemany("INSERT INTO t VALUES (?, 1)", 42),
        lambda: cursor.executescript("SELECT 1; SELEC"),
        lambda: closed.execute("SELECT 1"),
        lambda: sql.connect("/no/such/directory/file.db"),
        lambda: db.blobopen("t", "a", 99),
        lambda: db.backup(db),
        lambda: sql.adapt(object()),
        lambda: sql.Cursor(object()),
        lambda: db.cursor(lambda _: object()),
        lambda: setattr(db, "isolation_level", "SOMETIMES"),
    ]
    seen = [error_of(call) for call in calls]
    db.close()
    seen += [error_of(call) for call in (db.commit, db.cursor, lambda: db.execute("SELECT 1"), cursor.fetchall)]
    return seen


PROGRAMS = [transactions, counts, schema_changes, values, rows, functions, copies, errors]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_parity_of_programs(program: Callable[[Any], Any]) -> None:
    """A program sees the same through both modules."""
    assert repr(run(program, dbapi)) == repr(run(program, sqlite3)).replace("sqlite3.", "openai_vtab.dbapi.")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="autocommit is new in Python 3.12")
@pytest.mark.parametrize("mode", [True, False, -1])
def test_autocommit_matches_python_312(mode: Any) -> None:
    """The statements that begin and end transactions are the same as sqlite3's in each mode."""

    def program(sql: Any) -> Any:
        seen: list[Any] = []
        db = sql.connect(":memory:", autocommit=mode)
        db.set_trace_callback(seen.append)
        db.execute("CREATE TABLE t (a)")
        db.commit()
        with db:
            db.execute("INSERT INTO t VALUES (1)")
        db.executescript("INSERT INTO t VALUES (2)")
        db.rollback()
        seen += [db.in_transaction, db.execute("SELECT a FROM t").fetchall()]
        for other in (True, False, -1):
            db.autocommit = other
            seen.append((db.autocommit, db.in_transaction))
        db.close()
        return seen

    assert program(dbapi) == program(sqlite3)
