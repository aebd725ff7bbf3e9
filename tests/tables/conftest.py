"""Cassettes: replayed by default, recorded with --record-mode=rewrite: tests/support/recording.py says from where.

A cassette is replaced only after its test has passed, its teardown included. Then nothing of host, key, account, ids
and times is in it: tests/support/cassettes.py.
"""

from __future__ import annotations

import json
import os
import pickle
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import pytest
from jsonschema import ValidationError
from vcr.request import Request

import openai_vtab
from openai_vtab import sandbox as sandbox_package
from openai_vtab.sandbox import Quirks, Received
from openai_vtab.sandbox.app import App
from openai_vtab.sandbox.messages import Response
from openai_vtab.settings import DEFAULT_BASE_URL

from ..support import cassettes
from ..support.contract import check, check_answer, check_request, fields
from ..support.listed import set_created_at
from ..support.recording import Place, Target, created, recording
from .lists import COUNT

TARGET = Target.of(os.environ)
BOUNDARY = "boundary-of-the-form"
KEPT = ("content-type", "x-request-id", "openai-poll-after-ms", "retry-after")


class Recorded(NamedTuple):
    """What a test has recorded, and the cassette for it."""

    exchanges: list[cassettes.Exchange]
    place: Place
    path: Path


PASSED = pytest.StashKey[bool]()
RECORDED = pytest.StashKey[Recorded]()


def pytest_configure(config: pytest.Config) -> None:
    """Refuse what would mix the exchanges of two servers or of two tests, and a key that could not be replaced."""
    mode = config.getoption("--record-mode") or "none"
    if mode not in ("none", "rewrite"):
        raise pytest.UsageError(f"--record-mode={mode}: write --record-mode=rewrite, which records a test as a whole")
    if mode == "rewrite":
        try:
            _ = TARGET.secrets
        except ValueError as error:
            raise pytest.UsageError(str(error)) from None
    if mode == "rewrite" and TARGET.base_url and getattr(config.option, "numprocesses", None):
        raise pytest.UsageError("-n: record from a server without it, because tests list what others have just created")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let tests of OpenAI's own behaviour fail where another server is recorded; say what each recorded test shows."""
    for item in items:
        item.user_properties += [("capability", text) for m in item.iter_markers("capability") for text in m.args]
        for marker in item.iter_markers("openai_own"):
            (reason,) = marker.args
            if config.getoption("--record-mode") == "rewrite" and TARGET.only_resembles:
                item.add_marker(pytest.mark.xfail(reason=f"OpenAI's own behaviour: {reason}", strict=False))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Remember that the test has passed."""
    yield
    item.stash[PASSED] = True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Keep the error of a test that may fail: reports have only the reason why it may."""
    report: Any = yield
    if hasattr(report, "wasxfail") and call.excinfo is not None:
        error = call.excinfo.exconly()
        item.user_properties.append(
            ("failure", error if call.when == "call" else f'failed on {call.when} with "{error}"')
        )
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Replace the cassette of a test that has passed, once nothing of it can fail any more."""
    yield
    if PASSED in item.stash and RECORDED in item.stash:
        exchanges, place, path = item.stash[RECORDED]
        cassettes.write(path, cassettes.normalised(exchanges, place.names, place.moment, place.secrets))


@pytest.fixture
def place(record_mode: str) -> Iterator[Place]:
    """The cassettes; when recording, a vector store and files that are only this test's."""
    if record_mode == "none":
        yield Place()
    else:
        with recording(TARGET) as place:
            yield place


@pytest.fixture(scope="session")
def cassette_folder(pytestconfig: pytest.Config) -> Path:
    """The cassettes that are replayed, and replaced by a recording."""
    return Path(pytestconfig.getoption("--cassettes")).resolve()


@pytest.fixture(scope="module")
def vcr_cassette_dir(
    request: pytest.FixtureRequest, record_mode: str, cassette_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """<test module>/<test name>.yaml; a recording is written to a temporary folder first."""
    folder = cassette_folder if record_mode == "none" else tmp_path_factory.mktemp("recorded")
    return str(folder / request.path.stem)


@pytest.fixture
def vcr_config(
    request: pytest.FixtureRequest,
    place: Place,
    cassette_folder: Path,
    vcr_cassette_dir: str,
    default_cassette_name: str,
) -> Iterator[dict[str, Any]]:
    """The body counts. After the test, what it has recorded is kept, and what it has created is deleted."""
    yield {
        "match_on": ["method", "scheme", "host", "port", "path", "query", "body"],
        "before_record_request": _without_boundary,
        "before_record_response": _with_few_headers,
        "allow_playback_repeats": False,
    }
    if place.recording:
        recorded = Path(vcr_cassette_dir) / f"{default_cassette_name}.yaml"
        exchanges = cassettes.read(recorded)
        place.remove(created(exchanges, place.base_url))
        exchanges = cassettes.without_repeated_looks(exchanges, place.pauses)
        if exchanges:
            request.node.stash[RECORDED] = Recorded(
                exchanges, place, cassette_folder / request.path.stem / recorded.name
            )


def _without_boundary(recorded: Any) -> Request:
    """The request without the key, and without an upload's boundary, which is another each time."""
    body = recorded.body
    if body is not None:
        body = body if isinstance(body, bytes) else b"".join(body)
    kept = ("content-type", "openai-beta", "user-agent")
    headers = {name: value for name, value in recorded.headers.items() if name.lower() in kept}
    boundary = re.search("boundary=(.*)", headers.get("Content-Type", ""))
    if boundary:
        headers["Content-Type"] = headers["Content-Type"].replace(boundary[1], BOUNDARY)
        body = body.replace(boundary[1].encode(), BOUNDARY.encode())
    return Request(recorded.method, recorded.uri, body, headers)


def _with_few_headers(recorded: dict[str, Any]) -> dict[str, Any]:
    headers = {name.lower(): value for name, value in recorded["headers"].items() if name.lower() in KEPT}
    return {**recorded, "headers": headers}


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
def replay(place: Place) -> Iterator[Callable[..., apsw.Connection]]:
    """Connect to where the requests go; one request at a time, so that a recording has one order."""
    opened: list[apsw.Connection] = []

    def connect(**more: Any) -> apsw.Connection:
        settings: dict[str, Any] = {"base_url": place.base_url, "api_key": place.api_key, "max_concurrency": 1}
        opened.append(openai_vtab.connect(**settings, default_headers=place.default_headers, max_retries=0, **more))
        return opened[-1]

    yield connect
    for each in opened:
        each.close()


@pytest.fixture
def replayed(replay: Callable[..., apsw.Connection]) -> apsw.Connection:
    """A connection to where the requests go."""
    return replay()


@pytest.fixture
def pause(place: Place, vcr: Any) -> Callable[[], None]:
    """Between two looks at a batch: time has to pass when recording, and not when replaying."""
    return lambda: place.pause(len(vcr))


@pytest.fixture
def sent(place: Place) -> Callable[[Any], list[tuple[str, Any]]]:
    """The requests of a cassette as ("GET /path", what was sent)."""

    def read(cassette: Any) -> list[tuple[str, Any]]:
        return [
            (f"{request.method} {target(place, request)}", content(request.headers, named_body(place, request)))
            for request in cassette.requests
        ]

    return read


def target(place: Place, request: Any) -> str:
    """The recorded address below the base URL."""
    return place.named(str(request.uri)).removeprefix(DEFAULT_BASE_URL)


def named_body(place: Place, request: Any) -> bytes:
    """The recorded body, with names for ids."""
    return place.named((request.body or b"").decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


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
    if request.node.get_closest_marker("vcr"):
        place, cassette = request.getfixturevalue("place"), request.getfixturevalue("vcr")
        yield
        for exchange in zip(cassette.requests, cassette.responses, strict=True):
            _check_recorded(request.node, place, *exchange)
        return
    exchanges: list[tuple[Received, Response]] = []
    respond = App.respond

    def recorded(app: App, received: Received) -> Response:
        sent = respond(app, received)
        if app.quirks == Quirks():
            exchanges.append((received, sent))
        return sent

    monkeypatch.setattr(App, "respond", recorded)
    yield
    for received, sent in exchanges:
        check(received.method, received.path, received.headers, received.raw, sent.status, sent.body)


def _check_recorded(test: pytest.Item, place: Place, request: Any, response: dict[str, Any]) -> None:
    """Compare an exchange with the description. The answers of a server that only resembles OpenAI may differ: a note."""
    kind = {name.lower(): value for name, value in request.headers.items()}.get("content-type", "")
    operation = check_request(request.method, target(place, request), kind, named_body(place, request))
    try:
        check_answer(operation, response["status"]["code"], response["body"]["string"])
    except (AssertionError, ValidationError, ValueError, LookupError, TypeError) as error:
        if not (place.recording and TARGET.only_resembles):
            raise
        test.user_properties.append(("difference", f"{operation}: {_short(error)}"))


def _short(error: Exception) -> str:
    """What is not as described, and where."""
    if isinstance(error, ValidationError):
        where = ".".join(str(part) for part in error.absolute_path)
        return f"{where or 'the response'}: {error.message.partition(' is not valid under')[0][:120]}"
    return f"not the JSON that is described ({type(error).__name__})"


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
