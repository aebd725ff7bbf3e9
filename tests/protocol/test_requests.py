"""Requests from a table, a method and its parameters, without I/O."""

from __future__ import annotations

import json

import pytest

from openai_vtab import protocol
from openai_vtab.protocol import Request
from openai_vtab.tables import vector_store_file_batches as batches

from .batches import CANCEL, CREATE, CREATE_FILES, GET, KEYS, READ


def test_request_of_a_get() -> None:
    """By its keys' sources, whatever the variables are called."""
    target = "/vector_stores/vs_1/file_batches/vsfb_1"
    assert Request("GET", target, absent_is_none=True, route=GET.path) == READ


@pytest.mark.parametrize(
    ("id", "segment"),
    [
        ("../files", "..%2Ffiles"),
        ("?x=1", "%3Fx%3D1"),
        ("a#b", "a%23b"),
        ("ü", "%C3%BC"),
        ("%2e", "%252e"),
        ("\x00", "%00"),
        ("\ud800", "%ED%A0%80"),
    ],
)
def test_request_path_has_the_id_as_one_segment(id: str, segment: str) -> None:
    """It cannot reach another endpoint."""
    assert protocol.build(batches, GET, {**KEYS, "id": id}).target == f"/vector_stores/vs_1/file_batches/{segment}"


def test_request_of_a_create_is_not_idempotent_and_carries_only_its_body() -> None:
    """The key goes into the path."""
    request = protocol.build(batches, CREATE, {"vector_store_id": "vs_1", "file_ids": ["a"], "attributes": {"ü": 1}})
    assert (request.method, request.target) == ("POST", "/vector_stores/vs_1/file_batches")
    assert json.loads(request.body or b"") == {"file_ids": ["a"], "attributes": {"ü": 1}}
    assert not request.idempotent
    assert request.verify_path == "/vector_stores/vs_1/files"
    assert not request.absent_is_none


def test_request_body_copies_shared_options_into_files() -> None:
    """An item's own win, a null too; without shared ones the items stay as they are."""
    items = [{"file_id": "a"}, {"file_id": "b", "attributes": None}]
    shared = {"vector_store_id": "vs_1", "files": items, "attributes": {"x": 1}}
    body = json.loads(protocol.build(batches, CREATE_FILES, shared).body or b"")
    assert body == {"files": [{"file_id": "a", "attributes": {"x": 1}}, {"file_id": "b", "attributes": None}]}
    plain = protocol.build(batches, CREATE_FILES, {"vector_store_id": "vs_1", "files": items})
    assert json.loads(plain.body or b"") == {"files": items}


def test_request_of_a_cancel_has_no_body_and_is_idempotent() -> None:
    """It is idempotent."""
    request = protocol.build(batches, CANCEL, {**KEYS, "status": "cancelled"})
    assert (request.method, request.target, request.body) == ("POST", READ.target + "/cancel", None)
    assert request.idempotent


@pytest.mark.parametrize(
    ("route", "target", "parents"),
    [
        (
            "/vector_stores/{vector_store_id}/file_batches/{batch_id}",
            "/vector_stores/vs_1/file_batches/a%2Fb",
            ["/vector_stores/vs_1", "/vector_stores?limit=1"],
        ),
        (
            "/vector_stores/{id}/files/{file_id}",
            "/vector_stores/v/files/f",
            ["/vector_stores/v", "/vector_stores?limit=1"],
        ),
        ("/files/{file_id}", "/files/file-1", ["/files?limit=1"]),
        ("/files/{file_id}/content", "/files/file-1/content?x=1", ["/files/file-1", "/files?limit=1"]),
    ],
)
def test_request_has_parents(route: str, target: str, parents: list[str]) -> None:
    """The object that it lies in, and at last the collection."""
    request = Request("GET", target, absent_is_none=True, route=route)
    found = []
    while request.absent_is_none:
        request = protocol.above(request)
        assert (request.method, request.body) == ("GET", None)
        found.append(request.target)
    assert found == parents
