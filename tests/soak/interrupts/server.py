"""A server that creates batches, and notes each create as soon as it has read it: what a dead client has sent, too.

>>> with serving() as server: openai_vtab.connect(base_url=server.base_url); server.seen
"""

from __future__ import annotations

import json
import random
import re
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

LATENCY = 0.012  # seconds; the most that a response takes
LONGEST = 20.0  # seconds that a request may take to arrive
HEAD = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class Server(socketserver.ThreadingTCPServer):
    """Creates batches: `seen` is each mark's ids, and when they came."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 256

    def __init__(self) -> None:
        self.seen: dict[str, list[tuple[str, float]]] = {}
        self.lock = threading.Lock()
        self.number = 0
        super().__init__(("127.0.0.1", 0), Connection)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def create(self, mark: str) -> str:
        """A new batch's id."""
        with self.lock:
            self.number += 1
            id = f"vsfb_{self.number:08}"
            self.seen.setdefault(mark, []).append((id, time.time()))
        return id

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is dead is what this is about."""


class Connection(socketserver.BaseRequestHandler):
    """One create, which has a connection of its own."""

    server: Server

    def handle(self) -> None:
        stream: socket.socket = self.request
        stream.settimeout(LONGEST)
        data = b""
        while (head := data.partition(b"\r\n\r\n"))[1] == b"" or len(head[2]) < _length(head[0]):
            part = stream.recv(65536)
            if not part:
                return  # it came in part: nothing is created
            data += part
        body = json.loads(head[2])
        id = self.server.create(body["attributes"]["mark"])
        time.sleep(random.uniform(0, LATENCY))  # noqa: S311
        counts = {"in_progress": 0, "completed": 1, "failed": 0, "cancelled": 0, "total": 1}
        batch = {"id": id, "object": "vector_store.file_batch", "created_at": 1, "vector_store_id": "vs_1"}
        answer = json.dumps({**batch, "status": "completed", "file_counts": counts}).encode()
        with suppress(OSError):
            stream.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(answer), answer))


def _length(head: bytes) -> int:
    found = HEAD.search(head)
    return int(found[1]) if found else 0


@contextmanager
def serving() -> Iterator[Server]:
    """A server, for the length of a with statement."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
