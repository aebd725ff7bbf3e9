"""Recordings: what is in them, what differs between two of them, and what a failed one leaves."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from vcr.request import Request

from openai_vtab import sandbox
from openai_vtab.sandbox import Received, Status
from openai_vtab.sandbox.app import App
from openai_vtab.sandbox.messages import Response, json_response
from openai_vtab.settings import DEFAULT_BASE_URL

from ..support.cassettes import MOMENT, Exchange, Secrets, normalised, read, with_names, without_repeated_looks, write
from ..support.clock import FakeClock
from ..support.recording import FILES, STORE, Place, Target, created

ROOT = Path(__file__).parents[2]
CASSETTES = ROOT / "cassettes"
URL, HIDDEN = "http://gateway.internal:8321/v1", "sk-proj-0123456789abcdef"
SECRETS = Secrets(URL, HIDDEN)
NOW = 1_764_168_000


def exchange(
    request: str, answer: Any = None, body: Any = None, status: int = 200, headers: dict[str, str] | None = None
) -> Exchange:
    """A recorded exchange; `answer` and `body` are JSON unless they are text."""
    method, path = request.split(" ")
    text = answer if isinstance(answer, str) else json.dumps(answer)
    raw = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
    shown = {name: [value] for name, value in (headers or {}).items()}
    response = {"status": {"code": status, "message": "OK"}, "headers": shown, "body": {"string": text.encode()}}
    return Exchange(Request(method, URL + path, raw, {"Content-Type": "application/json"}), response)


def texts(*exchanges: Exchange, names: dict[str, str] | None = None) -> list[tuple[str, str, str]]:
    """The addresses, bodies and answers of the normalised exchanges."""
    return [
        (
            e.request.uri.removeprefix(DEFAULT_BASE_URL),
            (e.request.body or b"").decode(),
            e.response["body"]["string"].decode(),
        )
        for e in normalised(exchanges, names or {}, NOW, SECRETS)
    ]


def test_normalised_ids_are_numbered_by_kind() -> None:
    """In the order of their appearance, wherever they stand: addresses, bodies, answers, messages, lists."""
    store, one, two, batch = "vs_68f0a1b2c3", "file-AbC123456", "file-AbC1234567", "batch_0b7d1f66-2a"
    assert texts(
        exchange("POST /vector_stores", {"id": store, "object": "vector_store"}),
        exchange("POST /files", {"id": two}),
        exchange("POST /files", {"id": one}),
        exchange(f"POST /vector_stores/{store}/file_batches", {"id": batch, "vector_store_id": store}, {"file_ids": [one, two]}),
        exchange(f"GET /vector_stores/{store}/file_batches/{batch}/files?after={one}", {"data": [{"id": two}], "last_id": two}),
        exchange(f"GET /files/{one}", {"error": {"message": f"No such file: {one}."}}, status=404),
    ) == [
        ("/vector_stores", "", '{"id": "vs_1", "object": "vector_store"}'),
        ("/files", "", '{"id": "file-1"}'),
        ("/files", "", '{"id": "file-2"}'),
        ("/vector_stores/vs_1/file_batches", '{"file_ids": ["file-2", "file-1"]}', '{"id": "vsfb_1", "vector_store_id": "vs_1"}'),
        ("/vector_stores/vs_1/file_batches/vsfb_1/files?after=file-2", "", '{"data": [{"id": "file-1"}], "last_id": "file-1"}'),
        ("/files/file-2", "", '{"error": {"message": "No such file: file-2."}}'),
    ]  # fmt: skip


def test_normalised_ids_that_were_known_before_have_their_names() -> None:
    """They are not numbered; a search may name other files."""
    path = "/vector_stores/vs_of_test"
    assert texts(
        exchange(f"POST {path}/search", {"data": [{"file_id": "file-of-test"}, {"file_id": "doc:77/a+b"}]}),
        exchange(f"GET {path}/files/doc%3A77%2Fa%2Bb", {"id": "doc:77/a+b"}),
        names={"vs_of_test": STORE, "file-of-test": "file-cassette-1"},
    ) == [
        (f"/vector_stores/{STORE}/search", "", '{"data": [{"file_id": "file-cassette-1"}, {"file_id": "file-1"}]}'),
        (f"/vector_stores/{STORE}/files/file-1", "", '{"id": "file-1"}'),
    ]


def test_normalised_short_ids_are_replaced_only_alone() -> None:
    """A server may count: 7 is then an id, and a number anywhere else."""
    assert texts(
        exchange("POST /files", {"id": "7", "bytes": 7, "filename": "7 days.md"}),
        exchange("GET /files/7", {"id": "7", "bytes": 77}),
    ) == [
        ("/files", "", '{"id": "file-1", "bytes": 7, "filename": "7 days.md"}'),
        ("/files/file-1", "", '{"id": "file-1", "bytes": 77}'),
    ]


def test_normalised_request_ids_are_numbered() -> None:
    """In the header, and where a message repeats them."""
    found = exchange("GET /files/file-0", {"error": {"message": "failed: req_0123456789"}}, status=500, headers={"x-request-id": "req_0123456789"})  # fmt: skip
    (done,) = normalised([found], {}, NOW, SECRETS)
    assert done.response["headers"] == {"x-request-id": ["req_1"]}
    assert b"failed: req_1" in done.response["body"]["string"]


def test_normalised_times_keep_hours() -> None:
    """What happens during a recording happens at once, and what expires in a week does so still."""
    answer = {"created_at": NOW + 59, "expires_at": NOW + 61 + 7 * 86400, "last_active_at": None, "bytes": NOW}
    assert texts(exchange("POST /files", {"id": "file-1", **answer}))[0][2] == json.dumps(
        {"id": "file-1", **answer, "created_at": MOMENT, "expires_at": MOMENT + 7 * 86400}
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"see {URL}/docs", f"see {DEFAULT_BASE_URL}/docs"),
        ("host gateway.internal:8321 is down", "host server.example is down"),
        (
            "from http://10.0.0.7:9000/x and https://es.corp/",
            "from http://server.example/x and https://server.example/",
        ),
        ("cannot connect to 127.0.0.1:6333 or localhost:11434", "cannot connect to server.example or server.example"),
        ("https://platform.openai.com/account", "https://platform.openai.com/account"),
        (f"Incorrect API key provided: {HIDDEN}.", "Incorrect API key provided: [key]."),
        ("Incorrect API key provided: sk-pr****cdef.", "Incorrect API key provided: [key]"),
        ("the key sand*****cret is wrong", "the key [key] is wrong"),
        ("limit of organization org-AbCdEf123456 reached", "limit of organization org-account reached"),
        ("proj_0123456789 and user-0123456789", "proj_account and user-account"),
        ("purpose user_data, team-organizer", "purpose user_data, team-organizer"),
    ],
)
def test_normalised_texts_name_no_host_key_or_account(text: str, shown: str) -> None:
    """Whatever a server says of itself, or of the one behind it."""
    found = texts(exchange("GET /files/file-0", {"error": {"message": text}}, status=500))
    assert json.loads(found[0][2])["error"]["message"] == shown


@pytest.mark.parametrize("has_more", [True, False])
def test_normalised_lists_have_no_other_objects(has_more: bool) -> None:
    """A cassette has no names of the account's other files and stores."""
    items = [{"id": "file-mine-123"}, {"id": "file-theirs", "filename": "salaries.csv"}]
    listed = {"data": items, "first_id": "file-mine-123", "last_id": "file-theirs", "has_more": has_more}
    made = exchange("POST /files", {"id": "file-mine-123"})
    found = json.loads(texts(made, exchange("GET /files?limit=10", listed))[1][2])
    assert found == {"data": [{"id": "file-1"}], "first_id": "file-1", "last_id": "file-1", "has_more": False}
    found = json.loads(texts(exchange("GET /files?limit=10", listed))[0][2])
    assert found == {"data": [], "first_id": None, "last_id": None, "has_more": False}


def test_normalised_lists_have_one_order_of_the_same_second() -> None:
    """It is chance, because ids are. Another order is the server's own."""
    items = [
        {"id": id, "created_at": NOW + at} for id, at in (("file-c", 2), ("file-b", 1), ("file-a", 1), ("file-d", 0))
    ]
    names = {item["id"]: item["id"] for item in items}
    listed = {"data": items, "first_id": "file-c", "last_id": "file-d", "has_more": False}

    def order(request: str, listed: Any) -> list[str]:
        return [item["id"][-1] for item in json.loads(texts(exchange(request, listed), names=names)[0][2])["data"]]

    assert order("GET /vector_stores/vs_0/files", listed) == ["c", "a", "b", "d"]
    for request, answer in (("GET /files?after=file-x", listed), ("GET /files", {**listed, "has_more": True})):
        assert order(request, answer) == ["c", "b", "a", "d"]


def test_normalised_answers_are_otherwise_the_servers_own_bytes() -> None:
    """Spaces, the order of members, escapes, and what is no JSON or no text."""
    for answer in ('{ "b":1,\n"a" : "\\u00fc" , "bytes": 1.50}', "no JSON", ""):
        assert texts(exchange("GET /files/file-0", answer))[0][2] == answer
    odd = exchange("POST /files", {"id": "file-1"}, b"--b\r\n\xff\xfe\r\n--b--")
    assert normalised([odd], {}, NOW, SECRETS)[0].request.body == b"--b\r\n\xff\xfe\r\n--b--"


def test_normalisation_refuses_what_it_cannot_replace() -> None:
    """For instance an id within a word."""
    id = "0123456789"
    with pytest.raises(ValueError, match="still contains '0123456789'"):
        texts(exchange("POST /files", {"id": id, "path": f"/files/file_{id}_v2"}))


def test_normalisation_twice_changes_nothing(tmp_path: Path) -> None:
    """The committed cassettes are as a recording would write them."""
    names = {name: name for name in (STORE, *FILES)}
    for path in sorted(CASSETTES.rglob("*.yaml")):
        write(tmp_path / path.name, normalised(read(path), names, MOMENT, SECRETS))
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path


def test_names_do_not_replace_parts_of_words() -> None:
    """An id may begin another one."""
    names = {"vs_abcdefgh": "vs_1", "vs_abcdefghi": "vs_2"}
    assert (
        with_names("vs_abcdefgh vs_abcdefghi vs_abcdefghij x-vs_abcdefgh", names)
        == "vs_1 vs_2 vs_abcdefghij x-vs_abcdefgh"
    )


def test_looks_that_are_repeated_after_a_pause_are_left_out() -> None:
    """How often a test looks depends on the moment. Without a pause, a request is repeated for a reason."""
    batch = "GET /vector_stores/vs_0/file_batches/vsfb_0"
    paths = ["POST /files", batch, batch, batch, batch, "GET /files/file-0"]
    exchanges = [exchange(path, {"status": number}) for number, path in enumerate(paths)]

    def kept(*pauses: int) -> list[int]:
        return [found.answer["status"] for found in without_repeated_looks(exchanges, set(pauses))]

    assert kept() == [0, 1, 2, 3, 4, 5]
    assert kept(3, 4) == [0, 1, 4, 5]
    assert kept(1, 2, 5) == [0, 2, 3, 4, 5]
    assert kept(0, 6) == [0, 1, 2, 3, 4, 5]


def test_cassette_is_replaced_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that fails leaves the former one, and nothing else."""
    path = tmp_path / "module" / "test.yaml"
    write(path, normalised([exchange("POST /files", {"id": "file-of-first"})], {}, NOW, SECRETS))
    former = path.read_bytes()
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk")))
    with pytest.raises(OSError, match="disk"):
        write(path, normalised([exchange("GET /files/file-0", {"id": "x"})], {}, NOW, SECRETS))
    assert [(each.name, each.read_bytes()) for each in path.parent.iterdir()] == [("test.yaml", former)]
    assert read(tmp_path / "none.yaml") == []


@pytest.mark.parametrize(
    ("environ", "target", "resembles"),
    [
        ({}, Target(), False),
        ({"OPENAI_API_KEY": "k"}, Target(DEFAULT_BASE_URL, "k"), False),
        ({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "https://eu.api.openai.com/v1/"}, Target("https://eu.api.openai.com/v1", "k"), False),
        ({"OPENAI_BASE_URL": URL}, Target(URL, "no-key-is-needed"), True),
        ({"OPENAI_BASE_URL": "https://notopenai.com/v1"}, Target("https://notopenai.com/v1", "no-key-is-needed"), True),
        ({"OPENAI_BASE_URL": URL, "OPENAI_CUSTOM_HEADERS": "a: b\nc: d"}, Target(URL, "no-key-is-needed", "a: b\nc: d"), True),
    ],
)  # fmt: skip
def test_target_is_what_the_environment_names(environ: dict[str, str], target: Target, resembles: bool) -> None:
    """The sandbox, OpenAI, or any server."""
    found = Target.of(environ)
    assert (found, found.only_resembles) == (target, resembles)
    assert found.default_headers == ({"a": "b", "c": "d"} if target.headers else {})


def test_place_says_what_it_could_not_create() -> None:
    """Only to the tests that need it."""
    with sandbox.run(seeded=False) as server:
        server.inject(Status(501, message="no files here"), times=None, path="/files")
        place = Place(server.base_url, server.api_key, clock=FakeClock(), recording=True)
        place.make()
        assert place.real(STORE).startswith("vs_")
        with pytest.raises(
            pytest.fail.Exception, match=r"file-cassette-1 could not be created: POST /files: 501 .*no files here"
        ):
            place.real("file-cassette-1")
        place.remove(place.made())
        assert server._state.stores == {}


def test_created_objects_are_those_of_the_account() -> None:
    """What is in a store is deleted with it."""
    exchanges = [
        exchange("POST /files", {"id": "file-a"}),
        exchange("POST /vector_stores", {"id": "vs_a"}),
        exchange("POST /vector_stores/vs_a/files", {"id": "file-a"}),
        exchange("POST /vector_stores/vs_a", {"id": "vs_a"}),
        exchange("POST /files", {"error": {}}, status=400),
        exchange("GET /files/file-a", {"id": "file-a"}),
    ]
    assert list(created(exchanges, URL)) == ["/files/file-a", "/vector_stores/vs_a"]


Serve = Callable[[Received, Callable[[Received], Response]], Response]


@contextmanager
def served(monkeypatch: pytest.MonkeyPatch, serve: Serve | None = None) -> Any:
    """A sandbox as any server, with a filter."""
    respond = App.respond
    if serve is not None:
        monkeypatch.setattr(App, "respond", lambda app, received: serve(received, lambda r: respond(app, r)))
    with sandbox.run(processing_seconds=0.6, seeded=False) as server:
        server.add_store(name="somebody's store")
        server.add_file("salaries.csv", purpose="user_data")
        yield server


def record(server: Any, folder: Path, tests: str, *more: str, killed: list[int] | None = None) -> tuple[int, str]:
    """Record tests from a server into a folder; the exit status and the output. The process's id goes into `killed`."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "tests/tables",
        "-m",
        "vcr",
        "-k",
        tests,
        "-p",
        "no:cacheprovider",
        *more,
    ]
    environment = {**os.environ, "OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": server.api_key, "COLUMNS": "300"}
    with subprocess.Popen(
        [*command, "--record-mode=rewrite", f"--cassettes={folder}"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        if killed is not None:
            killed.append(process.pid)
        output, _ = process.communicate(timeout=240)
    return process.returncode, output


def contents(folder: Path) -> dict[str, str]:
    """The cassettes in a folder, and whatever else is there."""
    return {str(p.relative_to(folder)): p.read_text(encoding="utf-8") for p in sorted(folder.rglob("*")) if p.is_file()}


FORMER = "# the former cassette\n"


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """A copy of the committed cassettes, each with a line that a recording would not write."""
    folder = Path(shutil.copytree(CASSETTES, tmp_path / "cassettes"))
    for path in folder.rglob("*.yaml"):
        path.write_text(FORMER + path.read_text(encoding="utf-8"), encoding="utf-8")
    return folder


def replaced(folder: Path) -> list[str]:
    """The names of the cassettes that were replaced. Each is then the committed one: a recording is always the same."""
    committed, found = contents(CASSETTES), contents(folder)
    assert found.keys() == committed.keys()
    new = [name for name, text in found.items() if name.endswith(".yaml") and not text.startswith(FORMER)]
    assert [name for name in new if found[name] != committed[name]] == []
    return [Path(name).stem for name in new]


@pytest.mark.slow
def test_recording_of_any_server_differs_only_where_it_does(monkeypatch: pytest.MonkeyPatch, scratch: Path) -> None:
    """A sandbox elsewhere, with other people's objects, gives the committed cassettes, and is left as it was."""
    with served(monkeypatch) as server:
        status, output = record(server, scratch, "life or order or removes")
        assert status == 0, output
        assert [store.name for store in server._state.stores.values()] == ["somebody's store"]
        assert [file.filename for file in server._state.files.values()] == ["salaries.csv"]
    assert replaced(scratch) == [
        "test_life_of_a_file",
        "test_life_of_an_attached_file",
        "test_order_and_pages_of_a_store",
        "test_life_of_a_store",
        "test_update_removes_expiry_and_metadata",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("failure", ["half of it", "what cannot be normalised", "the process is killed"])
def test_recording_that_fails_leaves_the_cassette(monkeypatch: pytest.MonkeyPatch, scratch: Path, failure: str) -> None:
    """A test's cassette is replaced by all of a test that has passed, or not at all; those of other tests are."""
    seen: list[str] = []
    process: list[int] = []

    def fail(received: Received, carry_out: Callable[[Received], Response]) -> Response:
        response = carry_out(received)
        if len(received.segments) < 4 or not json.loads(response.body).get("id"):
            return response
        seen.append(received.method)  # of the life of an attached file: 7 requests in all
        if failure == "what cannot be normalised":
            store = received.segments[1]
            return json_response({**json.loads(response.body), "path": f"/var/{store}_files"})
        if len(seen) > 3 and failure == "half of it":
            return json_response({"error": {"message": "out of order"}}, 500)
        if len(seen) > 3:
            os.kill(process[0], signal.SIGKILL)
        return response

    with served(monkeypatch, fail) as server:
        status, output = record(server, scratch, "life", killed=process)
    assert len(seen) >= 3
    assert status == (-signal.SIGKILL if failure == "the process is killed" else 1), output
    if failure == "what cannot be normalised":
        assert "ERROR tests/tables/test_vector_store_files.py::test_life_of_an_attached_file - ValueError: the recording still contains 'vs_" in output  # fmt: skip
    elif failure == "half of it":
        assert "FAILED tests/tables/test_vector_store_files.py::test_life_of_an_attached_file" in output
    others = ["test_life_of_a_file"] + (["test_life_of_a_store"] if failure != "the process is killed" else [])
    assert replaced(scratch) == others


@pytest.mark.parametrize("key", ["", "x", "key", "test", "sk-1234"])
def test_key_that_other_words_may_contain_is_refused(key: str) -> None:
    """It would be replaced within "object" or "latest", or would be found where no key is."""
    with pytest.raises(
        ValueError, match=rf"a key of {len(key)} characters .* at least 8, such as sk-recording, or leave"
    ):
        _ = Target(URL, key).secrets


def test_key_of_eight_characters_is_replaced() -> None:
    """As is the one that is sent if the environment names none."""
    for target in (Target(URL, "12345678"), Target.of({"OPENAI_BASE_URL": URL})):
        assert target.secrets.hidden(f'"latest": "{target.api_key}"') == '"latest": "[key]"'


@pytest.mark.slow
def test_recording_refuses_a_short_key_at_the_beginning() -> None:
    """Before anything is created at the server."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/tables/test_files.py", "--record-mode=rewrite"],
        cwd=ROOT,
        env={**os.environ, "OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "OPENAI_API_KEY": "test"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 4
    assert "OPENAI_API_KEY: a key of 4 characters" in done.stderr


@pytest.mark.slow
def test_recording_says_which_tests_do_not_apply(monkeypatch: pytest.MonkeyPatch, scratch: Path) -> None:
    """Those of OpenAI's own behaviour may fail where another server is recorded; the summary has the reason of each."""

    def respond(received: Received, carry_out: Callable[[Received], Response]) -> Response:
        response = carry_out(received)
        return response if response.status != 404 else json_response({"error": {"message": "vs_0?"}}, 400)

    with served(monkeypatch, respond) as server:
        status, output = record(server, scratch, "error_carries or select_returns_failed or removes")  # fmt: skip
    assert status == 0, output
    assert "1 passed" in output
    module = "tests/tables/test_vector_store_file_batches.py"
    assert (
        f"XFAIL {module}::test_error_carries_the_apis_words - OpenAI's own behaviour: an unknown vector store is 404"
        in output
    )
    assert "XPASS tests/tables/test_vector_store_file_batch_files.py::test_select_returns_failed_files_and_reasons - OpenAI's own behaviour: a .csv file is not supported" in output  # fmt: skip
    assert "test_error_carries_the_apis_words" not in replaced(scratch)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ("--record-mode=new_episodes", "--record-mode=new_episodes: write --record-mode=rewrite, which"),
        ("-n2", "-n: record from a server without it, because tests list what others have just created"),
    ],
)
def test_recording_refuses_what_mixes_exchanges(option: str, problem: str) -> None:
    """Of two servers, or of two tests."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/tables/test_files.py", "--record-mode=rewrite", option],
        cwd=ROOT,
        env={**os.environ, "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 4
    assert problem in done.stderr


def test_markers_say_what_a_recorded_test_shows(request: pytest.FixtureRequest) -> None:
    """Each has a capability of its own, and a reason where it is OpenAI's own behaviour."""
    recorded = [
        item for item in request.session.items if item.get_closest_marker("vcr") and "tables" in item.path.parts
    ]
    for item in recorded:
        (text,) = item.get_closest_marker("capability").args  # type: ignore[union-attr]
        own = item.get_closest_marker("openai_own")
        assert re.fullmatch(r"[a-z ]+: [^:]+", text)
        assert own is None or len(own.args) == 1
