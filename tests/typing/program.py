"""A user's program, checked by `mypy --strict` and not run."""

from __future__ import annotations

from typing import assert_type

import apsw
import sqlalchemy

import openai_vtab
from openai_vtab import dbapi as sqlite3

db = openai_vtab.connect("my.db", max_concurrency=32, api_key=lambda: "sk-…")
openai_vtab.register(apsw.Connection(":memory:"), base_url=None, read_ahead=False)
openai_vtab.connect(max_concurrency="many")  # type: ignore[arg-type]
openai_vtab.connect(nonsense=1)  # type: ignore[call-arg]

try:
    db.execute("SELECT * FROM vector_store_file_batches")
except openai_vtab.APIError as error:
    assert_type(error.status, int | None)
except openai_vtab.WriteError as failed:
    assert_type(failed.done, list[tuple[int, str]])


class Own(sqlite3.Connection):
    """A factory of connections is a type."""


class OwnCursor(sqlite3.Cursor):
    """So is one of cursors."""


con = sqlite3.connect("my.db", timeout=1.0, request_timeout=10.0, isolation_level=None)
assert_type(con, sqlite3.Connection)
assert_type(sqlite3.connect(b"my.db", factory=Own), Own)
assert_type(con.cursor(OwnCursor).execute("SELECT 1"), OwnCursor)
assert_type(con.execute("SELECT ?", (1,)).rowcount, int)
assert_type(con.execute("SELECT :a", {"a": 1}).lastrowid, int | None)
assert_type(sqlite3.SQLITE_OK, int)
assert_type(con.apsw, apsw.Connection)
con.row_factory = sqlite3.Row
con.autocommit = sqlite3.LEGACY_TRANSACTION_CONTROL
con.create_function("half", 1, lambda x: x / 2, deterministic=True)
con.execute("SELECT 1", 42)  # type: ignore[arg-type]
con.execute(b"SELECT 1")  # type: ignore[arg-type]
sqlite3.connect("my.db", autocommit="yes")  # type: ignore[call-overload]
with con, con.blobopen("t", "b", 1) as blob:
    assert_type(blob.read(), bytes)

engine = sqlalchemy.create_engine("sqlite+openai_vtab://", connect_args={"api_key": "sk-…"})
