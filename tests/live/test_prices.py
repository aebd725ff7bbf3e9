"""The estimate of the cost, and the budget."""

from __future__ import annotations

import math

import pytest

from .prices import PRICES, Budget, BudgetExceeded, Cost, needed, total
from .questions import QUESTIONS


@pytest.mark.parametrize("dollars", [0, -1, math.nan, math.inf])
def test_budget_must_be_a_positive_number(dollars: float) -> None:
    """A run without a limit is not possible."""
    with pytest.raises(ValueError, match="is no budget: give a number of dollars above 0"):
        Budget(dollars)


def test_budget_stops_before_the_step_that_would_exceed_it() -> None:
    """The steps before it are charged, this one is not. The error says which budget would do."""
    budget = Budget(0.01)
    budget.charge(Cost(searches=3), "three searches")
    message = (
        r"stopped before 'two more': up to \$0.0075 of \$0.0100 are spent, and this step may cost \$0.0050 more; "
        r"give --budget 0.02 or more"
    )
    with pytest.raises(BudgetExceeded, match=message):
        budget.charge(Cost(searches=2), "two more")
    assert budget.spent(3).dollars == pytest.approx(0.0075)
    budget.charge(Cost(searches=1), "one more")


def test_budget_counts_searches_that_were_retried() -> None:
    """Two were planned and five were sent, then a sixth that no step has paid for yet."""
    budget = Budget(1)
    budget.charge(Cost(searches=2), "two")
    budget.charge(Cost(), "nothing", searches_sent=5)
    assert budget.spent(5).dollars == pytest.approx(5 * 0.0025)
    assert budget.spent(6).dollars == pytest.approx(6 * 0.0025)


def test_cost_of_storage_and_searches() -> None:
    """Storage is charged by GiB and day, searches by the thousand."""
    assert Cost(searches=1000).dollars == PRICES["search"].dollars
    assert Cost(files=1, bytes=2**30).dollars == pytest.approx(4.0, rel=1e-3)  # 20 GiB for two days
    assert Cost(1, 2, 3) + Cost(4, 5, 6) == Cost(5, 7, 9)
    assert needed(0.0401) == "0.05"


def test_cost_of_all_questions_is_below_the_documented_budget() -> None:
    """--budget 0.10 is enough, and not too much."""
    assert 0.02 < total(question.cost for question in QUESTIONS).dollars < 0.10


def test_questions_that_search_or_attach_have_a_cost() -> None:
    """Each one whose description says so, unless the API refuses it."""
    for question in QUESTIONS:
        if "/search {" in question.done or "FROM vector_store_search" in question.done:
            assert question.cost.searches, question.text
        if "file_batches" in question.done and question.done.startswith(("INSERT", "POST")):
            assert question.cost.files or "no file has" in question.done or "cancel" in question.text, question.text
    assert len({question.text for question in QUESTIONS}) == len(QUESTIONS)
    assert all(question.done and question.source and question.fix_in for question in QUESTIONS)
