"""SQLAlchemy's fixtures for its suite, and a check that every skip has a known reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from typing import Any

import pytest
from requirements import REASONS
from sqlalchemy.dialects.sqlite import provision  # noqa: F401 - importing it registers how databases are made

from openai_vtab import sqlalchemy as dialect_module

# The suite compares lists of all views with those that it has created, and every database of ours has the API's.
dialect_module.API_TABLES.clear()
skipped: Counter[str] = Counter()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Count the skips by reason; a skip without a known reason is a failure."""
    report: Any = yield
    if report.skipped and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2].rpartition(" : ")[2]
        skipped[reason] += 1
        if reason not in REASONS:
            report.outcome = "failed"
            report.longrepr = f"skipped for a reason that requirements.py does not list: {reason}"
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Write the reasons and their counts."""
    for reason, count in skipped.most_common():
        terminalreporter.write_line(f"{count:4} skipped: {reason}")
