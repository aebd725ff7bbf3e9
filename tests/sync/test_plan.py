"""The plan: new, kept and gone keys, and the limit for deletions."""

from __future__ import annotations

import pytest

from openai_vtab.errors import OperationalError
from openai_vtab.sync.plan import Plan, make_plan


def test_plan_compares_the_folder_with_the_table() -> None:
    """A key that the sync does not cover is left alone."""
    plan = make_plan(["d/b", "d/a"], ["d/c", "d/b", "other"], lambda key: key.startswith("d/"))
    assert plan == Plan(new=["d/a"], kept=["d/b"], gone=["d/c"])


@pytest.mark.parametrize(
    ("gone", "kept", "max_delete", "allowed"),
    [
        (0, 0, None, True),
        (1, 1, None, True),
        (2, 1, None, False),
        (1, 0, None, False),
        (1, 0, 1, True),
        (5, 0, 5, True),
        (5, 100, 4, False),
        (1, 100, 0, False),
        (0, 100, 0, True),
    ],
)
def test_plan_refuses_many_deletions(gone: int, kept: int, max_delete: int | None, allowed: bool) -> None:
    """More than half of the documents, or more than --max-delete says."""
    plan = Plan([], [f"k{n}" for n in range(kept)], [f"g{n}" for n in range(gone)])
    if allowed:
        plan.refuse_many_deletions("docs", max_delete)
        return
    with pytest.raises(OperationalError, match=f"{gone} of {gone + kept} documents .* write --max-delete {gone}$"):
        plan.refuse_many_deletions("docs", max_delete)
