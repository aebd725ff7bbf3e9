"""openai_vtab.dbapi: side by side with Python's sqlite3, and with the tables as neither test of sqlite3 has them."""

from __future__ import annotations

import gc
import pickle
import sqlite3
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab import dbapi
from openai_vtab.dbapi import border, text
from openai_vtab.settings import Keywords, Shared

T = "vector_store_file_batches"
SELECT = f"SELECT status FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = ?"
INSERT = f"INSERT INTO {T} (vector_store_id, file_ids) VALUES (?, '[\"file-new-01\"]')"
POST = "POST /vector_stores/vs_demo/file_batches"


@pytest.fixture
def con(sandbox: Any) -> Iterator[dbapi.Connection]:
    connection = dbapi.connect(":memory:", base_url=sandbox.base_url, api_key=sandbox.api_key)
    yield connection
    connection.close()


def posts(requests: Callable[[], list[str]]) -> list[str]:
    return [request for request in requests() if request.startswith("POST")]


# Side by side: a program, given the module, returns what it saw; both modules must have shown it the same.


def outcome(program: Callable[[Any], Any], module: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the default adapters, from Python 3.12 on
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


SAME = [transactions, counts, schema_changes, values, rows, functions, copies, errors]


@pytest.mark.parametrize("program", SAME, ids=lambda program: program.__name__)
def test_a_program_sees_the_same_through_both(program: Callable[[Any], Any]) -> None:
    """The import is all that is changed."""
    assert repr(outcome(program, dbapi)) == repr(outcome(program, sqlite3)).replace("sqlite3.", "openai_vtab.dbapi.")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="autocommit is new in Python 3.12")
@pytest.mark.parametrize("mode", [True, False, -1])
def test_autocommit_is_python_312s(mode: Any) -> None:
    """With the statements that begin and end transactions."""

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


@pytest.mark.parametrize(
    ("sql", "changes", "alone"),
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
def test_what_a_text_is_known_to_be(sql: str, changes: bool, alone: bool) -> None:
    """Whether it begins a transaction, and whether it is one statement."""
    found = text.look(sql)
    assert (found.changes, found.statement is not None) == (changes, alone)


def test_every_exception_of_apsw_is_in_the_table() -> None:
    """When APSW has a new one, it is to be decided what it is."""
    theirs = {cls for cls in vars(apsw).values() if isinstance(cls, type) and issubclass(cls, apsw.Error)}
    assert set(border.CLASSES) == theirs


@pytest.mark.parametrize("name", sorted(name for name in dir(sqlite3) if name.startswith("SQLITE_")))
def test_sqlites_constants_are_there(name: str) -> None:
    """With sqlite3's values."""
    assert getattr(dbapi, name) == getattr(sqlite3, name)
    assert name in dir(dbapi)


# What is not sqlite3's own. Each is in docs/dbapi.md.
LEFT_OUT = {"version", "version_info", "enable_shared_cache", "dbapi2", "collections", "datetime", "time"}
LEFT_OUT |= {"OptimizedUnicode", "register_adapters_and_converters"}


def test_every_name_of_sqlite3_is_there() -> None:
    """Of the module, its connections, cursors, rows and blobs."""
    assert {name for name in dir(sqlite3) if name[0] != "_"} - LEFT_OUT <= set(dir(dbapi))
    for cls in ("Connection", "Cursor", "Row", *(["Blob"] if hasattr(sqlite3, "Blob") else [])):
        theirs = {name for name in dir(getattr(sqlite3, cls)) if name[0] != "_"}
        ours = set(dir(getattr(dbapi, cls))) | {"connection"}
        assert theirs <= ours


def test_the_exceptions_are_the_packages_own() -> None:
    """The same classes whichever door is used."""
    for name in ("Error", "OperationalError", "IntegrityError", "NotSupportedError", "Warning"):
        assert getattr(dbapi, name) is getattr(openai_vtab, name) is getattr(dbapi.Connection, name)


# With the tables


def test_a_transaction_is_committed_or_not_sent(con: dbapi.Connection, requests: Callable[[], list[str]]) -> None:
    """commit() sends what an implicit transaction has queued, rollback() and close() drop it."""
    con.execute(INSERT, ("vs_demo",))
    assert con.in_transaction
    con.rollback()
    assert posts(requests) == []
    con.executemany(INSERT, [("vs_demo",), ("vs_demo",)])
    assert posts(requests) == []
    con.commit()
    assert posts(requests) == [POST, POST]
    with con:
        con.execute(INSERT, ("vs_demo",))
    assert posts(requests) == [POST]
    con.execute(INSERT, ("vs_demo",))
    con.close()
    assert posts(requests) == []


@pytest.mark.parametrize("autocommit", [-1, False])
def test_a_failing_commit_raises_what_failed(
    con: dbapi.Connection, requests: Callable[[], list[str]], autocommit: Any
) -> None:
    """Our own exception; local changes are rolled back, and the connection goes on."""
    con.execute("CREATE TABLE journal (n)")
    con.autocommit = autocommit
    con.execute("INSERT INTO journal VALUES (1)")
    con.execute(INSERT, ("vs_gone",))
    with pytest.raises(openai_vtab.APIError) as caught:
        con.commit()
    assert isinstance(caught.value, dbapi.OperationalError)
    assert con.in_transaction is (autocommit is False)
    with pytest.raises(openai_vtab.WriteError) as report, con:
        con.executemany(INSERT, [("vs_demo",), ("vs_gone",)])
    assert len(report.value.done) == 1
    requests()
    con.execute(INSERT, ("vs_demo",))
    assert posts(requests) == []
    con.rollback()
    assert con.execute("SELECT n FROM journal").fetchall() == []


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        (f"SELECT * FROM {T}", dbapi.ProgrammingError),
        (f"INSERT INTO {T} (vector_store_id, file_ids) VALUES ('vs_demo', '[]')", dbapi.IntegrityError),
        (
            f"DELETE FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_finished'",
            dbapi.NotSupportedError,
        ),
        (f"INSERT OR IGNORE INTO {T} (vector_store_id, file_ids) VALUES ('v', '[\"f\"]')", dbapi.NotSupportedError),
    ],
    ids=["no keys", "wrong row", "no such write", "conflict clause"],
)
def test_errors_of_the_tables(con: dbapi.Connection, sql: str, error: type[Exception]) -> None:
    """In PEP 249's classes."""
    with pytest.raises(error):
        con.execute(sql)


def test_an_api_failure_is_operational_and_holds_no_key(sandbox: Any) -> None:
    """Not in its text, its attributes or its pickle."""
    con = dbapi.connect(":memory:", base_url=sandbox.base_url, api_key="sk-wrong-key")
    with pytest.raises(dbapi.OperationalError) as caught:
        con.execute(SELECT, ("vsfb_demo_finished",))
    assert isinstance(caught.value, openai_vtab.APIError)
    assert caught.value.status == 401
    assert b"sk-wrong-key" not in pickle.dumps(caught.value)
    assert "sk-wrong-key" not in f"{caught.value!r} {vars(caught.value)} {con!r}"
    con.close()


def test_rows_of_the_table(con: dbapi.Connection, requests: Callable[[], list[str]]) -> None:
    """By qmark and by name, one GET each; joins are read ahead, because bindings are seen."""
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
    """As last_insert_rowid() does."""
    cursor = con.execute(INSERT, ("vs_demo",))
    assert cursor.rowcount == 1
    con.commit()
    assert con.execute(f"SELECT status FROM {T} WHERE rowid = ?", (cursor.lastrowid,)).fetchone() == ("in_progress",)


def test_interrupt_ends_a_wait(con: dbapi.Connection) -> None:
    """From another thread, as sqlite3 allows."""
    threading.Timer(0.1, con.interrupt).start()
    with pytest.raises(dbapi.OperationalError, match="interrupted") as caught:
        con.execute(f"{SELECT} AND wait_seconds = 30", ("vsfb_demo_running",))
    assert caught.value.sqlite_errorname == "SQLITE_INTERRUPT"


def test_the_apsw_connection_is_there(con: dbapi.Connection) -> None:
    """For what PEP 249 has no name for; stored views cannot reach the API."""
    assert isinstance(con.apsw, apsw.Connection)
    assert con.apsw.execute("SELECT 1").get == 1
    assert con.apsw.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, -1) == 0


def test_timeouts_are_two(sandbox: Any) -> None:
    """sqlite3's is for locks; the API's has another name."""
    assert Keywords.__annotations__.keys() - Shared.__annotations__.keys() == {"timeout"}
    dbapi.connect(":memory:", 0.5, request_timeout=3).close()
    with pytest.raises(dbapi.InterfaceError, match="timeout"):
        dbapi.connect(":memory:", request_timeout=-1)
    with pytest.raises(TypeError, match="settings are"):
        dbapi.connect(":memory:", nonsense=1)  # type: ignore[call-overload]


# What differs from sqlite3


def test_a_callbacks_exception_is_the_cause(con: dbapi.Connection) -> None:
    """sqlite3 drops it."""
    con.create_function("bad", 0, lambda: 1 / 0)
    with pytest.raises(dbapi.OperationalError, match="user-defined function raised exception") as caught:
        con.execute("SELECT bad()")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_failing_collation_ends_the_statement(con: dbapi.Connection) -> None:
    """sqlite3 takes the two for equal, and goes on."""
    con.create_collation("bad", lambda a, b: 1 // 0)
    with pytest.raises(dbapi.OperationalError, match="collation raised"):
        con.execute("SELECT 1 FROM (VALUES ('a'), ('b')) ORDER BY column1 COLLATE bad").fetchall()


def test_ignored_exceptions_of_callbacks_can_be_shown(
    con: dbapi.Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    """By enable_callback_tracebacks, to sys.unraisablehook or else to stderr."""
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


def test_what_is_left_out_says_so(con: dbapi.Connection) -> None:
    """With a sentence."""
    with pytest.raises(dbapi.NotSupportedError, match=r"write connection\.execute"):
        con("SELECT 1")
    with pytest.raises(AttributeError, match="no attribute 'version'"):
        dbapi.version  # noqa: B018
    with pytest.raises(dbapi.OperationalError, match="Could not decode"):
        con.execute("SELECT CAST(x'ff' AS TEXT)").fetchone()


def test_a_deterministic_function_serves_an_index(con: dbapi.Connection) -> None:
    """Others do not, because what a file's schema calls is not trusted."""
    con.execute("CREATE TABLE t (a)")
    con.create_function("lowered", 1, str.lower, deterministic=True)
    con.create_function("noisy", 1, str.lower)
    con.execute("CREATE INDEX i ON t (lowered(a))")
    con.execute("CREATE VIEW v AS SELECT noisy(a) FROM t")
    with pytest.raises(dbapi.OperationalError, match="unsafe use of noisy"):
        con.execute("SELECT * FROM v")


def test_threads(con: dbapi.Connection, sandbox: Any) -> None:
    """A connection belongs to its thread, unless check_same_thread is off."""
    free = dbapi.connect(":memory:", check_same_thread=False)
    found: list[Any] = []

    def elsewhere() -> None:
        found.append(free.execute("SELECT 1").fetchone())
        try:
            con.execute("SELECT 1")
        except dbapi.ProgrammingError as error:
            found.append(str(error)[:30])

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    free.close()
    assert found == [(1,), "SQLite objects created in a th"]
    assert dbapi.threadsafety == 1


def test_a_cursor_is_not_used_within_itself(con: dbapi.Connection) -> None:
    """By the parameters it is given, for one."""
    cursor = con.execute("CREATE TABLE t (a)")

    def parameters() -> Iterator[tuple[int]]:
        cursor.execute("SELECT 1")
        yield (1,)

    with pytest.raises(dbapi.ProgrammingError, match="Recursive use"):
        cursor.executemany("INSERT INTO t VALUES (?)", parameters())


def test_a_dropped_cursor_lets_its_table_go(con: dbapi.Connection) -> None:
    """Without the garbage collector's help."""
    con.executescript("CREATE TABLE t (a); INSERT INTO t VALUES (1), (2), (3)")
    gc.disable()
    try:
        cursor = con.execute("SELECT a FROM t")
        assert cursor.fetchone() == (1,)
        del cursor
        con.execute("DROP TABLE t")
    finally:
        gc.enable()


def test_factories(tmp_path: Path) -> None:
    """Of connections and cursors, by type."""

    class OwnCursor(dbapi.Cursor):
        pass

    class OwnConnection(dbapi.Connection):
        pass

    con = dbapi.connect(tmp_path / "my.db", factory=OwnConnection)
    assert type(con) is OwnConnection
    assert type(con.cursor(OwnCursor)) is OwnCursor
    con.close()
    reader = dbapi.connect(f"file:{tmp_path / 'my.db'}?mode=ro", uri=True)
    with pytest.raises(dbapi.OperationalError, match="readonly"):
        reader.execute("CREATE TABLE t (a)")
    reader.close()


def test_a_ledger_is_dumped_as_it_is(con: dbapi.Connection) -> None:
    """And nothing is asked of the API."""
    con.execute(f"CREATE VIRTUAL TABLE my_batches USING {T}")
    dumped = list(con.iterdump())
    assert any("my_batches_ledger" in statement for statement in dumped)
    assert dumped[1] == "PRAGMA writable_schema=ON;"


def test_the_package_does_not_load_it() -> None:
    """Nor SQLAlchemy: `import openai_vtab` costs next to nothing."""
    loaded = "import sys, openai_vtab; print({'apsw', 'openai_vtab.dbapi', 'sqlalchemy'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", loaded], capture_output=True, check=True).stdout.strip() == b"set()"


def test_pep_249s_type_objects() -> None:
    """They equal declared types; a description has none, as sqlite3's."""
    assert dbapi.STRING == "VARCHAR(20)"
    assert dbapi.NUMBER == "integer"
    assert dbapi.BINARY != "TEXT"
    assert {dbapi.STRING, dbapi.ROWID} == {dbapi.ROWID, dbapi.STRING}
