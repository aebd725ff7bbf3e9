"""Every fault on the wire against every statement: a test for each fault."""

from __future__ import annotations

import pytest

from openai_vtab.sandbox import Sandbox

from .matrix import cells
from .table import TABLE, Fault

FAST = {"cut in the body", "an empty body", "id null", "404"}
FAULTS = [
    pytest.param(fault, id=fault.name, marks=() if fault.name in FAST else pytest.mark.slow)
    for faults in TABLE.values()
    for fault in faults
]


@pytest.mark.parametrize("fault", FAULTS)
def test_matrix_outcome_follows_from_the_rules(server: Sandbox, fault: Fault) -> None:
    """The outcome of each statement under a fault follows from the rules."""
    problems = [f"{cell.column}, {cell.variant}: {cell.problem}" for cell in cells(server, fault) if cell.problem]
    assert not problems, "\n\n".join(problems)
