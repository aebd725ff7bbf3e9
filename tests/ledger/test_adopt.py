"""Adopting: an INSERT of an id that exists looks the batch up and lists it."""

from __future__ import annotations

from typing import Any

import apsw
import pytest

import openai_vtab

from .batches import FAILURES, FINISHED, MODULE, RUNNING, Requests, adopt, listed

DEMO = "/vector_stores/vs_demo/file_batches/"


def test_adopt_looks_the_batch_up(db: apsw.Connection, requests: Requests) -> None:
    """One GET at the end of the statement; id and batch_id are one column."""
    adopt(db, FINISHED)
    db.execute(f"INSERT INTO my_batches (batch_id, vector_store_id) VALUES ('{RUNNING}', 'vs_demo')")
    assert db.last_insert_rowid() == 2
    assert requests() == [f"GET {DEMO}{FINISHED}", f"GET {DEMO}{RUNNING}"]
    assert db.execute("SELECT rowid, id, status FROM my_batches").fetchall() == [
        (1, FINISHED, "completed"),
        (2, RUNNING, "in_progress"),
    ]
    assert requests() == [f"GET {DEMO}{RUNNING}"]


def test_adopt_of_an_absent_batch_raises(db: apsw.Connection, requests: Requests) -> None:
    """Which says what is missing; nothing stays."""
    with pytest.raises(
        openai_vtab.RowError, match="my_batches: the API has none with vector_store_id = 'vs_demo' AND id"
    ):
        adopt(db, "vsfb_none")
    assert requests() == [f"GET {DEMO}vsfb_none"]
    assert listed(db) == []


def test_adopt_twice_raises_without_a_request(filled: apsw.Connection, requests: Requests) -> None:
    """Also of one that was created or looked up, and within one statement."""
    for id in listed(filled):
        with pytest.raises(openai_vtab.RowError, match="is in the ledger already; leave it out, or DELETE it first"):
            adopt(filled, str(id))
    with pytest.raises(openai_vtab.RowError, match="is in the ledger already"):
        filled.execute(
            f"INSERT INTO my_batches (id, vector_store_id) VALUES ('{FAILURES}', 'vs_demo'), ('{FAILURES}', 'vs_demo')"
        )
    assert requests() == []
    assert len(listed(filled)) == 3


@pytest.mark.parametrize(
    ("id", "store", "sentence"),
    [
        (5, "vs_demo", "id: 5 is not an id"),
        ("..", "vs_demo", "id: '..' is not an id"),
        (RUNNING, "vs demo", "vector_store_id: 'vs demo' contains white space"),
        (RUNNING, b"vs_demo", "vector_store_id: a BLOB of 7 bytes is not an id"),
        (None, "vs_demo", "file_ids is missing or NULL"),
        (RUNNING, None, "id comes from the API and cannot be inserted; give only vector_store_id, file_ids, files, "),
        (RUNNING, None, "; a ledger also takes (vector_store_id, id) of one that exists"),
    ],
)
def test_adopt_refuses_wrong_values_without_a_request(
    db: apsw.Connection, requests: Requests, id: Any, store: Any, sentence: str
) -> None:
    """Each refused by name."""
    with pytest.raises(openai_vtab.RowError) as caught:
        adopt(db, id, store)
    assert sentence in str(caught.value)
    assert requests() == []


def test_adopt_needs_a_created_table(db: apsw.Connection, requests: Requests) -> None:
    """It has no ledger."""
    with pytest.raises(openai_vtab.RowError, match="id comes from the API and cannot be inserted"):
        adopt(db, RUNNING, name=MODULE)
    assert requests() == []


def test_adopt_belongs_to_the_transaction(db: apsw.Connection, requests: Requests) -> None:
    """ROLLBACK sends nothing; an unknown one beside a create fails both."""
    db.execute("BEGIN")
    adopt(db, FINISHED)
    db.execute("ROLLBACK")
    assert requests() == []
    db.execute("BEGIN")
    adopt(db, FINISHED)
    assert db.execute("SELECT id, status FROM my_batches").fetchall() == [(FINISHED, "completed")]
    assert requests() == [f"GET {DEMO}{FINISHED}"]
    db.execute("ROLLBACK")
    assert listed(db) == []
    db.execute("BEGIN")
    adopt(db, FINISHED)
    adopt(db, "vsfb_none")
    with pytest.raises(openai_vtab.RowError):
        db.execute("COMMIT")
    assert listed(db) == []


def test_adopt_of_many_with_a_missing_one_adopts_none(connect: Any, sandbox: Any) -> None:
    """The statement is whole or not at all; nothing was created, so nothing is done."""
    db = connect(max_concurrency=1)
    db.execute(f"CREATE VIRTUAL TABLE my_batches USING {MODULE}")
    with pytest.raises((openai_vtab.RowError, openai_vtab.WriteError), match="the API has none"):
        db.execute(
            f"INSERT INTO my_batches (id, vector_store_id) VALUES ('{FINISHED}', 'vs_demo'), ('vsfb_none', 'vs_demo'), ('{RUNNING}', 'vs_demo')"
        )
    assert listed(db) == []
