"""Which method serves a query, from the constraints alone; tests of whole queries are in test_sql.py."""

from __future__ import annotations

from itertools import permutations

import pytest

from openai_vtab.errors import RowError, UnsupportedWriteError
from openai_vtab.planner import (
    BY_ROWID,
    FIRST_METHOD,
    LISTED,
    NOTHING,
    REMEMBERED,
    Constraint,
    adopted,
    choose,
    delete,
    insert,
    missing_columns,
    update,
)
from openai_vtab.planner.constraints import EQ, IS, ISNULL
from openai_vtab.planner.select import LISTED_COST, NOTHING_COST, asks
from openai_vtab.schema.validators import Limits
from openai_vtab.tables import vector_store_file_batches as batches

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


def numbers(*names: str) -> set[int]:
    return {NUMBER[name] for name in names}


@pytest.mark.parametrize(
    ("constraints", "narrowed"),
    [
        ([], ""),
        ([STORE], "vector_store_id"),
        ([on("vector_store_id", many=True)], "vector_store_id"),
        ([BATCH], "batch_id"),
        ([ID, on("status")], "id"),
        ([on("status"), on("created_at", GT)], ""),
        ([on("vector_store_id", GT), on("id", collation="NOCASE")], ""),
        ([on("id", ISNULL)], ""),
        ([on("id", IS)], ""),
        ([STORE, on("id", ISNULL)], "vector_store_id"),
        ([on("vector_store_id", usable=False), BATCH], "batch_id"),
    ],
)
def test_a_ledger_is_listed_when_a_key_is_missing(constraints: list[Constraint], narrowed: str) -> None:
    """Narrowed by the keys that are there; dearer than any number of requests, and cheaper than nothing."""
    plan = choose(batches, constraints, ledger=True, used=numbers("status"))
    assert (plan.idxNum, plan.idxStr) == (LISTED, narrowed)
    assert len(plan.argv) == bool(narrowed)
    assert choose(batches, [on("vector_store_id", many=True), on("id", many=True)]).cost < LISTED_COST
    assert LISTED_COST <= plan.cost < NOTHING_COST
    assert not plan.unique


def test_a_ledger_is_looked_up_by_both_keys_or_the_rowid() -> None:
    """As without one."""
    assert choose(batches, [STORE, BATCH], ledger=True) == choose(batches, [STORE, BATCH])
    assert choose(batches, [on("rowid")], ledger=True) == choose(batches, [on("rowid")])
    assert choose(batches, [STORE, on("rowid")], ledger=True).idxNum == BY_ROWID


def test_a_listing_that_needs_nothing_of_the_api_is_remembered() -> None:
    """Unless the query says how to read."""
    used = numbers("id", "vector_store_id", "file_ids")
    assert choose(batches, [STORE], ledger=True, used=used).idxNum == REMEMBERED
    assert choose(batches, [], ledger=True).idxNum == REMEMBERED
    steered = choose(batches, [on("refresh"), STORE, on("wait_seconds")], ledger=True, used=used)
    assert (steered.idxNum, steered.idxStr, steered.argv) == (LISTED, "vector_store_id,refresh,wait_seconds", (1, 0, 2))
    unusable = choose(batches, [on("refresh", usable=False)], ledger=True)
    assert (unusable.idxNum, unusable.idxStr) == (NOTHING, "cannot use refresh")


@pytest.mark.parametrize("column", batches.columns, ids=lambda column: column.name)
def test_which_columns_the_api_must_be_asked_for(column: object) -> None:
    """All but the keys and what was sent; SQLite's number for "the 64th and all after it" is none of ours."""
    name = column.name  # type: ignore[attr-defined]
    own = {"id", "batch_id", "vector_store_id"}
    own |= {prefix + n for prefix in ("", "data__") for n in ("file_ids", "files", "chunking_strategy", "attributes")}
    assert asks(batches, numbers(name)) == (name not in own)
    assert not asks(batches, {63})
    assert not asks(batches, ())


def test_adopted() -> None:
    """The keys alone, by either name, and in the order of the path."""
    expected = {"vector_store_id": "vs_1", "id": "vsfb_1"}
    for name in ("id", "batch_id"):
        keys = adopted(batches, {name: "vsfb_1", "vector_store_id": "vs_1"}, Limits())
        assert keys == expected
        assert list(keys) == ["vector_store_id", "id"]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"id": "vsfb_1"},
        {"vector_store_id": "vs_1"},
        {"id": "vsfb_1", "batch_id": "vsfb_1"},
        {"id": "vsfb_1", "batch_id": "vsfb_1", "vector_store_id": "vs_1"},
        {"id": "vsfb_1", "vector_store_id": "vs_1", "file_ids": '["a"]'},
        {"id": "vsfb_1", "vector_store_id": "vs_1", "status": "completed"},
    ],
)
def test_anything_else_is_not_adopted(given: dict[str, str]) -> None:
    """It is a create, or refused as one."""
    assert adopted(batches, given, Limits()) is None


@pytest.mark.parametrize(
    ("value", "problem"),
    [(7, "7 is not an id"), ("..", "'..' is not an id"), (b"x", "a BLOB"), ("a b", "contains white space")],
)
def test_adopting_refuses(value: object, problem: str) -> None:
    """With the table and the column."""
    with pytest.raises(RowError, match=f"vector_store_file_batches.batch_id: .*{problem}"):
        adopted(batches, {"batch_id": value, "vector_store_id": "vs_1"}, Limits())  # type: ignore[dict-item]
