"""Cleaning up: everything that a run has made, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from openai_vtab.sandbox import Cut, Status

from . import clean_up as module
from .clean_up import clean_up, clean_up_earlier
from .ledger import MARK, Ledger
from .recording_client import RecordingClient


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts follow one another at once."""
    monkeypatch.setattr(module, "PAUSE", 0)


@pytest.fixture
def client(sandbox: Any, tmp_path: Path) -> Iterator[RecordingClient]:
    """The client of a run with the sandbox."""
    ledger = Ledger.begin(tmp_path, sandbox.base_url, sandbox.api_key)
    client = RecordingClient(sandbox.base_url, sandbox.api_key, ledger)
    yield client
    ledger.close()


def post_store(client: RecordingClient) -> None:
    """Create a vector store of the run."""
    body = f'{{"name": "openai_vtab live", "metadata": {{"{MARK}": "{client.ledger.token}"}}}}'
    client.send("POST", "/vector_stores", {"Content-Type": "application/json"}, body.encode())


def post_file(client: RecordingClient) -> None:
    """Upload a file of the run."""
    name = f"{client.ledger.file_prefix}a.md"
    fields = ('name="purpose"\r\n\r\nassistants', f'name="file"; filename="{name}"\r\n\r\ntext')
    body = "".join(f"--b\r\nContent-Disposition: form-data; {field}\r\n" for field in fields) + "--b--\r\n"
    client.send("POST", "/files", {"Content-Type": "multipart/form-data; boundary=b"}, body.encode())


def objects(sandbox: Any) -> set[str]:
    """The ids of all files and vector stores."""
    return {*sandbox._state.files, *sandbox._state.stores}


def test_clean_up_deletes_by_ids_and_spares_foreign_objects_with_the_same_names(
    client: RecordingClient, sandbox: Any
) -> None:
    """A foreign vector store has the name of the run's, a foreign file even the mark."""
    sandbox.add_store("vs_foreign", name="openai_vtab live")
    sandbox.add_file(f"{client.ledger.file_prefix}a.md", id="file-foreign")
    before = objects(sandbox)
    post_store(client)
    post_file(client)
    assert len(objects(sandbox) - before) == 2
    assert clean_up(client) == []
    assert objects(sandbox) == before


@pytest.mark.parametrize("post", [post_store, post_file])
def test_clean_up_finds_a_create_without_a_response_by_its_mark(
    client: RecordingClient, sandbox: Any, post: Any
) -> None:
    """The response is lost, so that nobody knows the id."""
    sandbox.add_store("vs_foreign", name="openai_vtab live")
    before = objects(sandbox)
    sandbox.inject(Cut("answer"), method="POST")
    with pytest.raises(OSError, match="onnection"):
        post(client)
    assert len(objects(sandbox) - before) == 1
    assert len(client.ledger.unknown) == 1
    assert clean_up(client) == []
    assert objects(sandbox) == before
    assert client.ledger.unknown == []


def test_clean_up_tells_of_a_create_that_may_appear_later(
    client: RecordingClient, sandbox: Any, tmp_path: Path
) -> None:
    """The request was lost, or the list is late. A later clean-up takes the list's word."""
    sandbox.inject(Cut("accept"), method="POST")
    with pytest.raises(OSError, match="onnection"):
        post_store(client)
    assert clean_up(client) == ["one of vector_stores, whose POST got no response: the API lists none yet"]
    client.ledger.close()
    assert list(clean_up_earlier(tmp_path, sandbox.base_url, sandbox.api_key)) == []
    assert list(tmp_path.glob("*.ledger")) == []


def test_clean_up_says_once_that_a_list_could_not_be_read(client: RecordingClient, sandbox: Any) -> None:
    """It does not say as well what such a list has; the other kind is as listed."""
    sandbox.inject(Cut("accept"), times=2, method="POST")
    for post in (post_store, post_file):
        with pytest.raises(OSError, match="onnection"):
            post(client)
    sandbox.inject(Status(503, message="The server is overloaded"), times=None, path="/vector_stores")
    assert clean_up(client) == [
        "one of vector_stores, whose POST got no response: the list could not be read: 503 The server is overloaded",
        "one of files, whose POST got no response: the API lists none yet",
    ]


def test_clean_up_deletes_nothing_if_more_objects_have_the_mark_than_were_made(
    client: RecordingClient, sandbox: Any
) -> None:
    """One of them is foreign, and nobody can tell which."""
    sandbox.add_file(f"{client.ledger.file_prefix}a.md", id="file-foreign")
    sandbox.inject(Cut("answer"), method="POST")
    with pytest.raises(OSError, match="onnection"):
        post_file(client)
    before = objects(sandbox)
    (problem,) = clean_up(client)
    assert "more objects carry the token" in problem
    assert "file-foreign" in problem
    assert objects(sandbox) == before


def test_clean_up_that_fails_tells_what_is_left_and_can_be_repeated(
    client: RecordingClient, sandbox: Any, tmp_path: Path
) -> None:
    """Three attempts for each object; the ledger keeps the ids."""
    before = objects(sandbox)
    post_store(client)
    post_file(client)
    ((_, store), (_, file)) = client.ledger.ids
    sandbox.inject(Status(503, message="The server is overloaded"), times=None, method="DELETE")
    assert clean_up(client) == [
        f"{store} (vector_stores): 503 The server is overloaded",
        f"{file} (files): 503 The server is overloaded",
    ]
    assert [request.method for request in sandbox.requests].count("DELETE") == 6
    sandbox.clear_faults()
    assert list(clean_up_earlier(tmp_path, sandbox.base_url, sandbox.api_key)) == [
        f"{client.ledger.path}: its run has not ended"
    ]
    client.ledger.close()
    assert list(clean_up_earlier(tmp_path, sandbox.base_url, sandbox.api_key)) == []
    assert objects(sandbox) == before
    assert not client.ledger.path.exists()


def test_clean_up_with_another_key_or_address_deletes_nothing(
    client: RecordingClient, sandbox: Any, tmp_path: Path
) -> None:
    """A 404 would only say that the other account has no such object."""
    post_file(client)
    client.ledger.close()
    sandbox.requests.clear()
    for base_url, key in ((sandbox.base_url, "sk-another"), ("http://127.0.0.1:9/v1", sandbox.api_key)):
        (line,) = clean_up_earlier(tmp_path, base_url, key)
        assert "another key, or another address" in line
        assert client.ledger.ids[0][1] in line
    assert sandbox.requests == []


def test_create_without_the_mark_is_not_sent(client: RecordingClient, sandbox: Any) -> None:
    """It could not be cleaned up."""
    for target, body in (
        ("/vector_stores", b'{"metadata": {"openai_vtab_live": "x"}}'),
        ("/vector_stores", b"{}"),
        ("/files", b"--b"),
    ):
        with pytest.raises(ValueError, match="without the mark of the run is not sent"):
            client.send("POST", target, {}, body)
    assert sandbox.requests == []
