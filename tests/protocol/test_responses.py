"""Objects and errors from responses, without I/O."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from openai_vtab import protocol
from openai_vtab.errors import APIError
from openai_vtab.protocol import Request, Response
from openai_vtab.tables import vector_store_file_batches as batches
from openai_vtab.writes.outcome import outcome_unknown

from .batches import CANCEL, CREATE, GET, KEYS, READ


def answer(body: Any, status: int = 200, **headers: str) -> Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, {"x-request-id": "req_1", **headers}, raw, "https://x/v1")


def test_response_gives_the_object() -> None:
    """Of any 2xx."""
    for status in (200, 201):
        assert protocol.parse_object(READ, answer({"id": "vsfb_1"}, status)) == {"id": "vsfb_1"}


@pytest.mark.parametrize(
    ("status", "body", "asks"),
    [
        (422, {"detail": [{"type": "missing", "loc": ["body", "file_ids"], "msg": "Field required"}]}, True),
        (400, {"error": {"detail": {"errors": [{"loc": ["body", "file_ids"], "msg": "Field required"}]}}}, True),
        (400, {"error": {"message": "Missing required parameter: 'file_ids'.", "param": "file_ids"}}, True),
        (400, b"file_ids is required", True),
        (400, {"error": {"message": "Invalid 'files[0].file_id'", "param": "files[0].file_id"}}, False),
        (400, {"error": {"message": "Unknown parameter: 'my_file_ids'"}}, False),
        (400, {"error": {"message": "Total of file_ids and files exceeds the quota"}}, False),
        (422, {"detail": "You may only give one of file_ids and files"}, False),
        (500, {"error": {"message": "Missing required parameter: 'file_ids'."}}, False),
        (404, {"error": {"message": "file_ids: no such file"}}, False),
        (200, {"id": "vsfb_1", "file_ids": []}, False),
    ],
)
def test_response_asks_for_a_member(status: int, body: Any, asks: bool) -> None:
    """Only a certain refusal that names it does."""
    assert protocol.asks_for(answer(body, status), "file_ids") is asks


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"total": 0}, 0),
        ({"total": 2, "completed": 1}, 2),
        ({"total": 0, "completed": 1, "failed": 1}, 2),
        ({"total": True}, None),
        ({"completed": 0}, None),
        (None, None),
    ],
    ids=str,
)
def test_response_counts_files(counts: Any, expected: int | None) -> None:
    """The total, or the sum if that is larger; None if it does not say."""
    assert protocol.counted_files({"file_counts": counts}) == expected


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, {"error": {"message": "No file batch found with id 'vsfb_1' in vector store 'vs_1'."}}),
        (404, {"error": {"message": "No vector store found with id 'vs_1'."}}),
        (400, {"error": {"message": "Vector store 'vs_1' not found"}}),
        (400, {"detail": "batch vsfb_1 does not exist"}),
        (410, {"error": {"message": "File batch vsfb_1 was deleted"}}),
        (422, {"detail": "File batch vsfb_1 not found"}),
    ],
)
def test_response_of_a_proven_absence_is_none(status: int, body: Any) -> None:
    """For a GET of one object only; for a write it is an error."""
    assert protocol.parse_object(READ, answer(body, status)) is None
    with pytest.raises(APIError) as caught:
        protocol.parse_object(protocol.build(batches, CANCEL, KEYS), answer(body, status))
    assert caught.value.status == status
    assert "base_url" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": {"message": "Invalid 'batch_id': not found", "code": "invalid_value"}}),
        (400, {"error": {"message": "bad request"}}),
        (403, {"error": {"message": "not found"}}),
    ],
)
def test_response_of_any_other_failure_raises(status: int, body: Any) -> None:
    """That is not about the object or the address."""
    with pytest.raises(APIError) as caught:
        protocol.parse_object(READ, answer(body, status))
    assert caught.value.status == status
    assert not protocol.is_undecided(READ, answer(body, status))
    assert "base_url" not in str(caught.value)


@pytest.mark.parametrize("request_", [READ, protocol.build(batches, CANCEL, KEYS)], ids=["read", "write"])
@pytest.mark.parametrize(
    ("base_url", "hint"),
    [
        ("https://x", "check base_url (https://x), which usually ends with /v1"),
        ("https://x/v1", "check base_url (https://x/v1); this server may not have the route"),
    ],
    ids=["without v1", "with v1"],
)
def test_response_of_an_unknown_route_names_base_url(request_: Request, base_url: str, hint: str) -> None:
    """For a read and a write; `message` keeps the server's words alone."""
    response = replace(answer({"error": {"message": "Invalid URL (GET /v1/x)"}}, 404), base_url=base_url)
    with pytest.raises(APIError) as caught:
        protocol.parse_object(request_, response)
    assert f"there is no such route: {hint}" in str(caught.value)
    assert (caught.value.status, caught.value.message) == (404, "Invalid URL (GET /v1/x)")


@pytest.mark.parametrize("base_url", ["https://x", "https://x/v1"])
def test_response_401_of_an_address_without_v1_names_base_url(base_url: str) -> None:
    """A gateway checks its own key before it knows that there is no such route."""
    response = replace(answer({"error": {"message": "Incorrect API key"}}, 401), base_url=base_url)
    with pytest.raises(APIError) as caught:
        protocol.parse_object(READ, response)
    hint = "check base_url (https://x), which usually ends with /v1"
    assert (hint in str(caught.value)) == (base_url == "https://x")


def test_response_404_that_is_undecided_raises() -> None:
    """It names base_url, and what a look at the parent gave."""
    empty = answer(b"", 404)
    assert protocol.is_undecided(READ, empty)
    with pytest.raises(APIError, match=r"check base_url \(https://x/v1\)") as caught:
        protocol.parse_object(READ, empty)
    assert (caught.value.status, caught.value.message) == (404, "an empty response")
    assert "(GET https://x: gone)" in str(protocol.undecided(READ, empty, "GET https://x: gone"))
    cancel = protocol.build(batches, CANCEL, KEYS)
    assert not protocol.is_undecided(cancel, empty)
    with pytest.raises(APIError, match=r"answered 404: an empty response .*; this does not tell .*: check base_url"):
        protocol.parse_object(cancel, empty)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<!doctype html><html>a portal</html>"),
        (200, {"error": "Unexpected endpoint or method. (GET /v1/x). Returning 200 anyway"}),
        (400, b"<html>The plain HTTP request was sent to HTTPS port</html>"),
        (405, b"<html>405 Not Allowed</html>"),
        (405, {"detail": "Method Not Allowed"}),
        (502, b"<html>502 Bad Gateway</html>"),
        (404, b""),
        (404, {"error": {"message": "Resource not found"}}),
    ],
)
def test_response_that_need_not_be_the_apis_names_base_url(status: int, body: Any) -> None:
    """For every kind of request; an error of the API's own does not."""
    hint = r"check base_url \(https://x/v1\)"
    for request in (READ, protocol.build(batches, CANCEL, KEYS), Request("GET", "/files"), Request("POST", "/files")):
        with pytest.raises(APIError, match=hint):
            protocol.parse_object(request, answer(body, status))
    with pytest.raises(APIError, match=hint):
        protocol.listed(Request("GET", "/files"), answer(body, status), protocol.PageParameters(100))
    with pytest.raises(APIError) as caught:
        protocol.parse_object(READ, answer({"error": {"message": "Too many"}}, 429))
    assert "base_url" not in str(caught.value)


@pytest.mark.parametrize("body", [{"status": "healthy"}, {"id": 7}, {"error": {"message": "no"}}, b"<html>", b""])
def test_response_of_the_api_alone_proves_a_route(body: Any) -> None:
    """A page that answers 200 for every address does not."""
    store = protocol.above(READ)
    stores = protocol.above(store)
    protocol.prove(store, answer({"id": "vs_1"}))
    protocol.prove(store, answer({"error": {"message": "No vector store found with id 'vs_1'."}}, 404))
    protocol.prove(stores, answer({"object": "list", "data": []}))
    for request in (store, stores):
        with pytest.raises(APIError):
            protocol.prove(request, answer(body))
    with pytest.raises(APIError):
        protocol.prove(stores, answer({"error": {"message": "No vector store found"}}, 404))


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"error": {"message": "m", "type": "t", "param": "p", "code": "c"}}, ("m", "t", "p", "c")),
        ({"error": {"message": "m", "code": 404}}, ("m", None, None, "404")),
        ({"error": "m"}, ("m", None, None, None)),
        ({"detail": "m"}, ("m", None, None, None)),
        ({"message": "m"}, ("m", None, None, None)),
        ({"statusCode": 404, "error": "Not Found", "message": "m"}, ("m", None, None, None)),
        ({"error": "m", "message": ""}, ("m", None, None, None)),
        (
            {"detail": [{"loc": ["body"], "msg": "field required"}]},
            ('[{"loc": ["body"], "msg": "field required"}]', None, None, None),
        ),
        (b"upstream  timed\nout", ("upstream timed out", None, None, None)),
        (b"", ("an empty response", None, None, None)),
        (b"\xff\xfe", ("\ufffd\ufffd", None, None, None)),
        (b"[" * 100000, ("[" * 199 + "…", None, None, None)),
        (b"x" * 1000, ("x" * 199 + "…", None, None, None)),
    ],
)
def test_response_error_in_any_shape(body: Any, fields: tuple[str | None, ...]) -> None:
    """OpenAI's, FastAPI's, a proxy's, or none."""
    error = protocol.failure(READ, answer(body, 500))
    assert (error.message, error.type, error.param, error.code) == fields
    assert (error.status, error.request_id) == (500, "req_1")
    assert str(error).startswith("GET https://x/v1/vector_stores/vs_1/file_batches/vsfb_1: answered 500: ")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"null", b'{"id": "vsfb', b"[" * 100000])
def test_response_200_that_is_no_object_raises(body: bytes) -> None:
    """Is an error, not a row of NULLs."""
    with pytest.raises(APIError, match="the response is not a JSON object"):
        protocol.parse_object(READ, answer(body))


def test_response_200_with_an_error_raises() -> None:
    """Some gateways do that."""
    with pytest.raises(APIError, match="overloaded"):
        protocol.parse_object(READ, answer({"error": {"message": "overloaded"}}))


def test_response_keys_are_those_requested() -> None:
    """Also over the vector store's object in place of the batch's."""
    store = {"id": "vs_1", "object": "vector_store", "status": "completed", "name": "n"}
    row = protocol.verify_keys(batches, READ, answer(store), store, KEYS)
    assert row == {**store, "id": "vsfb_1", "vector_store_id": "vs_1", "object": "vector_store.file_batch"}
    spelt = {"id": "vsfb_1", "object": "vector_store.files_batch"}
    assert protocol.verify_keys(batches, READ, answer(spelt), spelt, KEYS)["object"] == "vector_store.files_batch"


@pytest.mark.parametrize("other", [{"id": "vsfb_2"}, {"id": "vsfb_1", "vector_store_id": "vs_2"}, {"id": 7}])
def test_response_of_another_object_raises(other: dict[str, Any]) -> None:
    """Its values under the asked-for keys would be wrong."""
    with pytest.raises(APIError, match="asked for"):
        protocol.verify_keys(batches, READ, answer(other), other, KEYS)


def test_response_to_a_create_needs_an_id() -> None:
    """Else the batch could not be found again, and may exist."""
    request = protocol.build(batches, CREATE, {"vector_store_id": "vs_1", "file_ids": ["a"]})
    keys = {"vector_store_id": "vs_1"}
    assert protocol.created(batches, request, answer({"id": "vsfb_9"}), keys) == {
        "vector_store_id": "vs_1",
        "id": "vsfb_9",
    }
    for body in ({}, {"id": None}, {"id": 7}, {"id": ""}):
        with pytest.raises(APIError, match="but the object may exist"):
            protocol.created(batches, request, answer(body), keys)
    with pytest.raises(APIError, match="asked for vector_store_id 'vs_1', but the response is about 'vs_2'"):
        protocol.created(batches, request, answer({"id": "vsfb_9", "vector_store_id": "vs_2"}), keys)


@pytest.mark.parametrize("method", [GET, CREATE, CANCEL], ids=["get", "create", "cancel"])
def test_response_examples_of_the_documentation_are_parsed(method: Any) -> None:
    """The example answers in the API's own description have every visible column."""
    examples = json.loads((Path(__file__).parents[1] / "support" / "api-examples.json").read_text(encoding="utf-8"))[
        "endpoints"
    ]
    example = examples[method.route]["response"]
    request = protocol.build(batches, method, {**KEYS, "file_ids": ["a"]})
    row = protocol.parse_object(request, answer(example))
    assert row is not None
    assert {column.name for column in batches.columns if not column.hidden} <= row.keys()


def test_response_object_without_an_id_is_none() -> None:
    """Whatever answers 200 and JSON: a row of NULLs under the asked-for keys would be wrong."""
    for body in ({}, {"status": "healthy"}, {"id": None}):
        with pytest.raises(APIError, match="the response has no id"):
            protocol.verify_keys(batches, READ, answer(body), body, KEYS)


def test_response_to_a_delete() -> None:
    """Done, also without a word; not when it says so, or speaks of another."""
    request = Request("DELETE", "/files/file-1")
    for response in (answer({"id": "file-1", "deleted": True}), answer({}), answer(b"", 204)):
        assert protocol.deleted(request, response, {"id": "file-1"}).get("deleted", True)
    for body, problem in (
        ({"deleted": False}, "the object was not deleted"),
        ({"id": "file-2"}, "asked for id 'file-1', but"),
    ):
        with pytest.raises(APIError, match=problem):
            protocol.deleted(request, answer(body), {"id": "file-1"})


@pytest.mark.parametrize(
    ("status", "code", "unknown"),
    [
        *((status, None, True) for status in (200, 204, 303, 408, 500, 501, 503, 520, 524)),
        *((status, None, False) for status in (400, 404, 409, 413, 429)),
        (503, "server_is_overloaded", False),
    ],
)
def test_outcome_that_may_have_been_carried_out(status: int, code: str | None, unknown: bool) -> None:
    """Of a create, after an answer that is no object; a gateway's 524 is a time-out, too."""
    create = protocol.build(batches, CREATE, {"vector_store_id": "vs_1", "file_ids": ["a"]})
    error = APIError("no", request="POST x", status=status, code=code)
    assert outcome_unknown(create, error) is unknown
    assert not outcome_unknown(READ, error)


NEW = {"file-1": 20.0, "file-2": 30.0}
ABSENT_FILE = "No file found with id '{}' in vector store 'vs_1'."


@pytest.mark.parametrize(
    ("status", "error", "in_all", "by"),
    [
        (404, {"message": ABSENT_FILE.format("file-1")}, 5, 20.0),
        (404, {"message": "No such File object: file-2", "param": "id"}, 5, 30.0),
        (400, {"message": "Files 'file-1', 'file-2' not found"}, 5, 30.0),
        (404, {"message": ABSENT_FILE.format("file-10")}, 5, 0.0),
        (404, {"message": ABSENT_FILE.format("file-3")}, 5, 0.0),
        (404, {"message": "No such File object"}, 5, 0.0),
        (404, {"message": "No such File object"}, 2, 30.0),
        (404, {"message": "Not found", "param": "file_ids"}, 2, 30.0),
        (404, {"message": "Not found", "param": None}, 2, 0.0),
        (404, {"message": "Vector store vs_1 not found", "param": "vector_store_id"}, 2, 0.0),
        (400, {"message": "Invalid value", "param": "file_ids"}, 2, 0.0),
        (400, {"message": "Invalid 'file_ids[0]': 'file-1' not found", "code": "invalid_value"}, 2, 0.0),
        (500, {"message": ABSENT_FILE.format("file-1")}, 2, 0.0),
    ],
)
def test_visibility_of_a_new_file_is_what_a_refusal_is_about(
    status: int, error: dict[str, Any], in_all: int, by: float
) -> None:
    """Of the new file that it names; of any if it names none and all that are attached are new."""
    request = Request("POST", "/vector_stores/vs_1/file_batches", attached_files=("vs_1", in_all), new_files=NEW)
    assert protocol.visible_by(request, answer({"error": error}, status)) == by
    assert protocol.visible_by(replace(request, new_files={}), answer({"error": error}, status)) == 0


def test_visibility_of_a_new_file_is_not_what_a_page_is_about() -> None:
    """A web server's page says nothing of a file."""
    request = Request("POST", "/x", attached_files=("vs_1", 2), new_files=NEW)
    assert protocol.visible_by(request, answer(b"<html>File not found</html>", 404)) == 0
