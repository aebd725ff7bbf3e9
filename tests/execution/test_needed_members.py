"""The members that an object of a list must have: when the program of the statement is read."""

from __future__ import annotations

from typing import Any

import pytest

from openai_vtab.execution.needed_members import Members, NeededMembers

NAME, BOTH = frozenset({"filename"}), frozenset({"filename", "expires_at"})


class Scan:
    """Counts how often its members are found."""

    def __init__(self, planned: Members, exact: Members) -> None:
        self.found: list[str] = []
        self._planned = planned
        self._exact = exact
        self.needed = NeededMembers(self.planned, self.exact)

    def planned(self) -> Members:
        self.found.append("planned")
        return self._planned

    def exact(self) -> Members:
        self.found.append("exact")
        return self._exact


@pytest.mark.parametrize(
    ("planned", "exact", "item", "are_in", "found"),
    [
        (BOTH, NAME, {"filename": "a", "expires_at": None, "bytes": 1}, True, ["planned"]),
        (BOTH, NAME, {"filename": "a"}, True, ["planned", "exact"]),
        (BOTH, BOTH, {"filename": "a"}, False, ["planned", "exact"]),
        (None, NAME, {"filename": "a"}, True, ["planned", "exact"]),
        (None, None, {"filename": "a"}, False, ["planned", "exact"]),
    ],
    ids=["all", "lacks what another statement reads", "lacks what it reads", "another reads raw", "it reads raw"],
)
def test_members_are_found_once_for_many_objects(
    planned: Members, exact: Members, item: dict[str, Any], are_in: bool, found: list[str]
) -> None:
    scan, other = Scan(planned, exact), Scan(NAME, NAME)
    assert [scan.needed.are_in(item) for _ in range(100)] == [are_in] * 100
    assert scan.found == found
    assert scan.needed.are_known == ((planned, exact) != (None, None))
    together = NeededMembers.of_all([scan.needed, other.needed])
    assert [together.are_in(item) for _ in range(100)] == [are_in] * 100
    assert together.are_known == ((planned, exact) != (None, None))
    assert scan.found == found
    assert other.found == found, "the program is the same"


def test_members_of_no_scan_are_in_each_object() -> None:
    needed = NeededMembers.of_all([])
    assert needed.are_known
    assert needed.are_in({})
