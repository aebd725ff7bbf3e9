"""The methods of OpenAI's own Python library for files and vector stores, against the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from openai_vtab import sandbox as sandbox_package
from openai_vtab.sandbox import Status

pytestmark = pytest.mark.slow

STATIC: Any = {"type": "static", "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 50}}
POLL: Any = {"poll_interval_ms": 10}


@pytest.fixture(scope="module")
def openai() -> Any:
    return pytest.importorskip("openai", reason="openai is in the extra `slow`")


@pytest.fixture
def sandbox() -> Iterator[Any]:
    """One whose files are processed at once, with the description's spelling of a batch's object."""
    with sandbox_package.run(processing_seconds=0.02) as running:
        running.quirks.plural_object = True
        yield running


@pytest.fixture
def client(openai: Any, sandbox: Any) -> Iterator[Any]:
    with openai.OpenAI(base_url=sandbox.base_url, api_key=sandbox.api_key, max_retries=0) as connected:
        yield connected


def checked(found: Any) -> Any:
    """The object, which the library builds without a check: all its members are of the types that it declares."""
    type(found).model_validate(found.to_dict())
    return found


def test_sdk_files(client: Any) -> None:
    """Create, wait, list, retrieve, content, delete."""
    expires: Any = {"anchor": "created_at", "seconds": 3600}
    file = checked(client.files.create(file=("a.md", b"text"), purpose="user_data", expires_after=expires))
    assert file.expires_at == file.created_at + 3600
    assert checked(client.files.wait_for_processing(file.id)).status == "processed"
    assert checked(client.files.retrieve(file.id)).filename == "a.md"
    assert [checked(each).id for each in client.files.list(purpose="user_data", order="asc")] == [file.id]
    assert client.files.content(file.id).read() == b"text"
    assert checked(client.files.delete(file.id)).deleted


def test_sdk_vector_stores(client: Any) -> None:
    """Create with and without parameters, retrieve, update, list over pages, search, delete."""
    assert checked(client.vector_stores.create()).file_counts.total == 0
    store = checked(
        client.vector_stores.create(
            name="n",
            file_ids=["file-new-01"],
            chunking_strategy={"type": "auto"},
            expires_after={"anchor": "last_active_at", "days": 7},
            metadata={"a": "b"},
        )
    )
    changed = checked(client.vector_stores.update(store.id, name=None, expires_after=None, metadata={"c": "d"}))
    assert (changed.name, changed.expires_after, changed.metadata) == ("", None, {"c": "d"})
    assert checked(client.vector_stores.retrieve(store.id)).metadata == {"c": "d"}
    assert store.id in [checked(each).id for each in client.vector_stores.list(limit=1)]
    page = client.vector_stores.search(
        "vs_demo",
        query=["refund policy", "warranty"],
        max_num_results=2,
        rewrite_query=False,
        ranking_options={"ranker": "auto", "score_threshold": 0.1},
        filters={"type": "or", "filters": [{"type": "ne", "key": "lang", "value": "de"}]},
    )
    assert {checked(hit).filename for hit in page} == {"returns.md", "warranty.txt"}
    assert checked(client.vector_stores.delete(store.id)).deleted


def test_sdk_files_of_a_vector_store(client: Any) -> None:
    """Attach in all ways, wait, update, list, content, detach."""
    files = client.vector_stores.files
    attached = checked(files.create("vs_archive", file_id="file-new-01", attributes={"n": 1}, chunking_strategy=STATIC))
    assert attached.chunking_strategy.static.max_chunk_size_tokens == 200
    assert checked(files.poll("file-new-01", vector_store_id="vs_archive", **POLL)).status == "completed"
    assert checked(files.create_and_poll("file-new-02", vector_store_id="vs_archive", **POLL)).last_error is None
    uploaded = checked(files.upload(vector_store_id="vs_archive", file=("b.md", b"text")))
    polled = checked(files.upload_and_poll(vector_store_id="vs_archive", file=("c.csv", b"1,2"), **POLL))
    assert polled.last_error.code == "unsupported_file"
    assert checked(files.retrieve(uploaded.id, vector_store_id="vs_archive")).id == uploaded.id
    changed = checked(files.update("file-new-01", vector_store_id="vs_archive", attributes={"x": True}))
    assert changed.attributes == {"x": True}
    assert checked(files.update("file-new-01", vector_store_id="vs_archive", attributes=None)).attributes == {}
    failed = files.list("vs_archive", filter="failed", limit=1, order="asc")
    assert [checked(each).id for each in failed] == [polled.id]
    content = [checked(part).text for part in files.content("file-new-02", vector_store_id="vs_archive")]
    assert content == ["Within the EU, shipping takes two to five days."]
    assert checked(files.delete("file-new-01", vector_store_id="vs_archive")).deleted


def test_sdk_file_batches(client: Any, sandbox: Any) -> None:
    """Create in both forms, wait, list the files, cancel, upload."""
    batches = client.vector_stores.file_batches
    batch = checked(batches.create("vs_archive", file_ids=["file-new-01"], attributes={"n": 1}))
    assert checked(batches.poll(batch.id, vector_store_id="vs_archive", **POLL)).status == "completed"
    both: Any = [
        {"file_id": "file-new-02", "attributes": {"n": 2}, "chunking_strategy": STATIC},
        {"file_id": "file-new-05"},
    ]
    polled = checked(batches.create_and_poll("vs_archive", files=both, **POLL))
    assert (polled.file_counts.completed, polled.file_counts.failed) == (1, 1)
    listed = batches.list_files(polled.id, vector_store_id="vs_archive", limit=1, filter="failed")
    assert [checked(each).id for each in listed] == ["file-new-05"]
    uploaded = checked(batches.upload_and_poll("vs_archive", files=[("a.md", b"a"), ("b.md", b"b")], **POLL))
    assert uploaded.file_counts.completed == 2
    assert checked(batches.retrieve(uploaded.id, vector_store_id="vs_archive")).id == uploaded.id
    checked(batches.cancel("vsfb_demo_running", vector_store_id="vs_demo"))
    assert sandbox.batches["vs_demo", "vsfb_demo_running"]["status"] == "cancelled"


def test_sdk_errors(client: Any, openai: Any, sandbox: Any) -> None:
    """Each has the class, the type, the parameter and the code of OpenAI's."""
    with pytest.raises(openai.NotFoundError):
        client.vector_stores.retrieve("vs_gone")
    with pytest.raises(openai.BadRequestError) as caught:
        client.vector_stores.search("vs_demo", query="refund", max_num_results=51)
    assert (caught.value.param, caught.value.code) == ("max_num_results", "integer_above_max_value")
    sandbox.inject(Status(429, code="rate_limit_exceeded"))
    with pytest.raises(openai.RateLimitError) as limited:
        client.vector_stores.list()
    assert (limited.value.type, limited.value.code) == ("requests", "rate_limit_exceeded")
    with pytest.raises(openai.AuthenticationError, match=r"Incorrect API key provided: sk-w\*+cdef\."):
        client.with_options(api_key="sk-wrong-0123456789abcdef").vector_stores.list()
