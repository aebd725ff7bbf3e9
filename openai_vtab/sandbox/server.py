"""The sockets: werkzeug's threaded server, the recording of requests, and the faults.

It must not know routes or what is kept.

>>> server = Server(app, port=0)
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from .app import App, Received, Sent
from .faults import Answer, Cut, Drip, Fault, Injection, Raw, Slow, Status, Wire
from .state import Refusal

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

HALF = 2


class Server(ThreadedWSGIServer):
    """HTTP/1.1 with kept-alive connections, a thread for each, on 127.0.0.1."""

    request_queue_size = 256
    daemon_threads = True
    block_on_close = False

    def __init__(self, app: App, port: int, latency: float) -> None:
        self.api = app
        self.latency = latency
        self.received: list[Received] = []
        self.injections: list[Injection] = []
        self.max_in_flight = 0
        self.in_flight = 0
        self.connections = 0
        self.counting = threading.Lock()
        self.limit: tuple[int, float, float | None] | None = None
        self.recent: deque[float] = deque()
        self.open_sockets: set[socket.socket] = set()
        self.stopping = threading.Event()
        unused: WSGIApplication = lambda environ, start: []  # noqa: E731 - Handler answers by itself
        super().__init__("127.0.0.1", port, unused, Handler)
        # its poll is how long stop() takes: a run of tests stops thousands
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.002}, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """Stop at once, closing connections that are kept alive, also those whose answer takes its time."""
        self.stopping.set()
        self.shutdown()
        self.thread.join()
        self.server_close()
        with self.counting:
            sockets = list(self.open_sockets)
        for open_socket in sockets:
            with contextlib.suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)
        deadline = time.monotonic() + 1
        while self.open_sockets and time.monotonic() < deadline:
            time.sleep(0.001)  # each handler closes its own

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error here."""

    def fault_for(self, request: Received) -> Fault | None:
        """The first injected fault that takes this request, else the rate limit."""
        with self.counting:
            for injection in self.injections:
                if injection.takes(request.method, request.path):
                    return injection.fault
            return self._rate_limited()

    def _rate_limited(self) -> Fault | None:
        if self.limit is None:
            return None
        most, seconds, retry_after = self.limit
        now = time.monotonic()
        while self.recent and self.recent[0] <= now - seconds:
            self.recent.popleft()
        if len(self.recent) < most:
            self.recent.append(now)
            return None
        wait = retry_after if retry_after is not None else max(1, round(self.recent[0] + seconds - now))
        return Status(
            429, code="rate_limit_exceeded", message="Rate limit reached.", headers={"retry-after": f"{wait:g}"}
        )


class Handler(WSGIRequestHandler):
    """One connection. Answers are written by hand, in one piece, because the faults cut and slow them."""

    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    counted = False  # whether the request is one of those in flight

    def setup(self) -> None:
        """The connection begins."""
        super().setup()
        with self.server.counting:
            self.server.connections += 1
            self.server.open_sockets.add(self.connection)

    def finish(self) -> None:
        """The connection ends."""
        with contextlib.suppress(OSError):
            super().finish()
        with self.server.counting:
            self.server.open_sockets.discard(self.connection)

    def log(self, type: str, message: str, *args: object) -> None:
        """Nothing on stderr."""

    def run_wsgi(self) -> None:
        """One request."""
        length = int(self.headers.get("content-length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        path = re.sub(r"^/v1(?=/|\?|$)", "", self.path)
        request = Received(self.command, path, headers, self.rfile.read(length))
        if len(request.raw) < length:  # the client has given it up
            return self._cut()
        server = self.server
        with server.counting:
            server.received.append(request)
            server.in_flight += 1
            server.max_in_flight = max(server.max_in_flight, server.in_flight)
        self.counted = True
        try:
            if server.latency:
                server.stopping.wait(server.latency)
            self._respond(request, server.fault_for(request))
        finally:
            self._no_longer_in_flight()
        return None

    def _no_longer_in_flight(self) -> None:
        """Before the first byte of the answer: with it, the client may begin another request."""
        with self.server.counting:
            self.server.in_flight -= self.counted
        self.counted = False

    def _respond(self, request: Received, fault: Fault | None) -> None:
        app = self.server.api
        if isinstance(fault, Status | Raw | Answer) and fault.carried_out:
            app.answer(request)
        if isinstance(fault, Raw):
            self._write(fault.data)
            return self._cut()
        if fault == Cut("accept"):
            return self._cut()
        if isinstance(fault, Slow):
            self.server.stopping.wait(fault.seconds)
        sent = self._instead(fault) if isinstance(fault, Status | Answer) else app.answer(request)
        head = self._head(sent)
        if isinstance(fault, Cut):
            part = {"answer": b"", "headers": head[: len(head) // HALF]}.get(fault.when)
            self._write(head + sent.body[: len(sent.body) // HALF] if part is None else part)
            return self._cut()
        request.status = sent.status
        if isinstance(fault, Drip):
            self._write(head)
            for byte in sent.body:
                self.server.stopping.wait(fault.seconds_per_byte)
                if not self._write(bytes([byte])):
                    break
            return None
        if isinstance(fault, Wire):
            return self._write_parts(fault, head, sent.body)
        self._write(head + sent.body)
        if app.quirks.close_without_notice:
            self._cut()
        return None

    def _instead(self, fault: Status | Answer) -> Sent:
        if isinstance(fault, Answer) or fault.body is not None:
            body = fault.body if isinstance(fault.body, bytes) else json.dumps(fault.body).encode()
            return Sent(fault.status, body, {"content-type": "application/json", **fault.headers})
        message = fault.message or f"The sandbox was told to answer {fault.status}."
        sent = self.server.api.refused(Refusal(fault.status, message, code=fault.code), fault.type)
        sent.headers |= {"x-request-id": "req_fault", **fault.headers}
        return sent

    def _head(self, sent: Sent) -> bytes:
        phrase = self.responses.get(sent.status, ("Unknown", ""))[0]
        lines = [f"HTTP/1.1 {sent.status} {phrase}", f"content-length: {len(sent.body)}"]
        lines += [f"{name}: {value}" for name, value in sent.headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def _write_parts(self, fault: Wire, head: bytes, body: bytes) -> None:
        for part in fault.parts(head, body):
            if not self._write(part):
                break
            time.sleep(fault.pause)
        if not fault.kept:
            self._cut()

    def _write(self, data: bytes) -> bool:
        """Whether the client is still there."""
        self._no_longer_in_flight()
        try:
            self.wfile.write(data)
            self.wfile.flush()
        except OSError:
            self.close_connection = True
            return False
        return True

    def _cut(self) -> None:
        self._no_longer_in_flight()
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
