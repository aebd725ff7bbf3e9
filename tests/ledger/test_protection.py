"""What users do to a ledger: read-only files, dropped and edited shadow tables, names, hooks, authorizers."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.sandbox import Status

from .batches import FAILURES, FINISHED, MODULE, ONE, RUNNING, Requests, created
from .files import CREATE, ROWS, SELECT, fill, intact, look_up, tables

DEMO = "/vector_stores/vs_demo/file_batches/"


def read_only(file: str, sandbox: Any) -> apsw.Connection:
    db = apsw.Connection(file, flags=apsw.SQLITE_OPEN_READONLY)
    openai_vtab.register(db, base_url=sandbox.base_url, api_key=sandbox.api_key)
    return db


@pytest.mark.parametrize("way", ["readonly", "query_only", "immutable"])
def test_read_only_database_lists_its_ledger(
    file: str, connect: Any, sandbox: Any, requests: Requests, way: str
) -> None:
    """No error; nothing is remembered; a write is SQLite's own error, and sends nothing."""
    before = Path(file).read_bytes()
    if way == "readonly":
        db = read_only(file, sandbox)
    elif way == "immutable":
        flags = apsw.SQLITE_OPEN_URI | apsw.SQLITE_OPEN_READONLY
        db = apsw.Connection(f"file:{file}?immutable=1", flags=flags)
        openai_vtab.register(db, base_url=sandbox.base_url, api_key=sandbox.api_key)
    else:
        db = connect(file)
        db.execute("PRAGMA query_only = 1")
    assert db.execute(SELECT).fetchall() == ROWS
    for _ in range(2):
        assert look_up(db, FAILURES) == "completed"
        assert db.execute("SELECT count(*) FROM my_batches").get == 2
    assert requests() == [f"GET {DEMO}{RUNNING}", f"GET {DEMO}{FAILURES}", f"GET {DEMO}{FAILURES}"]
    for sql in (
        ONE,
        "DELETE FROM my_batches",
        f"INSERT INTO my_batches (id, vector_store_id) VALUES ('{FAILURES}', 'vs_demo')",
    ):
        with pytest.raises(apsw.ReadOnlyError):
            db.execute(sql)
    assert [r for r in requests() if r.startswith("POST")] == []
    db.execute("SELECT 1").fetchall()
    if way == "query_only":
        db.execute("PRAGMA query_only = 0")
        db.execute("DELETE FROM my_batches")
    else:
        db.close()
        assert Path(file).read_bytes() == before


def test_read_only_database_without_its_shadow_table(file: str, sandbox: Any) -> None:
    """Somebody has dropped it: a sentence."""
    plain = apsw.Connection(file)
    plain.execute("DROP TABLE my_batches_ledger")
    plain.close()
    db = read_only(file, sandbox)
    with pytest.raises(openai_vtab.ProgrammingError, match="it needs a table my_batches_ledger for itself, and cannot"):
        db.execute(SELECT).fetchall()
    db.close()


def test_shadow_table_that_was_dropped_is_made_again(file: str, connect: Any) -> None:
    """Empty, but it works."""
    plain = apsw.Connection(file)
    plain.execute("DROP TABLE my_batches_ledger")
    plain.close()
    db = connect(file)
    assert db.execute(SELECT).fetchall() == []
    fill(db)
    assert db.execute(SELECT).fetchall() == ROWS


@pytest.mark.usefixtures("shadow_name_slots")
def test_defensive_mode_protects_the_shadow_table(file: str, connect: Any, sandbox: Any) -> None:
    """Ordinary SQL cannot write the shadow table; everything else works."""
    db = connect(file)
    db.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
    for sql in (
        "UPDATE my_batches_ledger SET status = 'x'",
        "DELETE FROM my_batches_ledger",
        "DROP TABLE my_batches_ledger",
        "ALTER TABLE my_batches_ledger RENAME TO x",
        "ALTER TABLE my_batches_ledger ADD COLUMN x",
        "CREATE TRIGGER t AFTER INSERT ON my_batches_ledger BEGIN SELECT 1; END",
    ):
        with pytest.raises(apsw.SQLError):
            db.execute(sql)
    assert look_up(db, FAILURES) == "completed"
    db.execute(ONE)
    assert len(db.execute(SELECT).fetchall()) == 4
    sandbox.finish()
    assert db.execute("SELECT status FROM my_batches").fetchall() == [("completed",)] * 4
    db.execute("DELETE FROM my_batches WHERE id = ?", (FAILURES,))
    db.execute("ALTER TABLE my_batches RENAME TO yours")
    db.execute("VACUUM; DROP TABLE yours")
    db.execute(CREATE)
    db.execute(f"BEGIN; {ONE}; SELECT id FROM my_batches; ROLLBACK")
    db.close()
    assert connect(file).execute("SELECT count(*) FROM my_batches").get == 1


@pytest.mark.parametrize(
    "insert", [ONE, f"INSERT INTO my_batches (id, vector_store_id) VALUES ('{FAILURES}', 'vs_demo')"]
)
def test_trigger_on_the_shadow_table_fails_an_insert_with_its_own_words(
    filled: apsw.Connection, requests: Requests, insert: str
) -> None:
    """Not as if the batch were there already."""
    filled.execute("CREATE TRIGGER t BEFORE INSERT ON my_batches_ledger BEGIN SELECT RAISE(ABORT, 'closed today'); END")
    with pytest.raises(apsw.ConstraintError, match="closed today"):
        filled.execute(insert)
    assert requests() == []


@pytest.mark.parametrize(
    "name", ["it's", 'say "so"', "with space", "größe", "select", "a.b", "x_ledger", "[x]", "%s{}"]
)
def test_names_of_any_kind_for_a_ledger(connect: Any, tmp_path: Path, sandbox: Any, name: str) -> None:
    """Quoted where SQL needs it: create, fill, roll back, rename, close, drop."""
    quoted = '"' + name.replace('"', '""') + '"'
    db = connect(str(tmp_path / f"{name}.db"))
    db.execute(f"CREATE VIRTUAL TABLE {quoted} USING {MODULE}")
    fill(db, quoted)
    db.execute(f"BEGIN; {ONE.replace('my_batches', quoted)}; SELECT id FROM {quoted}; ROLLBACK")
    db.close()
    db = connect(str(tmp_path / f"{name}.db"))
    assert db.execute(f"SELECT count(*) FROM {quoted}").get == 3
    db.execute(f"ALTER TABLE {quoted} RENAME TO plain")
    db.execute(f"ALTER TABLE plain RENAME TO {quoted}")
    assert tables(db) == sorted([name, f"{name}_ledger"])
    db.execute(f"DROP TABLE {quoted}")
    assert tables(db) == []


@pytest.mark.parametrize("name", [MODULE, MODULE.upper(), '"openai.vector_stores.vector_store_file_batches"'])
def test_names_equal_to_the_modules_own(connect: Any, tmp_path: Path, requests: Requests, name: str) -> None:
    """It hides the one that is always there, remembers, and survives; other schemas still have the other one."""
    path = str(tmp_path / "a.db")
    db = connect(path)
    module = MODULE if name.startswith('"') else name
    db.execute(f"CREATE VIRTUAL TABLE {name} USING {module if not name.startswith(chr(34)) else name}")
    fill(db, name)
    assert db.execute(f"SELECT id, status FROM {name}").fetchall() == ROWS
    db.close()
    db = connect(path)
    assert db.execute(f"SELECT count(*) FROM {name}").get == 2
    db.execute(f"DROP TABLE {name}")
    with pytest.raises(openai_vtab.MissingColumnsError):
        db.execute(f"SELECT * FROM {name}").fetchall()
    assert look_up(db, FINISHED, name) == "completed"


def test_shadow_table_name_that_a_user_table_has(connect: Any) -> None:
    """CREATE VIRTUAL TABLE says so and leaves it alone; under another name it works."""
    db = connect()
    db.execute("CREATE TABLE my_batches_ledger (amount); INSERT INTO my_batches_ledger VALUES (1)")
    with pytest.raises(openai_vtab.ProgrammingError, match="if another has that name, write a different one"):
        db.execute(CREATE)
    assert tables(db) == ["my_batches_ledger"]
    assert db.execute("SELECT * FROM my_batches_ledger").fetchall() == [(1,)]
    db.execute(f"CREATE VIRTUAL TABLE b USING {MODULE}; DROP TABLE my_batches_ledger")
    db.execute(CREATE)
    assert tables(db) == ["b", "b_ledger", "my_batches", "my_batches_ledger"]


def test_rename_onto_a_taken_shadow_name(file: str, connect: Any) -> None:
    """It fails as a whole."""
    db = connect(file)
    db.execute("CREATE TABLE yours_ledger (amount)")
    with pytest.raises(apsw.SQLError):
        db.execute("ALTER TABLE my_batches RENAME TO yours")
    assert db.execute(SELECT).fetchall() == ROWS


def test_hooks_of_the_user_do_not_disturb_the_ledger(file: str, connect: Any, sandbox: Any, requests: Requests) -> None:
    """Traces, factories and hooks that change rows, refuse foreign SQL, or only watch."""
    db = connect(file)
    seen: list[str] = []
    hooked: list[str] = []

    def exec_trace(cursor: apsw.Cursor, sql: str, bindings: Any) -> bool:
        seen.append(sql)
        return True

    def authorizer(op: int, one: str | None, two: str | None, database: str | None, trigger: str | None) -> int:
        return apsw.SQLITE_OK

    db.exec_trace = exec_trace
    db.row_trace = lambda cursor, row: tuple(f"<{value}>" for value in row)
    db.authorizer = authorizer
    db.set_update_hook(lambda kind, schema, table, rowid: hooked.append(table))
    db.trace_v2(apsw.SQLITE_TRACE_STMT, lambda event: None, id="the user's")
    assert db.execute(SELECT).fetchall() == [tuple(f"<{value}>" for value in row) for row in ROWS]
    db.execute(ONE)
    look_up(db, FAILURES)
    db.execute(f"BEGIN; {ONE}; SELECT id FROM my_batches; ROLLBACK")
    assert not [sql for sql in seen if "my_batches_ledger" in sql]
    assert set(hooked) == {"my_batches_ledger"}
    db.exec_trace = db.row_trace = db.authorizer = None
    assert [id for (id,) in db.execute("SELECT id FROM my_batches")][2] == created(sandbox)[0]
    assert db.execute("SELECT count(*) FROM my_batches").get == 5


def test_authorizer_that_allows_only_reads(file: str, connect: Any, requests: Requests) -> None:
    """As a read-only database: answered, and not remembered."""
    allowed = {apsw.SQLITE_SELECT, apsw.SQLITE_READ, apsw.SQLITE_FUNCTION}
    db = connect(file)
    db.authorizer = lambda op, *names: apsw.SQLITE_OK if op in allowed else apsw.SQLITE_DENY
    assert db.execute(SELECT).fetchall() == ROWS
    assert look_up(db, FAILURES) == "completed"
    assert db.execute(SELECT).fetchall() == ROWS
    db.authorizer = None
    assert db.execute(SELECT).fetchall()[2] == (FAILURES, "completed")


def test_hooks_that_raise_do_not_disturb_the_ledger(file: str, connect: Any) -> None:
    """The user's own mistakes surface or are ignored, and the file stays whole."""
    db = connect(file)
    db.cursor_factory = lambda connection: (_ for _ in ()).throw(ZeroDivisionError())
    cursor = apsw.Cursor(db)
    assert cursor.execute(SELECT).fetchall() == ROWS
    cursor.close()
    db.close()
    intact(file)


EDITS = {
    "garbage JSON": "UPDATE my_batches_ledger SET answer = '{{{', sent = 'x'",
    "other JSON": "UPDATE my_batches_ledger SET answer = '[1]', sent = '7'",
    "deep JSON": "UPDATE my_batches_ledger SET answer = replace(hex(zeroblob(50000)), '00', '['), sent = answer",
    "numbers": "UPDATE my_batches_ledger SET answer = 7, sent = 1.5, status = 3, id = id, vector_store_id = 9",
    "blobs": "UPDATE my_batches_ledger SET answer = x'00ff', sent = x'ff', status = x'ff'",
    "keys that are blobs": "UPDATE my_batches_ledger SET id = CAST(id AS BLOB), vector_store_id = x'00'",
    "no keys": "UPDATE my_batches_ledger SET id = NULL, vector_store_id = NULL",
    "dots": "UPDATE my_batches_ledger SET id = '..', vector_store_id = '..' WHERE seq = 1",
    "empty": "UPDATE my_batches_ledger SET id = '', vector_store_id = seq, status = '', answer = '', sent = ''",
    "NUL": "UPDATE my_batches_ledger SET status = 'a' || char(0), answer = char(0), sent = char(0)",
    "huge": "UPDATE my_batches_ledger SET status = hex(zeroblob(500000)), answer = hex(zeroblob(500000))",
    "no UTF-8 in JSON": "UPDATE my_batches_ledger SET answer = CAST(x'7bff7d' AS TEXT), sent = CAST(x'ff' AS TEXT)",
    "no UTF-8 in a key": "UPDATE my_batches_ledger SET id = CAST(x'ff' AS TEXT) WHERE seq = 1",
    "no UTF-8 in the status": "UPDATE my_batches_ledger SET status = CAST(x'ff' AS TEXT) WHERE seq = 1",
    "numbers in JSON": "UPDATE my_batches_ledger SET answer = '{\"created_at\": 1e999, \"file_counts\": {\"total\": ' || replace(hex(zeroblob(5000)), '0', '9') || '}}'",
    "far away": "UPDATE my_batches_ledger SET seq = seq - 10",
}


@pytest.mark.sample(8)
@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_ledger_edited_by_hand_does_no_harm(file: str, connect: Any, requests: Requests, edit: str) -> None:
    """It is listed as far as it can be read, never asks for anything but batches, and can be forgotten."""
    plain = apsw.Connection(file)
    plain.execute(edit)
    plain.close()
    db = connect(file)
    columns = "id, status, created_at, file_counts, total_count, object, vector_store_id, file_ids, attributes"
    rows = db.execute(f"SELECT {columns} FROM my_batches").fetchall()
    assert len(rows) == (1 if "UTF-8 in a key" in edit or "CAST(x'ff' AS TEXT) WHERE" in edit else 2)
    assert all(r.count("/") == 4 and ".." not in r.replace("..%2F", "") for r in requests())
    assert db.execute("SELECT count(*) FROM my_batches WHERE refresh = 1").get == len(rows)
    assert db.execute("SELECT count(*) FROM my_batches WHERE wait_seconds = 0").get == len(rows)
    assert look_up(db, FAILURES) == "completed"
    assert look_up(db, FINISHED) == "completed"
    db.execute("DELETE FROM my_batches")
    assert db.execute("SELECT count(*) FROM my_batches").get == 0
    db.close()
    intact(file)


@pytest.mark.parametrize(
    "id", ["'../../files/' || seq", "'a' || char(0) || seq", "hex(zeroblob(20000)) || seq", "'#?&'"]
)
def test_ledger_with_an_id_that_the_api_refuses(file: str, connect: Any, requests: Requests, id: str) -> None:
    """Edited in by hand: asking for it is the API's error and reaches nothing else; it can be forgotten unasked."""
    plain = apsw.Connection(file)
    plain.execute(f"UPDATE my_batches_ledger SET id = {id} WHERE seq = 2")
    plain.close()
    db = connect(file)
    with pytest.raises(openai_vtab.APIError) as caught:
        db.execute(SELECT).fetchall()
    assert caught.value.status in (400, 414, 431)
    assert all(r.startswith(f"GET {DEMO}") and r.count("/") == 4 for r in requests())
    assert db.execute("SELECT count(*), max(length(id)) FROM my_batches").get[0] == 2
    db.execute("DELETE FROM my_batches WHERE id <> ?", (FINISHED,))
    assert db.execute(SELECT).fetchall() == ROWS[:1]
    assert requests() == []


@pytest.mark.parametrize("encoding", ["UTF-16le", "UTF-16be"])
def test_encoding_utf_16_of_the_database(connect: Any, tmp_path: Path, requests: Requests, encoding: str) -> None:
    """JSON is read and written in it, too."""
    db = connect(str(tmp_path / "a.db"))
    db.execute(f"PRAGMA encoding = '{encoding}'")
    db.execute(CREATE)
    fill(db)
    db.execute(
        "INSERT INTO my_batches (vector_store_id, file_ids, attributes) VALUES ('vs_demo', '[\"file-f\"]', '{\"ü\":\"ß\"}')"
    )
    assert db.execute("SELECT total_count, attributes FROM my_batches").fetchall() == [
        (3, None),
        (2, None),
        (1, '{"ü":"ß"}'),
    ]
    assert db.execute("SELECT total_count FROM my_batches WHERE status = 'completed'").get == 3


def test_redaction_keeps_the_key_out_of_the_file(connect: Any, tmp_path: Path, sandbox: Any) -> None:
    """Neither as it is nor in base64, whatever happened; nor the address."""
    path = tmp_path / "a.db"
    db = connect(str(path))
    db.execute("PRAGMA journal_mode = wal").fetchall()
    db.execute(CREATE)
    fill(db)
    db.execute(ONE)
    sandbox.inject(Status(500), method="POST")
    with pytest.raises(openai_vtab.APIError):
        db.execute(ONE)
    assert len(db.execute(SELECT).fetchall()) == 4
    content = b"".join(p.read_bytes() for p in tmp_path.iterdir())
    assert FINISHED.encode() in content
    key = sandbox.api_key.encode()
    for secret in (
        key,
        key[:12],
        base64.b64encode(key)[:-4],
        base64.b64encode(b"Bearer " + key)[:-4],
        b"Bearer",
        b"127.0.0.1",
    ):
        assert secret not in content
