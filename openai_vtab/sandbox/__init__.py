"""A local server that answers like OpenAI's vector store API: no key, no network, no cost.

It keeps files, vector stores and batches, which move with time, responds to errors with OpenAI's bodies, and can be
told to be slow, to limit the rate, to fail and to cut connections.

>>> with run() as sandbox:
...     db = openai_vtab.connect(base_url=sandbox.base_url, api_key=sandbox.api_key)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from . import file_batches, files, vector_stores
from .app import App
from .demo import seed
from .faults import Answer, Cut, Drip, Fault, Raw, Slow, Status, Wire
from .injection import FaultInjector, Injection, RateLimit
from .messages import Received
from .objects import JSON
from .quirks import Quirks
from .server import Server
from .state import Processing, State

__all__ = ["Answer", "Cut", "Drip", "Quirks", "Raw", "Received", "Sandbox", "Slow", "Status", "Wire", "run"]

KEY = "sandbox-key-not-a-secret"


class Batches(Mapping[tuple[str, str], JSON]):
    """The current batches: (vector store id, batch id) → the API's JSON."""

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
    """A running sandbox: its address, its traffic, its data, and the faults that it is told to have."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._state = server.api.state
        self.base_url = f"http://127.0.0.1:{server.server_port}/v1"
        self.api_key = server.api.api_key
        self.quirks = server.api.quirks
        self.batches = Batches(self._state)

    @property
    def requests(self) -> list[Received]:
        """The requests since the start or the last reset_counters(), in the order of their arrival."""
        return self._server.traffic.requests

    @property
    def latency(self) -> float:
        """The delay of each response in seconds."""
        return self._server.latency

    @latency.setter
    def latency(self, seconds: float) -> None:
        self._server.set_latency(seconds)

    @property
    def in_flight(self) -> int:
        """The number of requests that have arrived, and that the sandbox has not finished with."""
        return self._server.traffic.in_flight

    @property
    def max_in_flight(self) -> int:
        """The highest number of requests in flight at the same time."""
        return self._server.traffic.max_in_flight

    @property
    def connections(self) -> int:
        """The number of connections that were opened."""
        return self._server.traffic.connections

    def reset_counters(self) -> None:
        """Forget the requests, and restart the counts max_in_flight and connections."""
        self._server.traffic.reset()

    def add_store(self, id: str | None = None, name: str = "store") -> str:
        """Create a vector store and return its id."""
        with self._state.lock:
            return str(vector_stores.create(self._state, {"name": name}, id=id)["id"])

    def add_file(
        self, filename: str, content: bytes = b"some text", id: str | None = None, purpose: str = "assistants"
    ) -> str:
        """Create a file and return its id."""
        with self._state.lock:
            return str(files.create(self._state, filename, content, purpose, id=id)["id"])

    def add_batch(
        self,
        vector_store_id: str,
        file_ids: list[str],
        id: str | None = None,
        status: str | None = None,
        processing_seconds: float | None = None,
        created_at: float | None = None,
    ) -> str:
        """Create a file batch and return its id. A given status stays as it is."""
        with self._state.lock:
            batch = file_batches.create(
                self._state,
                vector_store_id,
                {"file_ids": file_ids},
                id=id,
                status=status,
                processing_seconds=processing_seconds,
                created_at=created_at,
            )
        return str(batch["id"])

    def set_processing(self, file: str, seconds: float | None = None, error: JSON | None = None) -> None:
        """Choose how a file, by its id or its name, is processed when it is attached from now on.

        `seconds` may be math.inf: the file stays in progress until finish(). `error` is the last_error that it fails
        with, such as {"code": "server_error", "message": "An internal error occurred."}. Without both, it is
        processed as usual.
        """
        with self._state.lock:
            self._state.processing[file] = Processing(seconds, error)

    def finish(self, file: str | None = None) -> None:
        """Complete now whatever is in progress; only the file with an id or a name if that is given."""
        with self._state.lock:
            self._state.finish(file)

    def inject(
        self,
        fault: Fault,
        times: int | None = 1,
        method: str | None = None,
        path: str | None = None,
        after: int = 0,
    ) -> Injection:
        """Give the fault to the next `times` (None: all) matching requests, after the first `after` of them.

        `path` is a part of the request's path, or a regular expression. Setting the injection's `times` to 0 ends it.
        """
        injection = Injection(fault, times, method, path, after)
        self._server.faults.add(injection)
        return injection

    def clear_faults(self) -> None:
        """Remove all faults and the rate limit."""
        self._server.faults.clear()

    def rate_limit(self, requests: int, seconds: float, retry_after: float | None = None) -> None:
        """Respond 429 to more than `requests` in `seconds`, with Retry-After."""
        self._server.faults.limit_rate(RateLimit(requests, seconds, retry_after))


@contextmanager
def run(
    *,
    port: int = 0,
    latency: float = 0.0,
    processing_seconds: float = 2.0,
    api_key: str = KEY,
    seeded: bool = True,
    clock: Callable[[], float] = time.time,
    quirks: Quirks | None = None,
) -> Iterator[Sandbox]:
    """Run a sandbox for the length of a with statement.

    Port 0 is any free one. `latency` delays each response, and a batch takes `processing_seconds`. `clock` returns
    the time in Unix seconds. `quirks` are those that the sandbox begins with: none by default.
    """
    state = State(processing_seconds, clock, quirks)
    if seeded:
        seed(state)
    server = Server(App(state, api_key), FaultInjector(clock), port, latency)
    try:
        yield Sandbox(server)
    finally:
        server.stop()
        state.close()
