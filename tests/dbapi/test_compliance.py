"""dbapi-compliance, the public suite for PEP 249; a reason is given for each test that must fail."""

from __future__ import annotations

from typing import Any, ClassVar

import dbapi20
import pytest

from openai_vtab import dbapi

NOT_IN_SQLITE = {
    "test_nextset": "a statement has one result",
    "test_setoutputsize": "the suite leaves this test to the driver; SQLite has nothing to limit",
}
DIFFERENT_IN_SQLITE3 = {
    "test_fetchone": "the suite expects an error before execute() and after an INSERT; sqlite3 returns None",
    "test_fetchmany": "as above; sqlite3 returns []",
    "test_fetchall": "as above; sqlite3 returns []",
    "test_non_idempotent_close": "the suite expects an error from a second close(); sqlite3 raises none",
    "test_description": "the suite expects type codes; SQLite's columns have no fixed type, and sqlite3 returns None",
}


class TestCompliance(dbapi20.DatabaseAPI20Test):  # type: ignore[misc]  # The suite is not typed.
    """Each test of the suite, on a database file of its own."""

    driver = dbapi
    connect_kw_args: ClassVar[dict[str, Any]] = {}

    @pytest.fixture(autouse=True)
    def _own_file(self, tmp_path: Any, request: pytest.FixtureRequest) -> None:
        self.connect_args = (str(tmp_path / "compliance.db"),)
        reason = {**NOT_IN_SQLITE, **DIFFERENT_IN_SQLITE3}.get(request.function.__name__)
        if reason:
            request.node.add_marker(pytest.mark.xfail(reason=reason, strict=True))


def test_compliance_exceptions_are_tests_of_the_suite() -> None:
    """No reason is listed for a test that the suite does not have."""
    assert set(NOT_IN_SQLITE) | set(DIFFERENT_IN_SQLITE3) <= set(dir(dbapi20.DatabaseAPI20Test))
