"""Cassettes: replayed by default, recorded with --record-mode=rewrite, from the sandbox or with a key from the API.

What is recorded knows nothing of where: host, key, account and the ids of the store and files are replaced.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import apsw
import pytest
import requests as http
from vcr.request import Request

import openai_vtab
from openai_vtab import sandbox as sandbox_package
from openai_vtab.sandbox import Quirks, Received
from openai_vtab.sandbox.app import App
from openai_vtab.sandbox.messages import Response
from openai_vtab.settings import DEFAULT_BASE_URL

from ..support.contract import check, fields
from ..support.listed import set_created_at
from .lists import COUNT

STORE = "vs_cassette"
FILES = {"file-cassette-1": "returns.md", "file-cassette-2": "shipping.md", "file-cassette-3": "prices.csv"}
BOUNDARY = "boundary-of-the-form"
KEPT = ("content-type", "x-request-id", "openai-poll-after-ms", "retry-after")


@dataclass
class Place:
    """Where the requests go, and the names in the cassettes of what is there."""

    base_url: str = DEFAULT_BASE_URL
    api_key: str = "no-key-is-needed-to-replay"
    names: dict[str, str] = field(default_factory=dict)  # real id → name in the cassette
    recording: bool = False

    def real(self, name: str) -> str:
        """The id behind a name."""
        return next((real for real, known in self.names.items() if known == name), name)

    def replaced(self, text: str) -> str:
        """The text with names for ids, and OpenAI's address for this one."""
        for real, name in self.names.items():
            text = text.replace(real, name)
        return text.replace(self.base_url, DEFAULT_BASE_URL)


@pytest.fixture(scope="session")
def place(record_mode: str) -> Iterator[Place]:
    """The cassettes; when recording, the API if there is a key, else a sandbox."""
    key = os.environ.get("OPENAI_API_KEY")
    if record_mode == "none":
        yield Place()
    elif key:
        yield from _real(key, os.environ.get("OPENAI_BASE_URL") or DEFAULT_BASE_URL)
    else:
        with sandbox_package.run(processing_seconds=1.0, seeded=False) as sandbox:
            sandbox.add_store(id=STORE, name="cassettes")
            for id, filename in FILES.items():
                sandbox.add_file(filename, id=id)
            yield Place(sandbox.base_url, sandbox.api_key, recording=True)


def _real(key: str, base_url: str) -> Iterator[Place]:
    """A vector store and three small files in the account of the key, deleted afterwards."""
    with http.Session() as session, ExitStack() as cleanup:
        session.headers["Authorization"] = f"Bearer {key}"

        def call(method: str, path: str, **more: Any) -> str:
            answer = session.request(method, base_url + path, timeout=60, **more)
            answer.raise_for_status()
            return str(answer.json()["id"])

        names: dict[str, str] = {}
        for name, filename in FILES.items():
            upload = {"file": (filename, b"A few words to be found again.")}
            id = call("POST", "/files", files=upload, data={"purpose": "assistants"})
            cleanup.callback(call, "DELETE", f"/files/{id}")
            names[id] = name
        store = call("POST", "/vector_stores", json={"name": "openai_vtab cassettes"})
        cleanup.callback(call, "DELETE", f"/vector_stores/{store}")
        yield Place(base_url, key, {**names, store: STORE}, recording=True)


@pytest.fixture(scope="session")
def vcr_config(place: Place) -> dict[str, Any]:
    """The body counts; nothing of the key or the account stays."""

    def request(recorded: Any) -> Any:
        body = recorded.body
        if body is not None:
            body = place.replaced((body if isinstance(body, bytes) else b"".join(body)).decode())
        kept = ("content-type", "openai-beta", "user-agent")
        headers = {name: value for name, value in recorded.headers.items() if name.lower() in kept}
        boundary = re.search("boundary=(.*)", headers.get("Content-Type", ""))
        if boundary:  # of an upload, another each time
            headers["Content-Type"] = headers["Content-Type"].replace(boundary[1], BOUNDARY)
            body = body.replace(boundary[1], BOUNDARY)
        return Request(recorded.method, place.replaced(recorded.uri), body and body.encode(), headers)

    def response(recorded: dict[str, Any]) -> dict[str, Any]:
        body = place.replaced(recorded["body"]["string"].decode())
        headers = {name.lower(): value for name, value in recorded["headers"].items() if name.lower() in KEPT}
        return {**recorded, "headers": headers, "body": {"string": body.encode()}}

    return {
        "match_on": ["method", "scheme", "host", "port", "path", "query", "body"],
        "filter_headers": ["authorization", "api-key"],
        "before_record_request": request,
        "before_record_response": response,
        "allow_playback_repeats": False,
    }


@pytest.fixture(scope="module")
def vcr_cassette_dir(request: pytest.FixtureRequest) -> str:
    """cassettes/<test module>/<test name>.yaml."""
    return str(Path(__file__).parents[2] / "cassettes" / request.path.stem)


@pytest.fixture(autouse=True)
def _all_played(request: pytest.FixtureRequest) -> Iterator[None]:
    """A request that is recorded and no longer sent fails the test."""
    cassette = request.getfixturevalue("vcr") if request.node.get_closest_marker("vcr") else None
    yield
    if cassette is not None and cassette.rewound:
        assert cassette.all_played


@pytest.fixture
def cassette(vcr: Any) -> Any:
    """What was recorded, for a test that looks at it."""
    return vcr


@pytest.fixture
def replayed(place: Place) -> Iterator[apsw.Connection]:
    """A connection to where the requests go; one request at a time, so that a recording has one order."""
    settings: dict[str, Any] = {"base_url": place.base_url, "api_key": place.api_key, "max_concurrency": 1}
    db = openai_vtab.connect(**settings, max_retries=0)
    yield db
    db.close()


@pytest.fixture
def pause(place: Place) -> Callable[[], None]:
    """Between two looks at a batch: time has to pass when recording, and not when replaying."""
    return lambda: time.sleep(0.4 if place.recording else 0)


@pytest.fixture
def sent() -> Callable[[Any], list[tuple[str, Any]]]:
    """The requests of a cassette as ("GET /path", what was sent)."""

    def read(cassette: Any) -> list[tuple[str, Any]]:
        return [
            (f"{request.method} {target(request)}", content(request.headers, request.body))
            for request in cassette.requests
        ]

    return read


def target(request: Any) -> str:
    """The recorded address below the base URL."""
    return str(request.uri).removeprefix(DEFAULT_BASE_URL)


def content(headers: Any, body: bytes | None) -> Any:
    """The JSON body, the fields of a form, or None."""
    if not body:
        return None
    kind = {name.lower(): value for name, value in headers.items()}["content-type"]
    return fields(kind, body) if kind.startswith("multipart/") else json.loads(body)


@pytest.fixture
def bodies(sandbox: Any) -> Callable[[], list[tuple[str, Any]]]:
    """The requests since the last call as ("POST /path", what was sent)."""

    def take() -> list[tuple[str, Any]]:
        taken = [(f"{r.method} {r.path}", content(r.headers, r.raw)) for r in list(sandbox.requests)]
        sandbox.requests.clear()
        return taken

    return take


@pytest.fixture(autouse=True)
def _as_described(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every request of these tests, and every answer that no fault or quirk has made, is as the API describes it."""
    exchanges: list[tuple[Received, Response]] = []
    respond = App.respond

    def recorded(app: App, received: Received) -> Response:
        sent = respond(app, received)
        if app.quirks == Quirks():
            exchanges.append((received, sent))
        return sent

    monkeypatch.setattr(App, "respond", recorded)
    cassette = request.getfixturevalue("vcr") if request.node.get_closest_marker("vcr") else None
    yield
    for received, sent in exchanges:
        check(received.method, received.path, received.headers, received.raw, sent.status, sent.body)
    if cassette is not None:
        for sent_request, response in zip(cassette.requests, cassette.responses, strict=True):
            headers = {name.lower(): value for name, value in sent_request.headers.items()}
            raw, status = sent_request.body or b"", response["status"]["code"]
            check(sent_request.method, target(sent_request), headers, raw, status, response["body"]["string"])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder to read from, beside one with a secret."""
    (tmp_path / "secret").write_text("secret", encoding="utf-8")
    (tmp_path / "root-too").mkdir()
    (tmp_path / "root-too" / "f").write_text("secret", encoding="utf-8")
    root = tmp_path / "root"
    (root / "deep").mkdir(parents=True)
    (root / "a.md").write_bytes(b"# A")
    (root / "deep" / "b.md").write_bytes(b"# B")
    (root / "inside").symlink_to(root / "deep" / "b.md")
    (root / "out").symlink_to(tmp_path / "secret")
    (root / "outdir").symlink_to(tmp_path)
    (root / "circle").symlink_to(root / "circle")
    return root


@pytest.fixture
def many(sandbox: Any) -> None:
    """250 stores and 250 files in a batch of one of them, each a second younger than the one before; a third failed."""
    state = sandbox._state
    state.files, state.stores, state.batches = pickle.loads(_many())  # noqa: S301 - our own


@cache
def _many() -> bytes:
    """The objects of `many`, which take longer to make than to copy."""
    with sandbox_package.run(processing_seconds=3600) as sandbox:
        state = sandbox._state
        sandbox.add_store("vs_many")
        for number in range(COUNT - 3):
            sandbox.add_store(f"vs_{number:03}")
        names = [sandbox.add_file(f"{n}.{'csv' if n % 3 else 'md'}", id=f"file-{n:03}") for n in range(COUNT)]
        sandbox.add_batch("vs_many", names, "vsfb_many", processing_seconds=0)
        for number, store in enumerate(list(state.stores.values())):
            set_created_at(store, 1_700_000_000 + number, state.stores)
        attached, batch = state.stores["vs_many"].files, state.batches["vs_many", "vsfb_many"]
        for number, id in enumerate(names):
            set_created_at(state.files[id], state.files[id].created_at + number, state.files)
            set_created_at(attached[id], 1_700_000_000 + number, attached, batch.listed)
        return pickle.dumps((state.files, state.stores, state.batches))
