"""Commands, which are written as those of FTS5."""

from __future__ import annotations

from typing import Any

import apsw
import pytest

from openai_vtab import ProgrammingError


@pytest.fixture
def db(connect: Any) -> apsw.Connection:
    """An open transaction with a document."""
    db: apsw.Connection = connect()
    db.execute("CREATE VIRTUAL TABLE handbook USING vector_store_documents(vector_store_id = 'vs_demo'); BEGIN")
    db.execute("INSERT INTO handbook (key, content) VALUES ('a.md', 'one')")
    return db


def test_sync_lets_spare_files_leave(db: apsw.Connection) -> None:
    """Those of a transaction that failed. last_insert_rowid() stays."""
    db.execute("INSERT INTO handbook_files (file_id, owned, state) VALUES ('file-1', 1, 'uploaded')")
    db.set_last_insert_rowid(7)
    db.execute("INSERT INTO handbook (handbook) VALUES ('sync')")
    assert db.last_insert_rowid() == 7
    assert db.execute("SELECT state FROM handbook_files ORDER BY id").fetchall() == [("wanted",), ("leaving",)]


def test_retry_unknown_has_documents_uploaded_when_they_are_written_again(db: apsw.Connection) -> None:
    """Not before: their bytes are the user's."""
    db.execute("UPDATE handbook_files SET state = 'unknown'")
    write = "INSERT OR REPLACE INTO handbook (key, content) VALUES ('a.md', 'one')"
    db.execute(write)
    assert db.execute("SELECT state FROM handbook_files ORDER BY id").fetchall() == [("unknown",)]
    db.execute("INSERT INTO handbook (handbook) VALUES ('retry-unknown')")
    assert db.execute("SELECT state FROM handbook_files ORDER BY id").fetchall() == [("unknown",)]
    db.execute(write)
    assert db.execute("SELECT state FROM handbook_files ORDER BY id").fetchall() == [("unknown",), ("wanted",)]


def test_checksum_forgets_the_stamps_of_files(db: apsw.Connection) -> None:
    """So that each file is read when it is written again."""
    db.execute("UPDATE handbook_documents SET stamp = '[3, 1, 1, 9]'")
    db.execute("INSERT INTO handbook (handbook) VALUES ('checksum')")
    assert db.execute("SELECT stamp FROM handbook_documents").fetchall() == [(None,)]


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("INSERT INTO handbook (handbook) VALUES ('optimize')", "'optimize' is not a command; the commands are 'sync', 'retry-unknown', 'checksum'"),
        ("INSERT INTO handbook (handbook) VALUES (1)", "1 is not a command; the commands are 'sync', 'retry-unknown', 'checksum'"),
        ("INSERT INTO handbook (handbook, key, rank) VALUES ('sync', 'a', 1)", "a command stands alone; leave out key, rank"),
    ],
)  # fmt: skip
def test_commands_that_are_refused(db: apsw.Connection, sql: str, message: str) -> None:
    """The message lists those that there are."""
    with pytest.raises(ProgrammingError) as refused:
        db.execute(sql)
    assert str(refused.value) == f"handbook.handbook: {message}"
