"""How SQLAlchemy makes databases for its suite, and that every skip has a reason. It must not know the tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from typing import Any

import pytest
from requirements import REASONS
from sqlalchemy.dialects.sqlite import provision  # noqa: F401 - registers itself: the same as for SQLAlchemy's own

skipped: Counter[str] = Counter()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Count the skips by their reasons; one that has none is a failure."""
    report: Any = yield
    if report.skipped and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2].rpartition(" : ")[2]
        skipped[reason] += 1
        if reason not in REASONS:
            report.outcome = "failed"
            report.longrepr = f"skipped for a reason that requirements.py does not have: {reason}"
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The reasons."""
    for reason, count in skipped.most_common():
        terminalreporter.write_line(f"{count:4} skipped: {reason}")
