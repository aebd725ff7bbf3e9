"""The sandbox's answers against the API's own description: all 21 operations, and the bodies of errors.

openapi-vector-stores.json is the part of github.com/openai/openai-openapi that has them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests as http

from openai_vtab import sandbox as sandbox_package

from ..support.contract import SPEC, described, validate

STORE, BATCH = "/vector_stores/{vector_store_id}", "/vector_stores/{vector_store_id}/file_batches/{batch_id}"
STORE_FILE = STORE + "/files/{file_id}"
NAMES = {"vector_store_id": "vs_demo", "batch_id": "vsfb_demo_failures", "file_id": "file-demo-01"}

# operation, JSON body (or multipart), names in the path that differ from NAMES
OPERATIONS: list[tuple[str, Any, dict[str, str]]] = [
    ("GET /files", None, {}),
    ("POST /files", "multipart", {}),
    ("GET /files/{file_id}", None, {}),
    ("GET /files/{file_id}/content", None, {}),
    ("DELETE /files/{file_id}", None, {}),
    ("GET /vector_stores", None, {}),
    (
        "POST /vector_stores",
        {
            "name": "n",
            "file_ids": ["file-new-01"],
            "metadata": {"a": "b"},
            "expires_after": {"anchor": "last_active_at", "days": 7},
        },
        {},
    ),
    (f"GET {STORE}", None, {}),
    (f"POST {STORE}", {"name": "other", "metadata": {"k": "v"}}, {}),
    (f"DELETE {STORE}", None, {"vector_store_id": "vs_archive"}),
    (f"POST {STORE}/search", {"query": "refund policy", "max_num_results": 3}, {}),
    (f"GET {STORE}/files", None, {}),
    (f"POST {STORE}/files", {"file_id": "file-new-02", "attributes": {"lang": "en", "n": 1, "ok": True}}, {}),
    (f"GET {STORE_FILE}", None, {}),
    (f"POST {STORE_FILE}", {"attributes": {"lang": "de"}}, {}),
    (f"DELETE {STORE_FILE}", None, {}),
    (f"GET {STORE_FILE}/content", None, {}),
    (
        f"POST {STORE}/file_batches",
        {"file_ids": ["file-new-01", "file-new-05"], "chunking_strategy": {"type": "auto"}},
        {},
    ),
    (f"GET {BATCH}", None, {}),
    (f"POST {BATCH}/cancel", None, {"batch_id": "vsfb_demo_running"}),
    (f"GET {BATCH}/files", None, {}),
]

Call = Callable[..., http.Response]


@pytest.fixture
def call(sandbox: Any) -> Iterator[Call]:
    """call("GET /files/x", json=…) → the answer."""
    session = http.Session()

    def send(operation: str, **more: Any) -> http.Response:
        method, path = operation.split(" ")
        headers = {"Authorization": f"Bearer {sandbox.api_key}"}
        return session.request(method, sandbox.base_url + path, headers=headers, timeout=5, **more)

    yield send
    session.close()


def test_every_operation_of_the_description_is_called() -> None:
    """None is forgotten."""
    every = {
        f"{method.upper()} {path}" for path, item in SPEC["paths"].items() for method in item if method != "parameters"
    }
    assert {operation for operation, _, _ in OPERATIONS} == every


@pytest.mark.parametrize(("operation", "body", "names"), OPERATIONS, ids=[operation for operation, _, _ in OPERATIONS])
def test_the_answer_is_as_described(call: Call, sandbox: Any, operation: str, body: Any, names: dict[str, str]) -> None:
    """Its JSON validates, and our request's body does too."""
    sandbox.quirks.plural_object = True  # the description's spelling; the documented examples have the other
    address = operation.format(**{**NAMES, **names})
    if body == "multipart":
        response = call(address, files={"file": ("a.md", b"text")}, data={"purpose": "assistants"})
    else:
        if body is not None:
            validate(body, described(operation)["requestBody"]["content"]["application/json"]["schema"])
        response = call(address, json=body)
    assert response.status_code == 200
    assert response.headers["x-request-id"].startswith("req_")
    if operation.startswith("GET /files/{file_id}/content"):
        assert response.content.startswith(b"# Returns")
        return
    answer = response.json()
    validate(answer, described(operation)["responses"]["200"]["content"]["application/json"]["schema"])
    if "data" in answer:
        assert answer["data"]


@pytest.mark.parametrize(
    ("operation", "body", "status", "code"),
    [
        ("GET /vector_stores/vs_gone", None, 404, None),
        ("GET /vector_stores/vs_demo/file_batches/vsfb_gone", None, 404, None),
        ("GET /vector_stores/vs_demo/file_batches/vs_demo", None, 400, "invalid_value"),
        ("GET /vector_stores/vs_demo/files?limit=101", None, 400, "invalid_value"),
        ("GET /vector_stores/vs_demo/files?filter=done", None, 400, "invalid_value"),
        ("GET /vector_stores/vs_demo/files?order=up", None, 400, "invalid_value"),
        ("GET /vector_stores/vs_demo/file_batches", None, 405, "method_not_supported"),
        ("GET /nothing", None, 404, None),
        ("POST /vector_stores/vs_demo/file_batches", {"file_ids": []}, 400, "empty_array"),
        ("POST /vector_stores/vs_demo/file_batches", {"file_ids": ["x"] * 2001}, 400, "array_above_max_length"),
        (
            "POST /vector_stores/vs_demo/file_batches",
            {"file_ids": ["x"], "files": [{"file_id": "x"}]},
            400,
            "missing_parameter",
        ),
        ("POST /vector_stores/vs_demo/file_batches", {"file_ids": ["x"], "name": "y"}, 400, "unknown_parameter"),
        ("POST /vector_stores/vs_demo/file_batches", {"file_ids": "x"}, 400, "invalid_type"),
        ("POST /vector_stores/vs_demo/file_batches/vsfb_demo_finished/cancel", None, 400, None),
        ("POST /vector_stores/vs_demo/files", {"file_id": "file-gone"}, 404, None),
        ("POST /vector_stores", {"chunking_strategy": {"type": "auto"}}, 400, "invalid_value"),
    ],
)
def test_errors_are_in_openais_body(call: Call, operation: str, body: Any, status: int, code: str | None) -> None:
    """With the status, and the code where OpenAI has one."""
    response = call(operation, json=body)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    validate(response.json(), {"$ref": "#/components/schemas/ErrorResponse"})


def test_the_key_is_asked_for(sandbox: Any) -> None:
    """401 without one and with a wrong one."""
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"api-key": "wrong"}):
        response = http.get(f"{sandbox.base_url}/files", headers=headers, timeout=5)
        assert response.status_code == 401
    assert http.get(f"{sandbox.base_url}/files", headers={"api-key": sandbox.api_key}, timeout=5).status_code == 200


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_lists_are_paged(call: Call, sandbox: Any, order: str) -> None:
    """after and limit walk through all of it, once each, in order; 20 are the default."""
    store = sandbox.add_store()
    ids = [sandbox.add_file(f"{n}.md") for n in range(45)]
    batch = sandbox.add_batch(store, ids)
    for path in (f"/vector_stores/{store}/files", f"/vector_stores/{store}/file_batches/{batch}/files"):
        seen: list[str] = []
        sizes: list[int] = []
        after = ""
        while True:
            page = call(f"GET {path}?order={order}{after}").json()
            sizes.append(len(page["data"]))
            seen += [item["id"] for item in page["data"]]
            assert (page["first_id"], page["last_id"]) == (page["data"][0]["id"], page["data"][-1]["id"])
            if not page["has_more"]:
                break
            after = f"&after={page['last_id']}"
        assert sizes == [20, 20, 5]
        assert sorted(seen) == sorted(ids)
    before = call(f"GET /vector_stores/{store}/files?limit=3&order={order}&before={seen[10]}").json()
    assert [item["id"] for item in before["data"]] == seen[7:10]
    empty = call(f"GET /vector_stores/{store}/files?filter=failed").json()
    assert empty == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


def test_batches_move_with_time() -> None:
    """Files are done one after another; unsupported types and unknown files fail; then the batch is completed."""
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


def test_cancel_is_asynchronous_and_keeps_what_is_done() -> None:
    """The answer still says in_progress; what was completed stays so."""
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


def test_search_ranks_and_filters(call: Call) -> None:
    """Words found, best first, scores between 0 and 1, attributes compared."""
    page = call("POST /vector_stores/vs_demo/search", json={"query": ["refund", "warranty"]}).json()
    assert page["search_query"] == ["refund", "warranty"]
    assert {item["filename"] for item in page["data"]} == {"returns.md", "warranty.txt"}
    scores = [item["score"] for item in page["data"]]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    call("POST /vector_stores/vs_demo/files/file-demo-01", json={"attributes": {"lang": "en"}})
    only = {"query": "refund warranty", "filters": {"type": "eq", "key": "lang", "value": "en"}}
    assert [item["filename"] for item in call("POST /vector_stores/vs_demo/search", json=only).json()["data"]] == [
        "returns.md"
    ]


@pytest.mark.parametrize(
    "more",
    [
        {"filters": {"type": "like", "key": "a", "value": "b"}},
        {"filters": {"type": "eq", "value": "b"}},
        {"filters": {"type": "in", "key": "a", "value": 5}},
        {"filters": {"type": "and", "filters": 5}},
        {"filters": "lang"},
        {"ranking_options": "auto"},
        {"ranking_options": {"score_threshold": 2}},
        {"max_num_results": 51},
    ],
    ids=str,
)
def test_a_search_that_cannot_be_is_refused(call: Call, more: Any) -> None:
    """With 400, as the API does."""
    response = call("POST /vector_stores/vs_demo/search", json={"query": "refund", **more})
    assert (response.status_code, response.json()["error"]["param"]) == (400, next(iter(more)))


# A request a line
# fmt: off
REFUSED = [
    ("GET /vector_stores?limit=many", None, "limit"),
    ("GET /vector_stores?after=vs_gone", None, "after"),
    ("POST /vector_stores", {"name": 7}, "name"),
    ("POST /vector_stores", {"metadata": [1]}, "attributes"),
    ("POST /vector_stores", {"metadata": {"k": 1}}, "metadata"),
    ("POST /vector_stores", {"expires_after": {"anchor": "created_at", "days": 1}}, "expires_after"),
    ("POST /vector_stores", {"expires_after": {"anchor": "last_active_at", "days": 366}}, "expires_after.days"),
    ("POST /vector_stores/vs_demo/search", {"query": []}, "query"),
    ("POST /vector_stores/vs_demo/files", {}, "file_id"),
    ("POST /vector_stores/vs_demo/files", {"file_id": "file-new-01", "attributes": {"k" * 65: 1}}, "attributes." + "k" * 65),
    ("POST /vector_stores/vs_demo/files", {"file_id": "file-new-01", "chunking_strategy": {"type": "best"}}, "chunking_strategy"),
    ("POST /vector_stores/vs_demo/files/file-demo-01", {}, "attributes"),
    ("POST /vector_stores/vs_demo/file_batches", {"files": [7]}, "file_ids[0]"),
    *(
        ("POST /vector_stores/vs_demo/files", {"file_id": "file-new-01", "chunking_strategy": {"type": "static", "static": {"max_chunk_size_tokens": size, "chunk_overlap_tokens": overlap}}}, f"chunking_strategy.static.{param}")
        for size, overlap, param in ((99, 0, "max_chunk_size_tokens"), (100, 51, "chunk_overlap_tokens"))
    ),
]
# fmt: on


@pytest.mark.parametrize(("operation", "body", "param"), REFUSED)
def test_a_request_that_cannot_be_is_refused(call: Call, operation: str, body: Any, param: str) -> None:
    """With 400, and the parameter's name."""
    response = call(operation, json=body)
    assert (response.status_code, response.json()["error"]["param"]) == (400, param)


@pytest.mark.parametrize(
    ("form", "param"),
    [
        ({}, "purpose"),
        ({"expires_after[anchor]": "last_active_at", "expires_after[seconds]": "3600"}, "expires_after"),
        ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "3599"}, "expires_after.seconds"),
    ],
)
def test_an_upload_that_cannot_be_is_refused(call: Call, form: dict[str, str], param: str) -> None:
    """As any other request."""
    purpose = {"purpose": "assistants"} if form else {}
    response = call("POST /files", files={"file": ("a.md", b"text")}, data={**purpose, **form})
    assert (response.status_code, response.json()["error"]["param"]) == (400, param)


def test_a_body_that_is_no_json_is_refused(call: Call) -> None:
    """Where one is needed; none at all is an empty one where all of it is optional."""
    assert call("POST /vector_stores", data=b"{").json()["error"]["code"] == "invalid_json"
    assert call("POST /vector_stores").json()["object"] == "vector_store"
    assert call("POST /vector_stores/vs_demo/search", json={"query": "?!"}).json()["data"] == []


def test_a_search_is_a_use_of_the_store(call: Call) -> None:
    """Its last_active_at is now."""
    before = call("GET /vector_stores/vs_archive").json()["last_active_at"]
    call("POST /vector_stores/vs_archive/search", json={"query": "handbook"})
    assert call("GET /vector_stores/vs_archive").json()["last_active_at"] > before


def test_a_form_that_is_given_up_is_not_carried_out(call: Call, sandbox: Any) -> None:
    """The connection is closed before the body is whole."""
    import socket

    head = (
        f"POST /v1/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {sandbox.api_key}\r\nContent-Length: 99\r\n\r\n"
    )
    before = len(call("GET /files").json()["data"])
    with socket.create_connection(
        ("127.0.0.1", int(sandbox.base_url.split(":")[2].split("/")[0])), timeout=5
    ) as client:
        client.sendall(head.encode() + b"half of it")
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100) == b""
    assert len(call("GET /files").json()["data"]) == before


def test_a_deleted_file_is_still_listed_until_it_is_detached(call: Call) -> None:
    """As the real API has been seen to do."""
    call("DELETE /files/file-demo-01")
    assert call("GET /files/file-demo-01").status_code == 404
    assert call("GET /vector_stores/vs_demo/files/file-demo-01").status_code == 200
    call("DELETE /vector_stores/vs_demo/files/file-demo-01")
    assert call("GET /vector_stores/vs_demo/files/file-demo-01").status_code == 404
