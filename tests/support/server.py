"""The tests' server: each connection is given to a function, in a thread of its own, and each request's bytes are kept.

>>> with wire(lambda head: answer({"id": "x"})) as server: openai_vtab.connect(base_url=server.url()); server.lines
>>> with serving(lambda connection: connection.sendall(b"nonsense")) as server: …
"""

from __future__ import annotations

import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

NOTHING: Mapping[str, str] = {}
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Server:
    """A listening socket on this machine, and how many connections it has accepted."""

    def __init__(self, serve: Callable[[socket.socket], None], tls: ssl.SSLContext | None = None) -> None:
        self.connections = 0
        self._serve = serve
        self._tls = tls
        self._opened: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def url(self, scheme: str = "http", host: str = "127.0.0.1", path: str = "/v1") -> str:
        """Return its address."""
        return f"{scheme}://{host}:{self.port}{path}"

    def refuse(self) -> None:
        """Refuse connections from now on; those that are open go on."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def close(self) -> None:
        """Refuse connections and close those that are open."""
        self.refuse()
        self._thread.join()
        for connection in self._opened:
            connection.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection = self._listener.accept()[0]
                self.connections += 1
                self._opened.append(connection)
                threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            if self._tls is None:
                self._serve(connection)
            else:
                with self._tls.wrap_socket(connection, server_side=True) as secured:
                    self._serve(secured)


@contextmanager
def serving(serve: Callable[[socket.socket], None], tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Give each connection to `serve`; it is closed when that returns."""
    server = Server(serve, tls)
    try:
        yield server
    finally:
        server.close()


def request(connection: socket.socket) -> bytes:
    """Read the next request's head and body; b"" when none arrives whole."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = LENGTH.search(head)
    while length and len(body) < int(length[1]):
        more = connection.recv(65536)
        if not more:
            return b""
        body += more
    return head + b"\r\n\r\n" + body


def answer(body: Any = None, status: int = 200, headers: Mapping[str, str] = NOTHING) -> bytes:
    """Return a response with a JSON body."""
    data = json.dumps({} if body is None else body).encode()
    lines = [f"HTTP/1.1 {status} X", f"content-length: {len(data)}", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


class Wire(Server):
    """Keeps each request's head as it came: other servers put paths in order before anybody sees them."""

    def __init__(self, respond: Callable[[bytes], bytes], tls: ssl.SSLContext | None = None) -> None:
        self.heads: list[bytes] = []
        self._respond = respond
        super().__init__(self._requests, tls)

    @property
    def lines(self) -> list[str]:
        """The requests' first lines."""
        return [head.split(b"\r\n")[0].decode("latin-1") for head in self.heads]

    def _requests(self, connection: socket.socket) -> None:
        connection.settimeout(10)
        while asked := request(connection):
            head = asked.partition(b"\r\n\r\n")[0]
            self.heads.append(head)
            connection.sendall(self._respond(head))


@contextmanager
def wire(respond: Callable[[bytes], bytes] = lambda _: answer(), tls: ssl.SSLContext | None = None) -> Iterator[Wire]:
    """Answer each request with what `respond` makes of its head."""
    server = Wire(respond, tls)
    try:
        yield server
    finally:
        server.close()
