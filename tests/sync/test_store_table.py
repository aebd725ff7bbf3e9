"""The documents table of a vector store in a database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import apsw
import pytest

from openai_vtab.errors import OperationalError
from openai_vtab.sync.store_table import StoreTable


@pytest.fixture
def db(connect: Callable[..., apsw.Connection]) -> apsw.Connection:
    """A connection to the sandbox."""
    return connect()


def test_table_is_found_by_name_and_by_id(db: apsw.Connection, sandbox: Any) -> None:
    """However the statement is written that has made it. Nothing is asked of the API."""
    db.execute("""CREATE VIRTUAL TABLE a using "vector_store_documents" ( /* x */ "name"='It''s, (mine)' )""")
    db.execute("CREATE VIRTUAL TABLE b USING vector_store_documents(metadata = '{\"a\": \"b\"}', name = 'B')")
    db.execute("CREATE VIRTUAL TABLE c USING vector_store_documents(vector_store_id = 'vs_c')")
    db.execute("CREATE TABLE d (x)")
    assert StoreTable(db, name="It's, (mine)").find() == "a"
    assert StoreTable(db, name="B").find() == "b"
    assert StoreTable(db, vector_store_id="vs_c").find() == "c"
    assert StoreTable(db, name="b").find() is None
    assert list(sandbox.requests) == []


def test_table_that_is_not_the_only_one_raises(db: apsw.Connection) -> None:
    """It is not certain which one the user means."""
    for name in ("a", "b"):
        db.execute(f"CREATE VIRTUAL TABLE {name} USING vector_store_documents(name = 'Handbook')")
    with pytest.raises(OperationalError, match="a, b are tables for the same vector store"):
        StoreTable(db, name="Handbook").find()


def test_table_is_created_with_a_name_that_is_free(db: apsw.Connection) -> None:
    """Quotation marks in the store's name are SQL's."""
    db.execute("CREATE TABLE handbook (x)")
    assert StoreTable(db, name="Handbook").find_or_create() == "handbook_2"
    assert StoreTable(db, name="It's").find_or_create() == "it_s"
    assert StoreTable(db, name="It's").find() == "it_s"


def test_store_of_a_name_must_be_one(db: apsw.Connection, sandbox: Any) -> None:
    """To rebuild from it."""
    sandbox.add_store(name="Twice")
    id = sandbox.add_store(name="Once")
    sandbox.add_store(name="Twice")
    assert StoreTable(db, name="Once").existing_id() == id
    with pytest.raises(OperationalError, match=r"several vector stores have the name \(vs_.*, vs_"):
        StoreTable(db, name="Twice").existing_id()
