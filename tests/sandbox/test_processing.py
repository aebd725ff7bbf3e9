"""How files are processed: what fails and why, what is kept, and what a test can choose."""

from __future__ import annotations

import math
from typing import Any

import pytest

from .conftest import Call, Timed

UNSUPPORTED = {"code": "unsupported_file", "message": "The file type is not supported."}
EMPTY = {"code": "invalid_file", "message": "The file could not be parsed because it is empty."}
STATIC = {"type": "static", "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 100}}


@pytest.mark.parametrize(
    ("filename", "content", "error"),
    [
        ("a.md", b"text", None),
        ("a.TXT", "grün".encode(), None),
        ("a.txt", "grün".encode("utf-8-sig"), None),
        ("a.txt", "grün".encode("utf-16"), None),
        ("a.txt", "grün".encode("latin-1"), UNSUPPORTED),
        ("a.txt", b"zero\0byte", UNSUPPORTED),
        ("a.xyz", b"text", UNSUPPORTED),
        ("a.csv", b"text", UNSUPPORTED),
        ("a", b"text", UNSUPPORTED),
        ("a.md", b"", EMPTY),
        ("a.md", b" \n\t", EMPTY),
        ("a.pdf", b"\xff\xfe\0 any bytes", None),
    ],
)
def test_processing_fails_as_the_api_does(timed: Timed, filename: str, content: bytes, error: Any) -> None:
    """By the extension, by bytes that are no text, and for a file without text."""
    id = timed.attach(filename, content)
    assert timed.call(f"GET /vector_stores/vs_1/files/{id}")["status"] == "in_progress"
    timed.process()
    found = timed.call(f"GET /vector_stores/vs_1/files/{id}")
    assert (found["status"], found["last_error"]) == ("failed" if error else "completed", error)


def test_upload_of_an_empty_file_is_refused(call: Call) -> None:
    """By POST /files itself."""
    response = call("POST /files", files={"file": ("a.md", b"")}, data={"purpose": "assistants"})
    assert (response.status_code, response.json()["error"]["message"]) == (400, "File is empty.")


def test_upload_with_an_unknown_purpose_is_refused(call: Call) -> None:
    """The message lists the purposes."""
    response = call("POST /files", files={"file": ("a.md", b"text")}, data={"purpose": "asistants"})
    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith("'asistants' is not one of ['fine-tune', 'assistants', ")
    assert call("POST /files", files={"file": ("a.md", b"text")}, data={"purpose": "user_data"}).status_code == 200


def test_processing_keeps_attributes_and_strategy(timed: Timed) -> None:
    """In the object and in both lists; "auto" comes back as what it stands for."""
    one, two = (timed.sandbox.add_file(f"{name}.md") for name in "ab")
    items = [
        {"file_id": one, "attributes": {"lang": "en", "n": 1.5, "x": True}, "chunking_strategy": STATIC},
        {"file_id": two, "chunking_strategy": {"type": "auto"}},
    ]
    batch = timed.call("POST /vector_stores/vs_1/file_batches", {"files": items})["id"]
    auto = {"type": "static", "static": {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400}}
    expected = {one: ({"lang": "en", "n": 1.5, "x": True}, STATIC), two: ({}, auto)}
    lists = [timed.call(f"GET /vector_stores/vs_1/{path}")["data"] for path in ("files", f"file_batches/{batch}/files")]
    lists.append([timed.call(f"GET /vector_stores/vs_1/files/{id}") for id in (one, two)])
    for found in lists:
        assert {item["id"]: (item["attributes"], item["chunking_strategy"]) for item in found} == expected


def test_processing_can_be_held_for_one_file(timed: Timed) -> None:
    """By its name or its id, while others are completed."""
    timed.sandbox.set_processing("slow.md", math.inf)
    slow, quick = timed.attach("slow.md", "a refund"), timed.attach("quick.md", "a refund")
    timed.process()

    def statuses() -> list[str]:
        return [timed.call(f"GET /vector_stores/vs_1/files/{id}")["status"] for id in (slow, quick)]

    assert statuses() == ["in_progress", "completed"]
    assert timed.call("GET /vector_stores/vs_1")["file_counts"]["in_progress"] == 1
    timed.sandbox.finish("slow.md")
    assert statuses() == ["completed", "completed"]
    assert len(timed.found("refund")) == 2


def test_processing_can_fail_for_one_file(timed: Timed) -> None:
    """Until the next attaching after the choice was taken back."""
    error = {"code": "server_error", "message": "An internal error occurred."}
    id = timed.sandbox.add_file("a.md")
    timed.sandbox.set_processing(id, error=error)
    for expected in (error, None):
        timed.call("POST /vector_stores/vs_1/file_batches", {"file_ids": [id]})
        timed.process()
        assert timed.call(f"GET /vector_stores/vs_1/files/{id}")["last_error"] == expected
        timed.sandbox.set_processing(id)


def test_processing_again_replaces_what_was_given(timed: Timed) -> None:
    """A file is attached once, whether alone or by a batch."""
    id = timed.attach("a.md", "text", attributes={"lang": "en"})
    timed.process()
    timed.call("POST /vector_stores/vs_1/file_batches", {"files": [{"file_id": id, "attributes": {"lang": "de"}}]})
    (only,) = timed.call("GET /vector_stores/vs_1/files")["data"]
    assert (only["id"], only["status"], only["attributes"]) == (id, "in_progress", {"lang": "de"})
    assert timed.call("GET /vector_stores/vs_1")["file_counts"]["total"] == 1


def test_counts_follow_every_change(timed: Timed) -> None:
    """Attached, completed, failed, cancelled, attached again and detached; the sizes, too."""
    files = [timed.attach("a.md", "12345"), timed.attach("b.csv", "12345"), timed.sandbox.add_file("c.md", b"1234567")]

    def counts() -> tuple[int, ...]:
        found = timed.call("GET /vector_stores/vs_1")
        names = ("in_progress", "completed", "failed", "cancelled", "total")
        return (*(found["file_counts"][name] for name in names), found["usage_bytes"])

    assert counts() == (2, 0, 0, 0, 2, 0)
    timed.process()
    assert counts() == (0, 1, 1, 0, 2, 5)
    batch = timed.call("POST /vector_stores/vs_1/file_batches", {"file_ids": files[2:]})["id"]
    assert counts() == (1, 1, 1, 0, 3, 5)
    timed.call(f"POST /vector_stores/vs_1/file_batches/{batch}/cancel")
    assert counts() == (0, 1, 1, 1, 3, 5)
    timed.call("POST /vector_stores/vs_1/files", {"file_id": files[0]})
    assert counts() == (1, 0, 1, 1, 3, 0)
    for id in files[1:]:
        timed.call(f"DELETE /vector_stores/vs_1/files/{id}")
    timed.process()
    assert counts() == (0, 1, 0, 0, 1, 5)


def test_batch_counts_a_file_as_often_as_it_is_named(timed: Timed) -> None:
    """And lists it once."""
    id = timed.sandbox.add_file("a.md")
    batch = timed.call("POST /vector_stores/vs_1/file_batches", {"file_ids": [id, id]})
    assert batch["file_counts"]["total"] == 2
    timed.process()
    path = f"GET /vector_stores/vs_1/file_batches/{batch['id']}"
    assert timed.call(path)["file_counts"] == {
        "in_progress": 0, "completed": 2, "failed": 0, "cancelled": 0, "total": 2,
    }  # fmt: skip
    assert [file["id"] for file in timed.call(f"{path}/files")["data"]] == [id]


def test_detach_before_delete_leaves_nothing(timed: Timed) -> None:
    """The other order leaves an entry in the store's list until it is detached."""
    before, after = timed.attach("a.md", "text"), timed.attach("b.md", "text")
    timed.call(f"DELETE /vector_stores/vs_1/files/{before}")
    timed.call(f"DELETE /files/{before}")
    timed.call(f"DELETE /files/{after}")
    assert [file["id"] for file in timed.call("GET /vector_stores/vs_1/files")["data"]] == [after]
    timed.call(f"DELETE /vector_stores/vs_1/files/{after}")
    assert timed.call("GET /vector_stores/vs_1")["file_counts"]["total"] == 0
    assert timed.call("GET /files")["data"] == []


def test_quirks_of_deleting_and_detaching(timed: Timed) -> None:
    """A DELETE that is refused, one that detaches, and a detaching from all stores."""
    quirks = timed.sandbox.quirks
    id, other = timed.attach("a.md", "text"), timed.attach("b.md", "text")
    timed.sandbox.add_store("vs_2")
    timed.call("POST /vector_stores/vs_2/files", {"file_id": id})
    quirks.attached_file_is_not_deleted = True
    assert timed.status_of(f"DELETE /files/{id}") == 409
    quirks.attached_file_is_not_deleted = False
    quirks.detach_from_all_stores = True
    timed.call(f"DELETE /vector_stores/vs_2/files/{id}")
    assert [file["id"] for file in timed.call("GET /vector_stores/vs_1/files")["data"]] == [other]
    quirks.delete_detaches = True
    timed.call(f"DELETE /files/{other}")
    assert timed.call("GET /vector_stores/vs_1/files")["data"] == []


def test_quirks_of_files_that_are_new(timed: Timed) -> None:
    """They are 404 for a while, after the upload and after the attaching."""
    quirks = timed.sandbox.quirks
    quirks.file_not_found_after_upload_seconds = quirks.file_not_found_after_attach_seconds = 5.0
    id = timed.sandbox.add_file("a.md")
    assert timed.status_of(f"GET /files/{id}") == 404
    assert timed.status_of("POST /vector_stores/vs_1/files", {"file_id": id}) == 404
    timed.clock.advance(5)
    assert timed.status_of("POST /vector_stores/vs_1/files", {"file_id": id}) == 200
    assert timed.status_of(f"GET /vector_stores/vs_1/files/{id}") == 404
    timed.clock.advance(5)
    assert timed.status_of(f"GET /vector_stores/vs_1/files/{id}") == 200


def test_stores_of_one_name_may_exist_twice(timed: Timed) -> None:
    """A name is no key."""
    ids = [timed.call("POST /vector_stores", {"name": "handbook"})["id"] for _ in range(2)]
    stores = timed.call("GET /vector_stores")["data"]
    assert {store["id"] for store in stores if store["name"] == "handbook"} == set(ids)


@pytest.mark.parametrize("file_id", ["file-demo-05", "file-demo-06"])
def test_content_of_what_is_no_text_is_empty(call: Call, file_id: str) -> None:
    """The API extracts no text of tables and images."""
    page = call(f"GET /vector_stores/vs_demo/files/{file_id}/content").json()
    assert (page["data"], page["has_more"]) == ([], False)
