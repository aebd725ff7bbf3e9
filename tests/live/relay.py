"""A server on this machine that passes requests on to the recording client, so that the package's are recorded, too.

>>> with relay(client) as base_url: db = openai_vtab.connect(base_url=base_url, api_key=NO_KEY)
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests as http

from .recording_client import SECONDS, RecordingClient

NO_KEY = "the-relay-adds-the-key"
NOT_PASSED_ON = ("connection", "content-encoding", "content-length", "keep-alive", "transfer-encoding")
DROPPED = ("accept-encoding", "authorization", "connection", "content-length", "host")


class Server(ThreadingHTTPServer):
    """Waits at its end for requests in flight, so that a clean-up misses nothing that they create."""

    daemon_threads = False


@contextmanager
def relay(client: RecordingClient) -> Iterator[str]:
    """Run the server for the length of a with statement. Yields its base URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = SECONDS  # of an idle connection

        def log_message(self, *_: Any) -> None:
            """The client records each request."""

        def handle_one(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name: value for name, value in self.headers.items() if name.lower() not in DROPPED}
            try:
                response = client.send(self.command, self.path.removeprefix("/v1"), headers, body)
            except http.RequestException:  # the package shall see what happened: no response
                self.close_connection = True
                return
            self.send_response(response.status)
            for name, value in response.headers.items():
                if name not in NOT_PASSED_ON:
                    self.send_header(name, value)
            self.send_header("content-length", str(len(response.body)))
            self.end_headers()
            self.wfile.write(response.body)

        do_GET = do_POST = do_DELETE = handle_one  # noqa: N815 - the names that the server looks for

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()
            thread.join()
