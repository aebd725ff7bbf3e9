"""A server that keeps each request's bytes as they came: others put paths in order before anybody sees them.

>>> with wire(lambda head: answer({"id": "x"})) as server: openai_vtab.connect(base_url=server.url()); server.lines
"""

from __future__ import annotations

import json
import re
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

NOTHING: Mapping[str, str] = {}


def answer(body: Any = None, status: int = 200, headers: Mapping[str, str] = NOTHING) -> bytes:
    """An HTTP answer with a JSON body."""
    data = json.dumps({} if body is None else body).encode()
    lines = [f"HTTP/1.1 {status} X", f"content-length: {len(data)}", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


class Wire(socketserver.ThreadingTCPServer):
    """What came, as bytes: each request's head, from its first line on."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, respond: Callable[[bytes], bytes], tls: ssl.SSLContext | None) -> None:
        self.heads: list[bytes] = []
        self.respond = respond
        self.tls = tls
        super().__init__(("127.0.0.1", 0), Handler)

    def url(self, scheme: str = "http", host: str = "127.0.0.1", path: str = "/v1") -> str:
        """Its address."""
        return f"{scheme}://{host}:{self.server_address[1]}{path}"

    @property
    def lines(self) -> list[str]:
        """The requests' first lines."""
        return [head.split(b"\r\n")[0].decode("latin-1") for head in self.heads]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away, or that this server is not trusted by."""


class Handler(socketserver.BaseRequestHandler):
    """One connection."""

    def handle(self) -> None:
        """Its requests, one after the other."""
        server: Any = self.server
        connection = self.request
        connection.settimeout(10)
        if server.tls is not None:
            connection = server.tls.wrap_socket(connection, server_side=True)
        with suppress(OSError), connection, connection.makefile("rb") as stream:
            while first := stream.readline():
                head = b"".join([first, *iter(stream.readline, b"\r\n")]).rstrip(b"\r\n")
                found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
                stream.read(int(found[1]) if found else 0)
                server.heads.append(head)
                connection.sendall(server.respond(head))


@contextmanager
def wire(respond: Callable[[bytes], bytes] = lambda _: answer(), tls: ssl.SSLContext | None = None) -> Iterator[Wire]:
    """Such a server, for the length of a with statement."""
    with Wire(respond, tls) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.002}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
