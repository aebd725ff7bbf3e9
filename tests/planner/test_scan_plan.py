"""The contract between planner and scan: every plan comes back from the number and the text that SQLite carries."""

from __future__ import annotations

from itertools import combinations, product

import pytest

from openai_vtab import planner
from openai_vtab.planner import Constraint, ScanKind, ScanPlan, choose
from openai_vtab.planner.constraints import EQ, ISNULL, LIMIT, OFFSET
from openai_vtab.schema.table import Table
from openai_vtab.tables import TABLES

# each row of the table in scan_plan.py: a plan, and what SQLite carries of it
PLANS = [
    (ScanPlan(ScanKind.NOTHING, columns=("vector_store_id", "id")), 0, "needs vector_store_id,id"),
    (ScanPlan(ScanKind.NOTHING, columns=("refresh",), unusable=True), 0, "cannot use refresh"),
    (ScanPlan(ScanKind.BY_ROWID, columns=("rowid",)), 1, "rowid"),
    (ScanPlan(ScanKind.BY_ROWID, columns=("rowid", "wait_seconds")), 1, "rowid,wait_seconds"),
    (ScanPlan(ScanKind.LEDGER_REFRESHED), 2, ""),
    (ScanPlan(ScanKind.LEDGER_REFRESHED, columns=("batch_id", "refresh")), 2, "batch_id,refresh"),
    (ScanPlan(ScanKind.LEDGER_REFRESHED, columns=("vector_store_id",), responses=True), 2, "vector_store_id responses"),
    (ScanPlan(ScanKind.LEDGER_ONLY, columns=("vector_store_id",)), 3, "vector_store_id"),
    (ScanPlan(ScanKind.METHOD, columns=("vector_store_id", "batch_id")), 4, "vector_store_id,batch_id"),
    (ScanPlan(ScanKind.METHOD, columns=("file_id",), download="content"), 4, "file_id content"),
    (ScanPlan(ScanKind.METHOD, 1, limits=("LIMIT", "OFFSET")), 5, "LIMIT,OFFSET"),
    (ScanPlan(ScanKind.METHOD, 1, order="desc"), 5, " desc"),
    (
        ScanPlan(ScanKind.METHOD, 1, ("vector_store_id", "status"), ("LIMIT",), order="asc", download="content"),
        5,
        "vector_store_id,status,LIMIT asc content",
    ),
    (
        ScanPlan(ScanKind.METHOD, 1, ("purpose", "rowid<"), order="desc", compared=("created_at<", "created_at.LIKE")),
        5,
        "purpose,rowid<,created_at<,created_at.LIKE desc",
    ),
]


@pytest.mark.parametrize(("plan", "number", "text"), PLANS, ids=[f"{case[0].kind.name} {case[2]}" for case in PLANS])
def test_scan_plan_comes_back_from_its_number_and_text(plan: ScanPlan, number: int, text: str) -> None:
    """Every kind, with all that argv can hold."""
    assert plan.encode() == (number, text)
    assert ScanPlan.decode(number, text) == plan


def test_scan_plan_kinds_are_all_in_the_table() -> None:
    """In the table above, and in the one that the module opens with."""
    assert {plan.kind for plan, _, _ in PLANS} == set(ScanKind)
    described = planner.scan_plan.__doc__ or ""
    for kind in ScanKind:
        assert f"    {kind.value}{' + n ' if kind is ScanKind.METHOD else '     '}  {kind.name} " in described


SCANNED = [(table, ledger) for table in TABLES for ledger in ((False, True) if table.remembered else (False,))]


def terms(table: Table) -> list[Constraint]:
    """A term for the rowid, every key and option, a column that narrows a list, LIMIT and OFFSET."""
    methods = table.of("SELECT")
    named = {name for method in methods for name in (*method.needs, *method.query)}
    numbers = [n for n, column in enumerate(table.columns) if column.name in named or column.is_option]
    return [Constraint(-1, EQ), *(Constraint(n, EQ) for n in numbers), Constraint(-1, LIMIT), Constraint(-1, OFFSET)]


def variants(term: Constraint) -> list[Constraint]:
    """The term, also as an IN, as one whose value is not known, and as IS NULL."""
    if term.op != EQ:
        return [term]
    return [
        term,
        Constraint(term.column, EQ, many=True),
        Constraint(term.column, EQ, usable=False),
        Constraint(term.column, ISNULL),
    ]


@pytest.mark.sample(3)
@pytest.mark.parametrize(
    ("table", "ledger"), SCANNED, ids=[f"{t.name}{' with ledger' * ledger}" for t, ledger in SCANNED]
)
def test_scan_plan_chosen_for_any_terms_can_be_decoded(table: Table, ledger: bool) -> None:
    """Up to three terms in every variant, with and without ORDER BY and a download; argv has a value for each name."""
    created = next((n for n, column in enumerate(table.columns) if column.name == "created_at"), 0)
    kinds = set()
    for size in range(4):
        for chosen_terms in combinations(terms(table), size):
            for constraints in product(*map(variants, chosen_terms)):
                for order, used in product(([], [(created, True)], [(created, False)]), ((), range(64))):
                    choice = choose(table, constraints, order, ledger=ledger, used=used)
                    assert ScanPlan.decode(choice.idxNum, choice.idxStr) == choice.plan
                    if choice.plan.kind is not ScanKind.NOTHING:
                        assert len(choice.argv) == len(choice.plan.columns) + len(choice.plan.limits)
                    kinds.add(choice.plan.kind)
    assert ScanKind.METHOD in kinds
    assert {ScanKind.LEDGER_REFRESHED, ScanKind.LEDGER_ONLY} & kinds == (
        {ScanKind.LEDGER_REFRESHED, ScanKind.LEDGER_ONLY} if ledger else set()
    )
