"""Retries: which requests are retried, how long the backoff is, and what ends it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.execution.polling import poll_after
from openai_vtab.protocol import Request, Response
from openai_vtab.sandbox import Cut, Drip, Slow, Status
from openai_vtab.transport.failures import Failure
from openai_vtab.transport.retries import retry_after, wait_before_retry

from ..support.clock import FakeClock
from ..support.meeting import holding
from ..support.waiting import until, when
from .batch import INSERT, SELECT, T

ROW = ("vsfb_demo_finished", "completed", "vector_store.file_batch")
GET = "GET /vector_stores/vs_demo/file_batches/vsfb_demo_finished"
POST = "POST /vector_stores/vs_demo/file_batches"

pytestmark = pytest.mark.usefixtures("no_backoff")

Requests = Callable[[], list[str]]


@pytest.mark.parametrize("status", [408, 409, 500, 501, 502, 503, 504, 505, 520, 524, 530, 599])
def test_retry_of_a_read(db: apsw.Connection, sandbox: Any, requests: Requests, status: int) -> None:
    """Up to max_retries, for what may pass."""
    sandbox.inject(Status(status), times=4)
    assert db.execute(SELECT).get == ROW
    assert requests() == [GET] * 5
    sandbox.inject(Status(status), times=None)
    with pytest.raises(openai_vtab.APIError) as caught:
        db.execute(SELECT).fetchall()
    assert caught.value.status == status
    assert requests() == [GET] * 5


@pytest.mark.parametrize("status", [301, 400, 401, 403, 418, 422])
def test_retry_is_not_tried_where_it_cannot_help(
    db: apsw.Connection, sandbox: Any, requests: Requests, status: int
) -> None:
    """And a redirect is not followed: the key would go with it."""
    sandbox.inject(Status(status, headers={"location": "http://127.0.0.1:9/v1/elsewhere"}))
    with pytest.raises(openai_vtab.APIError, match=f"answered {status}"):
        db.execute(SELECT).fetchall()
    assert requests() == [GET]


@pytest.mark.parametrize("code", ["insufficient_quota", "credit_balance_exhausted"])
def test_retry_is_not_tried_for_a_429_that_needs_a_person(
    db: apsw.Connection, sandbox: Any, requests: Requests, code: str
) -> None:
    """Waiting does not fill an account."""
    sandbox.inject(Status(429, code=code), times=None)
    with pytest.raises(openai_vtab.APIError) as caught:
        db.execute(SELECT).fetchall()
    assert caught.value.code == code
    assert requests() == [GET]


@pytest.mark.parametrize("when", ["accept", "answer", "headers", "body"])
def test_retry_of_a_read_after_a_cut_connection(
    db: apsw.Connection, sandbox: Any, requests: Requests, when: str
) -> None:
    """At each stage; and after the last attempt the error says that the connection broke."""
    sandbox.inject(Cut(when), times=2)
    assert db.execute(SELECT).get == ROW
    assert requests() == [GET] * 3
    sandbox.inject(Cut(when), times=None)
    with pytest.raises(openai_vtab.APIConnectionError, match="the connection broke") as caught:
        db.execute(SELECT).fetchall()
    assert caught.value.sent
    assert requests() == [GET] * 5


@pytest.mark.parametrize("when", ["accept", "answer", "headers", "body"])
def test_retry_is_never_tried_for_a_create_after_a_cut_connection(
    db: apsw.Connection, sandbox: Any, requests: Requests, when: str
) -> None:
    """It may have been carried out: the error says so, and nothing is created twice."""
    before = len(sandbox.batches)
    sandbox.inject(Cut(when), method="POST")
    with pytest.raises(
        openai_vtab.APIConnectionError,
        match=r"it may have been carried out all the same: .* \(GET /vector_stores/vs_demo/files\)",
    ):
        db.execute(INSERT)
    assert requests() == [POST]
    assert len(sandbox.batches) - before == (0 if when == "accept" else 1)
    db.execute(INSERT)
    assert requests() == [POST]


@pytest.mark.parametrize(
    ("fault", "sent", "unknown"),
    [
        (Status(429, code="rate_limit_exceeded"), 2, False),
        (Status(503, code="server_is_overloaded"), 2, False),
        (Status(503), 1, True),
        (Status(500, carried_out=True), 1, True),
        (Status(502, carried_out=True), 1, True),
        (Status(504, carried_out=True), 1, True),
        (Status(501), 1, True),
        (Status(520, carried_out=True), 1, True),
        (Status(530), 1, True),
        (Status(520, headers={"x-should-retry": "true"}), 1, True),
        (Status(408), 1, True),
        (Status(400), 1, False),
        (Status(409), 1, False),
    ],
    ids=["429", "503-overloaded", "503", "500", "502", "504", "501", "520", "530", "520-told", "408", "400", "409"],
)
def test_retry_of_a_create_that_was_not_carried_out(
    db: apsw.Connection, sandbox: Any, requests: Requests, fault: Status, sent: int, unknown: bool
) -> None:
    """429, and a 503 that says it is overloaded; everything else is told to the user."""
    sandbox.inject(fault, method="POST")
    if sent == 2:
        db.execute(INSERT)
    else:
        with pytest.raises(openai_vtab.APIError) as caught:
            db.execute(INSERT)
        assert ("may have been carried out" in str(caught.value)) is unknown
    assert requests() == [POST] * sent


def test_retry_of_a_create_without_a_connection() -> None:
    """Nothing had left; here nobody ever listens, and the error says that it cannot connect."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        db = openai_vtab.connect(base_url=f"http://127.0.0.1:{port}/v1", api_key="k", max_retries=2)
        with pytest.raises(openai_vtab.APIConnectionError, match="cannot connect: Connection refused") as caught:
            db.execute(INSERT)
        assert not caught.value.sent
        assert "may have been carried out" not in str(caught.value)
        db.close()


def test_timeout_raises_within_the_time(connect: Any, sandbox: Any, requests: Requests) -> None:
    """For the whole request, from connecting to the last byte, also when bytes drip."""
    for fault in (Slow(30), Drip(0.1)):
        db = connect(timeout=0.5, max_retries=0)
        sandbox.inject(fault)
        begin = time.monotonic()
        with pytest.raises(openai_vtab.APITimeoutError, match=r"within 0\.5 s"):
            db.execute(SELECT).fetchall()
        assert time.monotonic() - begin < 20
        assert requests() == [GET]


def test_timeout_of_a_create_is_unknown(connect: Any, sandbox: Any, requests: Requests) -> None:
    """It is not sent again."""
    db = connect(timeout=0.5)
    sandbox.inject(Slow(30))
    with pytest.raises(
        openai_vtab.APITimeoutError,
        match=r"it may have been carried out all the same: .* \(GET /vector_stores/vs_demo/files\)",
    ):
        db.execute(INSERT)
    assert requests() == [POST]


@pytest.mark.parametrize("attempt", range(8))
def test_backoff_grows_from_half_a_second_to_eight(monkeypatch: pytest.MonkeyPatch, attempt: int) -> None:
    """Doubling, with up to a quarter off."""
    monkeypatch.setattr("openai_vtab.transport.retries.FIRST_WAIT", 0.5)
    broken = Failure("x", sent=True)
    waits = [wait_before_retry(Request("GET", "/x"), broken, attempt) for _ in range(50)]
    full = min(0.5 * 2**attempt, 8)
    assert all(wait is not None and full * 0.75 <= wait <= full for wait in waits)
    assert len(set(waits)) > 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "3"}, 0.25),
        ({"retry-after": " 3 "}, 3),
        ({"retry-after": "0"}, 0),
        ({"retry-after-ms": "soon", "retry-after": "3"}, 3),
        ({"retry-after": "31622400"}, 31622400),
        ({"retry-after": "31622401"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        ({"retry-after": "soon"}, None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    """Seconds, milliseconds, a date, or nonsense."""
    assert retry_after(Response(429, headers, b"", "x")) == seconds


# numbers and dates that no server means
ABSURD = [
    *(
        "-1",
        "1e999",
        "-1e999",
        "1e3",
        "Infinity",
        "inf",
        "nan",
        "1_000",
        "0x10",
        "+1",
        ".",
        "",
        "٣",
        "３",
        "²",
        "9" * 5000,
    ),
    "9" * 300 + ".5",
    "Fri, 31 Dec 99999999999 23:59:59 GMT",
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "Fri, 31 Dec 9999 23:59:59 -0000",
    "Mon, 01 Jan 0001 00:00:00 +2359",
    "Mon, 01 Jan 2024 99:99:99 GMT",
    "Mon, 01 Jan 2024 00:00:00 +99999999999",
    "Mon, ٣ Jan 2024",
]


@pytest.mark.parametrize("text", ABSURD)
def test_retry_after_that_is_absurd_is_none(text: str) -> None:
    """It hides neither the response nor, in milliseconds, a usable one; so is openai-poll-after-ms."""
    assert retry_after(Response(500, {"retry-after": text}, b"", "x")) in (None, 0.0)
    assert retry_after(Response(500, {"retry-after-ms": text, "retry-after": "3"}, b"", "x")) == 3
    assert poll_after(Response(200, {"openai-poll-after-ms": text}, b"", "x")) is None


@pytest.mark.parametrize("text", ["Fri, 31 Dec 99999999999 23:59:59 GMT", "1e999", "9" * 5000])
def test_retry_after_that_is_absurd_does_not_hide_the_response(
    db: apsw.Connection, sandbox: Any, requests: Requests, text: str
) -> None:
    """A read is retried, and then fails with the status; a create fails with it at once."""
    sandbox.inject(Status(500, headers={"retry-after": text}, message="oops"), times=None)
    for sql, sent in ((SELECT, [GET] * 5), (INSERT, [POST])):
        with pytest.raises(openai_vtab.APIError, match="answered 500: oops") as caught:
            db.execute(sql).fetchall()
        assert caught.value.status == 500
        assert requests() == sent


def test_retry_is_forbidden_by_x_should_retry(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """Also for a status of a CDN, and for 501."""
    for status in (501, 520):
        sandbox.inject(Status(status, headers={"x-should-retry": "false"}))
        with pytest.raises(openai_vtab.APIError, match=f"answered {status}"):
            db.execute(SELECT).fetchall()
        assert requests() == [GET]


def test_retry_after_is_honoured_up_to_two_minutes() -> None:
    """A longer one is the user's decision; that of a limit is bounded for the whole statement."""
    request = Request("GET", "/x")
    assert wait_before_retry(request, Response(503, {"retry-after": "7"}, b"", "x"), 0) == 7
    assert wait_before_retry(request, Response(503, {"retry-after": "121"}, b"", "x"), 0) is None
    assert wait_before_retry(request, Response(429, {"retry-after": "121"}, b"", "x"), 0) == 121


def test_retry_after_of_zero_is_believed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """After that, the pauses grow as if it had said nothing: nobody is asked for ever without one."""
    monkeypatch.setattr("openai_vtab.transport.retries.FIRST_WAIT", 0.5)
    limit = Response(429, {"retry-after": "0"}, b"", "x")
    waits = [wait_before_retry(Request("GET", "/x"), limit, attempt) for attempt in range(3)]
    assert waits[0] == 0
    assert 0.37 < (waits[1] or 0) <= 0.5
    assert 0.75 <= (waits[2] or 0) <= 1


@pytest.mark.parametrize("told", ["true", "false", "True ", "perhaps"])
@pytest.mark.parametrize("idempotent", [True, False])
@pytest.mark.parametrize("status", [200, 400, 404, 409, 429, 500, 503])
def test_retry_is_decided_by_x_should_retry(told: str, idempotent: bool, status: int) -> None:
    """x-should-retry forbids it always; it asks for it only where carrying it out twice is carrying it out once."""
    request = Request("POST", "/x", idempotent=idempotent)

    def repeats(headers: dict[str, str]) -> bool:
        return wait_before_retry(request, Response(status, headers, b"", "x"), 0) is not None

    by_itself = repeats({})
    expected = {"true": by_itself or (idempotent and status >= 400), "false": False}
    assert repeats({"x-should-retry": told}) is expected.get(told.strip().lower(), by_itself)


def test_interrupt_ends_a_backoff(connect: Any, sandbox: Any) -> None:
    """connection.interrupt() from another thread is heard at once, and the connection works on."""
    db = connect()
    sandbox.inject(Slow(30))
    begin = time.monotonic()
    with when(lambda: sandbox.in_flight, db.interrupt), pytest.raises(apsw.InterruptError):
        db.execute(SELECT).fetchall()
    assert time.monotonic() - begin < 20
    assert db.execute(SELECT).get == ROW


def test_interrupt_of_a_commit_says_what_is_unknown(connect: Any, sandbox: Any) -> None:
    """What was sent and not answered may have been carried out; what was not begun never is."""
    db = connect(max_concurrency=1)
    interrupted = when(lambda: sandbox.in_flight, db.interrupt)
    with holding(sandbox, method="POST"):
        with interrupted, pytest.raises(openai_vtab.WriteError, match="interrupted while writing") as caught:
            db.execute(INSERT + ", ('vs_demo', '[\"file-new-02\"]')")
        assert [why for _, why in caught.value.not_done] == ["not sent"]
        assert len(caught.value.unknown) == 1
    until(lambda: not sandbox.in_flight)
    time.sleep(0.1)  # a second request would have arrived
    assert len([r for r in sandbox.requests if r.method == "POST"]) == 1


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (404, "No such File object: file-demo-01"),
        (404, "Not found"),
        (400, "File 'file-demo-01' not found"),
        (410, "File 'file-demo-01' was deleted"),
        (422, "file-demo-01 does not exist"),
    ],
)
def test_retry_of_a_delete_is_done_when_the_file_has_gone(
    db: apsw.Connection, sandbox: Any, requests: Requests, status: int, message: str
) -> None:
    """The response to the first attempt was lost; without one, the same response is an error."""
    sandbox.inject(Cut("answer"), method="DELETE")
    sandbox.inject(Status(status, message=message), method="DELETE")
    db.execute("DELETE FROM files WHERE id = 'file-demo-01'")
    assert requests() == ["GET /files/file-demo-01", *["DELETE /files/file-demo-01"] * 2]
    sandbox.inject(Status(status, message=message), method="DELETE")
    with pytest.raises(openai_vtab.APIError, match=f"answered {status}"):
        db.execute("DELETE FROM files WHERE id = 'file-demo-02'")


@pytest.mark.parametrize("way", ["UPDATE", "function"])
def test_retry_of_a_cancel_that_is_refused_may_have_been_done(db: apsw.Connection, sandbox: Any, way: str) -> None:
    """The error says so; not where the first response came."""
    sql = {
        "UPDATE": f"UPDATE {T} SET status = 'cancelled' WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_running'",
        "function": "SELECT cancel_vector_store_file_batch('vs_demo', 'vsfb_demo_running')",
    }[way]
    refused = Status(400, message="Cannot cancel a batch with status 'cancelled'.")
    sandbox.inject(refused, method="POST")
    with pytest.raises(openai_vtab.APIError) as caught:
        db.execute(sql).fetchall()
    assert "earlier attempt" not in str(caught.value)
    sandbox.inject(Cut("answer"), method="POST")
    sandbox.inject(refused, method="POST")
    with pytest.raises(
        openai_vtab.APIError, match="an earlier attempt, which had no response, may already have done it"
    ):
        db.execute(sql).fetchall()
    sandbox.inject(Cut("answer"), method="GET")
    sandbox.inject(Status(400, message="No."), method="GET")
    with pytest.raises(openai_vtab.APIError) as caught:
        db.execute("SELECT * FROM files WHERE id = 'file-demo-01'").fetchall()
    assert "earlier attempt" not in str(caught.value)


UPLOAD = "INSERT INTO files (filename, content, purpose) VALUES ('a.md', 'x', 'assistants')"
ATTACH = {
    "file_ids": f"INSERT INTO {T} (vector_store_id, file_ids) VALUES ('vs_demo', json_array('file-new-01', ?))",
    "files": f"INSERT INTO {T} (vector_store_id, files) VALUES ('vs_demo', json_array(json_object('file_id', ?)))",
    "file_id": "INSERT INTO vector_store_files (vector_store_id, file_id) VALUES ('vs_demo', ?)",
    "store": "INSERT INTO vector_stores (name, file_ids) VALUES ('new', json_array(?))",
}


def uploaded(db: apsw.Connection, sandbox: Any) -> str:
    """The id of a file that the connection has just uploaded."""
    db.execute(UPLOAD)
    (new,) = db.execute("SELECT id FROM files ORDER BY created_at DESC LIMIT 1").fetchone()
    sandbox.reset_counters()
    return str(new)


@pytest.mark.parametrize("way", ATTACH)
@pytest.mark.parametrize(
    ("status", "message"),
    [(404, "No file found with id '{}' in vector store 'vs_demo'."), (400, "File '{}' not found")],
)
def test_retry_of_an_attach_waits_for_a_file_just_uploaded(
    connect: Any, sandbox: Any, clock: FakeClock, way: str, status: int, message: str
) -> None:
    """It was certainly refused; each refusal is a retry in the log."""
    db = connect(clock=clock)
    file = uploaded(db, sandbox)
    sandbox.inject(Status(status, message=message.format(file)), times=3, method="POST")
    db.execute(ATTACH[way], (file,))
    assert [request.status for request in sandbox.requests] == [status] * 3 + [200]
    assert db.execute("SELECT retries FROM openai_requests ORDER BY number DESC LIMIT 1").get == 3
    assert 0 < clock.slept < 10


def test_retry_of_an_attach_ends_with_the_time_in_which_a_file_may_appear(
    connect: Any, sandbox: Any, clock: FakeClock
) -> None:
    """Ten seconds after the upload; then the refusal stands, as it does at once for a file uploaded earlier."""
    db = connect(clock=clock, max_retries=1000)
    file = uploaded(db, sandbox)
    sandbox.inject(Status(404, message=f"No such File object: {file}"), times=None, method="POST")
    began = clock.slept
    with pytest.raises(openai_vtab.APIError, match="No such File object") as caught:
        db.execute(ATTACH["file_ids"], (file,))
    assert "may have been carried out" not in str(caught.value)
    assert 9 < clock.slept - began < 10.5
    assert len(sandbox.requests) > 3
    sandbox.reset_counters()
    with pytest.raises(openai_vtab.APIError, match="No such File object"):
        db.execute(ATTACH["file_ids"], (file,))
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize(
    ("status", "message", "headers"),
    [
        (404, "No vector store found with id 'vs_demo'.", {}),
        (404, "Not found", {}),
        (404, "No such File object: file-new-01", {}),
        (400, "File '{}' is attached already", {}),
        (403, "File '{}' not found", {}),
        (404, "No such File object: {}", {"x-should-retry": "false"}),
    ],
)
def test_retry_of_an_attach_is_not_tried_for_another_refusal(
    connect: Any, sandbox: Any, clock: FakeClock, status: int, message: str, headers: dict[str, str]
) -> None:
    """Only the absence of a file that this connection has just uploaded passes."""
    db = connect(clock=clock)
    file = uploaded(db, sandbox)
    sandbox.inject(Status(status, message=message.format(file), headers=headers), method="POST")
    with pytest.raises(openai_vtab.APIError, match=f"answered {status}"):
        db.execute(ATTACH["file_ids"], (file,))
    assert len(sandbox.requests) == 1
    assert clock.slept == 0


def test_interrupt_ends_the_wait_for_a_file_just_uploaded(connect: Any, sandbox: Any, clock: FakeClock) -> None:
    """The row was not written, and the error says so."""
    db = connect()
    file = uploaded(db, sandbox)
    sandbox.inject(Status(404, message=f"No such File object: {file}", headers={"retry-after": "50"}), method="POST")
    begin = time.monotonic()
    interrupted = when(lambda: len(sandbox.requests) == 1, db.interrupt)
    with interrupted, pytest.raises(openai_vtab.WriteError, match="interrupted while writing") as caught:
        db.execute(ATTACH["file_ids"], (file,))
    assert time.monotonic() - begin < 30
    assert caught.value.unknown == []
    assert len(caught.value.not_done) == 1
