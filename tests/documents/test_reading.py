"""What has become of files: which requests tell, and what is concluded from them."""

from __future__ import annotations

import json
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.documents import reading
from openai_vtab.documents.states import State
from openai_vtab.documents.store import DocumentStore, StoredFile
from openai_vtab.execution.statement import StatementSession
from openai_vtab.execution.workers import WorkerPool
from openai_vtab.protocol import PageParameters, build
from openai_vtab.sandbox import Answer, Status
from openai_vtab.settings import Settings
from openai_vtab.sqlite.internal_sql import InternalSQL
from openai_vtab.tables.vector_store_file_batch_files import vector_store_file_batch_files
from openai_vtab.transport.client import Client

from ..support.clock import FakeClock

Requests = Callable[[], list[str]]
STORE = "vs_1"


@dataclass
class Reader:
    """A documents table's rows, and a statement that reads them."""

    sandbox: Any
    clock: FakeClock
    connection: apsw.Connection
    store: DocumentStore
    workers: WorkerPool

    def session(self, **settings: Any) -> StatementSession:
        return StatementSession(self.workers, **settings)

    def upload(self, count: int, prefix: str = "f", name: str = "{}.md") -> list[str]:
        """Upload files."""
        return [self.sandbox.add_file(name.format(n), id=f"file-{prefix}{n}") for n in range(count)]

    def batch(self, ids: list[str], seconds: float = 100, **more: Any) -> str:
        """Attach files with a batch that takes so long."""
        batch_id = str(self.sandbox.add_batch(STORE, ids, processing_seconds=seconds))
        for id in ids:
            self.file(id, batch_id=batch_id, **more)
        return batch_id

    def file(self, file_id: str, state: State = State.IN_PROGRESS, **more: Any) -> int:
        """Add a row for a file."""
        return self.store.add_file(**{"file_id": file_id, "owned": 1, "state": state, **more})

    def list_only(self, batch_id: str, listed: Callable[[Any], bool]) -> None:
        """Have the next list of the batch's files lack some of them."""
        state = self.sandbox._state
        found = [file.json(state.clock()) for file in state.batches[STORE, batch_id].files]
        body = {"object": "list", "data": [file for file in found if listed(file)], "has_more": False}
        self.sandbox.inject(Answer(json.dumps(body).encode()), path=f"{batch_id}/files")

    @property
    def files(self) -> list[StoredFile]:
        return self.store.files("true")

    @property
    def unfinished(self) -> list[StoredFile]:
        return self.store.files_in(State.IN_PROGRESS, State.UNSURE)

    @property
    def states(self) -> Counter[State]:
        return Counter(file.state for file in self.files)

    def look(self, **settings: Any) -> reading.Failures:
        session = self.session(**settings)
        try:
            return reading.look(session, self.store, STORE, self.unfinished, self.clock)
        finally:
            session.close()

    def refresh(self) -> reading.Failures:
        return reading.refresh(self.session(), self.store, STORE, self.files, self.clock)

    def wait(self, seconds: float, **settings: Any) -> reading.Failures:
        session = self.session(**settings)
        deadline = session.deadline(seconds)
        return reading.wait(session, self.store, STORE, self.unfinished, self.clock, deadline)


@pytest.fixture
def reader(sandbox: Any, clock: FakeClock) -> Iterator[Reader]:
    """Rows in memory, and an empty vector store."""
    sandbox.add_store(STORE)
    connection = apsw.Connection(":memory:")
    store = DocumentStore(InternalSQL(weakref.ref(connection)), "main", "handbook", "")
    store.shadow.create()
    settings = Settings(base_url=sandbox.base_url, api_key=sandbox.api_key, max_concurrency=4)
    workers = WorkerPool(Client(settings, clock=clock), lambda: False, clock=clock)
    yield Reader(sandbox, clock, connection, store, workers)
    workers.close()
    connection.close(True)


def kinds(requests: list[str]) -> Counter[str]:
    """How many requests of each kind: "batch", "batch list", "file", "upload", "store", "store list"."""

    def kind(request: str) -> str:
        path = request.split(" ")[1].partition("?")[0].split("/")[1:]
        if path[0] == "files":
            return "upload"
        names = {2: "store", 3: "store list", 5: "batch list"}
        return names.get(len(path)) or ("batch" if path[2] == "file_batches" else "file")

    return Counter(map(kind, requests))


def test_look_at_a_batch_that_has_finished_nothing(reader: Reader, requests: Requests) -> None:
    """One request for a thousand files."""
    reader.batch(reader.upload(1000), seconds=1e6)
    reader.look()
    assert kinds(requests()) == {"batch": 1}
    assert reader.states == {State.IN_PROGRESS: 1000}


@pytest.mark.sample(1)
@pytest.mark.parametrize("seconds", [500, 1001], ids=["half of them", "all"])
def test_look_at_a_thousand_files_of_a_batch(reader: Reader, requests: Requests, seconds: float) -> None:
    """The batch, and its list."""
    reader.batch(reader.upload(1000), seconds=1000)
    reader.clock.advance(seconds)
    reader.look()
    assert kinds(requests()) == {"batch": 1, "batch list": 10}
    done = 500 if seconds == 500 else 1000
    assert reader.states[State.COMPLETED] == done
    assert len(reader.unfinished) == 1000 - done


def test_look_at_a_thousand_files_of_five_batches(reader: Reader, requests: Requests) -> None:
    """The batches and their lists."""
    ids = reader.upload(1000)
    for begin in range(0, 1000, 200):
        reader.batch(ids[begin : begin + 200], seconds=10)
    reader.clock.advance(11)
    reader.look()
    assert kinds(requests()) == {"batch": 5, "batch list": 10}
    assert reader.states == {State.COMPLETED: 1000}


def test_look_reads_no_more_of_a_list_than_it_needs(reader: Reader, requests: Requests) -> None:
    """The files that are left may be on its first page; few files are asked for one by one."""
    ids = reader.upload(400)
    reader.batch(ids, seconds=400)
    reader.clock.advance(395)
    reader.look()
    requests()
    assert len(reader.unfinished) == 5
    reader.clock.advance(10)
    reader.look()
    assert sum(kinds(requests()).values()) <= 5
    assert reader.states == {State.COMPLETED: 400}


def test_look_at_few_files_is_one_request_each(reader: Reader, requests: Requests) -> None:
    """Less than a batch and its list."""
    reader.batch(reader.upload(2), seconds=1)
    reader.clock.advance(2)
    reader.look()
    assert kinds(requests()) == {"file": 2}
    assert reader.states == {State.COMPLETED: 2}


def test_look_keeps_why_a_file_failed(reader: Reader) -> None:
    """The latest vector_store.file object."""
    reader.batch(reader.upload(3, name="{}.zip"), seconds=1)
    reader.clock.advance(2)
    reader.look()
    assert reader.states == {State.FAILED: 3}
    assert json.loads(reader.files[0].answer or "")["last_error"]["code"] == "unsupported_file"


def test_look_without_unfinished_files_asks_nothing(reader: Reader, requests: Requests) -> None:
    """Finished ones cost no request, nor those that are not attached."""
    for state in (State.WANTED, State.UNKNOWN, State.UPLOADED, State.COMPLETED, State.FAILED, State.MISSING):
        reader.file(f"file-{state}", state)
    reading.look(reader.session(), reader.store, STORE, reader.files, reader.clock)
    assert requests() == []


def test_look_at_unsure_files(reader: Reader, requests: Requests) -> None:
    """Attached, uploaded and not attached, or gone."""
    reader.sandbox.add_file("a.md", id="file-a")
    reader.sandbox.add_batch(STORE, ["file-a"], processing_seconds=0)
    reader.sandbox.add_file("b.md", id="file-b")
    for name in "ab":
        reader.file(f"file-{name}", State.UNSURE)
    reader.look()
    assert sorted(requests()) == [
        "GET /files/file-b",
        "GET /vector_stores/vs_1/files/file-a",
        "GET /vector_stores/vs_1/files/file-b",
    ]
    assert [file.state for file in reader.files] == [State.COMPLETED, State.UPLOADED]
    reader.file("file-c", State.UNSURE)
    reader.look()
    assert reader.files[-1].state is State.MISSING


def test_look_at_many_unsure_files_reads_the_stores_list(reader: Reader, requests: Requests) -> None:
    """With fewer requests than one each; those that are not in it are asked for."""
    ids = reader.upload(150)
    reader.sandbox.add_batch(STORE, ids[:149], processing_seconds=0)
    for id in ids:
        reader.file(id, State.UNSURE)
    reader.look()
    assert kinds(requests()) == {"store": 1, "store list": 2, "file": 1, "upload": 1}
    assert reader.states == {State.COMPLETED: 149, State.UPLOADED: 1}


def test_look_at_files_of_a_store_that_is_gone(reader: Reader, requests: Requests) -> None:
    """One request tells that all are missing."""
    for n in range(50):
        reader.file(f"file-{n}", State.IN_PROGRESS)
    reader.sandbox._state.delete_store(STORE)
    reader.look()
    assert kinds(requests()) == {"store": 1}
    assert reader.states == {State.MISSING: 50}


def test_look_at_a_file_that_was_attached_a_moment_ago(reader: Reader) -> None:
    """A 404 within ten seconds tells nothing."""
    reader.file("file-new", attached_at=int(reader.clock.time()))
    reader.look()
    assert reader.states == {State.IN_PROGRESS: 1}
    reader.clock.advance(11)
    reader.look()
    assert reader.states == {State.MISSING: 1}


def test_look_at_a_batch_that_the_api_does_not_know(reader: Reader, requests: Requests) -> None:
    """Its files are asked for by themselves."""
    ids = reader.upload(3)
    reader.sandbox.add_batch(STORE, ids, processing_seconds=0)
    for id in ids:
        reader.file(id, batch_id="vsfb_gone")
    reader.look()
    assert kinds(requests()) == {"batch": 1, "store": 1, "store list": 1}
    assert reader.states == {State.COMPLETED: 3}


def test_look_at_a_batch_whose_get_returns_the_store(reader: Reader, requests: Requests) -> None:
    """Then the list of files decides."""
    reader.batch(reader.upload(4), seconds=8)
    reader.sandbox.quirks.batch_get_returns_store = True
    reader.clock.advance(5)
    reader.look()
    assert kinds(requests()) == {"batch": 1, "batch list": 1}
    assert reader.states == {State.COMPLETED: 2, State.IN_PROGRESS: 2}


def test_look_at_a_running_batch_that_lists_what_is_done(reader: Reader, requests: Requests) -> None:
    """The others are in progress, without a request."""
    batch_id = reader.batch(reader.upload(10), seconds=10)
    reader.clock.advance(5.5)
    reader.list_only(batch_id, lambda file: file["status"] == "completed")
    reader.look()
    assert kinds(requests()) == {"batch": 1, "batch list": 1}
    assert reader.states == {State.COMPLETED: 5, State.IN_PROGRESS: 5}


def test_look_at_a_batch_that_is_over_and_lacks_files(reader: Reader, requests: Requests) -> None:
    """They are asked for by themselves."""
    batch_id = reader.batch(reader.upload(10), seconds=10)
    reader.clock.advance(11)
    reader.list_only(batch_id, lambda file: file["id"] not in ("file-f4", "file-f5"))
    reader.look()
    assert kinds(requests()) == {"batch": 1, "batch list": 1, "file": 2}
    assert reader.states == {State.COMPLETED: 10}


def test_look_at_a_cancelled_batch_with_old_counts(reader: Reader, requests: Requests) -> None:
    """Its status decides, not its counts."""
    batch_id = reader.batch(reader.upload(3), seconds=1e6)
    batch = reader.sandbox._state.batches[STORE, batch_id]
    batch.cancel(reader.clock.time())
    reader.look()
    assert reader.states == {State.CANCELLED: 3}


@pytest.mark.parametrize("quirk", [{"unknown_id_is_400": True}, {"plain_errors": "text"}, {"plain_errors": "detail"}])
def test_look_at_files_that_a_compatible_server_does_not_know(reader: Reader, quirk: dict[str, Any]) -> None:
    """However it says that."""
    for name, value in quirk.items():
        setattr(reader.sandbox.quirks, name, value)
    reader.sandbox.add_file("b.md", id="file-b")
    reader.file("file-a")
    reader.file("file-b", State.UNSURE)
    for n in range(4):
        reader.file(f"file-{n}", batch_id="vsfb_gone")
    reader.look()
    assert reader.states == {State.MISSING: 5, State.UPLOADED: 1}


def test_look_at_a_list_that_repeats_itself(reader: Reader) -> None:
    """A gateway that ignores `after` says that the list goes on for ever."""
    reader.batch(reader.upload(150), seconds=1)
    reader.clock.advance(2)
    reader.sandbox.quirks.after_ignored = True
    with pytest.raises(openai_vtab.APIError, match="the list repeats itself"):
        reader.look()


def test_look_at_a_batch_of_a_server_without_pages(reader: Reader) -> None:
    """It sends the whole list at once, and again, and does not say whether it goes on."""
    batch_id = reader.batch(reader.upload(5), seconds=1)
    reader.clock.advance(2)
    listed = [{"id": f"file-f{n}", "status": "completed"} for n in range(4)]
    page = Answer(json.dumps({"object": "list", "data": listed}).encode())
    reader.sandbox.inject(page, times=None, path=f"{batch_id}/files")
    reader.look()
    assert reader.states == {State.COMPLETED: 5}


@pytest.mark.parametrize("counts", ["", None, {}, {"completed": "many"}, {"completed": 3}, []])
def test_look_at_a_batch_without_counts(reader: Reader, counts: Any) -> None:
    """Its list is read."""
    batch_id = reader.batch(reader.upload(4), seconds=4)
    reader.clock.advance(2)
    batch = Answer(json.dumps({"id": batch_id, "status": "in_progress", "file_counts": counts}).encode())
    reader.sandbox.inject(batch, path=f"{batch_id}$")
    reader.look()
    assert reader.states == {State.COMPLETED: 2, State.IN_PROGRESS: 2}


def test_look_at_a_status_that_nobody_knows(reader: Reader) -> None:
    """The file is in progress."""
    reader.file("file-a", State.UNSURE)
    reader.sandbox.inject(Answer(b'{"id": "file-a", "status": "queued"}'))
    reader.look()
    assert reader.states == {State.IN_PROGRESS: 1}


def test_look_at_another_file_is_refused(reader: Reader) -> None:
    """A response about another object proves nothing."""
    reader.file("file-a")
    reader.sandbox.inject(Answer(b'{"id": "file-b", "status": "completed"}'))
    with pytest.raises(openai_vtab.APIError, match="the response is about 'file-b'"):
        reader.look()


def test_look_raises_what_the_api_answers(reader: Reader) -> None:
    """And learns nothing."""
    reader.batch(reader.upload(3), seconds=1)
    reader.sandbox.inject(Status(400), times=None, path="file_batches")
    with pytest.raises(openai_vtab.APIError):
        reader.look()
    assert reader.states == {State.IN_PROGRESS: 3}


@pytest.mark.parametrize(
    ("path", "failed"), [("file_batches/vsfb_[^/]*$", 3), ("file_batches/vsfb_[^/]*/files", 3), ("files/file-x0$", 1)]
)
def test_look_goes_on_without_what_cannot_be_read(reader: Reader, path: str, failed: int) -> None:
    """It returns which files those are."""
    ids = reader.upload(3)
    batch_id = reader.batch(ids, seconds=1)
    reader.file(reader.upload(1, "x")[0], State.UNSURE)
    reader.clock.advance(2)
    reader.sandbox.inject(Status(400), times=None, path=path.replace("vsfb_[^/]*", batch_id))
    failures = reader.look(skip_unreadable=True)
    assert len(failures) == failed
    assert all(error.status == 400 for _, error in failures.values())  # type: ignore[attr-defined]


def test_look_in_a_dry_run_concludes_nothing(reader: Reader, sandbox: Any, requests: Requests) -> None:
    """Nothing is sent."""
    settings = Settings(base_url=sandbox.base_url, api_key=sandbox.api_key, dry_run=True)
    reader.workers = WorkerPool(Client(settings, clock=reader.clock), lambda: False, clock=reader.clock)
    reader.batch(reader.upload(3))
    reader.file("file-x", State.UNSURE)
    reader.look()
    reader.refresh()
    reader.wait(60)
    assert (requests(), reader.clock.slept) == ([], 0)
    assert reader.states == {State.IN_PROGRESS: 3, State.UNSURE: 1}


def test_look_shares_its_requests_with_the_statement(reader: Reader, requests: Requests) -> None:
    """Each is sent once."""
    batch_id = reader.batch(reader.upload(3), seconds=1)
    reader.clock.advance(2)
    session = reader.session()
    keys = {"vector_store_id": STORE, "batch_id": batch_id}
    method = vector_store_file_batch_files.of("SELECT")[0]
    session.response(build(vector_store_file_batch_files, method, keys, PageParameters(100)))
    for _ in range(2):
        reading.look(session, reader.store, STORE, reader.unfinished, reader.clock)
    assert kinds(requests()) == {"batch": 1, "batch list": 1}


def test_refresh_reads_the_stores_list(reader: Reader, requests: Requests) -> None:
    """What another program has detached is missing; what it has attached again is there."""
    ids = reader.upload(10)
    reader.sandbox.add_batch(STORE, ids[1:], processing_seconds=0)
    for number, id in enumerate(ids):
        reader.file(id, State.MISSING if number == 9 else State.COMPLETED)
    reader.file("file-u", State.UPLOADED)
    reader.refresh()
    assert kinds(requests()) == {"store": 1, "store list": 1, "file": 1}
    assert [file.state for file in reader.files] == [State.MISSING, *[State.COMPLETED] * 9, State.UPLOADED]


def test_wait_asks_the_batch_alone_until_it_is_over(reader: Reader, requests: Requests) -> None:
    """Then its list, once."""
    reader.batch(reader.upload(150), seconds=60)
    reader.wait(600)
    counted = kinds(requests())
    assert counted.keys() == {"batch", "batch list"}
    assert counted["batch list"] == 2
    assert 60 <= reader.clock.slept < 70
    assert reader.states == {State.COMPLETED: 150}


def test_wait_ends_at_the_deadline(reader: Reader) -> None:
    """With what is finished then."""
    reader.batch(reader.upload(10), seconds=100)
    reader.wait(55)
    assert reader.clock.slept == pytest.approx(55)
    assert reader.states == {State.COMPLETED: 5, State.IN_PROGRESS: 5}


def test_wait_for_files_without_a_batch(reader: Reader, requests: Requests) -> None:
    """Each is asked for."""
    reader.sandbox.add_batch(STORE, reader.upload(2), processing_seconds=30)
    for n in range(2):
        reader.file(f"file-f{n}", State.UNSURE)
    reader.wait(600)
    assert kinds(requests()).keys() == {"file"}
    assert reader.states == {State.COMPLETED: 2}


def test_wait_for_a_batch_whose_get_returns_the_store(reader: Reader) -> None:
    """The list is read again and again."""
    reader.batch(reader.upload(4), seconds=20)
    reader.sandbox.quirks.batch_get_returns_store = True
    reader.wait(600)
    assert reader.states == {State.COMPLETED: 4}
    assert 20 <= reader.clock.slept < 30


def test_wait_for_files_that_are_not_visible_yet(reader: Reader) -> None:
    """Until they are, or would be."""
    ids = reader.upload(1)
    reader.file(ids[0], attached_at=int(reader.clock.time()))
    reader.wait(600)
    assert 9 < reader.clock.slept < 17
    assert reader.states == {State.MISSING: 1}


def test_wait_for_unsure_files_that_are_not_visible_yet(reader: Reader) -> None:
    """Their upload is looked for when the vector store must have shown them."""
    ids = reader.upload(1)
    reader.file(ids[0], State.UNSURE, attached_at=int(reader.clock.time()))
    reader.look()
    assert reader.states == {State.UNSURE: 1}
    reader.wait(600)
    assert 9 < reader.clock.slept < 17
    assert reader.states == {State.UPLOADED: 1}


def test_wait_for_many_files_without_a_batch(reader: Reader, requests: Requests) -> None:
    """The vector store's list tells all of them."""
    ids = reader.upload(150)
    reader.sandbox.add_batch(STORE, ids, processing_seconds=20)
    for id in ids:
        reader.file(id, State.UNSURE)
    reader.wait(600)
    assert reader.states == {State.COMPLETED: 150}
    assert kinds(requests()).keys() == {"store", "store list"}
    assert 20 <= reader.clock.slept < 30


def test_wait_follows_the_servers_hint(reader: Reader, requests: Requests) -> None:
    """openai-poll-after-ms."""
    reader.batch(reader.upload(4), seconds=60)
    reader.sandbox.quirks.poll_after_ms = 30_000
    reader.wait(600)
    assert kinds(requests())["batch"] == 3


def test_wait_goes_on_without_what_cannot_be_read(reader: Reader) -> None:
    """Failures end the wait for their files."""
    reader.batch(reader.upload(4), seconds=60)
    reader.sandbox.inject(Status(400), times=None, path="file_batches")
    assert len(reader.wait(600, skip_unreadable=True)) == 4
    assert reader.clock.slept == 0
