"""A COMMIT that fails in a transaction that has changed the schema: the caller gets the exception that says why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.sandbox import Status

from ..documents.handbook import CREATE, STORE, write

# APSW shows an exception that it loses, as well
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

BATCHES = "CREATE VIRTUAL TABLE batches USING vector_store_file_batches"
SCHEMA_CHANGES = {
    "rename": "ALTER TABLE handbook RENAME TO guide",
    "create": "CREATE TABLE notes (text)",
    "none": "SELECT 1",
}


@pytest.fixture
def db(connect: Any, sandbox: Any) -> apsw.Connection:
    """A table of documents, a ledger, and nothing in APSW's cache of statements."""
    sandbox.add_store(STORE)
    db: apsw.Connection = connect()
    db.execute(f"{CREATE}; {BATCHES}")
    return db


def forget_statements(db: apsw.Connection) -> None:
    """Have APSW's cache forget the statements of the tables, as a COMMIT of many rows does."""
    for number in range(db.cache_stats()["size"]):
        db.execute(f"SELECT {number}").fetchall()


def write_one(db: apsw.Connection, change: str) -> None:
    """Write a document and a batch in a transaction that changes the schema."""
    db.execute(f"BEGIN; {change}")
    table = "guide" if "guide" in change else "handbook"
    db.execute(f"INSERT INTO {table} (key, content) VALUES ('b.md', 'b')")
    db.execute(f"INSERT INTO batches (vector_store_id, file_ids) VALUES ('{STORE}', json_array('file-1'))")
    forget_statements(db)


def fails_at_the_api(db: apsw.Connection, sandbox: Any) -> None:
    """A request of the COMMIT fails."""
    sandbox.inject(Status(400, message="no"), method="POST", path="/file_batches$", after=1)


def is_refused(db: apsw.Connection, sandbox: Any) -> None:
    """SQLite refuses after everything was carried out."""
    db.set_commit_hook(lambda: True)


@pytest.mark.parametrize("change", SCHEMA_CHANGES)
@pytest.mark.parametrize("fails", [fails_at_the_api, is_refused])
def test_commit_that_fails_raises_write_error(
    db: apsw.Connection, sandbox: Any, change: str, fails: Callable[[apsw.Connection, Any], None]
) -> None:
    """The exception lists what the API has carried out; the user's rollback hook is called as well."""
    sandbox.add_file("x.md", id="file-1")
    seen: list[str] = []
    db.set_rollback_hook(lambda: seen.append("rollback"))
    write_one(db, SCHEMA_CHANGES[change])
    fails(db, sandbox)
    with pytest.raises(openai_vtab.WriteError) as raised:
        db.execute("COMMIT")
    assert raised.value.done
    assert not db.in_transaction
    assert seen[0] == "rollback"
    db.set_commit_hook(None)
    write(db, {"b.md": "b"})


def test_commit_that_has_failed_is_not_reported_again(db: apsw.Connection, sandbox: Any) -> None:
    """A later ROLLBACK after a DROP TABLE raises nothing."""
    sandbox.inject(Status(400), method="POST", path="/files$")
    with pytest.raises(openai_vtab.APIError):
        write(db, {"b.md": "b"})
    db.execute("DROP TABLE handbook; BEGIN; CREATE TABLE notes (text); ROLLBACK")
