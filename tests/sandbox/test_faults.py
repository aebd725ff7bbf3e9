"""The sandbox's faults and quirks do what they say; the client's behaviour under them is tested in tests/transport/."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from typing import Any

import pytest
import requests as http

from openai_vtab import sandbox as sandbox_package
from openai_vtab.sandbox import Answer, Cut, Drip, Raw, Slow, Status, Wire

BATCH = "/vector_stores/vs_demo/file_batches/vsfb_demo_finished"


def get(sandbox: Any, path: str = BATCH, method: str = "GET", **more: Any) -> http.Response:
    return http.request(method, sandbox.base_url + path, headers={"api-key": sandbox.api_key}, timeout=2, **more)


def test_faults_are_taken_in_turn(sandbox: Any) -> None:
    """`times`, `after`, `method` and `path` choose the requests."""
    sandbox.inject(Status(503, code="server_is_overloaded"), times=2, method="GET", path="finished", after=1)
    assert get(sandbox, method="POST", path="/vector_stores", json={}).status_code == 200
    assert [get(sandbox).status_code for _ in range(4)] == [200, 503, 503, 200]
    sandbox.inject(Status(500), times=None)
    assert get(sandbox).status_code == 500
    sandbox.clear_faults()
    assert get(sandbox).status_code == 200
    injection = sandbox.inject(Status(500), times=None)
    assert get(sandbox).status_code == 500
    injection.times = 0
    assert get(sandbox).status_code == 200


@pytest.mark.parametrize("carried_out", [False, True])
def test_an_answer_may_hide_that_it_was_carried_out(sandbox: Any, carried_out: bool) -> None:
    """As a gateway's time-out does."""
    path = "/vector_stores/vs_demo/file_batches"
    raw = Raw(b"HTTP/1.0 504 Late\r\n\r\n", carried_out)
    for fault in (Status(504, carried_out=carried_out), Answer("late", 504, carried_out=carried_out), raw):
        before = len(sandbox.batches)
        sandbox.inject(fault)
        assert get(sandbox, path, "POST", json={"file_ids": ["file-new-01"]}).status_code == 504
        assert len(sandbox.batches) == before + carried_out


@pytest.mark.parametrize(
    ("when", "carried_out"), [("accept", False), ("answer", True), ("headers", True), ("body", True)]
)
def test_connections_are_cut(sandbox: Any, when: str, carried_out: bool) -> None:
    """On arrival, or after the work is done."""
    before = len(sandbox.batches)
    sandbox.inject(Cut(when))
    with pytest.raises(http.RequestException):
        get(sandbox, "/vector_stores/vs_demo/file_batches", "POST", json={"file_ids": ["file-new-01"]})
    assert len(sandbox.batches) == before + carried_out
    with pytest.raises(ValueError, match="Cut when"):
        Cut("never")


def test_answers_can_be_anything(sandbox: Any) -> None:
    """Raw bytes, another body, slow, byte by byte."""
    sandbox.inject(Raw(b"HTTP/1.0 200 OK\r\n\r\nhello"))
    assert get(sandbox).text == "hello"
    sandbox.inject(Answer({"id": "other"}, headers={"x-extra": "1"}))
    answer = get(sandbox)
    assert (answer.json(), answer.headers["x-extra"]) == ({"id": "other"}, "1")
    for fault in (Slow(0.1), Drip(0.0005), Wire(lambda head, body: [head, body], 0.05, kept=True)):
        sandbox.inject(fault)
        began = time.monotonic()
        assert get(sandbox).json()["id"] == "vsfb_demo_finished"
        assert time.monotonic() - began >= 0.05


def test_the_rate_limit(sandbox: Any) -> None:
    """429 with Retry-After, and then again 200."""
    sandbox.rate_limit(2, 0.2)
    statuses = [get(sandbox) for _ in range(3)]
    assert [answer.status_code for answer in statuses] == [200, 200, 429]
    assert statuses[2].headers["retry-after"] == "1"
    assert statuses[2].json()["error"]["code"] == "rate_limit_exceeded"
    time.sleep(0.25)
    assert get(sandbox).status_code == 200


def test_quirks(sandbox: Any) -> None:
    """Each shows what has been seen elsewhere."""
    quirks = sandbox.quirks
    quirks.batch_get_returns_store = True
    answer = get(sandbox).json()
    assert (answer["id"], answer["object"], answer["status"]) == ("vs_demo", "vector_store", "completed")
    quirks.batch_get_returns_store = False
    quirks.unknown_id_is_400 = True
    assert get(sandbox, "/vector_stores/vs_gone").status_code == 400
    quirks.plain_errors = "detail"
    assert get(sandbox, "/vector_stores/vs_gone").json() == {"detail": "No vector store found with id 'vs_gone'."}
    quirks.plain_errors = "text"
    assert get(sandbox, "/vector_stores/vs_gone").headers["content-type"].startswith("text/plain")
    quirks.poll_after_ms = 250
    assert get(sandbox).headers["openai-poll-after-ms"] == "250"
    quirks.after_ignored = True
    pages = [
        get(sandbox, f"/vector_stores/vs_demo/files?limit=2{after}").json() for after in ("", "&after=file-demo-01")
    ]
    assert pages[0]["data"] == pages[1]["data"]
    assert pages[1]["has_more"]
    quirks.after_ignored = False
    quirks.unknown_after_is_first_page = True
    assert get(sandbox, "/vector_stores/vs_demo/files?after=unknown").json()["data"]
    quirks.batch_ids_without_prefix = True
    created = get(sandbox, "/vector_stores/vs_demo/file_batches", "POST", json={"file_ids": ["file-new-01"]}).json()
    assert created["id"].startswith("batch_")
    quirks.not_found_after_create_seconds = 3600
    assert get(sandbox, f"/vector_stores/vs_demo/file_batches/{created['id']}").status_code == 400


def test_requests_are_recorded(sandbox: Any) -> None:
    """Method, path, query, headers, body, the status answered, and how many at once."""
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
    sandbox.latency = 0.1
    threads = [threading.Thread(target=get, args=(sandbox,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sandbox.max_in_flight == 3
    sandbox.reset_counters()
    assert (sandbox.requests, sandbox.max_in_flight) == ([], 0)


def test_it_stops_at_once_with_connections_open() -> None:
    """Kept-alive ones, and one in the middle of an answer; no thread is left."""
    session = http.Session()
    before = threading.active_count()
    with sandbox_package.run() as sandbox:
        session.get(sandbox.base_url + BATCH, headers={"api-key": sandbox.api_key}, timeout=5)
        began = time.monotonic()
    assert time.monotonic() - began < 1
    session.close()
    assert threading.active_count() == before


def test_two_run_side_by_side() -> None:
    """Each with its own data, on its own port."""
    with sandbox_package.run() as one, sandbox_package.run(seeded=False) as two:
        assert one.base_url != two.base_url
        one.latency = 0.01
        assert (one.latency, two.latency) == (0.01, 0)
        assert (get(one).status_code, get(two).status_code) == (200, 404)


def test_alone_from_the_command_line() -> None:
    """It says how to connect, and ends with Ctrl-C."""
    command = [sys.executable, "-m", "openai_vtab.sandbox", "--api-key", "k", "--empty"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline().split()
        assert line[1:] == ["OPENAI_API_KEY=k", "openai-vtab"]
        url = line[0].removeprefix("OPENAI_BASE_URL=")
        assert http.get(f"{url}/vector_stores", headers={"api-key": "k"}, timeout=5).json()["data"] == []
        process.send_signal(2)
        assert process.communicate(timeout=5)[1] == ""
        assert process.returncode == 0
