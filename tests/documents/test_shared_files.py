"""Files that another table knows are not detached: detaching has been seen to detach from all vector stores."""

from __future__ import annotations

from typing import Any

import apsw
import pytest

from openai_vtab import RowError

STORE = "vector_store_documents(vector_store_id = 'vs_demo')"
WORDS = (
    ", and detaching a file has been seen to detach it from all vector stores; take it out there first, or detach it "
    "with DELETE FROM vector_store_files"
)
STATES = "SELECT state FROM handbook_files ORDER BY id"
WRITES = [
    "DELETE FROM handbook",
    "INSERT OR REPLACE INTO handbook (key, content) VALUES ('a.md', 'two')",
    "INSERT OR REPLACE INTO handbook (key, file_id) VALUES ('a.md', 'file-other')",
    "UPDATE handbook SET content = 'two'",
]


@pytest.fixture
def db(connect: Any) -> apsw.Connection:
    """An open transaction with a document that the API has as file-x, and an attached database."""
    db: apsw.Connection = connect()
    db.execute(f"ATTACH ':memory:' AS aux; CREATE VIRTUAL TABLE handbook USING {STORE}; BEGIN")
    db.execute("INSERT INTO handbook (key, content) VALUES ('a.md', 'one')")
    db.execute("UPDATE handbook_files SET file_id = 'file-x', state = 'completed'")
    return db


def refusal(db: apsw.Connection, sql: str) -> str:
    """Return the message, and see that nothing has changed."""
    rows = "SELECT * FROM handbook_documents, handbook_files"
    before = db.execute(rows).fetchall()
    with pytest.raises(RowError) as refused:
        db.execute(sql)
    assert db.execute(rows).fetchall() == before
    return str(refused.value)


@pytest.mark.parametrize("sql", WRITES)
@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("main.other", "main.other"),
        ("temp.other", "temp.other"),
        ("aux.handbook", "aux.handbook"),
        ('main."o using t"', "main.o using t"),
    ],
)
def test_protection_of_a_file_that_another_table_has(db: apsw.Connection, sql: str, path: str, shown: str) -> None:
    """In whatever database of the connection, until it is dropped."""
    db.execute(f"CREATE VIRTUAL TABLE {path} USING {STORE}")
    db.execute(f"INSERT INTO {path} (key, file_id) VALUES ('b.md', 'file-x')")
    message = f"handbook: the document 'a.md' keeps its file file-x, because {shown} knows it"
    assert refusal(db, sql) == message + WORDS
    db.execute(f"DROP TABLE {path}")
    db.execute(sql)


@pytest.mark.parametrize("sql", WRITES)
@pytest.mark.parametrize(
    ("columns", "values"),
    [
        ("file_ids", """'["file-a", "file-x"]'"""),
        ("files", """'[{"file_id": "file-a"}, {"file_id": "file-x", "attributes": {"a": "b"}}]'"""),
    ],
)
def test_protection_of_a_file_that_a_batch_has_sent(db: apsw.Connection, sql: str, columns: str, values: str) -> None:
    """Until the ledger forgets the batch."""
    db.execute("CREATE VIRTUAL TABLE aux.batches USING vector_store_file_batches")
    db.execute(f"INSERT INTO aux.batches (vector_store_id, {columns}) VALUES ('vs_demo', {values})")
    db.execute("UPDATE aux.batches_ledger SET id = 'vsfb_1'")
    message = "handbook: the document 'a.md' keeps its file file-x, because aux.batches has sent it in the batch vsfb_1"
    assert refusal(db, sql) == message + WORDS
    db.execute("DELETE FROM aux.batches_ledger")
    db.execute(sql)
    db.execute("ROLLBACK")


def test_protection_is_for_files_that_would_be_detached(db: apsw.Connection) -> None:
    """Not for attributes, nor the key, nor a file that only looks alike."""
    db.execute(f"CREATE VIRTUAL TABLE other USING {STORE}")
    db.execute("INSERT INTO other (key, file_id) VALUES ('b.md', 'file-x'), ('c.md', 'file-y')")
    db.execute("INSERT INTO handbook (key, content) VALUES ('b.md', 'two')")
    db.execute("UPDATE handbook SET attributes = '{\"a\": 1}', key = 'x/' || key")
    db.execute("INSERT OR REPLACE INTO handbook (key, content) VALUES ('x/a.md', 'one')")
    db.execute("DELETE FROM handbook WHERE key = 'x/b.md'")
    assert refusal(db, "UPDATE OR REPLACE handbook SET content = 'three'").startswith("handbook: the document 'x/a.md'")


def test_protection_of_spare_files_at_sync(db: apsw.Connection) -> None:
    """The command leaves a file that another table has."""
    db.execute("UPDATE handbook_files SET document = NULL")
    db.execute(f"CREATE VIRTUAL TABLE other USING {STORE}")
    db.execute("INSERT INTO other (key, file_id) VALUES ('b.md', 'file-x')")
    db.execute("INSERT INTO handbook (handbook) VALUES ('sync')")
    assert db.execute(STATES).get == "completed"
    db.execute("DROP TABLE other; INSERT INTO handbook (handbook) VALUES ('sync')")
    assert db.execute(STATES).get == "leaving"


def test_protection_passes_over_what_it_cannot_read(db: apsw.Connection) -> None:
    """Another table's shadow table was dropped, and a module is not registered."""
    db.execute(f"CREATE VIRTUAL TABLE other USING {STORE}")
    db.execute("CREATE VIRTUAL TABLE words USING fts5(a); CREATE TABLE t(sql TEXT DEFAULT 'CREATE VIRTUAL TABLE x')")
    db.execute("DROP TABLE other_files")
    db.execute("DELETE FROM handbook")
    assert db.execute(STATES).get == "leaving"
