"""A server that creates batches, and notes each create as soon as it has read it: what a dead client has sent, too.

>>> with serving() as server: openai_vtab.connect(base_url=server.url()); server.seen
"""

from __future__ import annotations

import json
import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ...support import server as support

LATENCY = 0.012  # seconds; the most that a response takes
LONGEST = 20.0  # seconds that a request may take to arrive


class Server(support.Server):
    """Creates batches: `seen` is each mark's ids, and when they came."""

    def __init__(self) -> None:
        self.seen: dict[str, list[tuple[str, float]]] = {}
        self._lock = threading.Lock()
        self._number = 0
        super().__init__(self._create)

    def _create(self, connection: socket.socket) -> None:
        connection.settimeout(LONGEST)
        body = json.loads(support.request(connection).partition(b"\r\n\r\n")[2] or b"null")
        if body is None:
            return  # the client died before its request was complete: nothing is created
        with self._lock:
            self._number += 1
            id = f"vsfb_{self._number:08}"
            self.seen.setdefault(body["attributes"]["mark"], []).append((id, time.time()))
        time.sleep(random.uniform(0, LATENCY))  # noqa: S311
        counts = {"in_progress": 0, "completed": 1, "failed": 0, "cancelled": 0, "total": 1}
        batch = {"id": id, "object": "vector_store.file_batch", "created_at": 1, "vector_store_id": "vs_1"}
        with suppress(OSError):
            connection.sendall(support.answer({**batch, "status": "completed", "file_counts": counts}))


@contextmanager
def serving() -> Iterator[Server]:
    """Serve for the length of a with statement."""
    server = Server()
    try:
        yield server
    finally:
        server.close()
