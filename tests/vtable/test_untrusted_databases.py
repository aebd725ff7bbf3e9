"""A database file from a stranger: what is stored in it reaches neither the API nor the disk; SQL that only reads does."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import apsw
import pytest
import sqlalchemy

import openai_vtab
from openai_vtab import dbapi
from openai_vtab.tables import TABLES

T = "vector_store_file_batches"
FINISHED, RUNNING, FAILURES = (f"vsfb_demo_{name}" for name in ("finished", "running", "failures"))
CANCEL = f"cancel_vector_store_file_batch('vs_demo', '{RUNNING}')"
POST = f"INSERT INTO {T} (vector_store_id, file_ids) VALUES ('vs_demo', '[\"file-new-01\"]')"
Requests = Callable[[], list[str]]

# what a stranger may have stored, and what the user does then, who knows nothing of it
VIEWS = {
    f"a view of {table.name}": (f"CREATE VIEW v AS SELECT * FROM {table.name}", "SELECT * FROM v") for table in TABLES
}
STORED = VIEWS | {
    "a view of a view": ("CREATE VIEW a AS SELECT * FROM vector_stores; CREATE VIEW v AS SELECT * FROM a", "SELECT * FROM v"),
    "a view of an alias": (f'CREATE VIEW v AS SELECT * FROM "openai.vector_stores.{T}"', "SELECT * FROM v"),
    "a view of a ledger": ("CREATE VIEW v AS SELECT * FROM mine", "SELECT * FROM v"),
    "a view with a subquery": ("CREATE VIEW v AS SELECT (SELECT count(*) FROM vector_stores) AS n", "SELECT * FROM v"),
    "a view of a function of ours": ("CREATE VIEW v AS SELECT * FROM vector_store_search('vs_demo', 'x')", "SELECT * FROM v"),
    "a view of what was sent": ("CREATE VIEW v AS SELECT * FROM openai_requests", "SELECT * FROM v"),
    "a trigger that creates": (f"CREATE TRIGGER g AFTER INSERT ON t BEGIN {POST}; END", "INSERT INTO t VALUES (1)"),
    "a trigger that creates in a ledger": (
        f"CREATE TRIGGER g AFTER INSERT ON t BEGIN {POST.replace(T, 'mine')}; END",
        "INSERT INTO t VALUES (1)",
    ),
    "a trigger that cancels": (
        f"CREATE TRIGGER g BEFORE UPDATE ON t BEGIN UPDATE {T} SET status = 'cancelled' WHERE vector_store_id = 'vs_demo' AND batch_id = '{RUNNING}'; END",
        "UPDATE t SET a = 2",
    ),
    "a trigger that deletes": ("CREATE TRIGGER g BEFORE DELETE ON t BEGIN DELETE FROM vector_stores; END", "DELETE FROM t"),
    "a trigger that forgets": ("CREATE TRIGGER g BEFORE DELETE ON t BEGIN DELETE FROM mine; END", "DELETE FROM t"),
    "a trigger that reads": ("CREATE TRIGGER g AFTER INSERT ON t BEGIN INSERT INTO u SELECT id FROM files; END", "INSERT INTO t VALUES (1)"),
    "a trigger WHEN": ("CREATE TRIGGER g AFTER INSERT ON t WHEN (SELECT count(*) FROM files) BEGIN SELECT 1; END", "INSERT INTO t VALUES (1)"),
    "a trigger of a view": (
        "CREATE VIEW v AS SELECT a FROM t; CREATE TRIGGER g INSTEAD OF INSERT ON v BEGIN INSERT INTO vector_stores (name) VALUES (new.a); END",
        "INSERT INTO v VALUES (1)",
    ),
    "a trigger on a ledger's own table": (
        "CREATE TRIGGER g AFTER INSERT ON mine_ledger BEGIN INSERT INTO vector_stores (name) VALUES ('x'); END",
        f"INSERT INTO mine (id, vector_store_id) VALUES ('{FAILURES}', 'vs_demo')",
    ),
}  # fmt: skip
FUNCTIONS = {
    "a view": (f"CREATE VIEW v AS SELECT {CANCEL} AS x", "SELECT * FROM v"),
    "a trigger": (f"CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT {CANCEL}; END", "INSERT INTO t VALUES (1)"),
    "a trigger WHEN": (f"CREATE TRIGGER g AFTER INSERT ON t WHEN {CANCEL} BEGIN SELECT 1; END", "INSERT INTO t VALUES (1)"),
    "a CHECK": (f"CREATE TABLE x (a CHECK ({CANCEL}))", "INSERT INTO x VALUES (1)"),
    "a DEFAULT": (f"CREATE TABLE x (a, b DEFAULT ({CANCEL}))", "INSERT INTO x (a) VALUES (1)"),
    "a generated column": (f"CREATE TABLE x (a, b AS ({CANCEL}))", "SELECT b FROM x"),
    "a stored generated column": (f"CREATE TABLE x (a, b AS ({CANCEL}) STORED)", "INSERT INTO x VALUES (1)"),
    "an index of an expression": (f"CREATE TABLE x (a); CREATE INDEX i ON x ({CANCEL})", "INSERT INTO x VALUES (1)"),
    "a partial index": (f"CREATE TABLE x (a); CREATE INDEX i ON x (a) WHERE {CANCEL}", "INSERT INTO x VALUES (1)"),
}  # fmt: skip


@pytest.fixture
def file(tmp_path: Path, connect: Any, requests: Requests) -> str:
    """A database with two tables of its own, and a ledger."""
    path = str(tmp_path / "stranger.db")
    db = connect(path)
    db.execute(f"CREATE TABLE t (a); CREATE TABLE u (a); INSERT INTO t VALUES (1); CREATE VIRTUAL TABLE mine USING {T}")
    for batch in (FINISHED, RUNNING):
        db.execute("INSERT INTO mine (id, vector_store_id) VALUES (?, 'vs_demo')", (batch,))
    db.close()
    requests()
    return path


def store(path: str, sql: str) -> None:
    """What the stranger does: the schema takes any function while somebody has one of that name."""
    plain = apsw.Connection(path)
    plain.create_scalar_function("cancel_vector_store_file_batch", lambda *_: 1, 2, deterministic=True)
    plain.execute(sql)
    plain.close()


@pytest.mark.sample(8)
@pytest.mark.parametrize("name", STORED)
def test_stored_schema_cannot_use_the_tables(connect: Any, file: str, requests: Requests, name: str) -> None:
    """An error, and no request, on a file that is opened and on one that is attached."""
    stored, sql = STORED[name]
    store(file, stored)
    db = connect(file)
    with pytest.raises(apsw.SQLError, match="unsafe use of"):
        db.execute(sql).fetchall()
    other = connect()
    other.execute("ATTACH ? AS theirs", (file,))
    with pytest.raises(apsw.SQLError, match=r"unsafe use of|no such table"):
        other.execute(sql).fetchall()
    assert [r for r in requests() if FAILURES not in r] == []


@pytest.mark.sample(6)
@pytest.mark.parametrize("door", ["connect", "register"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_stored_schema_cannot_call_the_functions(
    connect: Any, sandbox: Any, file: str, requests: Requests, name: str, door: str
) -> None:
    """Also where the schema is trusted."""
    stored, sql = FUNCTIONS[name]
    if "generated" in name:
        stored += "; INSERT INTO x VALUES (1)"
    store(file, stored)
    db = connect(file) if door == "connect" else apsw.Connection(file)
    if door == "register":
        openai_vtab.register(db, base_url=sandbox.base_url, api_key=sandbox.api_key)
    with pytest.raises((apsw.SQLError, apsw.CorruptError), match="unsafe use of"):
        db.execute(sql).fetchall()
    assert requests() == []
    db.close()


def test_open_of_an_untrusted_file_sends_nothing(connect: Any, file: str, requests: Requests) -> None:
    """Nor does looking at its schema, copying it or checking it; listing a ledger asks for what it names."""
    store(
        file,
        f"UPDATE mine_ledger SET id = '{FAILURES}' || seq, vector_store_id = '../files'; CREATE TABLE vector_stores (a)",
    )
    db = connect(file)
    for sql in (
        "SELECT * FROM sqlite_schema", "PRAGMA integrity_check", "PRAGMA table_list", "PRAGMA table_xinfo(mine)", "ANALYZE",
        "VACUUM", "SELECT * FROM mine_ledger", "SELECT count(*), max(id) FROM mine", "EXPLAIN SELECT * FROM mine", "REINDEX",
        "ALTER TABLE mine RENAME TO yours", "ALTER TABLE yours RENAME TO mine", "SELECT * FROM vector_stores",
    ):  # fmt: skip
        with suppress(apsw.ConstraintError):
            db.execute(sql).fetchall()
    assert requests() == []
    with pytest.raises(openai_vtab.APIError, match=r"Invalid 'vector_store_id': '\.\./files'"):
        db.execute("SELECT id, status FROM mine").fetchall()
    assert requests() == [f"GET /vector_stores/..%2Ffiles/file_batches/{FAILURES}2"]
    # a stranger's table may have one of our names; under this one ours is always to be had
    assert db.execute("SELECT id FROM openai.vector_stores WHERE id = 'vs_demo'").get == "vs_demo"


def test_close_writes_a_ledger_for_a_connection_without_the_tables(
    sandbox: Any, connect: Any, file: str, requests: Requests
) -> None:
    """On a connection of its own, whose triggers reach nothing, also when every connection has the tables."""
    db = connect(file, max_retries=0)
    db.execute(f"BEGIN; {POST.replace(T, 'mine')}")
    db.execute("SELECT count(*) FROM mine WHERE refresh = 1").fetchall()
    store_later = (
        "CREATE TRIGGER g AFTER INSERT ON mine_ledger BEGIN INSERT INTO vector_stores (name) VALUES ('x'); END"
    )
    db.execute("ROLLBACK")
    plain = apsw.Connection(file)
    plain.execute(store_later)
    plain.close()
    apsw.connection_hooks.append(
        lambda connection: openai_vtab.register(connection, base_url=sandbox.base_url, api_key=sandbox.api_key)
    )
    try:
        db.close()
    finally:
        apsw.connection_hooks.pop()
    assert [r for r in requests() if r.startswith("POST")] == ["POST /vector_stores/vs_demo/file_batches"]


# read_only, by every door

WRITES = [
    POST,
    POST.replace(T, "mine"),
    f"UPDATE {T} SET status = 'cancelled' WHERE vector_store_id = 'vs_demo' AND batch_id = '{RUNNING}'",
    "UPDATE mine SET status = 'cancelled'",
    f"SELECT {CANCEL}",
    f"INSERT INTO t SELECT {CANCEL}",
    "INSERT INTO vector_stores (name) VALUES ('x')",
    "DELETE FROM openai.vector_stores WHERE id = 'vs_demo'",
    "INSERT INTO vector_store_files (vector_store_id, file_id) VALUES ('vs_demo', 'file-new-01')",
    "UPDATE vector_store_files SET attributes = '{}' WHERE vector_store_id = 'vs_demo' AND file_id = 'file-demo-01'",
    "DELETE FROM vector_store_files WHERE vector_store_id = 'vs_demo' AND file_id = 'file-demo-01'",
    "DELETE FROM files WHERE id = 'file-demo-01'",
    "INSERT INTO files (content, filename, purpose) VALUES ('x', 'x.md', 'assistants')",
    f"CREATE TEMP VIEW w AS SELECT {CANCEL}; SELECT * FROM w",
    f"CREATE TEMP TRIGGER g AFTER INSERT ON t BEGIN {POST}; END; INSERT INTO t VALUES (1)",
    f"CREATE TEMP TRIGGER g AFTER INSERT ON t BEGIN SELECT {CANCEL}; END; INSERT INTO t VALUES (1)",
    f"SAVEPOINT s; {POST}; RELEASE s",
    f"WITH x AS (SELECT {CANCEL} AS c) SELECT * FROM x",
]


@contextmanager
def reading_only(door: str, file: str, sandbox: Any) -> Iterator[Callable[[str], object]]:
    """A way to run SQL, on a new connection that only reads."""
    settings: Any = {"base_url": sandbox.base_url, "api_key": sandbox.api_key, "read_only": True}
    if door == "SQLAlchemy":
        url = f"sqlite+openai_vtab:///{file}?base_url={sandbox.base_url}&read_only=true"
        engine = sqlalchemy.create_engine(url, connect_args={"api_key": sandbox.api_key})
        with engine.connect() as connection:

            def run(sql: str) -> None:
                if "TRIGGER" in sql:  # several statements, and some in one
                    connection.connection.driver_connection.executescript(sql)  # type: ignore[union-attr]
                for one in sql.split("; "):
                    connection.exec_driver_sql(one)
                connection.commit()

            yield run
        engine.dispose()
    elif door == "dbapi":
        old = dbapi.connect(file, **settings)
        yield lambda sql: old.executescript(sql) if "; " in sql else (old.execute(sql).fetchall(), old.commit())
        old.close()
    else:
        db = apsw.Connection(file)
        if door == "connect":
            db.close()
            db = openai_vtab.connect(file, **settings)
        else:
            openai_vtab.register(db, **settings)
        yield lambda sql: db.execute(sql).fetchall()
        db.close(True)


@pytest.mark.parametrize("door", ["connect", "register, trusted", "dbapi", "SQLAlchemy"])
def test_read_only_by_every_entry(file: str, requests: Requests, sandbox: Any, door: str) -> None:
    """Nothing but GET leaves."""
    before = len(sandbox.batches)
    for sql in WRITES:
        with reading_only(door, file, sandbox) as run:
            with pytest.raises((openai_vtab.Error, apsw.Error, sqlalchemy.exc.DBAPIError)) as caught:
                run(sql)
            assert "read_only" in str(caught.value) or "unsafe use of" in str(caught.value)
    assert {request.split(" ")[0] for request in requests()} <= {"GET"}
    assert len(sandbox.batches) == before


@pytest.mark.slow
def test_read_only_shell(sandbox: Any, file: str, requests: Requests) -> None:
    """Also for what its own commands open."""
    done = subprocess.run(
        [sys.executable, "-m", "openai_vtab", "--base-url", sandbox.base_url, "--read-only", file],
        input=".bail off\n" + ";\n".join(WRITES) + f";\n.open {file}\n{POST};\n.connection new\n{POST};\n",
        env={**os.environ, "OPENAI_API_KEY": sandbox.api_key},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stderr.count("read_only") >= len(WRITES) - 5
    assert {request.split(" ")[0] for request in requests()} <= {"GET"}


# files of this machine


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder to upload from, and a secret beside it."""
    (tmp_path / "secret").write_text("PRIVATE: of the same length", encoding="utf-8")
    (tmp_path / "root" / "deep" / "deeper").mkdir(parents=True)
    (tmp_path / "root" / "a.md").write_text("nothing that is a secret...", encoding="utf-8")
    (tmp_path / "root" / "deep" / "deeper" / "a.md").write_text("nothing that is a secret...", encoding="utf-8")
    (tmp_path / "elsewhere" / "deeper").mkdir(parents=True)
    (tmp_path / "elsewhere" / "deeper" / "a.md").write_text("PRIVATE: of the same length", encoding="utf-8")
    return tmp_path / "root"


UPLOAD = "INSERT INTO files (path, purpose) VALUES (?, 'assistants')"


def test_path_that_is_no_regular_file_is_not_opened(connect: Any, root: Path, requests: Requests) -> None:
    """A FIFO would wait for ever, a device has no end; sockets and folders are none."""
    os.mkfifo(root / "fifo")
    (root / "null").symlink_to("/dev/null")
    (root / "zero").symlink_to("/dev/zero")
    (root / "self").symlink_to("/proc/self/environ")
    (root / "unreadable").write_text("x", encoding="utf-8")
    db = connect(upload_root=root)
    for path in (
        "fifo",
        "null",
        "zero",
        "self",
        "deep",
        "/dev/zero",
        "/dev/stdin",
        "/proc/self/fd/0",
        "/proc/self/mem",
    ):
        with pytest.raises(openai_vtab.RowError, match=r"is not a file|is a folder|is outside upload_root"):
            db.execute(UPLOAD, (path,))
    assert requests() == []
    with pytest.raises(openai_vtab.RowError, match=r"is not a file|is a folder|is outside upload_root"):
        connect(upload_root="/dev").execute(UPLOAD, ("zero",))


@pytest.mark.parametrize("what", ["the file", "its folder", "a folder above it", "a FIFO", "a device", "a folder"])
def test_path_swapped_before_it_is_sent(connect: Any, root: Path, sandbox: Any, what: str) -> None:
    """After the check, before the COMMIT: a link out of upload_root to what has the same size is not followed."""
    db = connect(upload_root=root, max_retries=0)
    db.execute("BEGIN")
    db.execute(UPLOAD, ("deep/deeper/a.md",))
    file, deeper, deep = root / "deep" / "deeper" / "a.md", root / "deep" / "deeper", root / "deep"
    swapped = {"its folder": deeper, "a folder above it": deep}.get(what, file)
    swapped.rename(root / "away")
    if what == "a FIFO":
        os.mkfifo(file)
    elif what == "a folder":
        file.mkdir()
    else:
        elsewhere = root.parent / "elsewhere"
        places = {"its folder": elsewhere / "deeper", "a folder above it": elsewhere, "a device": Path("/dev/zero")}
        swapped.symlink_to(places.get(what, root.parent / "secret"))
    count = len(sandbox._state.files)
    begin = time.monotonic()
    with pytest.raises(openai_vtab.APIConnectionError, match=r"a\.md has changed since its row was inserted: "):
        db.execute("COMMIT")
    assert time.monotonic() - begin < 30
    assert len(sandbox._state.files) == count
    assert all(b"PRIVATE" not in request.raw for request in sandbox.requests)


@pytest.mark.slow
def test_path_swapped_all_the_time(connect: Any, root: Path, sandbox: Any) -> None:
    """However the swaps fall between check and reading: the secret never leaves."""
    link, real, name = root / "link", root / "real", root / "deep" / "x"
    link.symlink_to(root.parent / "secret")
    real.write_text("nothing that is a secret...", encoding="utf-8")
    over = threading.Event()

    def swap() -> None:
        while not over.is_set():
            for source in (link, real):
                copy = root / "copy"
                if source is link:
                    copy.symlink_to(root.parent / "secret")
                else:
                    copy.write_text("nothing that is a secret...", encoding="utf-8")
                copy.rename(name)

    swapping = threading.Thread(target=swap)
    swapping.start()
    db = connect(upload_root=root, max_retries=0)
    sent = 0
    begin = time.monotonic()
    while time.monotonic() < begin + 0.7 or (sent <= 3 and time.monotonic() < begin + 30):
        with suppress(openai_vtab.Error):
            db.execute(UPLOAD, ("deep/x",))
            sent += 1
    over.set()
    swapping.join()
    assert sent > 3
    assert all(b"PRIVATE" not in request.raw for request in sandbox.requests)


# ledgers and names


def test_rowid_edited_by_hand_stands_for_its_own_row(connect: Any, file: str, requests: Requests) -> None:
    """Above those of a ledger are the rowids of what was looked up: another row must not be changed in its place."""
    for seq in (1 << 60, (1 << 60) + 1, (1 << 60) + 2, (1 << 63) - 1, -(1 << 63), 0, -1):
        store(
            file,
            f"DELETE FROM mine_ledger WHERE id = '{FAILURES}'; UPDATE mine_ledger SET seq = {seq} WHERE id = '{RUNNING}'",
        )
        db = connect(file)
        assert (
            db.execute("SELECT status FROM mine WHERE vector_store_id = 'vs_demo' AND id = ?", (FAILURES,)).get
            == "completed"
        )
        assert db.execute("SELECT id FROM mine WHERE status = 'in_progress'").fetchall() == [(RUNNING,)]
        requests()
        db.execute("BEGIN; DELETE FROM mine WHERE id = ?", (RUNNING,))
        ids = [id for (id,) in db.execute("SELECT id FROM mine_ledger")]
        assert RUNNING not in ids
        assert FINISHED in ids
        db.execute("ROLLBACK")
        db.close()
    store(file, f"UPDATE mine_ledger SET seq = {(1 << 60) + 1} WHERE id = '{RUNNING}'")
    db = connect(file)
    db.execute(
        "SELECT status FROM mine WHERE vector_store_id = 'vs_demo' AND id IN (?, 'vsfb_x')", (FAILURES,)
    ).fetchall()
    requests()
    db.execute("UPDATE mine SET status = 'cancelled' WHERE id = ?", (RUNNING,))
    assert [r for r in requests() if r.startswith("POST")] == [
        f"POST /vector_stores/vs_demo/file_batches/{RUNNING}/cancel"
    ]


def test_ledger_row_without_keys_is_not_cancelled(connect: Any, file: str, requests: Requests) -> None:
    """By no rowid."""
    for seq in (5, (1 << 60) + 5):
        store(
            file,
            f"UPDATE mine_ledger SET seq = {seq}, id = NULL, vector_store_id = NULL WHERE id = '{RUNNING}' OR id IS NULL",
        )
        with pytest.raises((openai_vtab.RowError, openai_vtab.DataError), match=r"is not known|is not an id"):
            connect(file).execute("UPDATE mine SET status = 'cancelled' WHERE status = 'in_progress'")
        assert [r for r in requests() if r.startswith("POST")] == []


def test_shadow_table_that_is_something_else(connect: Any, file: str, requests: Requests) -> None:
    """A view over the ledger itself, one of another table, or a table with other columns: an error, or what it says."""
    for shadow in (
        "CREATE VIEW mine_ledger AS SELECT * FROM mine",
        "CREATE VIEW mine_ledger AS SELECT 1 AS seq, 'a' AS vector_store_id, 'b' AS id, 'completed' AS status, '{}' AS answer, NULL AS sent",
        "CREATE TABLE mine_ledger (a)",
        "CREATE TABLE mine_ledger (seq, vector_store_id, id, status, answer, sent AS (abs(-9223372036854775808)))",
        "CREATE VIEW mine_ledger AS SELECT seq, vector_store_id, id, status, answer, sent FROM vector_stores JOIN mine",
    ):
        plain = apsw.Connection(file)
        plain.execute(
            "PRAGMA writable_schema = 1; DELETE FROM sqlite_schema WHERE name LIKE '%mine_ledger%'; PRAGMA writable_schema = RESET"
        )
        plain.close()
        store(file, shadow)
        db = connect(file)
        for sql in (
            "SELECT *, file_ids FROM mine",
            "DELETE FROM mine",
            f"INSERT INTO mine (id, vector_store_id) VALUES ('{FAILURES}', 'vs_demo')",
        ):
            with suppress(apsw.Error, openai_vtab.Error):
                db.execute(sql).fetchall()
        assert {r.split(" ")[0] for r in requests()} <= {"GET"}
        db.close()


NAMES = [
    'a"b', "a b", "a'b", "ä€😀", "x; DROP TABLE t; --", "[x]", "`x`", "a\nb", "select", "main.x", "%", "_", "x" * 500, "mine", "1",
    ") UNION SELECT 1 --", '"; ATTACH \'x\' AS y; --',
]  # fmt: skip


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@pytest.mark.sample(6)
@pytest.mark.parametrize("name", NAMES)
def test_names_of_any_kind(connect: Any, tmp_path: Path, name: str) -> None:
    """Of a table, of a schema, of both; renamed, dropped, and nothing else is touched."""
    db = connect(str(tmp_path / "a.db"))
    db.execute("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
    db.execute(f"ATTACH ? AS {quoted(name)}", (str(tmp_path / "b.db"),))
    other = f"{name} renamed"
    for schema in ("main", "temp", quoted(name)):
        table = f"{schema}.{quoted(name)}"
        db.execute(f"CREATE VIRTUAL TABLE {table} USING {T}")
        db.execute(f"INSERT INTO {table} (id, vector_store_id) VALUES (?, 'vs_demo')", (FINISHED,))
        db.execute(f"INSERT INTO {table} (vector_store_id, file_ids) VALUES ('vs_demo', '[\"file-new-01\"]')")
        assert db.execute(f"SELECT count(*), min(id) FROM {table}").get[0] == 2
        assert db.execute(f"SELECT status FROM {table} WHERE rowid = last_insert_rowid()").get == "in_progress"
        db.execute(f"BEGIN; ALTER TABLE {table} RENAME TO {quoted(other)}; ROLLBACK")
        assert db.execute(f"SELECT count(*) FROM {table}").get == 2
        db.execute(f"ALTER TABLE {table} RENAME TO {quoted(other)}")
        table = f"{schema}.{quoted(other)}"
        db.execute(f"DELETE FROM {table} WHERE id = ?", (FINISHED,))
        assert db.execute(f"SELECT count(*) FROM {table}").get == 1
        assert set(db.execute(f"SELECT name FROM {schema}.sqlite_schema WHERE type = 'table'")) >= {
            (other,),
            (f"{other}_ledger",),
        }
        db.execute(f"DROP TABLE {table}")
        left = set(db.execute(f"SELECT name FROM {schema}.sqlite_schema WHERE type = 'table'"))
        assert left == ({("t",)} if schema == "main" else set())
    db.execute(f"DETACH {quoted(name)}")
    assert db.execute("SELECT a FROM t").get == 1
    # a column of a join, an alias of the table, a parameter
    sql = f"SELECT {quoted(name)}.status AS {quoted(name)} FROM (SELECT ? AS {quoted('k' + name)}) JOIN {T} AS {quoted(name)}"
    sql += f" ON {quoted(name)}.batch_id = {quoted('k' + name)} WHERE vector_store_id = 'vs_demo'"
    assert db.execute(sql, (FINISHED,)).get == "completed"
