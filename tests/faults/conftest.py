"""The sandbox that the matrices' cells share, and connections to servers that count as far away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from openai_vtab.sandbox import Sandbox

from ..support.ledgers import connections_with_ledger
from .creates import AUTHORITY, Connect
from .matrix import running


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    """A sandbox for all cells of a module; each cell has a vector store of its own."""
    with running() as sandbox:
        yield sandbox


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every server counts as far away, and a retry takes no time."""
    monkeypatch.setattr("openai_vtab.transport.turns.NEAR_SECONDS", 0.0)
    monkeypatch.setattr("openai_vtab.transport.retries.FIRST_WAIT", 0.001)


@pytest.fixture
def connect_to(tmp_path: Path) -> Iterator[Connect]:
    """Open a database with a ledger."""
    bundle = tmp_path / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(str(bundle))
    with connections_with_ledger(
        "mine", api_key="sk-ahead", max_concurrency=2, timeout=10, ca_bundle=bundle
    ) as connect:
        yield connect
