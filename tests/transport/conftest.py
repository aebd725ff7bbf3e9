"""A backoff that takes no time."""

from __future__ import annotations

import pytest


@pytest.fixture
def no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry at once; how long the backoff is has a test of its own."""
    monkeypatch.setattr("openai_vtab.transport.retries.FIRST_WAIT", 0.001)
