"""Fixtures: a connection of openai_vtab.dbapi to the sandbox, and the creates that the sandbox received."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from openai_vtab import dbapi


@pytest.fixture
def con(sandbox: Any) -> Iterator[dbapi.Connection]:
    """A connection in memory."""
    connection = dbapi.connect(":memory:", base_url=sandbox.base_url, api_key=sandbox.api_key)
    yield connection
    connection.close()


@pytest.fixture
def posts(requests: Callable[[], list[str]]) -> Callable[[], list[str]]:
    """The POST requests since the last call."""
    return lambda: [request for request in requests() if request.startswith("POST")]
