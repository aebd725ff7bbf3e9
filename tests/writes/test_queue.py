"""The queue of the open transaction, with a plain function in place of the network."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.errors import Error
from openai_vtab.execution.workers import WorkerPool
from openai_vtab.protocol import Object, Request, Response
from openai_vtab.settings import Settings
from openai_vtab.writes.outcome import report
from openai_vtab.writes.queue import WriteQueue
from openai_vtab.writes.write import State, Write
from openai_vtab.writes.write_sender import WriteSender

Send = Callable[[Request], Response]


class Network:
    """A client whose requests are answered by a function."""

    settings = Settings(max_concurrency=1)
    ahead_limit = 0

    def __init__(self, answer: Send) -> None:
        self.answer = answer
        self.sent: list[str] = []

    def send(self, request: Request, patience: Any, predicted: bool = False, on_send: Any = None) -> Response:
        assert on_send()
        self.sent.append(request.target)
        return self.answer(request)

    def close_idle_resting(self) -> None:
        pass

    def close(self) -> None:
        pass


def ok(request: Request) -> Response:
    return Response(200, {}, b"", "")


class Queue(WriteQueue):
    """A queue that a test can ask what was sent."""

    def __init__(self, workers: WorkerPool) -> None:
        super().__init__(WriteSender(workers))
        self.workers = workers


def queue_over(answer: Send = ok, interrupted: Callable[[], bool] = lambda: False) -> Queue:
    network: Any = Network(answer)
    return Queue(WorkerPool(network, interrupted))


@pytest.fixture
def queues() -> Iterator[Callable[..., Queue]]:
    """Make queues, and end their threads."""
    made: list[Queue] = []

    def make(*arguments: Any) -> Queue:
        made.append(queue_over(*arguments))
        return made[-1]

    yield make
    for queue in made:
        queue.workers.close()


def create(rowid: int = 1, target: str = "/vector_stores/vs_1/file_batches", **more: Any) -> Write:
    return Write(Request("POST", target, idempotent=False), rowid, lambda _: {"id": f"vsfb_{rowid}"}, **more)


@pytest.mark.parametrize("reader", [None, "a SELECT"])
def test_interrupt_at_the_last_response_is_not_taken_for_success(queues: Any, reader: object) -> None:
    """COMMIT would keep rows that were never recorded: it fails, and says that they were carried out."""
    parsed = threading.Event()
    calls = []

    def parse(response: Response) -> Object:
        parsed.set()
        return {"id": "vsfb_1"}

    def interrupted() -> bool:
        calls.append(1)
        if len(calls) == 1:  # before the first request
            return False
        assert parsed.wait(20)
        return True

    def slow(request: Request) -> Response:
        parsed.wait(0.2)
        return ok(request)

    queue = queues(slow, interrupted)
    recorded: list[Object] = []
    queue.add(Write(create().request, 1, parse, on_done=recorded.append))
    with pytest.raises(openai_vtab.WriteError, match="interrupted while writing") as caught:
        queue.flush(reader)
    assert (caught.value.done, caught.value.not_done, caught.value.unknown) == ([(1, "vsfb_1")], [], [])
    assert recorded == []
    if reader is not None:  # the transaction goes on
        queue.workers.interrupted = lambda: False
        queue.flush()
        assert recorded == [{"id": "vsfb_1"}]
    else:
        assert queue.is_empty


@pytest.mark.parametrize("refusal", [apsw.InterruptError, apsw.FullError, openai_vtab.OperationalError])
def test_recording_that_fails_lists_what_was_carried_out(queues: Any, refusal: type[Exception]) -> None:
    """SQLite refuses the row of a create that has happened: the error names it, with SQLite's own as its cause."""

    def recorded(_: Object) -> None:
        raise refusal("not now")

    queue = queues()
    queue.add(create(1, on_done=recorded))
    queue.add(create(2))
    with pytest.raises(openai_vtab.WriteError) as caught:
        queue.flush()
    assert caught.value.done == [(1, "vsfb_1"), (2, "vsfb_2")]
    assert isinstance(caught.value.__cause__, refusal)
    assert queue.is_empty


def test_failure_reports_done_unknown_and_not_sent(queues: Any) -> None:
    """One was carried out, one may have been, and the third was not begun."""

    def answer(request: Request) -> Response:
        if request.target == "/cut":
            raise openai_vtab.APIConnectionError("the connection broke", request="POST /cut", sent=True)
        return ok(request)

    queue = queues(answer)
    for rowid, target in ((1, "/done"), (2, "/cut"), (3, "/late")):
        queue.add(create(rowid, target))
    with pytest.raises(openai_vtab.WriteError) as caught:
        queue.flush()
    assert caught.value.done == [(1, "vsfb_1")]
    assert [rowid for rowid, _ in caught.value.unknown] == [2]
    assert caught.value.not_done == [(3, "not sent")]
    assert queue.workers.client.sent == ["/done", "/cut"]
    assert queue.is_empty


@pytest.mark.parametrize("error", [ZeroDivisionError("inside"), OverflowError(), RuntimeError(), MemoryError()])
def test_outcome_is_unknown_after_an_unexpected_exception(queues: Any, error: Exception) -> None:
    """Whatever is raised once the first byte may have left: the create may have happened."""

    def answer(request: Request) -> Response:
        raise error

    queue = queues(answer)
    queue.add(create())
    with pytest.raises(openai_vtab.WriteError, match="it may have been carried out all the same") as caught:
        queue.flush()
    assert [rowid for rowid, _ in caught.value.unknown] == [1]
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), SystemExit(3)])
def test_interrupt_stays_what_it_is_and_carries_the_report(
    queues: Any, stop: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """No program may catch it as an error; the report is its cause, its note, and in the log."""
    sent, held = threading.Event(), threading.Event()

    def tick() -> bool:
        if sent.is_set():
            raise stop
        return False

    def answer(request: Request) -> Response:
        sent.set()
        held.wait(20)
        return ok(request)

    queue = queues(answer, tick)
    queue.add(create(1))
    queue.add(create(2))
    with pytest.raises(type(stop)) as caught:
        queue.flush()
    told = caught.value.__cause__
    assert isinstance(told, openai_vtab.WriteError)
    assert [rowid for rowid, _ in told.unknown] == [1]
    assert told.not_done == [(2, "not sent")]
    assert str(told) in caught.value.__notes__
    assert str(told) in caplog.text
    held.set()
    assert queue.workers.client.sent == ["/vector_stores/vs_1/file_batches"]


def test_rollback_after_commit_was_sent_raises(queues: Any) -> None:
    """SQLite could not commit: whoever repeats the statement would create it again."""
    queue = queues()
    queue.add(create())
    queue.flush()
    with pytest.raises(openai_vtab.WriteError, match=r"perhaps another connection.* would do it again") as caught:
        queue.rollback(asked_for=False)
    assert caught.value.done == [(1, "vsfb_1")]
    assert queue.is_empty
    queue.rollback(asked_for=False)  # every table of the transaction is told


def test_rollback_by_the_user_after_a_busy_commit_raises(queues: Any) -> None:
    """The COMMIT that was busy said only that; so the ROLLBACK has to tell."""
    queue = queues()
    queue.add(create())
    queue.flush()
    queue.flush()  # COMMIT once more
    assert len(queue.workers.client.sent) == 1
    with pytest.raises(openai_vtab.WriteError) as caught:
        queue.rollback(asked_for=True)
    assert "another connection" not in str(caught.value)


def test_rollback_by_the_user_after_a_read_warns(queues: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A SELECT had the row sent; ROLLBACK does what it was asked for."""
    queue = queues()
    queue.add(create())
    queue.flush("a SELECT")
    queue.rollback(asked_for=True)
    assert "rolled back here, but already carried out by the API" in caplog.text
    assert "vsfb_1" in caplog.text


def test_commit_forgets_everything(queues: Any) -> None:
    """Nothing of a transaction that SQLite has committed is told again."""
    queue = queues()
    queue.add(create())
    queue.savepoints.begin(0, queue.next_number, "a statement")
    queue.flush()
    queue.commit()
    assert queue.is_empty
    queue.rollback(asked_for=False)


def test_unknown_outcome_makes_commit_fail(queues: Any) -> None:
    """Nothing is sent of what SQLite may have undone without a word; rolled back, it is no obstacle any more."""
    queue = queues()
    queue.add(create(1))
    queue.savepoints.begin(0, queue.next_number, "a statement")
    queue.add(create(2))
    queue.doubt(1)
    with pytest.raises(openai_vtab.WriteError, match="cannot be committed"):
        queue.flush()
    assert queue.workers.client.sent == []
    queue.savepoints.begin(0, queue.next_number, None)
    queue.add(create(3))
    queue.doubt(2)
    queue.rollback_to(0)
    queue.flush()
    assert queue.workers.client.sent == []


def test_queue_of_many_statements_is_judged_in_linear_time(queues: Any) -> None:
    """Each statement looks at its own writes alone."""
    queue = queues()
    looked: list[int] = []
    for number in range(2000):
        statement = object()
        queue.add(create(number, session=statement))
        looked.append(len(queue._since(number)))
        queue.statement_over(statement, number, changed=True)
    assert looked == [1] * 2000


def test_states_of_a_write_that_cannot_write_down_its_intent(queues: Any, tmp_path: Any) -> None:
    """The trace cannot be written: the create does not begin."""
    queue = queues()
    intents = queue.intents.of(str(tmp_path / "absent" / "my.db"), "main")
    write = create(1, intent=intents.new(["led"], {}, {}))
    queue.add(write)
    with pytest.raises(Error, match="the rows were not sent"):
        queue.flush()
    assert write.state is State.QUEUED
    assert queue.workers.client.sent == []


def test_report_sees_each_write_at_one_moment() -> None:
    """A response that comes while a report is written must not take the row out of all its lists."""

    class Answered(Write):
        @property
        def state(self) -> State:
            self.looks = getattr(self, "looks", 0) + 1
            return State.BEGUN if self.looks == 1 else State.DONE

        @state.setter
        def state(self, _: State) -> None:
            pass

    told = report("interrupted", [Answered(create().request, 1, lambda _: {})])
    assert [rowid for rowid, _ in told.unknown] == [1]
    assert (told.done, told.not_done) == ([], [])


def test_commit_that_cannot_begin_lists_what_a_read_has_sent(queues: Any, tmp_path: Any) -> None:
    """The disk is full when COMMIT writes down its intents; an earlier row of the transaction was sent by a SELECT."""
    queue = queues()
    queue.add(create(1))
    queue.flush("a SELECT")
    intents = queue.intents.of(str(tmp_path / "absent" / "my.db"), "main")
    queue.add(create(2, intent=intents.new(["led"], {}, {})))
    with pytest.raises(openai_vtab.WriteError, match="the rows were not sent") as caught:
        queue.flush()
    assert caught.value.done == [(1, "vsfb_1")]
    assert caught.value.not_done == [(2, "not sent")]


@pytest.mark.parametrize("reader", [None, "a SELECT"])
def test_interrupt_in_a_callback_carries_the_report(queues: Any, reader: object) -> None:
    """Ctrl-C while the results are written into the ledger: nothing of what was carried out is left out."""
    stop = KeyboardInterrupt()
    recorded: list[Object] = []

    def land(result: Object) -> None:
        if not recorded:
            recorded.append(result)
            raise stop
        recorded.append(result)

    queue = queues()
    queue.add(create(1, on_done=land))
    queue.add(create(2, on_done=land))
    with pytest.raises(KeyboardInterrupt) as caught:
        queue.flush(reader)
    told = caught.value.__cause__
    assert isinstance(told, openai_vtab.WriteError)
    assert told.done == [(1, "vsfb_1"), (2, "vsfb_2")]
    if reader is not None:  # the transaction goes on, and COMMIT lands both
        queue.flush()
        assert [result["id"] for result in recorded] == ["vsfb_1", "vsfb_1", "vsfb_2"]


def test_exit_in_a_worker_ends_the_program(queues: Any) -> None:
    """sys.exit in a function that gives the key: a write must not turn it into an error that is caught."""

    def answer(request: Request) -> Response:
        raise SystemExit(5)

    queue = queues(answer)
    queue.add(create(1))
    queue.add(create(2))
    with pytest.raises(SystemExit) as caught:
        queue.flush()
    assert caught.value.code == 5
    assert isinstance(caught.value.__cause__, openai_vtab.WriteError)


def test_dry_run_lets_interrupts_through() -> None:
    """Its requests are shown by the main thread: Ctrl-C in a log handler is Ctrl-C."""

    def answer(request: Request) -> Response:
        raise KeyboardInterrupt

    network: Any = Network(answer)
    network.settings = Settings(dry_run=True)
    network.send = lambda request, patience: answer(request)
    queue = WriteQueue(WriteSender(WorkerPool(network, lambda: False)))
    queue.add(create())
    with pytest.raises(KeyboardInterrupt):
        queue.flush()
