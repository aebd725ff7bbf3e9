"""ORDER BY over lists: what the API sorts, and what SQLite sorts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.sandbox import Answer

from .lists import List, every, page, plan

pytestmark = pytest.mark.usefixtures("many")

Requests = Callable[[], list[str]]


@every
@pytest.mark.parametrize("direction", ["ASC", "DESC"])
def test_order_of_the_api_is_not_sorted_again(
    db: apsw.Connection, requests: Requests, it: List, direction: str
) -> None:
    """The plan says which way, and has no sorter."""
    sql = it.sql("created_at", f"ORDER BY created_at {direction}")
    assert "TEMP B-TREE" not in plan(db, sql)
    assert plan(db, sql).endswith(f" {direction.lower()}")
    found = [at for (at,) in db.execute(sql)]
    assert found == sorted(found, reverse=direction == "DESC")
    assert all(f"order={direction.lower()}" in request for request in requests())


@every
@pytest.mark.parametrize("order", ["+created_at", "id", "created_at, id", "created_at COLLATE NOCASE DESC, id"])
def test_order_by_other_columns_is_sorted_by_sqlite(db: apsw.Connection, it: List, order: str) -> None:
    """The list is read as it comes."""
    assert "TEMP B-TREE" in plan(db, it.sql("id", f"ORDER BY {order}"))


def test_order_of_several_lists_is_sorted_by_sqlite(db: apsw.Connection, sandbox: Any) -> None:
    """Each has its order, together they have none."""
    for direction in ("ASC", "DESC"):
        where = "vector_store_id IN ('vs_demo', 'vs_many', 'vs_archive')"
        sql = f"SELECT created_at FROM vector_store_files WHERE {where} ORDER BY created_at {direction}"
        assert "TEMP B-TREE" in plan(db, sql)
        found = [at for (at,) in db.execute(sql)]
        assert found == sorted(found, reverse=direction == "DESC")


def test_order_of_an_outer_list_is_kept_in_a_join(db: apsw.Connection) -> None:
    """Whatever SQLite takes for sorted is sorted."""
    db.execute("CREATE TABLE few (x); INSERT INTO few VALUES (1), (2), (3)")
    for sql in (
        "SELECT created_at FROM vector_stores, few ORDER BY created_at",
        "SELECT f.created_at FROM few, vector_store_files AS f WHERE vector_store_id = 'vs_many' ORDER BY f.created_at DESC",
        "SELECT f.created_at FROM few CROSS JOIN vector_store_files AS f WHERE vector_store_id = 'vs_many' ORDER BY f.created_at DESC",
        "SELECT f.created_at FROM vector_stores AS v JOIN vector_store_files AS f ON f.vector_store_id = v.id AND v.name <> 'x' ORDER BY f.created_at",
        "SELECT DISTINCT created_at FROM vector_stores ORDER BY created_at DESC",
        "SELECT created_at, count(*) FROM vector_stores GROUP BY created_at ORDER BY created_at DESC",
        "SELECT max(created_at) FROM vector_stores GROUP BY created_at",
    ):
        found = [row[0] for row in db.execute(sql)]
        assert found == sorted(found, reverse="DESC" in sql), sql


@every
def test_order_that_the_server_ignores_raises(db: apsw.Connection, sandbox: Any, it: List) -> None:
    """SQLite has been promised the order; the sentence says how to have it sorted, which then works."""
    items = [{"id": f"x{at}", "object": "x", "created_at": at} for at in (3, 1, 2)]
    sandbox.inject(Answer(page(items)), times=2, path=it.path)
    with pytest.raises(
        openai_vtab.OperationalError, match=f"{it.table}: the server's list is not in the order of"
    ) as caught:
        db.execute(it.sql("id", "ORDER BY created_at DESC")).fetchall()
    assert "write ORDER BY +created_at" in str(caught.value)
    assert db.execute(it.sql("id", "ORDER BY +created_at DESC")).fetchall() == [("x3",), ("x2",), ("x1",)]


@every
def test_order_within_one_second_is_free(db: apsw.Connection, sandbox: Any, it: List) -> None:
    """Equal is in order."""
    items = [{"id": name, "object": "x", "created_at": 7} for name in "bac"]
    sandbox.inject(Answer(page(items)), times=2, path=it.path)
    for direction in ("ASC", "DESC"):
        assert len(db.execute(it.sql("id", f"ORDER BY created_at {direction}")).fetchall()) == 3
