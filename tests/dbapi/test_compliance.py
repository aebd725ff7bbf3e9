"""The public suite for PEP 249, dbapi-compliance: apart from what SQLite does not have, with the reason for each."""

from __future__ import annotations

from typing import Any, ClassVar

import dbapi20
import pytest

from openai_vtab import dbapi

NOT_IN_SQLITE = {
    "test_nextset": "a statement has one result",
    "test_setoutputsize": "the suite leaves its test to the driver; there is nothing to limit",
}
DIFFERENT_IN_SQLITE3 = {
    "test_fetchone": "the suite wants an error before execute() and after an INSERT; sqlite3 says None: there are no rows",
    "test_fetchmany": "as above: sqlite3 says []",
    "test_fetchall": "as above: sqlite3 says []",
    "test_non_idempotent_close": "the suite wants an error from a second close(); sqlite3 has none",
    "test_description": "the suite wants type codes; SQLite's columns have no type of their own, and sqlite3 says None",
}


class TestCompliance(dbapi20.DatabaseAPI20Test):  # type: ignore[misc]  # it is not typed
    """Each test of the suite, on a file of its own."""

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
