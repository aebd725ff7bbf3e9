"""Which method serves a query, from the constraints alone; tests of whole queries are in test_sql.py."""

from __future__ import annotations

from itertools import permutations

import pytest

from openai_vtab.errors import RowError, UnsupportedWriteError
from openai_vtab.plan import (
    BY_ROWID,
    EQ,
    FIRST_METHOD,
    IS,
    NOTHING,
    NOTHING_COST,
    Constraint,
    choose,
    delete,
    insert,
    missing_columns,
    update,
)
from openai_vtab.tables import vector_store_file_batches as batches
from openai_vtab.values import Limits

NUMBER = {column.name: number for number, column in enumerate(batches.columns)}
GT = 4


def on(name: str, op: int = EQ, **more: object) -> Constraint:
    return Constraint(NUMBER.get(name, -1), op, **more)  # type: ignore[arg-type]


STORE, BATCH, ID = on("vector_store_id"), on("batch_id"), on("id")


@pytest.mark.parametrize("constraints", list(permutations([STORE, BATCH, on("status"), on("created_at", GT)])))
def test_both_keys_in_any_order(constraints: tuple[Constraint, ...]) -> None:
    """argv is in the order of the path, and points into the list as SQLite gave it."""
    plan = choose(batches, constraints)
    assert (plan.idxNum, plan.idxStr, plan.unique, plan.rows) == (FIRST_METHOD, "vector_store_id,batch_id", True, 1)
    assert [constraints[position] for position in plan.argv] == [STORE, BATCH]


@pytest.mark.parametrize("key", [ID, BATCH, on("id", IS)])
def test_id_and_batch_id_are_one_key(key: Constraint) -> None:
    """Whichever is written."""
    assert choose(batches, [key, STORE]).argv == (1, 0)


def test_equality_is_taken_before_in() -> None:
    """IN would be the whole list for each row."""
    listed = on("batch_id", many=True)
    for constraints in ([STORE, listed, ID], [STORE, ID, listed]):
        assert constraints[choose(batches, constraints).argv[1]] is ID


def test_a_list_costs_more_than_one() -> None:
    """So that SQLite counts requests."""
    one = choose(batches, [STORE, BATCH])
    listed = choose(batches, [STORE, on("batch_id", many=True)])
    both = choose(batches, [on("vector_store_id", many=True), on("batch_id", many=True)])
    assert one.cost < listed.cost < both.cost < NOTHING_COST
    assert not listed.unique


@pytest.mark.parametrize(
    "key",
    [on("batch_id", GT), on("batch_id", collation="NOCASE"), on("batch_id", usable=False), on("status")],
    ids=["another operator", "another collation", "not usable", "another column"],
)
def test_what_cannot_be_pushed_is_missing(key: Constraint) -> None:
    """A plan that nobody wants and that raises when it is run."""
    plan = choose(batches, [STORE, key])
    assert (plan.idxNum, plan.argv, plan.cost) == (NOTHING, (), NOTHING_COST)
    error = missing_columns(batches, plan.idxStr)
    assert str(error).startswith("vector_store_file_batches needs vector_store_id = … AND batch_id = … (or IN)")
    assert "missing: batch_id" in str(error)
    assert ("its value is not known" in str(error)) == (not key.usable)


def test_the_rowid_serves_alone() -> None:
    """As in WHERE rowid = last_insert_rowid(); the keys are taken before it."""
    rowid = on("rowid")
    plan = choose(batches, [on("status"), rowid])
    assert (plan.idxNum, plan.idxStr, plan.argv, plan.unique) == (BY_ROWID, "rowid", (1,), True)
    assert choose(batches, [rowid, STORE, BATCH]).idxNum == FIRST_METHOD


def test_insert_chooses_by_what_is_given() -> None:
    """file_ids or files; StackQL's names are the same columns."""
    method, parameters = insert(batches, {"vector_store_id": "vs_1", "data__files": '[{"file_id": "a"}]'}, Limits())
    assert method.required == ("files",)
    assert parameters == {"vector_store_id": "vs_1", "files": [{"file_id": "a"}]}


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (
            {"file_ids": '["a"]'},
            "vector_store_file_batches.vector_store_id: it is missing or NULL; write vector_store_id and file_ids or vector_store_id and files",
        ),
        ({"vector_store_id": "vs"}, "vector_store_file_batches.file_ids: it is missing or NULL"),
        (
            {"vector_store_id": "vs", "file_ids": '["a"]', "data__file_ids": '["a"]'},
            "data__file_ids: it is the same as file_ids",
        ),
        (
            {"vector_store_id": "vs", "file_ids": '["a"]', "files": "[]"},
            "files: it cannot be given together with file_ids",
        ),
        (
            {"vector_store_id": "vs", "file_ids": '["a"]', "status": "x"},
            "status: it comes from the API and cannot be inserted",
        ),
        ({"vector_store_id": "vs", "file_ids": "[1]"}, "vector_store_file_batches.file_ids: item 0 is 1"),
    ],
)
def test_insert_refuses(given: dict[str, str], problem: str) -> None:
    """With the table, the column and what to write."""
    with pytest.raises(RowError) as caught:
        insert(batches, given, Limits())
    assert problem in str(caught.value)


def test_update_and_delete() -> None:
    """The one UPDATE there is, and sentences for everything else."""
    method, sent = update(batches, {"status": "cancelled"}, Limits())
    assert method.route.endswith("/cancel")
    assert sent == {}
    for changed in ({"status": "completed"}, {"status": "cancelled", "object": "x"}, {"object": "x"}, {}):
        with pytest.raises(UnsupportedWriteError, match="an UPDATE can only SET status = 'cancelled'"):
            update(batches, changed, Limits())
    with pytest.raises(
        UnsupportedWriteError, match=r"no way to DELETE; UPDATE .* SET status = 'cancelled' is possible"
    ):
        delete(batches)
