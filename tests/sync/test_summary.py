"""The summary's lines and the exit status."""

from __future__ import annotations

import pytest

from openai_vtab.sync.summary import DONE, INCOMPLETE, Summary


def test_summary_counts_and_lists_what_failed() -> None:
    """Each document with its reason; a long list is shortened."""
    summary = Summary("docs", added=["a", "b"], deleted=["x"], unchanged=7, failed={"b": "empty"}, notes=["note"])
    assert summary.lines() == [
        "docs: 2 added, 0 changed, 7 unchanged, 1 deleted, 1 failed",
        "note",
        "  failed: b: empty",
    ]
    summary.failed.update({f"k{n:03}": "why" for n in range(101)})
    assert summary.lines()[-2:] == ["  failed: k098: why", "  failed: … and 2 more"]


def test_summary_names_a_few_empty_files() -> None:
    """Below the numbers."""
    summary = Summary("docs", empty=[f"{n}.md" for n in range(7)])
    assert summary.lines() == [
        "docs: 0 added, 0 changed, 0 unchanged, 0 deleted, 0 failed, 7 skipped",
        "  empty, skipped: 0.md, 1.md, 2.md, 3.md, 4.md and 2 more",
    ]
    assert summary.status() == DONE


def test_summary_of_a_plan_says_what_would_be_done() -> None:
    """One line for each document."""
    summary = Summary("docs", added=["a"], changed=["c"], retried=["r"], deleted=["d"])
    assert summary.planned() == ["would add a", "would change c", "would retry r", "would delete d"]
    line = "docs: 1 to add, 1 to change, 0 unchanged, 1 to delete, 0 failed, 1 to retry"
    assert summary.lines(is_plan=True) == [line]


@pytest.mark.parametrize(
    ("summary", "waited", "status"),
    [
        (Summary("d", added=["a"]), True, DONE),
        (Summary("d", failed={"a": "why"}), True, INCOMPLETE),
        (Summary("d", unknown={"a": "why"}), False, INCOMPLETE),
        (Summary("d", unfinished={"a": ""}), True, INCOMPLETE),
        (Summary("d", unfinished={"a": ""}), False, DONE),
    ],
)
def test_summary_exit_status(summary: Summary, waited: bool, status: int) -> None:
    """Documents in progress count only if the sync has waited for them."""
    assert summary.status(waited=waited) == status
