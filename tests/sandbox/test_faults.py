"""Fault injection and quirks; how the client copes with them is tested with the client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests as http

from openai_vtab import sandbox as sandbox_package
from openai_vtab.sandbox import Answer, Cut, Drip, Raw, Received, Slow, Status, Wire
from openai_vtab.sandbox.delivery import Pause, steps

BATCH = "/vector_stores/vs_demo/file_batches/vsfb_demo_finished"


def get(sandbox: Any, path: str = BATCH, method: str = "GET", **more: Any) -> http.Response:
    return http.request(method, sandbox.base_url + path, headers={"api-key": sandbox.api_key}, timeout=5, **more)


def test_injection_chooses_requests(sandbox: Any) -> None:
    """By `times`, `after`, `method` and `path`; faults are taken in the order of their injection."""
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
def test_fault_may_hide_that_the_request_was_carried_out(sandbox: Any, carried_out: bool) -> None:
    """As the time-out of a gateway does."""
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
def test_cut_closes_the_connection(sandbox: Any, when: str, carried_out: bool) -> None:
    """Before the request is carried out, or after that."""
    before = len(sandbox.batches)
    sandbox.inject(Cut(when))
    with pytest.raises(http.RequestException):
        get(sandbox, "/vector_stores/vs_demo/file_batches", "POST", json={"file_ids": ["file-new-01"]})
    assert len(sandbox.batches) == before + carried_out
    with pytest.raises(ValueError, match="Cut when"):
        Cut("never")


def test_responses_are_replaced(sandbox: Any) -> None:
    """By raw bytes, or by another body."""
    sandbox.inject(Raw(b"HTTP/1.0 200 OK\r\n\r\nhello"))
    assert get(sandbox).text == "hello"
    sandbox.inject(Answer({"id": "other"}, headers={"x-extra": "1"}))
    response = get(sandbox)
    assert (response.json(), response.headers["x-extra"]) == ({"id": "other"}, "1")


@pytest.mark.parametrize(
    ("fault", "pause", "count"),
    [
        (Slow(0.1), 0.1, lambda body: 1),
        (Drip(0.0005), 0.0005, len),
        (Wire(lambda head, body: [head, body], 0.05, kept=True), 0.05, lambda body: 2),
    ],
    ids=["slow", "drip", "wire"],
)
def test_delays_of_a_response(sandbox: Any, fault: Any, pause: float, count: Callable[[bytes], int]) -> None:
    """Before the request is carried out, before each byte of the body, or after each part; it arrives complete."""
    sandbox.inject(fault)
    response = get(sandbox)
    assert response.json()["id"] == "vsfb_demo_finished"
    request = Received("GET", BATCH, {"api-key": sandbox.api_key}, b"")
    delivered = list(steps(sandbox._server.api, request, fault))
    assert [step.seconds for step in delivered if isinstance(step, Pause)] == [pause] * count(response.content)
    assert response.content in b"".join(step for step in delivered if isinstance(step, bytes))


def test_rate_limit_responds_429() -> None:
    """With Retry-After, until the time has passed."""
    now = [1000.0]
    with sandbox_package.run(clock=lambda: now[0]) as sandbox:
        sandbox.rate_limit(2, 0.2)
        responses = [get(sandbox) for _ in range(3)]
        assert [response.status_code for response in responses] == [200, 200, 429]
        assert responses[2].headers["retry-after"] == "1"
        assert responses[2].json()["error"]["code"] == "rate_limit_exceeded"
        now[0] += 0.25
        assert get(sandbox).status_code == 200


def test_quirks_change_responses(sandbox: Any) -> None:
    """Each shows what has been seen elsewhere."""
    quirks = sandbox.quirks
    quirks.batch_get_returns_store = True
    store = get(sandbox).json()
    assert (store["id"], store["object"], store["status"]) == ("vs_demo", "vector_store", "completed")
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
