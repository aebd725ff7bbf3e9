"""The sandbox's sockets: what it records, how it stops, and the command that runs it alone."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import requests as http

from openai_vtab import sandbox as sandbox_package
from openai_vtab.sandbox import Wire

from .conftest import Call

BATCH = "/vector_stores/vs_demo/file_batches/vsfb_demo_finished"


def get(sandbox: Any, path: str = BATCH) -> http.Response:
    return http.get(sandbox.base_url + path, headers={"api-key": sandbox.api_key}, timeout=5)


def test_requests_are_recorded(sandbox: Any) -> None:
    """With method, path, query, headers, body, and the response's status."""
    get(sandbox, "/vector_stores?limit=1")
    (request,) = sandbox.requests
    assert (request.method, request.path, request.query, request.body, request.status) == (
        "GET",
        "/vector_stores?limit=1",
        {"limit": "1"},
        None,
        200,
    )
    assert request.headers["api-key"] == sandbox.api_key
    sandbox.reset_counters()
    assert sandbox.requests == []


def test_requests_in_flight_are_counted(sandbox: Any) -> None:
    """Three that wait for each other are in flight at the same time."""
    together = threading.Barrier(3)

    def parts(head: bytes, body: bytes) -> Iterator[bytes]:
        together.wait(10)
        yield head + body

    sandbox.inject(Wire(parts), times=3)
    threads = [threading.Thread(target=get, args=(sandbox,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (sandbox.max_in_flight, sandbox.connections) == (3, 3)
    sandbox.reset_counters()
    assert (sandbox.max_in_flight, sandbox.connections) == (0, 0)


def test_request_that_ends_early_is_not_carried_out(call: Call, sandbox: Any) -> None:
    """The client closes the connection before the body is complete."""
    head = (
        f"POST /v1/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {sandbox.api_key}\r\nContent-Length: 99\r\n\r\n"
    )
    before = len(call("GET /files").json()["data"])
    port = int(sandbox.base_url.split(":")[2].split("/")[0])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(head.encode() + b"half of it")
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100) == b""
    assert len(call("GET /files").json()["data"]) == before


def test_stop_does_not_wait_for_open_connections() -> None:
    """One is kept alive, and one is in the middle of a response. No thread is left."""
    under_way = threading.Event()

    def parts(head: bytes, body: bytes) -> Iterator[bytes]:
        under_way.set()
        yield head

    before = set(threading.enumerate())  # some are of earlier tests, and may end at any time
    with http.Session() as session, sandbox_package.run() as sandbox:
        session.get(sandbox.base_url + BATCH, headers={"api-key": sandbox.api_key}, timeout=5)
        sandbox.inject(Wire(parts, pause=60))
        with socket.create_connection(("127.0.0.1", sandbox._server.server_port), timeout=5) as waiting:
            waiting.sendall(b"GET /v1/files HTTP/1.1\r\nHost: x\r\n\r\n")
            assert under_way.wait(10)
            began = time.monotonic()
            sandbox._server.stop()
            assert time.monotonic() - began < 10
            assert set(threading.enumerate()) <= before


def test_two_sandboxes_run_side_by_side() -> None:
    """Each with its own data, on its own port."""
    with sandbox_package.run() as one, sandbox_package.run(seeded=False) as two:
        assert one.base_url != two.base_url
        one.latency = 0.01
        assert (one.latency, two.latency) == (0.01, 0)
        assert (get(one).status_code, get(two).status_code) == (200, 404)


def test_command_line_runs_a_sandbox_alone() -> None:
    """It prints how to connect, and ends with Ctrl-C."""
    command = [sys.executable, "-m", "openai_vtab.sandbox", "--api-key", "k", "--empty"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline().split()
        assert line[1:] == ["OPENAI_API_KEY=k", "openai-vtab"]
        url = line[0].removeprefix("OPENAI_BASE_URL=")
        assert http.get(f"{url}/vector_stores", headers={"api-key": "k"}, timeout=5).json()["data"] == []
        process.send_signal(2)
        assert process.communicate(timeout=20)[1] == ""
        assert process.returncode == 0
