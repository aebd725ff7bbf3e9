"""Errors: APSW's as PEP 249's, and those of the tables."""

from __future__ import annotations

import pickle
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab import dbapi
from openai_vtab.dbapi.exceptions import PEP249_CLASSES

T = "vector_store_file_batches"
SELECT = f"SELECT status FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = ?"


def test_exceptions_of_apsw_are_all_mapped() -> None:
    """A new exception of APSW must be added to the table."""
    theirs = {cls for cls in vars(apsw).values() if isinstance(cls, type) and issubclass(cls, apsw.Error)}
    assert set(PEP249_CLASSES) == theirs


def test_exceptions_are_shared_with_the_package() -> None:
    """dbapi, openai_vtab and Connection have the same classes."""
    for name in ("Error", "OperationalError", "IntegrityError", "NotSupportedError", "Warning"):
        assert getattr(dbapi, name) is getattr(openai_vtab, name) is getattr(dbapi.Connection, name)


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        (f"SELECT * FROM {T}", dbapi.ProgrammingError),
        (f"INSERT INTO {T} (vector_store_id, file_ids) VALUES ('vs_demo', '[]')", dbapi.IntegrityError),
        (
            f"DELETE FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_finished'",
            dbapi.NotSupportedError,
        ),
        (f"INSERT OR IGNORE INTO {T} (vector_store_id, file_ids) VALUES ('v', '[\"f\"]')", dbapi.NotSupportedError),
    ],
    ids=["no keys", "wrong row", "no such write", "conflict clause"],
)
def test_exceptions_of_the_tables_are_pep_249s(con: dbapi.Connection, sql: str, error: type[Exception]) -> None:
    """The tables raise the classes of PEP 249."""
    with pytest.raises(error):
        con.execute(sql)


def test_exceptions_of_the_api_hold_no_key(sandbox: Any) -> None:
    """An API failure is an OperationalError, without the key in its text, attributes or pickle."""
    con = dbapi.connect(":memory:", base_url=sandbox.base_url, api_key="sk-wrong-key")
    with pytest.raises(dbapi.OperationalError) as caught:
        con.execute(SELECT, ("vsfb_demo_finished",))
    assert isinstance(caught.value, openai_vtab.APIError)
    assert caught.value.status == 401
    assert b"sk-wrong-key" not in pickle.dumps(caught.value)
    assert "sk-wrong-key" not in f"{caught.value!r} {vars(caught.value)} {con!r}"
    con.close()
