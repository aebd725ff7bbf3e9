"""The sandbox's responses against the API's own description: all 21 operations, and the bodies of errors.

openapi-vector-stores.json is the part of github.com/openai/openai-openapi that describes them.
"""

from __future__ import annotations

from typing import Any

import pytest
import requests as http

from ..support.contract import SPEC, described, validate
from .conftest import Call

STORE, BATCH = "/vector_stores/{vector_store_id}", "/vector_stores/{vector_store_id}/file_batches/{batch_id}"
STORE_FILE = STORE + "/files/{file_id}"
NAMES = {"vector_store_id": "vs_demo", "batch_id": "vsfb_demo_failures", "file_id": "file-demo-01"}

# operation, JSON body or "multipart", names in the path that differ from NAMES
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


def test_contract_covers_every_operation() -> None:
    """The list above has each operation of the description."""
    every = {
        f"{method.upper()} {path}" for path, item in SPEC["paths"].items() for method in item if method != "parameters"
    }
    assert {operation for operation, _, _ in OPERATIONS} == every


@pytest.mark.parametrize(("operation", "body", "names"), OPERATIONS, ids=[operation for operation, _, _ in OPERATIONS])
def test_contract_of_responses(call: Call, sandbox: Any, operation: str, body: Any, names: dict[str, str]) -> None:
    """Each response's JSON validates, and so does the request's body."""
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
        ("GET /vector_stores/vs_demo/files?limit=101", None, 400, "integer_above_max_value"),
        ("GET /vector_stores/vs_demo/files?filter=done", None, 400, "invalid_value"),
        ("GET /vector_stores/vs_demo/files?order=up", None, 400, "invalid_value"),
        ("GET /vector_stores/vs_demo/file_batches", None, 405, "method_not_supported"),
        ("GET /nothing", None, 404, None),
        ("GET /files/", None, 404, None),
        ("GET /files?before=file-demo-01", None, 400, "unknown_parameter"),
        ("GET /files?limit=10001", None, 400, "integer_above_max_value"),
        ("GET /vector_stores/vs_demo/files?purpose=assistants", None, 400, "unknown_parameter"),
        ("GET /vector_stores/vs%20demo", None, 400, "invalid_value"),
        ("GET /files/file%2Fdemo", None, 400, "invalid_value"),
        ("POST /vector_stores", {"file_ids": [[]]}, 400, "invalid_type"),
        ("POST /vector_stores", {"file_ids": [{}]}, 400, "invalid_type"),
        ("POST /vector_stores", {"file_ids": [1]}, 400, "invalid_type"),
        ("POST /vector_stores", {"file_ids": [None]}, 400, "invalid_type"),
        ("POST /vector_stores", {"file_ids": [""]}, 400, "invalid_value"),
        ("POST /vector_stores", {"file_ids": ["file-x"] * 501}, 400, "array_above_max_length"),
        ("POST /vector_stores", {"metadata": {str(i): "" for i in range(17)}}, 400, "object_above_max_properties"),
        ("POST /vector_stores", {"metadata": {"k" * 65: ""}}, 400, "property_name_above_max_length"),
        ("POST /vector_stores", {"metadata": {"k": "v" * 513}}, 400, "string_above_max_length"),
        ("POST /vector_stores", {"expires_after": {"anchor": "last_active_at"}}, 400, "missing_required_parameter"),
        ("POST /vector_stores/vs_demo/files/file-demo-01", {}, 400, "missing_required_parameter"),
        ("POST /vector_stores/vs_demo/file_batches", {}, 400, "missing_required_parameter"),
        ("POST /vector_stores/vs_demo/file_batches", {"files": [{}]}, 400, "missing_required_parameter"),
        ("POST /vector_stores/vs_demo/file_batches", {"files": [{"file_id": ""}]}, 400, "invalid_value"),
        ("POST /vector_stores/vs_demo/file_batches", {"file_ids": []}, 400, "empty_array"),
        ("POST /vector_stores/vs_demo/file_batches", {"file_ids": ["x"] * 2001}, 400, "array_above_max_length"),
        (
            "POST /vector_stores/vs_demo/file_batches",
            {"file_ids": ["file-x"], "files": [{"file_id": "file-x"}]},
            400,
            "mutually_exclusive_parameters",
        ),
        ("POST /vector_stores/vs_demo/file_batches", {"file_ids": ["x"], "name": "y"}, 400, "unknown_parameter"),
        ("POST /vector_stores/vs_demo/file_batches", {"file_ids": "x"}, 400, "invalid_type"),
        ("POST /vector_stores/vs_demo/file_batches/vsfb_demo_finished/cancel", None, 400, None),
        ("POST /vector_stores/vs_demo/files", {"file_id": "file-gone"}, 404, None),
        ("POST /vector_stores", {"chunking_strategy": {"type": "auto"}}, 400, "invalid_value"),
    ],
)
def test_contract_of_errors(call: Call, operation: str, body: Any, status: int, code: str | None) -> None:
    """OpenAI's body, with the status, and the code where OpenAI has one."""
    response = call(operation, json=body)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    validate(response.json(), {"$ref": "#/components/schemas/ErrorResponse"})


@pytest.mark.parametrize(
    ("headers", "code", "message"),
    [
        ({}, None, "You didn't provide an API key."),
        ({"Authorization": "sandbox-key-not-a-secret"}, None, "You didn't provide an API key."),
        ({"Authorization": "Bearer wrong"}, "invalid_api_key", "Incorrect API key provided: *****."),
        ({"api-key": "wrong"}, "invalid_api_key", "Incorrect API key provided: *****."),
        ({"Authorization": "Bearer sk-0123456789abcdef"}, "invalid_api_key", "provided: sk-0***********cdef."),
    ],
)
def test_authentication_requires_the_key(sandbox: Any, headers: dict[str, str], code: str | None, message: str) -> None:
    """401 without a key and with a wrong one, in either header. The key is not repeated as a whole."""
    response = http.get(f"{sandbox.base_url}/files", headers=headers, timeout=5)
    error = response.json()["error"]
    assert (response.status_code, error["type"], error["code"]) == (401, "invalid_request_error", code)
    assert message in error["message"]


def test_authentication_takes_either_header(sandbox: Any) -> None:
    """Bearer as OpenAI has it, api-key as Azure has it."""
    assert http.get(f"{sandbox.base_url}/files", headers={"api-key": sandbox.api_key}, timeout=5).status_code == 200
