"""Tables of documents in SQLite: how they are made, renamed and dropped, and what undoes their statements."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab import ProgrammingError, RowError
from openai_vtab.documents import columns

Requests = Callable[[], list[str]]
CREATE = "CREATE VIRTUAL TABLE handbook USING vector_store_documents(vector_store_id = 'vs_demo')"
KEYS = "SELECT group_concat(key, ' ' ORDER BY key) FROM handbook"
FILES = "SELECT group_concat(filename || ' ' || state, ', ' ORDER BY id) FROM handbook_files"


@pytest.fixture
def db(connect: Any, tmp_path: Path) -> apsw.Connection:
    """A table in a file, and an open transaction with one document."""
    db: apsw.Connection = connect(str(tmp_path / "my.db"))
    db.execute(CREATE)
    db.execute("BEGIN; INSERT INTO handbook (key, content) VALUES ('a', 'one')")
    return db


def insert(*keys: str, verb: str = "INSERT", table: str = "handbook") -> str:
    return f"{verb} INTO {table} (key, content) VALUES " + ", ".join(f"('{key}', 'text of {key}')" for key in keys)


def uploads(requests: Requests) -> int:
    return sum(request == "POST /files" for request in requests())


# statements and savepoints


def test_rollback_sends_nothing(db: apsw.Connection, requests: Requests) -> None:
    """The rows are gone."""
    db.execute(insert("b", "c"))
    db.execute("DELETE FROM handbook WHERE key = 'a'; ROLLBACK")
    assert db.execute(KEYS).get is None
    assert requests() == []


def test_rollback_to_a_savepoint(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """What is sent at COMMIT is what is left, also where a row's id was used twice."""
    db.execute("SAVEPOINT s")
    db.execute("DELETE FROM handbook WHERE key = 'a'")
    db.execute(insert("b"))
    db.execute("ROLLBACK TO s")
    assert (db.execute(KEYS).get, db.execute(FILES).get) == ("a", "a.txt wanted")
    db.execute("SAVEPOINT t")
    db.execute("INSERT OR REPLACE INTO handbook (key, content) VALUES ('a', 'two')")
    db.execute("ROLLBACK TO t; RELEASE t; RELEASE s; COMMIT")
    assert uploads(requests) == 1
    sha256 = hashlib.sha256(b"one").hexdigest()
    assert db.execute("SELECT key, sha256, count(file_id) FROM handbook").get == ("a", sha256, 1)


@pytest.mark.parametrize(
    ("sql", "keys", "changes"),
    [
        (insert("b", "c", "a", "d"), "a", None),
        (insert("b", "c", "a", "d", verb="INSERT OR ABORT"), "a", None),
        (insert("b", "c", "a", "d", verb="INSERT OR FAIL"), "a b c", None),
        (insert("b", "c", "a", "d", verb="INSERT OR ROLLBACK"), None, None),
        (insert("b", "c", "a", "d", verb="INSERT OR IGNORE"), "a b c d", 4),
        (insert("b", "c", "a", "d", verb="INSERT OR REPLACE"), "a b c d", 4),
        (insert("b", "c", "a", "d", verb="REPLACE"), "a b c d", 4),
    ],
)
def test_statement_with_a_known_key(db: apsw.Connection, sql: str, keys: str | None, changes: int | None) -> None:
    """In its third row: as the conflict clause says. OR IGNORE counts the row that it ignores."""
    if changes is None:
        with pytest.raises(apsw.ConstraintError, match=r"handbook.key: 'a' is there already"):
            db.execute(sql)
    else:
        db.execute(sql)
        assert db.changes() == changes
    assert db.execute(KEYS).get == keys
    assert db.in_transaction is (keys is not None)


def test_statement_that_fails_leaves_nothing(db: apsw.Connection, requests: Requests) -> None:
    """Its third row has no content; the transaction goes on."""
    with pytest.raises(RowError, match="the key 'd' has no content"):
        db.execute("INSERT INTO handbook (key, content) VALUES ('b', 'x'), ('c', 'x'), ('d', NULL)")
    with pytest.raises(RowError, match="'' is not a key"):
        db.execute("UPDATE handbook SET key = iif(key = 'a', '', 'z')")
    db.execute(insert("b") + "; COMMIT")
    assert db.execute(KEYS).get == "a b"
    assert uploads(requests) == 2


def test_statement_of_one_row_that_fails_half_way(db: apsw.Connection) -> None:
    """SQLite does not undo what it has done: the table does."""

    def authorize(op: int, table: str | None, *_: Any) -> int:
        denied = op == apsw.SQLITE_INSERT and table == "handbook_files"
        return apsw.SQLITE_DENY if denied else apsw.SQLITE_OK

    db.authorizer = authorize
    with pytest.raises(apsw.AuthError):
        db.execute(insert("b"))
    db.authorizer = None
    assert db.execute("SELECT group_concat(key) FROM handbook_documents").get == "a"


def test_upsert_is_sqlites_refusal(db: apsw.Connection) -> None:
    """A virtual table has no ON CONFLICT … DO UPDATE."""
    with pytest.raises(apsw.SQLError, match="UPSERT not implemented for virtual table"):
        db.execute(insert("a") + " ON CONFLICT (key) DO UPDATE SET content = excluded.content")


def test_returning(db: apsw.Connection) -> None:
    """The columns that the statement gives. SQLite has no rowid of a virtual table's row there."""
    rows = db.execute(
        "INSERT INTO handbook (key, content) VALUES ('b', 'x'), ('c', 'y') RETURNING key, attributes"
    ).fetchall()
    assert rows == [("b", None), ("c", None)]
    with pytest.raises(apsw.SQLError, match="DELETE RETURNING is not available on virtual tables"):
        db.execute("DELETE FROM handbook RETURNING key")


def test_rowid_finds_the_document(db: apsw.Connection) -> None:
    """last_insert_rowid() is that of the row, also of one that was replaced."""
    db.execute(insert("b"))
    assert db.execute("SELECT key FROM handbook WHERE rowid = last_insert_rowid()").get == "b"
    db.execute(insert("a", verb="REPLACE"))
    assert db.execute("SELECT key FROM handbook WHERE rowid = last_insert_rowid()").get == "a"


def test_insert_from_itself_and_delete_with_a_subquery(db: apsw.Connection) -> None:
    """The query sees the table as it was."""
    db.execute(insert("b"))
    db.execute("INSERT INTO handbook (key, content) SELECT key || key, 'copy' FROM handbook")
    assert db.execute(KEYS).get == "a aa b bb"
    db.execute("DELETE FROM handbook WHERE key IN (SELECT key || key FROM handbook)")
    assert db.execute(KEYS).get == "a b"
    db.execute("DELETE FROM handbook WHERE rowid > (SELECT min(rowid) FROM handbook)")
    db.execute("UPDATE handbook SET key = (SELECT max(key) FROM handbook) || '2'")
    assert db.execute(KEYS).get == "a2"


def test_triggers_write_to_the_table(connect: Any, requests: Requests) -> None:
    """Those of the user, in TEMP; the statement that fires them undoes what they wrote."""
    db = connect()
    db.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 1)
    db.execute(CREATE)
    db.execute("CREATE TABLE pages(path PRIMARY KEY, body)")
    db.execute(
        "CREATE TEMP TRIGGER i AFTER INSERT ON pages BEGIN "
        "INSERT OR REPLACE INTO handbook (key, content) VALUES (new.path, new.body); END;"
        "CREATE TEMP TRIGGER d AFTER DELETE ON pages BEGIN DELETE FROM handbook WHERE key = old.path; END;"
    )
    db.execute("BEGIN; INSERT INTO pages VALUES ('a', 'one'), ('b', 'two')")
    with pytest.raises(RowError, match="the content is empty"):
        db.execute("INSERT INTO pages VALUES ('c', 'three'), ('d', '')")
    db.execute("DELETE FROM pages WHERE path = 'b'")
    assert db.execute(KEYS).get == "a"
    db.execute("COMMIT")
    assert uploads(requests) == 1


def test_two_tables_and_an_attached_database(db: apsw.Connection, sandbox: Any, tmp_path: Path) -> None:
    """Each has its own rows, in its own database, in one transaction."""
    db.execute("ROLLBACK")
    sandbox.add_store("vs_2")
    db.execute("ATTACH ? AS aux", (str(tmp_path / "aux.db"),))
    db.execute("CREATE VIRTUAL TABLE aux.handbook USING vector_store_documents(vector_store_id = 'vs_2')")
    db.execute("CREATE VIRTUAL TABLE temp.other USING vector_store_documents(vector_store_id = 'vs_2')")
    db.execute("BEGIN")
    for table in ("main.handbook", "aux.handbook", "other"):
        db.execute(insert("k", table=table))
    db.execute("COMMIT")
    for table in ("main.handbook", "aux.handbook", "other"):
        assert db.execute(f"SELECT count(*), count(file_id) FROM {table}").get == (1, 1)
    assert db.execute("SELECT vector_store_id FROM aux.handbook").get == "vs_2"
    db.execute("DELETE FROM aux.handbook")
    assert db.execute(KEYS).get == "k"


# CREATE, RENAME, DROP


@pytest.mark.sample(8)
@pytest.mark.parametrize(
    "name", [*sorted({c.name for c in columns.columns("h")} - {"h"}), "rowid", "oid", "KEY", "Rank"]
)
def test_create_refuses_the_name_of_a_column(connect: Any, name: str) -> None:
    """The hidden column that MATCH searches has the table's name."""
    db = connect()
    with pytest.raises(ProgrammingError) as refused:
        db.execute(f"CREATE VIRTUAL TABLE \"{name}\" USING vector_store_documents(name = 'H')")
    assert str(refused.value) == (
        f"{name}: a documents table cannot have the name of one of its columns, because the hidden column that MATCH "
        "searches is named as the table; write another name"
    )
    assert db.execute("SELECT count(*) FROM sqlite_schema").get == 0


@pytest.mark.parametrize("suffix", ["documents", "files", "config"])
def test_create_refuses_to_take_over_a_table(connect: Any, suffix: str) -> None:
    """One of the user's has the name of a shadow table; nothing is left of the attempt."""
    db = connect()
    db.execute(f"CREATE TABLE handbook_{suffix}(x)")
    with pytest.raises(ProgrammingError) as refused:
        db.execute(CREATE)
    assert str(refused.value) == (
        "handbook: it needs the tables handbook_documents, handbook_files and handbook_config for itself, and cannot "
        f"make them (table \"handbook_{suffix}\" already exists); if another has such a name, write a "
        "different one"
    )  # fmt: skip
    assert db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall() == [(f"handbook_{suffix}",)]
    db.execute(f"DROP TABLE handbook_{suffix}; {CREATE}")


def test_create_with_an_argument_that_is_not_one(connect: Any) -> None:
    """The error reaches the user; documents/arguments.py has all of them."""
    db = connect()
    with pytest.raises(ProgrammingError, match=r"^handbook: it needs one of the arguments"):
        db.execute("CREATE VIRTUAL TABLE handbook USING vector_store_documents")
    with pytest.raises(ProgrammingError, match=r"^handbook: an argument looks like an API key"):
        db.execute("CREATE VIRTUAL TABLE handbook USING vector_store_documents(name='H', api_key = 'sk-1')")


def test_module_is_not_eponymous(connect: Any) -> None:
    """A table needs a vector store."""
    with pytest.raises(apsw.SQLError, match="no such table: vector_store_documents"):
        connect().execute("SELECT * FROM vector_store_documents")


@pytest.mark.usefixtures("shadow_name_slots")
def test_shadow_tables_are_protected(db: apsw.Connection) -> None:
    """DEFENSIVE: ordinary SQL cannot write to them, the table can."""
    db.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
    for suffix in ("documents", "files", "config"):
        with pytest.raises(apsw.SQLError, match=f"table handbook_{suffix} may not be modified"):
            db.execute(f"DELETE FROM handbook_{suffix}")
    db.execute(insert("b") + "; DELETE FROM handbook WHERE key = 'a'")
    assert db.execute(KEYS).get == "b"


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
def test_rename_with_documents_that_are_not_sent(db: apsw.Connection, requests: Requests, end: str) -> None:
    """The contents go with the table, and the hidden column has the new name."""
    db.execute("ALTER TABLE handbook RENAME TO manual")
    db.execute(insert("b", table="manual"))
    db.execute("INSERT INTO manual (manual) VALUES ('sync')")
    db.execute(end)
    assert uploads(requests) == (2 if end == "COMMIT" else 0)
    name = "manual" if end == "COMMIT" else "handbook"
    assert db.execute(f"SELECT count(*), count(file_id) FROM {name}").get == ((2, 2) if end == "COMMIT" else (0, 0))
    names = db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY 1").fetchall()
    assert names == [(f"{name}{suffix}",) for suffix in ("", "_config", "_documents", "_files")]
    db.execute(insert("c", table=name))


def test_rename_to_the_name_of_a_column(db: apsw.Connection) -> None:
    """Refused; the table keeps its name."""
    with pytest.raises(ProgrammingError, match=r"^rank: a documents table cannot have the name of one of its columns"):
        db.execute("ALTER TABLE handbook RENAME TO rank")
    assert db.execute(KEYS).get == "a"


def test_drop_forgets_and_deletes_nothing(
    db: apsw.Connection, requests: Requests, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says how many files stay at the API."""
    db.execute(insert("b") + "; COMMIT")
    requests()
    with caplog.at_level(logging.WARNING, "openai_vtab"):
        db.execute("DROP TABLE handbook")
    message = "handbook: the table is dropped, and 2 files stay at the API, in the vector store vs_demo"
    assert [record.getMessage() for record in caplog.records] == [message]
    assert requests() == []
    assert db.execute("SELECT count(*) FROM sqlite_schema").get == 0
    db.execute(CREATE)
    assert db.execute(KEYS).get is None


def test_drop_of_a_table_without_files(
    db: apsw.Connection, requests: Requests, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing to say; documents of the transaction are not sent."""
    with caplog.at_level(logging.WARNING, "openai_vtab"):
        db.execute("DROP TABLE handbook; COMMIT")
    assert (caplog.records, requests()) == ([], [])


def test_drop_that_is_rolled_back(db: apsw.Connection, requests: Requests) -> None:
    """To a savepoint: the contents are there still."""
    db.execute("SAVEPOINT s; DROP TABLE handbook; ROLLBACK TO s")
    assert db.execute(KEYS).get == "a"
    db.execute(insert("b") + "; COMMIT")
    assert uploads(requests) == 2


@pytest.mark.parametrize("rename", ["", "ALTER TABLE handbook RENAME TO manual; "], ids=["", "renamed"])
def test_drop_that_is_rolled_back_before_commit(db: apsw.Connection, requests: Requests, rename: str) -> None:
    """COMMIT sends what was written before, although nothing was written since."""
    db.execute(f"SAVEPOINT s; {rename}DROP TABLE {'manual' if rename else 'handbook'}; ROLLBACK TO s; COMMIT")
    assert uploads(requests) == 1
    assert db.execute("SELECT key, file_id IS NOT NULL FROM handbook").fetchall() == [("a", 1)]


def test_drop_of_one_of_two_tables(db: apsw.Connection, requests: Requests) -> None:
    """COMMIT sends the other's documents alone."""
    db.execute(CREATE.replace("handbook", "other"))
    db.execute(insert("b", table="other") + "; DROP TABLE handbook; COMMIT")
    assert uploads(requests) == 1
    assert db.execute("SELECT key, file_id IS NOT NULL FROM other").fetchall() == [("b", 1)]


def test_table_is_opened_again(connect: Any, tmp_path: Path, sandbox: Any) -> None:
    """By another connection, which knows nothing but the file; and read-only."""
    file = str(tmp_path / "my.db")
    db = connect(file)
    db.execute(CREATE)
    db.execute(insert("a"))
    db.close()
    db = connect(file)
    assert db.execute(KEYS).get == "a"
    db.execute(insert("b"))
    db.close()
    db = apsw.Connection(file, flags=apsw.SQLITE_OPEN_READONLY)
    openai_vtab.register(db, base_url=sandbox.base_url, api_key=sandbox.api_key)
    assert db.execute(KEYS).get == "a b"
    with pytest.raises(apsw.ReadOnlyError):
        db.execute(insert("c"))
    db.close()


def test_shadow_tables_that_were_dropped_are_made_again(connect: Any, tmp_path: Path) -> None:
    """Without them, the table could not even be dropped."""
    file = str(tmp_path / "my.db")
    db = connect(file)
    db.execute(CREATE)
    db.close()
    plain = apsw.Connection(file)
    for suffix in ("documents", "files", "config"):
        plain.execute(f"DROP TABLE handbook_{suffix}")
    plain.close()
    db = connect(file)
    db.execute(insert("a"))
    assert db.execute("SELECT key, vector_store_id FROM handbook").fetchall() == [("a", "vs_demo")]
    db.execute("DROP TABLE handbook")


def test_schema_that_another_connection_changes(connect: Any, tmp_path: Path) -> None:
    """SQLite opens the table again."""
    file = str(tmp_path / "my.db")
    db, other = connect(file), apsw.Connection(file)
    db.execute(CREATE)
    for n in range(3):
        other.execute(f"CREATE TABLE t{n}(x)")
        db.execute(insert(f"k{n}"))
    assert db.execute(KEYS).get == "k0 k1 k2"
    other.close()


def test_vacuum_and_backup(db: apsw.Connection, connect: Any, tmp_path: Path) -> None:
    """The copy has the documents."""
    db.execute("COMMIT; VACUUM")
    db.execute("VACUUM INTO ?", (str(tmp_path / "copy.db"),))
    copy = connect(str(tmp_path / "copy.db"))
    assert copy.execute(KEYS).get == db.execute(KEYS).get == "a"
