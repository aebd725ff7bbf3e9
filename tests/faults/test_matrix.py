"""The matrix: every fault against every statement, a test for each fault."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from openai_vtab.sandbox import Sandbox

from .matrix import cells, running
from .table import TABLE, Fault

FAULTS = [pytest.param(fault, id=fault.name) for faults in TABLE.values() for fault in faults]


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    """One for all."""
    with running() as sandbox:
        yield sandbox


@pytest.mark.parametrize("fault", FAULTS)
def test_fault(server: Sandbox, fault: Fault) -> None:
    """What becomes of each statement is what the rules say."""
    problems = [f"{name}, lasting={lasting}: {why}" for name, lasting, _, why in cells(server, fault) if why]
    assert not problems, "\n\n".join(problems)
