"""The sandbox's sockets: what it records, how it stops, and the command that runs it alone."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests as http

from openai_vtab import sandbox as sandbox_package
from openai_vtab.sandbox import Status, Wire

from ..support.waiting import until
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


def exchange(sandbox: Any, request: bytes) -> bytes:
    """Send bytes on a connection of their own. All bytes of the response, until the sandbox closes it."""
    port = int(sandbox.base_url.split(":")[2].split("/")[0])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(request)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


def test_path_without_v1_is_no_url_of_the_api(sandbox: Any) -> None:
    """With or without a key."""
    for headers in ({}, {"api-key": sandbox.api_key}):
        response = http.get(sandbox.base_url.removesuffix("/v1") + "/files?limit=1", headers=headers, timeout=5)
        message = "Invalid URL (GET /files)"
        expected = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
        assert (response.status_code, response.json()["error"]) == (404, expected)
    assert http.get(sandbox.base_url, timeout=5).json()["error"]["message"] == "Invalid URL (GET /v1)"


def test_body_in_chunks_is_read(call: Call) -> None:
    """As clients send it that do not know its length."""
    parts = iter([b'{"name": ', b'"chunked"}'])
    assert call("POST /vector_stores", data=parts).json()["name"] == "chunked"


@pytest.mark.parametrize(
    "framing",
    [b"Content-Length: many\r\n\r\n", b"Content-Length: -1\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n"],
)
def test_body_of_an_unknown_length_is_refused(sandbox: Any, framing: bytes) -> None:
    """With 400 and OpenAI's body, before the connection is closed."""
    answer = exchange(sandbox, b"POST /v1/vector_stores HTTP/1.1\r\nHost: x\r\n" + framing)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"type": "invalid_request_error"' in answer


@pytest.mark.parametrize(
    "request_line", [b"nonsense", b"GET /v1/files HTTP/one", b"GET /" + b"x" * 70000 + b" HTTP/1.1"]
)
def test_request_that_is_no_http_is_refused(sandbox: Any, request_line: bytes) -> None:
    """With OpenAI's body, not with a page of HTML."""
    assert b'"type": "invalid_request_error"' in exchange(sandbox, request_line + b"\r\nHost: x\r\n\r\n")


def test_response_to_head_has_no_body(sandbox: Any) -> None:
    """The next response of the connection is read from its beginning."""
    with http.Session() as session:
        assert session.head(sandbox.base_url + "/files", timeout=5).status_code == 405
        assert session.get(sandbox.base_url + BATCH, headers={"api-key": sandbox.api_key}, timeout=5).status_code == 200


def test_rate_limit_has_the_type_of_the_api(sandbox: Any) -> None:
    """What is limited, by the code; other errors have their types, too."""
    for status, code, type in (
        (429, "rate_limit_exceeded", "requests"),
        (429, "insufficient_quota", "insufficient_quota"),
        (503, "server_is_overloaded", "service_unavailable_error"),
        (500, None, "server_error"),
    ):
        sandbox.inject(Status(status, code=code))
        assert get(sandbox).json()["error"]["type"] == type
    sandbox.rate_limit(0, 60, retry_after=1)
    assert get(sandbox).json()["error"]["type"] == "requests"


def test_error_of_the_sandbox_itself_is_a_500(sandbox: Any, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and does not cut the connection."""
    sandbox._server.api.state.stores = None
    response = get(sandbox, "/vector_stores")
    assert (response.status_code, response.json()["error"]["type"]) == (500, "server_error")
    assert "GET /vector_stores has failed" in caplog.text


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
            assert time.monotonic() - began < 50
            until(lambda: set(threading.enumerate()) <= before)


def test_two_sandboxes_run_side_by_side() -> None:
    """Each with its own data, on its own port."""
    with sandbox_package.run() as one, sandbox_package.run(seeded=False) as two:
        assert one.base_url != two.base_url
        one.latency = 0.01
        assert (one.latency, two.latency) == (0.01, 0)
        assert (get(one).status_code, get(two).status_code) == (200, 404)


def test_command_line_runs_a_sandbox_alone() -> None:
    """It prints how to connect, and ends with Ctrl-C."""
    command = [sys.executable, "-m", "openai_vtab.sandbox", "--api-key", "k", "--empty", "--plural-object"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline().split()
        assert line[1:] == ["OPENAI_API_KEY=k", "openai-vtab"]
        url = line[0].removeprefix("OPENAI_BASE_URL=")
        assert http.get(f"{url}/vector_stores", headers={"api-key": "k"}, timeout=5).json()["data"] == []
        headers = {"api-key": "k"}
        store = http.post(f"{url}/vector_stores", headers=headers, timeout=5).json()["id"]
        batches, body = f"{url}/vector_stores/{store}/file_batches", {"file_ids": ["file-gone"]}
        batch = http.post(batches, headers=headers, json=body, timeout=5).json()
        assert batch["object"] == "vector_store.files_batch"
        process.send_signal(2)
        assert process.communicate(timeout=20)[1] == ""
        assert process.returncode == 0
