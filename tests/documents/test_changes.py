"""INSERT, UPDATE and DELETE of documents: what they make of the shadow rows. Nothing is sent before COMMIT."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from openai_vtab import OperationalError, RowError, UnsupportedWriteError
from openai_vtab.schema.spool import Spool

Requests = Callable[[], list[str]]
FILES = "SELECT document, file_id, state, owned, filename FROM handbook_files ORDER BY id"
STATIC = '{"type": "static", "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 50}}'
CANONICAL = '{"static":{"chunk_overlap_tokens":50,"max_chunk_size_tokens":200},"type":"static"}'
LONG_AGO = 10**9  # seconds
OTHER_FILE = "INSERT OR REPLACE INTO handbook (key, file_id) VALUES ('a.md', 'file-y')"


@pytest.fixture
def db(connect: Any, tmp_path: Path) -> apsw.Connection:
    """An open transaction with an empty table, in a vector store that exists."""
    db: apsw.Connection = connect(upload_root=tmp_path)
    db.execute("CREATE VIRTUAL TABLE handbook USING vector_store_documents(vector_store_id = 'vs_demo'); BEGIN")
    return db


def sent(db: apsw.Connection, state: str = "completed") -> None:
    """What COMMIT would do: each file has an id and a state."""
    db.execute(
        "UPDATE handbook_files AS f SET file_id = 'file-' || f.id, state = ?, attributes = d.attributes, "
        "chunking = d.chunking FROM handbook_documents AS d WHERE d.id = f.document AND f.state = 'wanted'",
        (state,),
    )


def put(db: apsw.Connection, key: str = "a.md", content: str = "one", **columns: Any) -> None:
    """INSERT OR REPLACE a document."""
    given = {"key": key, "content": content, **columns}
    db.execute(
        f"INSERT OR REPLACE INTO handbook ({', '.join(given)}) VALUES ({', '.join('?' * len(given))})",
        tuple(given.values()),
    )


def states(db: apsw.Connection) -> list[str]:
    return [state for (state,) in db.execute("SELECT state FROM handbook_files ORDER BY id")]


def contents(db: apsw.Connection) -> dict[str, str]:
    found = db.execute("SELECT d.key, f.sha256 FROM handbook_documents d JOIN handbook_files f ON f.document = d.id")
    texts = {hashlib.sha256(text.encode()).hexdigest(): text for text in ("one", "two", "three")}
    return {key: texts[sha256] for key, sha256 in found}


def test_insert_of_a_new_key(db: apsw.Connection, requests: Requests) -> None:
    """A document, and a file that is wanted."""
    db.execute(
        "INSERT INTO handbook (key, content, attributes) VALUES ('docs/a.md', 'one', '{\"b\": 1.0, \"a\": null}')"
    )
    assert db.last_insert_rowid() == 1
    sha256 = hashlib.sha256(b"one").hexdigest()
    assert db.execute("SELECT * FROM handbook_documents").fetchall() == [
        (1, "docs/a.md", '{"b":1}', None, sha256, 3, "a.md", None)
    ]
    assert db.execute(FILES).fetchall() == [(1, None, "wanted", 1, "a.md")]
    assert requests() == []


def test_insert_of_a_known_key_is_a_constraint_error(db: apsw.Connection) -> None:
    """It names the key, and what to write instead."""
    put(db)
    with pytest.raises(apsw.ConstraintError) as refused:
        db.execute("INSERT INTO handbook (key, content) VALUES ('a.md', 'two')")
    assert str(refused.value) == (
        "handbook.key: 'a.md' is there already; write OR REPLACE to replace the document, or OR IGNORE to leave it as "
        "it is"
    )
    assert contents(db) == {"a.md": "one"}


def test_insert_or_ignore_leaves_known_keys(db: apsw.Connection) -> None:
    """They are not even checked. SQLite counts them in changes()."""
    put(db)
    db.execute("INSERT OR IGNORE INTO handbook (key, content) VALUES ('a.md', ''), ('b.md', 'two')")
    assert contents(db) == {"a.md": "one", "b.md": "two"}
    assert db.changes() == 2


def test_replace_with_the_same_content_changes_nothing(db: apsw.Connection) -> None:
    """No row is written."""
    put(db, attributes='{"a": 1, "b": "x"}')
    sent(db)
    before = db.total_changes()
    put(db, attributes='{"b": "x", "a": 1.0}')
    put(db, attributes='{"a":1,"b":"x"}', chunking_strategy='{"type": "auto"}')
    assert db.total_changes() == before + 2
    assert states(db) == ["completed"]


def test_replace_sets_only_attributes(db: apsw.Connection) -> None:
    """Those that are not named are cleared."""
    put(db, attributes='{"a": 1}')
    sent(db)
    put(db, attributes='{"a": 2}')
    assert db.execute("SELECT attributes FROM handbook_documents").get == '{"a":2}'
    put(db)
    assert db.execute("SELECT attributes FROM handbook_documents").get == "{}"
    assert states(db) == ["completed"]


@pytest.mark.parametrize(
    "columns",
    [{"content": "two"}, {"chunking_strategy": STATIC}, {"content": "two", "chunking_strategy": STATIC}],
)
def test_replace_with_other_content_or_chunking_wants_a_file(db: apsw.Connection, columns: dict[str, str]) -> None:
    """The old one stays until the new one is completed."""
    put(db)
    sent(db)
    put(db, **columns)
    assert db.execute(FILES).fetchall() == [(1, "file-1", "completed", 1, "a.md"), (1, None, "wanted", 1, "a.md")]
    chunking = CANONICAL if "chunking_strategy" in columns else None
    assert db.execute("SELECT chunking FROM handbook_documents").get == chunking
    assert db.execute("SELECT count(*) FROM handbook").get == 1


def test_replace_with_another_filename_wants_a_file(db: apsw.Connection, tmp_path: Path) -> None:
    """The same bytes, from a file of another name."""
    for name in ("a.md", "b.md"):
        (tmp_path / name).write_text("one")
    db.execute("INSERT INTO handbook (key, path) VALUES ('k', 'a.md')")
    sent(db)
    db.execute("INSERT OR REPLACE INTO handbook (key, path) VALUES ('k', 'b.md')")
    assert db.execute("SELECT state, filename FROM handbook_files").fetchall() == [
        ("completed", "a.md"),
        ("wanted", "b.md"),
    ]


def test_replace_of_a_wanted_file_leaves_one(db: apsw.Connection) -> None:
    """Only the last content of a transaction is sent."""
    for content in ("one", "two", "three"):
        put(db, content=content)
    assert contents(db) == {"a.md": "three"}
    assert states(db) == ["wanted"]


def test_replace_back_to_what_the_api_has(db: apsw.Connection) -> None:
    """Within a transaction: nothing is left to upload."""
    put(db)
    sent(db)
    put(db, content="two")
    put(db)
    assert states(db) == ["completed"]
    assert contents(db) == {"a.md": "one"}


@pytest.mark.parametrize(
    ("state", "later"),
    [
        ("unknown", "unknown"),
        ("uploaded", "uploaded"),
        ("unsure", "unsure"),
        ("in_progress", "in_progress"),
        ("completed", "completed"),
        ("failed", "uploaded"),
        ("cancelled", "uploaded"),
        ("missing", "unsure"),
    ],
)
@pytest.mark.parametrize("sql", ["INSERT OR REPLACE INTO handbook (key, content) VALUES ('a.md', 'one')",
                                 "UPDATE handbook SET attributes = '{}'"])  # fmt: skip
def test_states_of_a_file_whose_document_is_written_again(
    db: apsw.Connection, state: str, later: str, sql: str
) -> None:
    """One that failed is attached again, without an upload."""
    put(db)
    sent(db, state)
    db.execute(sql)
    assert states(db) == [later]


@pytest.mark.parametrize("state", ["failed", "cancelled", "missing"])
def test_states_after_an_update_of_the_key(db: apsw.Connection, state: str) -> None:
    """The key is local: nothing is attached again."""
    put(db)
    sent(db, state)
    db.execute("UPDATE handbook SET key = 'b.md'")
    assert states(db) == [state]


@pytest.mark.parametrize("state", ["uploaded", "failed", "cancelled"])
def test_chunking_of_a_file_that_is_not_used_yet(db: apsw.Connection, state: str) -> None:
    """It is attached with the other chunking, without an upload."""
    put(db)
    sent(db, state)
    put(db, chunking_strategy=STATIC)
    assert states(db) == ["uploaded"]
    db.execute("UPDATE handbook SET chunking_strategy = NULL")
    assert db.execute("SELECT chunking FROM handbook_documents").get is None


def test_chunking_of_the_table_is_the_default(connect: Any) -> None:
    """A row's own comes first."""
    db = connect()
    db.execute(
        f"CREATE VIRTUAL TABLE handbook USING vector_store_documents(name = 'H', chunking_strategy = '{STATIC}'); BEGIN"
    )
    put(db)
    put(db, key="b.md", chunking_strategy='{"type": "auto"}')
    assert db.execute("SELECT key, chunking FROM handbook_documents").fetchall() == [
        ("a.md", CANONICAL),
        ("b.md", None),
    ]
    db.execute("UPDATE handbook SET content = 'two', chunking_strategy = NULL WHERE key = 'b.md'")
    assert db.execute("SELECT chunking FROM handbook_documents WHERE key = 'b.md'").get == CANONICAL


@pytest.mark.parametrize("is_sent", [True, False])
def test_content_that_cannot_be_kept_changes_nothing(
    connect: Any, monkeypatch: pytest.MonkeyPatch, is_sent: bool
) -> None:
    """A full disk is noticed before the first change, because SQLite does not undo a statement of one row."""
    monkeypatch.setattr(Spool.__init__, "__defaults__", (3,))
    db = connect()
    db.execute("CREATE VIRTUAL TABLE handbook USING vector_store_documents(name = 'H'); BEGIN")
    put(db)
    if is_sent:
        sent(db)
    rows = "SELECT * FROM handbook_documents, handbook_files"
    before = db.execute(rows).fetchall()
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    for sql in ("UPDATE handbook SET content = 'another'", "INSERT INTO handbook (key, content) VALUES ('b', 'b')"):
        with pytest.raises(OperationalError, match="cannot be written to a temporary file"):
            db.execute(sql)
    assert db.execute(rows).fetchall() == before


def test_content_of_two_keys_is_two_files(db: apsw.Connection) -> None:
    """Neither blocks the other."""
    put(db, key="x/a.md")
    put(db, key="y/a.md")
    assert states(db) == ["wanted", "wanted"]
    assert contents(db) == {"x/a.md": "one", "y/a.md": "one"}


def test_key_may_be_an_integer(db: apsw.Connection) -> None:
    """A primary key of the user's table; compared as text."""
    db.execute("INSERT INTO handbook (key, content) VALUES (17, 'one')")
    assert db.execute("SELECT key, filename FROM handbook WHERE key = 17").fetchall() == [("17", "17.txt")]


def test_path_that_has_not_changed_is_not_read(db: apsw.Connection, tmp_path: Path) -> None:
    """Same size, mtime and inode; a new mtime without new content is noted, and nothing is sent."""
    path = tmp_path / "a.md"
    path.write_text("one")
    os.utime(path, (LONG_AGO, LONG_AGO))
    sql = "INSERT OR REPLACE INTO handbook (key, path) VALUES ('k', 'a.md')"
    db.execute(sql)
    sent(db)
    stamp = db.execute("SELECT stamp FROM handbook_documents").get
    path.write_text("two")
    os.utime(path, (LONG_AGO, LONG_AGO))
    db.execute(sql)
    assert db.execute("SELECT stamp FROM handbook_documents").get == stamp
    path.write_text("one")
    os.utime(path, (LONG_AGO, LONG_AGO + 1))
    db.execute(sql)
    assert db.execute("SELECT stamp FROM handbook_documents").get != stamp
    assert states(db) == ["completed"]
    path.write_text("three")
    db.execute("UPDATE handbook SET path = 'a.md'")
    assert contents(db) == {"k": "three"}


def test_update_of_one_column_keeps_the_others(db: apsw.Connection) -> None:
    """Attributes, content and key."""
    put(db, attributes='{"a": 1}')
    sent(db)
    db.execute("UPDATE handbook SET content = 'two' WHERE key = 'a.md'")
    db.execute("UPDATE handbook SET key = 'b.md'")
    db.execute("UPDATE handbook SET attributes = json_set(attributes, '$.b', 2)")
    assert db.execute("SELECT key, attributes, filename FROM handbook_documents").fetchall() == [
        ("b.md", '{"a":1,"b":2}', "a.md")
    ]
    assert contents(db)["b.md"] == "two"
    assert states(db) == ["completed", "wanted"]
    db.execute("UPDATE handbook SET attributes = NULL")
    assert db.execute("SELECT attributes FROM handbook_documents").get == "{}"


@pytest.mark.parametrize(
    ("sets", "text"),
    [("content = 'two', path = NULL", "two"), ("path = 'b.md', content = NULL", "three")],
    ids=["content", "path"],
)
def test_update_with_null_beside_the_content(db: apsw.Connection, tmp_path: Path, sets: str, text: str) -> None:
    """NULL gives no content, as in an INSERT."""
    put(db)
    (tmp_path / "b.md").write_text("three")
    db.execute(f"UPDATE handbook SET {sets} WHERE key = 'a.md'")
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    assert db.execute("SELECT sha256 FROM handbook WHERE key = 'a.md'").get == sha256


def test_update_to_a_key_that_is_there(db: apsw.Connection) -> None:
    """As the conflict clause says."""
    for key, content in (("a.md", "one"), ("b.md", "two")):
        put(db, key=key, content=content)
    with pytest.raises(apsw.ConstraintError, match=r"^handbook.key: 'b.md' is there already; write OR REPLACE"):
        db.execute("UPDATE handbook SET key = 'b.md' WHERE key = 'a.md'")
    db.execute("UPDATE OR IGNORE handbook SET key = 'b.md' WHERE key = 'a.md'")
    assert contents(db) == {"a.md": "one", "b.md": "two"}
    db.execute("UPDATE OR REPLACE handbook SET key = 'b.md' WHERE key = 'a.md'")
    assert contents(db) == {"b.md": "one"}


def test_delete_lets_files_leave(db: apsw.Connection) -> None:
    """Those that were never sent are forgotten."""
    for content in ("one", "two"):
        put(db, content=content)
        sent(db)
    put(db, content="three")
    put(db, key="b.md")
    db.execute("DELETE FROM handbook WHERE key LIKE '%.md'")
    assert db.execute(FILES).fetchall() == [
        (None, "file-1", "leaving", 1, "a.md"),
        (None, "file-2", "leaving", 1, "a.md"),
    ]
    assert db.execute("SELECT count(*) FROM handbook_documents").get == 0


def test_adoption_of_a_file(db: apsw.Connection) -> None:
    """It is looked at in COMMIT, and never deleted. Attributes that are not named stay."""
    db.execute("INSERT INTO handbook (key, file_id) VALUES ('a.md', 'file-x')")
    db.execute("INSERT INTO handbook (key, file_id, attributes) VALUES ('b.md', 'file-y', '{\"a\": 1}')")
    assert db.execute(FILES).fetchall() == [(1, "file-x", "unsure", 0, None), (2, "file-y", "unsure", 0, None)]
    assert db.execute("SELECT attributes FROM handbook_documents").fetchall() == [("null",), ('{"a":1}',)]
    db.execute("INSERT OR REPLACE INTO handbook (key, file_id) VALUES ('b.md', 'file-y')")
    assert db.execute("SELECT attributes FROM handbook_documents WHERE key = 'b.md'").get == '{"a":1}'
    db.execute("INSERT OR REPLACE INTO handbook (key, file_id, attributes) VALUES ('b.md', 'file-y', '{}')")
    assert db.execute("SELECT attributes FROM handbook_documents WHERE key = 'b.md'").get == "{}"
    assert len(states(db)) == 2


def test_adoption_replaces_a_document(db: apsw.Connection) -> None:
    """A file that was wanted is forgotten, one that the API has is superseded."""
    put(db)
    sent(db)
    put(db, content="two")
    db.execute("INSERT OR REPLACE INTO handbook (key, file_id) VALUES ('a.md', 'file-x')")
    assert db.execute(FILES).fetchall() == [(1, "file-1", "completed", 1, "a.md"), (1, "file-x", "unsure", 0, None)]
    assert db.execute("SELECT sha256, bytes, filename FROM handbook_documents").fetchall() == [(None, None, None)]
    put(db)
    assert states(db) == ["completed", "unsure", "wanted"]


def test_adoption_of_a_file_that_the_table_has_uploaded(db: apsw.Connection) -> None:
    """It stays the table's, which knows its content."""
    put(db, attributes='{"a": 1}')
    sent(db)
    db.execute("DELETE FROM handbook")
    db.execute("INSERT INTO handbook (key, file_id) VALUES ('b.md', 'file-1')")
    assert db.execute(FILES).fetchall() == [(1, "file-1", "unsure", 1, "a.md")]
    assert contents(db) == {"b.md": "one"}
    assert db.execute("SELECT attributes FROM handbook_documents").get == '{"a":1}'


@pytest.mark.parametrize("sql", ["DELETE FROM handbook", OTHER_FILE])
def test_adoption_that_is_taken_back_leaves_the_file_alone(db: apsw.Connection, sql: str) -> None:
    """The table has never had the file, so that it must not detach it."""
    db.execute("INSERT INTO handbook (key, file_id) VALUES ('a.md', 'file-x')")
    db.execute(sql)
    assert db.execute("SELECT count(*) FROM handbook_files WHERE file_id = 'file-x'").get == 0


def test_adoption_of_a_file_that_is_missing(db: apsw.Connection) -> None:
    """COMMIT looks again."""
    db.execute("INSERT INTO handbook (key, file_id) VALUES ('a.md', 'file-x')")
    db.execute("UPDATE handbook_files SET state = 'missing'")
    db.execute("INSERT OR REPLACE INTO handbook (key, file_id) VALUES ('a.md', 'file-x')")
    assert states(db) == ["unsure"]


REFUSED = {
    "no content": ("INSERT INTO handbook (key) VALUES ('b')", "handbook: the key 'b' has no content; give content, path or file_id"),
    "content and path": ("INSERT INTO handbook (key, content, path) VALUES ('b', 'x', 'b')", "handbook: the key 'b' has content and path; give one of them"),
    "no key": ("INSERT INTO handbook (content) VALUES ('x')", "handbook.key: NULL is not a key; write text, such as a path, or an INTEGER"),
    "empty key": ("INSERT INTO handbook (key, content) VALUES ('', 'x')", "handbook.key: '' is not a key; write text, such as a path, or an INTEGER"),
    "key of another type": ("INSERT INTO handbook (key, content) VALUES (x'00', 'x')", "handbook.key: a BLOB of 1 bytes is not a key; write text, such as a path, or an INTEGER"),
    "number as a key": ("INSERT INTO handbook (key, content) VALUES (1.5, 'x')", "handbook.key: 1.5 is not a key; write text, such as a path, or an INTEGER"),
    "key is NULL": ("UPDATE handbook SET key = NULL", "handbook.key: NULL is not a key; write text, such as a path, or an INTEGER"),
    "empty content": ("INSERT INTO handbook (key, content) VALUES ('b', '')", "handbook.content of the key 'b': the content is empty; write at least one byte"),
    "content is NULL": ("UPDATE handbook SET content = NULL", "handbook.content of the key 'a.md': NULL is not content; write a BLOB or text, for instance readfile('returns.md')"),
    "path is NULL": ("UPDATE handbook SET path = NULL", "handbook.path of the key 'a.md': NULL is not a path; write the path of a file below upload_root ({root}), absolute or relative to it"),
    "content and path are NULL": ("UPDATE handbook SET content = NULL, path = NULL", "handbook.content of the key 'a.md': NULL is not content; write a BLOB or text, for instance readfile('returns.md')"),
    "content and path in an UPDATE": ("UPDATE handbook SET content = 'x', path = 'b'", "handbook: the key 'a.md' has content and path; give one of them"),
    "empty file": ("INSERT INTO handbook (key, path) VALUES ('b', 'empty.md')", "handbook.path of the key 'b': 'empty.md' has 0 bytes; write the path of a file of 1 to 536870912 bytes below upload_root ({root}), absolute or relative to it; SELECT … FROM fsdir(…) WHERE length(data) > 0 leaves empty files out"),
    "no file": ("INSERT INTO handbook (key, path) VALUES ('b', 'none.md')", "handbook.path of the key 'b': 'none.md' is not a file; write the path of a file below upload_root ({root}), absolute or relative to it"),
    "path outside": ("INSERT INTO handbook (key, path) VALUES ('b', '/etc/passwd')", "handbook.path of the key 'b': '/etc/passwd' is outside upload_root ({root}); write a path below it"),
    "attributes": ("INSERT INTO handbook (key, content, attributes) VALUES ('b', 'x', '[]')", "handbook.attributes of the key 'b': attributes are [], not an object; write json_object('lang', 'en')"),
    "chunking": ("INSERT INTO handbook (key, content, chunking_strategy) VALUES ('b', 'x', 'auto')", "handbook.chunking_strategy of the key 'b': 'auto' is not JSON; write '{{\"type\": \"auto\"}}'"),
    "chunking without content": (f"UPDATE handbook SET chunking_strategy = '{STATIC}'", "handbook.chunking_strategy of the key 'a.md': a file that is attached keeps its chunks, so that it must be uploaded again; SET content or path as well"),
    "rowid": ("INSERT INTO handbook (rowid, key, content) VALUES (7, 'b', 'x')", "handbook.rowid: it is given by the table; leave it out"),
    "file_id": ("INSERT INTO handbook (key, file_id) VALUES ('b', 'file a')", "handbook.file_id of the key 'b': 'file a' contains white space or control characters; write the bare id"),
    "file_id and chunking": ("INSERT INTO handbook (key, file_id, chunking_strategy) VALUES ('b', 'file-x', '{\"type\":\"auto\"}')", "handbook.chunking_strategy of the key 'b': a file that is in the vector store already keeps its chunks; give file_id or chunking_strategy"),
    "file_id of another document": ("INSERT INTO handbook (key, file_id) VALUES ('b', 'file-1')", "handbook.file_id of the key 'b': file-1 is the file of the document 'a.md'; UPDATE its key, or DELETE it first"),
}  # fmt: skip
UNSUPPORTED = {
    "status": ("INSERT INTO handbook (key, content, status) VALUES ('b', 'x', 'completed')", "handbook.status: INSERT cannot write it; the columns are key, path, content, attributes, chunking_strategy, file_id"),
    "file_id": ("UPDATE handbook SET file_id = 'file-x'", "handbook.file_id: UPDATE cannot write it; the columns are key, path, content, attributes, chunking_strategy"),
    "command": ("UPDATE handbook SET handbook = 'sync'", "handbook.handbook: UPDATE cannot write it; the columns are key, path, content, attributes, chunking_strategy"),
    "rowid": ("UPDATE handbook SET rowid = 7", "handbook: the rowid cannot be SET"),
}  # fmt: skip


@pytest.mark.parametrize(("error", "sql", "message"), [
    *[pytest.param(RowError, *case, id=name) for name, case in REFUSED.items()],
    *[pytest.param(UnsupportedWriteError, *case, id=f"unsupported {name}") for name, case in UNSUPPORTED.items()],
])  # fmt: skip
def test_rows_that_are_refused(
    db: apsw.Connection, tmp_path: Path, error: type[Exception], sql: str, message: str
) -> None:
    """The message has the table, the column, the key, the value, and what to write. Nothing has changed."""
    put(db)
    sent(db)
    (tmp_path / "empty.md").touch()
    rows = "SELECT * FROM handbook_documents, handbook_files"
    before = db.execute(rows).fetchall()
    with pytest.raises(error) as refused:
        db.execute(sql)
    assert str(refused.value) == message.format(root=tmp_path)
    assert db.execute(rows).fetchall() == before


def test_path_without_upload_root(connect: Any) -> None:
    """No local file may be read."""
    db = connect()
    db.execute("CREATE VIRTUAL TABLE handbook USING vector_store_documents(vector_store_id = 'vs_demo')")
    with pytest.raises(RowError, match=r"^handbook.path of the key 'b': local files may not be read, because"):
        db.execute("INSERT INTO handbook (key, path) VALUES ('b', 'b.md')")


@pytest.mark.parametrize(
    "sql",
    ["INSERT INTO handbook (key, content) VALUES ('b', 'x')", "UPDATE handbook SET key = 'c'", "DELETE FROM handbook",
     "INSERT INTO handbook (handbook) VALUES ('sync')"],
)  # fmt: skip
def test_read_only_connection_refuses_writes(connect: Any, tmp_path: Path, requests: Requests, sql: str) -> None:
    """Before a row is written."""
    file = str(tmp_path / "a.db")
    db = connect(file)
    db.execute("CREATE VIRTUAL TABLE handbook USING vector_store_documents(vector_store_id = 'vs_demo')")
    db.execute("INSERT INTO handbook (key, content) VALUES ('a', 'x')")
    db.close()
    requests()
    db = connect(file, read_only=True)
    with pytest.raises(UnsupportedWriteError) as refused:
        db.execute(sql)
    verb = sql.split(maxsplit=1)[0]
    assert str(refused.value) == (
        f"handbook: this connection is read_only, and {verb} would change something at the API; connect without "
        "read_only, or, if openai-vtab run has started the program, write openai-vtab run --allow-writes"
    )
    assert requests() == []
