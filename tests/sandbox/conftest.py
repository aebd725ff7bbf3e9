"""Fixtures: calls to the sandbox with plain HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests as http

Call = Callable[..., http.Response]


@pytest.fixture
def call(sandbox: Any) -> Iterator[Call]:
    """call("GET /files/x", json=…) → the response."""
    session = http.Session()

    def send(operation: str, **more: Any) -> http.Response:
        method, path = operation.split(" ")
        headers = {"Authorization": f"Bearer {sandbox.api_key}"}
        return session.request(method, sandbox.base_url + path, headers=headers, timeout=5, **more)

    yield send
    session.close()
