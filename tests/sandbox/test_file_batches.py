"""Files and file batches over time: processing, cancelling and deleting."""

from __future__ import annotations

import requests as http

from openai_vtab import sandbox as sandbox_package

from .conftest import Call


def test_batch_is_processed_over_time() -> None:
    """Files finish one after another; unsupported types and unknown files fail; then the batch is completed."""
    now = [1000.0]
    with sandbox_package.run(processing_seconds=10, seeded=False, clock=lambda: now[0]) as sandbox:
        store = sandbox.add_store()
        files = [sandbox.add_file(name) for name in ("a.md", "b.csv")]
        batch = sandbox.add_batch(store, [*files, "file-gone"])

        def counts() -> tuple[str, list[int]]:
            found = sandbox.batches[store, batch]
            return found["status"], [found["file_counts"][s] for s in ("in_progress", "completed", "failed", "total")]

        assert counts() == ("in_progress", [3, 0, 0, 3])
        now[0] += 5
        assert counts() == ("in_progress", [2, 1, 0, 3])
        now[0] += 5
        assert counts() == ("completed", [0, 1, 2, 3])
        headers = {"Authorization": f"Bearer {sandbox.api_key}"}
        listed = http.get(
            f"{sandbox.base_url}/vector_stores/{store}/file_batches/{batch}/files?filter=failed",
            headers=headers,
            timeout=5,
        )
        assert {item["last_error"]["code"] for item in listed.json()["data"]} == {"unsupported_file", "invalid_file"}


def test_cancel_is_asynchronous_and_keeps_completed_files() -> None:
    """The response still says in_progress."""
    now = [1000.0]
    with sandbox_package.run(processing_seconds=10, seeded=False, clock=lambda: now[0]) as sandbox:
        store = sandbox.add_store()
        batch = sandbox.add_batch(store, [sandbox.add_file("a.md"), sandbox.add_file("b.md")])
        now[0] += 6
        address = f"{sandbox.base_url}/vector_stores/{store}/file_batches/{batch}/cancel"
        answers = [http.post(address, headers={"api-key": sandbox.api_key}, timeout=5).json() for _ in range(2)]
        assert [answer["status"] for answer in answers] == ["in_progress", "cancelled"]
        assert sandbox.batches[store, batch]["file_counts"] == {
            "in_progress": 0,
            "completed": 1,
            "failed": 0,
            "cancelled": 1,
            "total": 2,
        }


def test_delete_of_a_file_leaves_it_in_its_stores(call: Call) -> None:
    """Until it is detached, as observed with the API."""
    call("DELETE /files/file-demo-01")
    assert call("GET /files/file-demo-01").status_code == 404
    assert call("GET /vector_stores/vs_demo/files/file-demo-01").status_code == 200
    call("DELETE /vector_stores/vs_demo/files/file-demo-01")
    assert call("GET /vector_stores/vs_demo/files/file-demo-01").status_code == 404
