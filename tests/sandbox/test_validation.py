"""Checks of request parameters, each a 400 with the parameter's name."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Call

# One request on each line
# fmt: off
REFUSED = [
    ("GET /vector_stores?limit=many", None, "limit"),
    ("GET /vector_stores?after=vs_gone", None, "after"),
    ("POST /vector_stores", {"name": 7}, "name"),
    ("POST /vector_stores", {"metadata": [1]}, "metadata"),
    ("POST /vector_stores", {"metadata": {"k": 1}}, "metadata.k"),
    ("POST /vector_stores", {"expires_after": {"anchor": "created_at", "days": 1}}, "expires_after.anchor"),
    ("POST /vector_stores", {"expires_after": {"anchor": "last_active_at", "days": 366}}, "expires_after.days"),
    ("POST /vector_stores/vs_demo/search", {"query": []}, "query"),
    ("POST /vector_stores/vs_demo/files", {}, "file_id"),
    ("POST /vector_stores/vs_demo/files", {"file_id": "file-new-01", "attributes": {"k" * 65: 1}}, "attributes"),
    ("POST /vector_stores/vs_demo/files", {"file_id": "file-new-01", "chunking_strategy": {"type": "best"}}, "chunking_strategy.type"),
    ("POST /vector_stores/vs_demo/files/file-demo-01", {}, "attributes"),
    ("POST /vector_stores/vs_demo/file_batches", {"files": [7]}, "files[0]"),
    *(
        ("POST /vector_stores/vs_demo/files", {"file_id": "file-new-01", "chunking_strategy": {"type": "static", "static": {"max_chunk_size_tokens": size, "chunk_overlap_tokens": overlap}}}, f"chunking_strategy.static.{param}")
        for size, overlap, param in ((99, 0, "max_chunk_size_tokens"), (100, 51, "chunk_overlap_tokens"))
    ),
]
# fmt: on


@pytest.mark.parametrize(("operation", "body", "param"), REFUSED)
def test_validation_rejects_invalid_parameters(call: Call, operation: str, body: Any, param: str) -> None:
    """With the name of the parameter."""
    response = call(operation, json=body)
    assert (response.status_code, response.json()["error"]["param"]) == (400, param)


@pytest.mark.parametrize(
    ("form", "param"),
    [
        ({}, "purpose"),
        ({"name": "a.md"}, "name"),
        ({"expires_after[anchor]": "created_at"}, "expires_after.seconds"),
        ({"expires_after[seconds]": "3600"}, "expires_after.anchor"),
        ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "soon"}, "expires_after.seconds"),
        ({"expires_after[anchor]": "last_active_at", "expires_after[seconds]": "3600"}, "expires_after.anchor"),
        ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "3599"}, "expires_after.seconds"),
    ],
)
def test_validation_rejects_invalid_uploads(call: Call, form: dict[str, str], param: str) -> None:
    """The form's fields are checked as JSON is."""
    purpose = {"purpose": "assistants"} if form else {}
    response = call("POST /files", files={"file": ("a.md", b"text")}, data={**purpose, **form})
    assert (response.status_code, response.json()["error"]["param"]) == (400, param)


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("POST /vector_stores", {"name": None, "description": None, "file_ids": None, "metadata": None}),
        ("POST /vector_stores", {"expires_after": None, "chunking_strategy": None}),
        ("POST /vector_stores/vs_demo", {"name": None, "expires_after": None, "metadata": None}),
        ("POST /vector_stores/vs_demo/files/file-demo-01", {"attributes": None}),
        (
            "POST /vector_stores/vs_demo/files",
            {"file_id": "file-new-01", "attributes": None, "chunking_strategy": None},
        ),
        ("POST /vector_stores/vs_demo/file_batches", {"file_ids": ["file-new-01"], "files": None, "attributes": None}),
    ],
)
def test_validation_takes_null_for_absence(call: Call, operation: str, body: Any) -> None:
    """Some clients send null for whatever was not given."""
    assert call(operation, json=body).status_code == 200


def test_validation_rejects_other_content_types(call: Call) -> None:
    """The body must be declared as JSON."""
    response = call("POST /vector_stores", data={"name": "n"})
    assert (response.status_code, response.json()["error"]["code"]) == (400, "unsupported_content_type")


def test_validation_rejects_a_file_that_is_a_text_field(call: Call) -> None:
    """A file has a file name."""
    response = call("POST /files", files={"file": (None, b"text"), "purpose": (None, b"assistants")})
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_type")


def test_validation_rejects_a_body_that_is_not_json(call: Call) -> None:
    """An empty body stands for an empty object where all of it is optional."""
    for body in (b"{", b"[1]", b'{"name": NaN}', b'{"metadata": 1e999}', b'{"a":' * 5000, b"\xff"):
        response = call("POST /vector_stores", data=body)
        assert (response.status_code, response.json()["error"]["code"]) == (400, None)
        assert response.json()["error"]["message"].startswith("We could not parse the JSON body of your request.")
    assert call("POST /vector_stores").json()["object"] == "vector_store"
