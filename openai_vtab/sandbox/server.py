"""The sandbox's sockets: a threaded HTTP server on 127.0.0.1 that records its traffic and carries out faults.

>>> server = Server(app, FaultInjector(time.time), port=0, latency=0.0)
>>> server.stop()
"""

from __future__ import annotations

import contextlib
import re
import select
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any

from .app import App
from .delivery import Pause, head, steps
from .errors import ErrorResponse
from .framing import read_body
from .injection import FaultInjector
from .messages import Received
from .traffic import Traffic

CLOSING_SECONDS = 1.0  # how long stop() waits for a thread to end


class Server(ThreadingTCPServer):
    """HTTP/1.1 with kept-alive connections and a thread for each, serving from its construction to stop()."""

    request_queue_size = 256
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, api: App, faults: FaultInjector, port: int, latency: float) -> None:
        self.api = api
        self.faults = faults
        self.latency = latency
        self.traffic = Traffic()
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._connections: dict[socket.socket, threading.Thread | None] = {}
        super().__init__(("127.0.0.1", port), Connection)
        self.server_port = self.socket.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def set_latency(self, seconds: float) -> None:
        """Delay each response from now on."""
        self.latency = seconds

    def stop(self) -> None:
        """Stop at once. Close all connections, those with a request in progress, too."""
        self.stopping.set()
        with contextlib.suppress(OSError):  # a connection ends the wait for one
            socket.create_connection(self.socket.getsockname(), CLOSING_SECONDS).close()
        self._thread.join(CLOSING_SECONDS)
        self.server_close()
        with self._lock:
            connections = dict(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in connections.values():
            if thread is not None:
                thread.join(CLOSING_SECONDS)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection, and record it at once: whoever holds the lock finds each in the queue or among these."""
        with self._lock:
            connection, address = super().get_request()
            self._connections[connection] = None
        self.traffic.connected()
        return connection, address

    def _accept(self) -> None:
        """Start a thread for each connection. It waits for the next one, where serve_forever() would poll."""
        while True:
            select.select([self.socket], [], [])
            try:
                connection, address = self.get_request()
            except OSError:  # the client has gone, or stop() has closed the socket
                if self.stopping.is_set():
                    return
                continue
            if self.stopping.is_set():
                self.shutdown_request(connection)
                return
            self.process_request(connection, address)

    def opened(self, connection: socket.socket) -> None:
        """Record that the current thread serves a connection."""
        with self._lock:
            self._connections[connection] = threading.current_thread()

    def shutdown_request(self, connection: Any) -> None:
        """Close a connection."""
        with self._lock:
            del self._connections[connection]
        super().shutdown_request(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore the error: a client has closed its connection, as clients do."""


class Connection(BaseHTTPRequestHandler):
    """One connection. It writes the responses itself, since faults cut and slow them down."""

    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    is_in_flight = False  # whether a request has arrived and its response has not begun

    def setup(self) -> None:
        """Open the connection."""
        super().setup()
        self.server.opened(self.connection)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Respond to what is no HTTP request, and close the connection: nobody knows where the next one begins."""
        response = self.server.api.error_response(ErrorResponse(code, message or "Bad request."))
        if self._write(head(response) + response.body):
            self._close()

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing to stderr."""

    def __getattr__(self, name: str) -> Callable[[], None]:
        """Give BaseHTTPRequestHandler the method for any verb: which of them a path has is the API's to say."""
        if name.startswith("do_"):
            return self._respond
        raise AttributeError(name)

    def _respond(self) -> None:
        """Read a request and respond to it."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            raw = read_body(self.rfile, headers)
        except ValueError as error:
            self.send_error(400, str(error))
            return
        if raw is None:  # the client has closed the connection
            self._close()
            return
        path = re.sub(r"^/v1(?=/|\?|$)", "", self.path)
        prefix = self.path[: len(self.path) - len(path)]
        request = Received(self.command, path, headers, raw, prefix=prefix)
        self.server.traffic.begin(request)
        self.is_in_flight = True
        try:
            if self.server.latency:
                self.server.stopping.wait(self.server.latency)
            self._deliver(request)
        finally:
            self._end_request()

    def _deliver(self, request: Received) -> None:
        """Write the response, until it is complete or the client has gone."""
        for step in steps(self.server.api, request, self.server.faults.fault_for(request)):
            if isinstance(step, bytes):
                if not self._write(step):
                    return
            elif isinstance(step, Pause):
                self.server.stopping.wait(step.seconds)
            else:
                self._close()

    def _write(self, data: bytes) -> bool:
        """Write the bytes. Returns False if the client has gone."""
        self._end_request()
        try:
            self.wfile.write(data)
            self.wfile.flush()
        except OSError:
            self.close_connection = True
            return False
        return True

    def _end_request(self) -> None:
        """Count the request as over before its first byte: the client may respond to that with the next request."""
        if self.is_in_flight:
            self.server.traffic.end()
        self.is_in_flight = False

    def _close(self) -> None:
        self._end_request()
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
