"""IN lists: an empty one returns no row and sends nothing, and a long one is looked up concurrently.

Each test runs with whole lists and with one Filter call for each value. Only the second way is run on a release of APSW
that is not known to take whole lists: an empty one would end the process.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from openai_vtab.vtable import best_index

from ..support.meeting import meeting

T = "vector_store_file_batches"
KEYS = f"{T} WHERE vector_store_id = 'vs_demo' AND batch_id IN"
SETUP = Path(__file__).parents[2] / "setup.py"
EMPTY = [
    "(SELECT b FROM d WHERE n < 0)",
    "(SELECT b FROM empty)",
    "empty",
    "(SELECT value FROM json_each('[]'))",
    "(SELECT b FROM d LIMIT 0)",
    "(SELECT b FROM empty UNION SELECT b FROM empty)",
    "(SELECT NULL WHERE 0)",
    "(NULL)",
    "()",
]
READ = [
    "SELECT id FROM vector_stores WHERE id IN {}",
    "SELECT id FROM files WHERE id IN {}",
    "SELECT id FROM vector_stores WHERE rowid IN {}",
    "SELECT id FROM vector_store_files WHERE vector_store_id IN {}",
    "SELECT id FROM vector_store_files WHERE vector_store_id = 'vs_demo' AND id IN {}",
    "SELECT score FROM vector_store_search WHERE vector_store_id IN {} AND query = 'x'",
    f"SELECT id FROM {KEYS} {{}}",
    f"SELECT id FROM {T} WHERE vector_store_id IN {{0}} AND batch_id IN {{0}}",
    f"SELECT id FROM {T} WHERE rowid IN {{}}",
    f"SELECT b.id FROM d JOIN {T} AS b ON b.vector_store_id = 'vs_demo' AND b.batch_id = d.b AND b.batch_id IN {{}}",
    "SELECT id FROM my_batches WHERE vector_store_id = 'vs_demo' AND batch_id IN {}",
    "SELECT id FROM my_batches WHERE vector_store_id IN {}",
    "SELECT id FROM my_batches WHERE rowid IN {}",
    "SELECT verb FROM openai_tables WHERE table_name IN {}",
    "SELECT number FROM openai_requests WHERE number IN {}",
]
WRITE = [
    "UPDATE vector_stores SET name = 'x' WHERE id IN {}",
    f"UPDATE {T} SET status = 'cancelled' WHERE vector_store_id = 'vs_demo' AND batch_id IN {{}}",
    f"UPDATE {T} SET status = 'cancelled' WHERE rowid IN {{}}",
    "UPDATE my_batches SET status = 'cancelled' WHERE vector_store_id = 'vs_demo' AND batch_id IN {}",
    "UPDATE my_batches SET status = 'cancelled' WHERE rowid IN {}",
    "DELETE FROM vector_stores WHERE id IN {}",
    "DELETE FROM files WHERE id IN {}",
    "DELETE FROM vector_store_files WHERE vector_store_id = 'vs_demo' AND id IN {}",
    "DELETE FROM my_batches WHERE vector_store_id = 'vs_demo' AND batch_id IN {}",
    "DELETE FROM my_batches WHERE rowid IN {}",
]
Requests = Callable[[], list[str]]


@pytest.fixture(params=[True, False] if best_index.TAKES_WHOLE_LISTS else [False], ids=lambda whole: f"whole={whole}")
def whole(request: Any, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether Filter is given whole lists."""
    monkeypatch.setattr(best_index, "TAKES_WHOLE_LISTS", request.param)
    return bool(request.param)


@pytest.fixture
def db(whole: bool, db: apsw.Connection, requests: Requests) -> apsw.Connection:
    """A connection with a ledger of one batch, the table `d` that names a batch, and an empty table."""
    db.execute(f"CREATE VIRTUAL TABLE my_batches USING {T}")
    db.execute("INSERT INTO my_batches (id, vector_store_id) VALUES ('vsfb_demo_finished', 'vs_demo')")
    db.execute("CREATE TABLE d (n INTEGER, b TEXT); INSERT INTO d VALUES (1, 'vsfb_demo_finished')")
    db.execute("CREATE TABLE empty (b TEXT)")
    requests()
    return db


@pytest.mark.parametrize("sql", READ)
def test_in_list_without_values_returns_no_row(db: apsw.Connection, requests: Requests, sql: str) -> None:
    """As in an ordinary table: no row, no error, and nothing is asked of the API."""
    for values in EMPTY:
        assert db.execute(sql.format(values)).fetchall() == [], values
        assert requests() == [], values


@pytest.mark.parametrize("sql", WRITE)
def test_in_list_without_values_changes_nothing(db: apsw.Connection, requests: Requests, sql: str) -> None:
    """UPDATE and DELETE of no row send nothing, and the ledger keeps what it lists."""
    for values in EMPTY:
        db.execute(sql.format(values))
        assert db.changes() == 0, values
        assert requests() == [], values
    assert db.execute("SELECT id FROM my_batches").fetchall() == [("vsfb_demo_finished",)]


def test_in_list_without_values_keeps_the_rows_of_a_left_join(db: apsw.Connection, requests: Requests) -> None:
    """The right-hand side is NULL."""
    sql = "SELECT d.n, v.id FROM d LEFT JOIN vector_stores AS v ON v.id = 'vs_demo' AND v.id IN (SELECT b FROM empty)"
    assert db.execute(sql).fetchall() == [(1, None)]
    assert requests() in ([], ["GET /vector_stores/vs_demo"])


@pytest.mark.sample(3)
@pytest.mark.parametrize("form", ["list", "subquery", "json_each"])
def test_in_list_of_many_values_is_concurrent(db: apsw.Connection, sandbox: Any, requests: Requests, form: str) -> None:
    """Forty keys: each is asked for once, several at a time."""
    ids = [f"vsfb_{number:03}" for number in range(40)]
    for id in ids:
        sandbox.add_batch("vs_demo", ["file-demo-01"], id=id)
    text = ", ".join(f"'{id}'" for id in ids)
    values = {
        "list": f"({text})",
        "subquery": f"(SELECT column1 FROM (VALUES {text.replace(', ', '), (').join('()')}))",
        "json_each": "(SELECT value FROM json_each('[" + text.replace("'", '"') + "]'))",
    }
    sandbox.reset_counters()
    with meeting(sandbox, 16, path="vsfb_0[23]"):  # if SQLite gives the values one by one, after 20 of them
        rows = db.execute(f"SELECT id FROM {KEYS} {values[form]}").fetchall()
    assert sorted(rows) == [(id,) for id in ids]
    assert sorted(requests()) == [f"GET /vector_stores/vs_demo/file_batches/{id}" for id in ids]
    assert sandbox.max_in_flight == 16


def test_in_list_of_changed_rows(db: apsw.Connection, sandbox: Any) -> None:
    """UPDATE and DELETE change the rows that are named, and no others."""
    stores = [sandbox.add_store(name="old") for _ in range(4)]
    db.execute("DELETE FROM empty")
    db.cursor().executemany("INSERT INTO empty VALUES (?)", [(store,) for store in stores[:3]])
    db.execute("UPDATE vector_stores SET name = 'new' WHERE id IN (SELECT b FROM empty)")
    db.execute("DELETE FROM vector_stores WHERE id IN (?, ?)", stores[2:])
    found = db.execute(
        "SELECT id, name FROM vector_stores WHERE id IN (SELECT value FROM json_each(?))",
        (str(stores).replace("'", '"'),),
    )
    assert sorted(found.fetchall()) == sorted((store, "new") for store in stores[:2])


def test_in_list_is_whole_only_where_the_requirement_is_verified() -> None:
    """The first unverified release is the same in setup.py, so that pip does not install what the guard is for."""
    bound = re.search(r'"apsw>=[\d.]+,<([\d.]+)"', SETUP.read_text(encoding="utf-8"))
    assert bound is not None
    assert tuple(map(int, bound[1].split("."))) == best_index.UNVERIFIED_APSW
    installed = tuple(map(int, apsw.apsw_version().split(".")[:2]))
    assert (installed < best_index.UNVERIFIED_APSW) == best_index.TAKES_WHOLE_LISTS
