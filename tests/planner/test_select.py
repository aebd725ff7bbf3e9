"""Which method serves a query, from the constraints alone; tests of whole queries are in tests/vtable/."""

from __future__ import annotations

from itertools import permutations

import pytest

from openai_vtab.planner import Constraint, ScanKind, choose, missing_columns
from openai_vtab.planner.constraints import EQ, IS, ISNULL, LIMIT
from openai_vtab.planner.select import LEDGER_COST, NOTHING_COST
from openai_vtab.tables import files, vector_store_file_batch_files, vector_store_files
from openai_vtab.tables import vector_store_file_batches as batches

NUMBER = {column.name: number for number, column in enumerate(batches.columns)}
GT = 4


def on(name: str, op: int = EQ, **more: object) -> Constraint:
    return Constraint(NUMBER.get(name, -1), op, **more)  # type: ignore[arg-type]


STORE, BATCH, ID = on("vector_store_id"), on("batch_id"), on("id")


@pytest.mark.parametrize("constraints", list(permutations([STORE, BATCH, on("status"), on("created_at", GT)])))
def test_plan_takes_both_keys_in_any_order(constraints: tuple[Constraint, ...]) -> None:
    """argv is in the order of the path, and points into the list as SQLite gave it."""
    plan = choose(batches, constraints)
    assert (plan.idxNum, plan.idxStr, plan.unique, plan.rows) == (ScanKind.METHOD, "vector_store_id,batch_id", True, 1)
    assert [constraints[position] for position in plan.argv] == [STORE, BATCH]


@pytest.mark.parametrize("key", [ID, BATCH, on("id", IS)])
def test_plan_takes_id_and_batch_id_as_one_key(key: Constraint) -> None:
    """Whichever is written."""
    assert choose(batches, [key, STORE]).argv == (1, 0)


def test_plan_prefers_equality_to_in() -> None:
    """IN would be the whole list for each row."""
    listed = on("batch_id", many=True)
    for constraints in ([STORE, listed, ID], [STORE, ID, listed]):
        assert constraints[choose(batches, constraints).argv[1]] is ID


def test_plan_costs_a_list_more_than_one_key() -> None:
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
def test_plan_counts_unusable_constraints_as_missing(key: Constraint) -> None:
    """A plan that nobody wants and that raises when it is run."""
    plan = choose(batches, [STORE, key])
    assert (plan.idxNum, plan.argv, plan.cost) == (ScanKind.NOTHING, (), NOTHING_COST)
    error = missing_columns(batches, plan.plan)
    assert str(error).startswith("vector_store_file_batches needs vector_store_id = … AND batch_id = … (or IN)")
    assert "missing: batch_id" in str(error)
    assert ("its value is not known" in str(error)) == (not key.usable)


def test_plan_without_a_batch_says_that_a_ledger_has_a_list() -> None:
    """For both tables that need the batch, and not for one that lacks the vector store alone."""
    advice = (
        "; the API has no list of vector_store_file_batches, but a ledger has: CREATE VIRTUAL TABLE my_batches USING"
    )
    for table in (batches, vector_store_file_batch_files):
        number = next(n for n, column in enumerate(table.columns) if column.name == "vector_store_id")
        error = str(missing_columns(table, choose(table, [Constraint(number, EQ)]).plan))
        assert error.endswith(f"missing: batch_id{advice} vector_store_file_batches")
    assert advice not in str(missing_columns(vector_store_files, choose(vector_store_files, []).plan))


def test_plan_takes_the_rowid_alone() -> None:
    """As in WHERE rowid = last_insert_rowid(); the keys are taken before it."""
    rowid = on("rowid")
    plan = choose(batches, [on("status"), rowid])
    assert (plan.idxNum, plan.idxStr, plan.argv, plan.unique) == (ScanKind.BY_ROWID, "rowid", (1,), True)
    assert choose(batches, [rowid, STORE, BATCH]).idxNum == ScanKind.METHOD


def test_plan_compares_the_rowid_with_bounds_itself() -> None:
    """The first of each operator; SQLite compares the rest, and LIMIT stays with SQLite."""
    low, high = on("rowid", 32), on("rowid", 8)
    listed = choose(files, [low, high, low, Constraint(-1, LIMIT)])
    assert (listed.idxStr, listed.argv, listed.omit) == ("rowid>=,rowid<=", (0, 1), (0, 1))
    looked_up = choose(batches, [BATCH, on("rowid", GT), STORE])
    assert (looked_up.idxStr, looked_up.argv) == ("vector_store_id,batch_id,rowid>", (2, 0, 1))
    assert choose(batches, [on("rowid", GT)], ledger=True).idxStr == "rowid>"
    assert choose(batches, [on("rowid", GT)]).idxNum == ScanKind.NOTHING
    assert choose(files, [on("rowid", GT, usable=False)]).argv == ()


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
def test_plan_lists_a_ledger_when_a_key_is_missing(constraints: list[Constraint], narrowed: str) -> None:
    """Narrowed by the keys that are there; dearer than any number of requests, and cheaper than nothing."""
    plan = choose(batches, constraints, ledger=True, used=numbers("status"))
    assert (plan.idxNum, plan.idxStr) == (ScanKind.LEDGER_REFRESHED, narrowed)
    assert len(plan.argv) == bool(narrowed)
    assert choose(batches, [on("vector_store_id", many=True), on("id", many=True)]).cost < LEDGER_COST
    assert LEDGER_COST <= plan.cost < NOTHING_COST
    assert not plan.unique


def test_plan_looks_a_ledger_up_by_both_keys_or_the_rowid() -> None:
    """As without one."""
    assert choose(batches, [STORE, BATCH], ledger=True) == choose(batches, [STORE, BATCH])
    assert choose(batches, [on("rowid")], ledger=True) == choose(batches, [on("rowid")])
    assert choose(batches, [STORE, on("rowid")], ledger=True).idxNum == ScanKind.BY_ROWID


def test_plan_reads_a_listing_from_the_cache() -> None:
    """Unless the query says how to read."""
    used = numbers("id", "vector_store_id", "file_ids")
    assert choose(batches, [STORE], ledger=True, used=used).idxNum == ScanKind.LEDGER_ONLY
    assert choose(batches, [], ledger=True).idxNum == ScanKind.LEDGER_ONLY
    steered = choose(batches, [on("refresh"), STORE, on("wait_seconds")], ledger=True, used=used)
    assert (steered.idxNum, steered.idxStr, steered.argv) == (
        ScanKind.LEDGER_REFRESHED,
        "vector_store_id,refresh,wait_seconds",
        (1, 0, 2),
    )
    options = numbers("refresh", "wait_seconds", "status")
    steered = choose(batches, [on("refresh"), on("wait_seconds")], ledger=True, used=options)
    assert steered.idxStr == "refresh,wait_seconds", "an option is in no response"
    unusable = choose(batches, [on("refresh", usable=False)], ledger=True)
    assert (unusable.idxNum, unusable.idxStr) == (ScanKind.NOTHING, "cannot use refresh")


@pytest.mark.parametrize("column", batches.columns, ids=lambda column: column.name)
def test_plan_knows_which_columns_need_a_request(column: object) -> None:
    """All but the keys and what was sent; SQLite's number for "the 64th and all after it" is none of ours."""
    name = column.name  # type: ignore[attr-defined]
    own = {"id", "batch_id", "vector_store_id"}
    own |= {prefix + n for prefix in ("", "data__") for n in ("file_ids", "files", "chunking_strategy", "attributes")}
    plan = choose(batches, [], ledger=True, used=numbers(name, "id")).plan
    assert plan.kind == (ScanKind.LEDGER_ONLY if name in own else ScanKind.LEDGER_REFRESHED)
    assert plan.responses == (name not in own | {"status"})
    assert choose(batches, [], ledger=True, used={63}).plan.kind == ScanKind.LEDGER_ONLY
