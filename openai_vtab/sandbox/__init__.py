"""A stand-in for OpenAI's vector-store API on this machine: no key, no network, no cost.

It must not know anything of the rest of the package. It keeps stores, files and batches, moves them with time,
answers errors in OpenAI's bodies, and can be told to be slow, to limit, to fail and to cut connections.

>>> with run() as sandbox: db = openai_vtab.connect(base_url=sandbox.base_url, api_key=sandbox.api_key)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from .app import App, Received
from .demo import seed
from .faults import Answer, Cut, Drip, Fault, Injection, Quirks, Raw, Slow, Status, Wire
from .server import Server
from .state import JSON, State

__all__ = ["Answer", "Cut", "Drip", "Quirks", "Raw", "Received", "Sandbox", "Slow", "Status", "Wire", "run"]

KEY = "sandbox-key-not-a-secret"


class Batches(Mapping[tuple[str, str], JSON]):
    """The batches as they are now: (vector store id, batch id) → the API's JSON."""

    def __init__(self, state: State) -> None:
        self._state = state

    def __getitem__(self, key: tuple[str, str]) -> JSON:
        with self._state.lock:
            return self._state.batches[key].json(self._state.clock())

    def __iter__(self) -> Iterator[tuple[str, str]]:
        with self._state.lock:
            return iter(list(self._state.batches))

    def __len__(self) -> int:
        return len(self._state.batches)


class Sandbox:
    """A running sandbox: where it is, what it was asked, and what it shall do."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._state = server.api.state
        self.base_url = f"http://127.0.0.1:{server.server_port}/v1"
        self.api_key = server.api.api_key
        self.quirks = server.api.quirks
        self.batches = Batches(self._state)

    @property
    def requests(self) -> list[Received]:
        """Every request since the start or the last clear(), in the order of arrival."""
        return self._server.received

    @property
    def latency(self) -> float:
        """Seconds that each answer waits."""
        return self._server.latency

    @latency.setter
    def latency(self, seconds: float) -> None:
        self._server.latency = seconds

    @property
    def max_in_flight(self) -> int:
        """The highest number of requests at once."""
        return self._server.max_in_flight

    @property
    def connections(self) -> int:
        """How many connections were made."""
        return self._server.connections

    def reset_counters(self) -> None:
        """Count max_in_flight and connections anew, and forget the requests."""
        with self._server.counting:
            self._server.max_in_flight = self._server.in_flight
            self._server.connections = 0
            self._server.received.clear()

    def add_store(self, id: str | None = None, name: str = "store") -> str:
        """A new vector store; its id."""
        return str(self._state.create_store({"name": name}, id=id)["id"])

    def add_file(
        self, filename: str, content: bytes = b"some text", id: str | None = None, purpose: str = "assistants"
    ) -> str:
        """A new file; its id."""
        return str(self._state.create_file(filename, content, purpose, id=id)["id"])

    def add_batch(
        self,
        vector_store_id: str,
        file_ids: list[str],
        id: str | None = None,
        status: str | None = None,
        processing_seconds: float | None = None,
        created_at: float | None = None,
    ) -> str:
        """A new batch; its id. A given status stays."""
        batch = self._state.create_batch(
            vector_store_id,
            {"file_ids": file_ids},
            id=id,
            status=status,
            processing_seconds=processing_seconds,
            created_at=created_at,
        )
        return str(batch["id"])

    def finish(self) -> None:
        """Everything in progress is done now."""
        self._state.finish()

    def inject(
        self,
        fault: Fault,
        times: int | None = 1,
        method: str | None = None,
        path: str | None = None,
        after: int = 0,
    ) -> Injection:
        """The next `times` (None: all) matching requests get the fault; `path` is a part of the path or a regex.

        With its `times` set to 0 it ends.
        """
        injection = Injection(fault, times, method, path, after)
        with self._server.counting:
            self._server.injections.append(injection)
        return injection

    def clear_faults(self) -> None:
        """No fault any more, and no rate limit."""
        with self._server.counting:
            self._server.injections.clear()
            self._server.limit = None

    def rate_limit(self, requests: int, seconds: float, retry_after: float | None = None) -> None:
        """More than `requests` in `seconds` are answered 429 with Retry-After."""
        with self._server.counting:
            self._server.limit = (requests, seconds, retry_after)
            self._server.recent.clear()


@contextmanager
def run(
    *,
    port: int = 0,
    latency: float = 0.0,
    processing_seconds: float = 2.0,
    api_key: str = KEY,
    seeded: bool = True,
    clock: Callable[[], float] = time.time,
) -> Iterator[Sandbox]:
    """A sandbox for the length of a with statement. Port 0 is any free one; `latency` is seconds for each request."""
    state = State(processing_seconds, clock)
    if seeded:
        seed(state)
    server = Server(App(state, api_key, Quirks()), port, latency)
    try:
        yield Sandbox(server)
    finally:
        server.stop()
