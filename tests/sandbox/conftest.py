"""Fixtures: calls to the sandbox with plain HTTP, and a sandbox whose time the test holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests as http

from openai_vtab import sandbox as sandbox_package

from ..support.clock import FakeClock

Call = Callable[..., http.Response]

SECONDS = 10.0  # that the files of timed() are in progress


@pytest.fixture
def call(sandbox: Any) -> Iterator[Call]:
    """call("GET /files/x", json=…) → the response."""
    with http.Session() as session:

        def send(operation: str, **more: Any) -> http.Response:
            method, path = operation.split(" ")
            headers = {"Authorization": f"Bearer {sandbox.api_key}"}
            return session.request(method, sandbox.base_url + path, headers=headers, timeout=5, **more)

        yield send


class Timed:
    """An empty sandbox on a clock that the test holds, with the store vs_1, and what tests do with it."""

    def __init__(self, sandbox: Any, session: http.Session, clock: FakeClock) -> None:
        self.sandbox = sandbox
        self.clock = clock
        self._session = session
        sandbox.add_store("vs_1")

    def call(self, operation: str, json: Any = None) -> Any:
        """The response's JSON. Raises for an error status."""
        method, path = operation.split(" ")
        headers = {"Authorization": f"Bearer {self.sandbox.api_key}"}
        response = self._session.request(method, self.sandbox.base_url + path, headers=headers, json=json, timeout=5)
        response.raise_for_status()
        return response.json()

    def status_of(self, operation: str, json: Any = None) -> int:
        """The response's status."""
        try:
            self.call(operation, json)
        except http.HTTPError as error:
            return int(error.response.status_code)
        return 200

    def attach(self, filename: str, content: bytes | str, **more: Any) -> str:
        """Add a file and attach it to vs_1 with these attributes and chunking_strategy. Returns its id."""
        content = content.encode() if isinstance(content, str) else content
        id = str(self.sandbox.add_file(filename, content))
        self.call("POST /vector_stores/vs_1/files", {"file_id": id, **more})
        return id

    def process(self) -> None:
        """Let the processing time pass."""
        self.clock.advance(SECONDS)

    def found(self, query: str, **more: Any) -> list[tuple[str, str]]:
        """The filename and the text of each hit, the best first."""
        page = self.call("POST /vector_stores/vs_1/search", {"query": query, **more})
        return [(hit["filename"], hit["content"][0]["text"]) for hit in page["data"]]


@pytest.fixture
def timed() -> Iterator[Timed]:
    """A sandbox on a clock that the test holds."""
    clock = FakeClock(1_700_000_000.0)
    with (
        sandbox_package.run(processing_seconds=SECONDS, seeded=False, clock=clock.monotonic) as sandbox,
        http.Session() as session,
    ):
        yield Timed(sandbox, session, clock)
