"""What goes over the wire, and what becomes of every answer: headers, retries, faults, quirks, the key."""

from __future__ import annotations

import logging
import math
import socket
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.errors import APIConnectionError
from openai_vtab.execution import workers
from openai_vtab.protocol import Request, Response
from openai_vtab.sandbox import Answer, Cut, Drip, Raw, Slow, Status
from openai_vtab.transport.client import retry_after, wait_before_repeating

T = "vector_store_file_batches"
SELECT = f"SELECT id, status, object FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_finished'"
INSERT = f"INSERT INTO {T} (vector_store_id, file_ids) VALUES ('vs_demo', '[\"file-new-01\"]')"
ROW = ("vsfb_demo_finished", "completed", "vector_store.file_batch")
GET = "GET /vector_stores/vs_demo/file_batches/vsfb_demo_finished"
POST = "POST /vector_stores/vs_demo/file_batches"

Requests = Callable[[], list[str]]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting before a repetition takes no time here; how long it is has a test of its own."""
    monkeypatch.setattr("openai_vtab.transport.client.FIRST_WAIT", 0.001)


def test_the_headers_of_a_request(connect: Any, sandbox: Any) -> None:
    """Bearer key, OpenAI-Beta as the SDK sends it, organisation and project when they are set."""
    connect(organization="org-1", project="proj_1").execute(SELECT).fetchall()
    headers = sandbox.requests[0].headers
    assert headers["authorization"] == f"Bearer {sandbox.api_key}"
    assert headers["openai-beta"] == "assistants=v2"
    assert (headers["openai-organization"], headers["openai-project"]) == ("org-1", "proj_1")
    assert headers["user-agent"].startswith("openai_vtab/")
    assert "cookie" not in headers


def test_openai_beta_can_be_turned_off(connect: Any, sandbox: Any) -> None:
    """Some servers do not like unknown headers."""
    connect(openai_beta=None).execute(SELECT).fetchall()
    assert "openai-beta" not in sandbox.requests[0].headers


def test_a_netrc_does_not_replace_the_key(
    connect: Any, sandbox: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The requests library would, for any host that a netrc file names."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    connect().execute(SELECT).fetchall()
    assert sandbox.requests[0].headers["authorization"] == f"Bearer {sandbox.api_key}"


def test_the_environment_gives_what_is_unset(sandbox: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """OPENAI_API_KEY and the others, as the SDK names them."""
    monkeypatch.setenv("OPENAI_API_KEY", sandbox.api_key)
    monkeypatch.setenv("OPENAI_BASE_URL", sandbox.base_url + "/")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-env")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-env")
    db = openai_vtab.connect()
    assert db.execute(SELECT).get == ROW
    headers = sandbox.requests[0].headers
    assert (headers["openai-organization"], headers["openai-project"]) == ("org-env", "proj-env")
    db.close()


def test_a_missing_key_is_an_error_of_the_first_request(sandbox: Any, requests: Requests) -> None:
    """Not of connect(), nor of SQL that needs no request."""
    db = openai_vtab.connect(base_url=sandbox.base_url)
    assert db.execute("SELECT 1").get == 1
    with pytest.raises(openai_vtab.ConfigurationError, match="no API key: set OPENAI_API_KEY, or give api_key="):
        db.execute(SELECT).fetchall()
    assert requests() == []
    db.close()


def test_a_callable_key_is_asked_for_every_request(sandbox: Any) -> None:
    """For tokens that are renewed."""
    keys = iter([sandbox.api_key, "expired"])
    db = openai_vtab.connect(base_url=sandbox.base_url, api_key=lambda: next(keys))
    assert db.execute(SELECT).get == ROW
    with pytest.raises(openai_vtab.APIError, match="answered 401"):
        db.execute(SELECT).fetchall()
    db.close()


def test_401_names_the_setting_of_the_key(sandbox: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """api_key, or the variable that holds it."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-another-0123456789")
    for given, name in (("sk-wrong-0123456789", "api_key"), (lambda: "sk-x", "api_key"), (None, "OPENAI_API_KEY")):
        db = openai_vtab.connect(base_url=sandbox.base_url, api_key=given)
        with pytest.raises(openai_vtab.APIError, match=f"answered 401: .*; check the key, which is set by {name}"):
            db.execute("SELECT * FROM vector_stores").fetchall()
        db.close()


def test_a_refused_connection_names_the_address_and_the_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What to check, and how often it was tried."""
    monkeypatch.setattr("openai_vtab.transport.client.FIRST_WAIT", 0.001)
    db = openai_vtab.connect(base_url="http://127.0.0.1:9/v1", api_key="k", max_retries=2)
    with pytest.raises(openai_vtab.APIConnectionError) as caught:
        db.execute("SELECT * FROM vector_stores").fetchall()
    assert "cannot connect: Connection refused (3 attempts); check base_url (http://127.0.0.1:9/v1)" in str(
        caught.value
    )
    db.close()


def test_404_of_a_read_is_no_row(db: apsw.Connection, sandbox: Any) -> None:
    """An unknown batch, and an unknown store."""
    for store, batch in (("vs_demo", "vsfb_none"), ("vs_none", "vsfb_demo_finished")):
        sql = f"SELECT * FROM {T} WHERE vector_store_id = ? AND batch_id = ?"
        assert db.execute(sql, (store, batch)).fetchall() == []


@pytest.mark.parametrize("plain", [None, "detail", "text"])
def test_400_that_says_not_found_is_no_row(db: apsw.Connection, sandbox: Any, plain: str | None) -> None:
    """Compatible servers answer so, in bodies of their own."""
    sandbox.quirks.unknown_id_is_400 = True
    sandbox.quirks.plain_errors = plain
    sql = f"SELECT * FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id IN ('vsfb_none', 'vsfb_demo_finished')"
    assert [row[0] for row in db.execute(sql)] == ["vsfb_demo_finished"]


def test_an_id_that_the_api_refuses_is_an_error(db: apsw.Connection) -> None:
    """OpenAI's own 400 for an id that cannot be one is a mistake of the query, not an absence."""
    with pytest.raises(openai_vtab.APIError) as caught:
        db.execute(f"SELECT * FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = 'file-1'").fetchall()
    error = caught.value
    assert (error.status, error.code, error.param) == (400, "invalid_value", "batch_id")
    assert error.message == "Invalid 'batch_id': 'file-1'. Expected an ID that begins with 'vsfb_'."
    assert error.request_id is not None
    assert error.request_id.startswith("req_")
    assert error.request.startswith("GET http://127.0.0.1:")
    for part in (error.message, "400", error.code, error.request_id, error.request):
        assert str(part) in str(error)


def test_the_vector_store_object_instead_of_the_batch(db: apsw.Connection, sandbox: Any) -> None:
    """Seen at OpenAI: the batch is what was asked for, its status and counts are what was answered."""
    sandbox.quirks.batch_get_returns_store = True
    sql = (
        f"SELECT id, vector_store_id, object, status, total_count FROM {T} "
        "WHERE vector_store_id = 'vs_demo' AND batch_id IN ('vsfb_demo_finished', 'vsfb_demo_running')"
    )
    assert db.execute(sql).fetchall() == [
        ("vsfb_demo_finished", "vs_demo", "vector_store.file_batch", "completed", 3),
        ("vsfb_demo_running", "vs_demo", "vector_store.file_batch", "in_progress", 2),
    ]


def test_the_servers_spelling_of_object_is_kept(db: apsw.Connection, sandbox: Any) -> None:
    """The specification's enum and the live API differ; both are accepted."""
    sandbox.quirks.plural_object = True
    assert db.execute(SELECT).get == ("vsfb_demo_finished", "completed", "vector_store.files_batch")


def test_another_servers_ids(db: apsw.Connection, sandbox: Any) -> None:
    """A batch id need not begin with vsfb_."""
    sandbox.quirks.batch_ids_without_prefix = True
    db.execute(INSERT)
    batch = db.execute(f"SELECT id FROM {T} WHERE rowid = last_insert_rowid()").get
    assert batch.startswith("batch_")


@pytest.mark.parametrize("status", [408, 409, 500, 501, 502, 503, 504, 505, 520, 524, 530, 599])
def test_a_read_is_repeated(db: apsw.Connection, sandbox: Any, requests: Requests, status: int) -> None:
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
def test_what_will_not_pass_is_not_repeated(db: apsw.Connection, sandbox: Any, requests: Requests, status: int) -> None:
    """And a redirect is not followed: the key would go with it."""
    sandbox.inject(Status(status, headers={"location": "http://127.0.0.1:9/v1/elsewhere"}))
    with pytest.raises(openai_vtab.APIError, match=f"answered {status}"):
        db.execute(SELECT).fetchall()
    assert requests() == [GET]


@pytest.mark.parametrize("code", ["insufficient_quota", "credit_balance_exhausted"])
def test_a_429_that_needs_a_person_is_not_repeated(
    db: apsw.Connection, sandbox: Any, requests: Requests, code: str
) -> None:
    """Waiting does not fill an account."""
    sandbox.inject(Status(429, code=code), times=None)
    with pytest.raises(openai_vtab.APIError) as caught:
        db.execute(SELECT).fetchall()
    assert caught.value.code == code
    assert requests() == [GET]


@pytest.mark.parametrize("when", ["accept", "answer", "headers", "body"])
def test_a_cut_connection_is_repeated_for_a_read(
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
def test_a_cut_connection_is_never_repeated_for_a_create(
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
def test_a_create_is_repeated_only_when_it_was_not_carried_out(
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


def test_a_create_is_repeated_when_no_connection_was_made() -> None:
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


def test_a_timeout_is_an_error_within_the_time(connect: Any, sandbox: Any, requests: Requests) -> None:
    """For the whole request, from connecting to the last byte, also when bytes drip."""
    for fault in (Slow(5), Drip(0.03)):
        db = connect(timeout=0.2, max_retries=0)
        sandbox.inject(fault)
        begin = time.monotonic()
        with pytest.raises(openai_vtab.APITimeoutError, match=r"within 0\.2 s"):
            db.execute(SELECT).fetchall()
        assert time.monotonic() - begin < 1
        assert requests() == [GET]


def test_a_timed_out_create_is_unknown(connect: Any, sandbox: Any, requests: Requests) -> None:
    """It is not sent again."""
    db = connect(timeout=0.2)
    sandbox.inject(Slow(1))
    with pytest.raises(
        openai_vtab.APITimeoutError,
        match=r"it may have been carried out all the same: .* \(GET /vector_stores/vs_demo/files\)",
    ):
        db.execute(INSERT)
    assert requests() == [POST]


BROKEN = {
    "not HTTP": Raw(b"\x00\x01 nonsense\r\n\r\n"),
    "an empty answer": Answer(b""),
    "HTML": Answer(b"<html><body>Bad gateway</body></html>", headers={"content-type": "text/html"}),
    "a list": Answer([1, 2]),
    "a number": Answer(17),
    "null": Answer(None),
    "invalid UTF-8": Answer(b'{"id": "\xff\xfe"}'),
    "half of it": Answer(b'{"id": "vsfb_demo_fin'),
    "deep": Answer(b"[" * 100_000),
    "another object": Answer({"id": "vsfb_other", "object": "vector_store.file_batch"}),
    "an id of another type": Answer({"id": 7}),
    "an error with 200": Answer({"error": {"message": "no", "type": "server_error"}}),
    "wrong length": Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{}"),
    "a thousand headers": Raw(b"HTTP/1.1 200 OK\r\n" + b"".join(b"x-%d: 1\r\n" % i for i in range(1000)) + b"\r\n{}"),
}


@pytest.mark.parametrize("fault", BROKEN.values(), ids=BROKEN)
def test_a_broken_answer_is_an_error_of_ours(db: apsw.Connection, sandbox: Any, fault: Any) -> None:
    """Never a row that is not there, never another library's exception; and the next statement works."""
    sandbox.inject(fault, times=5)
    with pytest.raises(openai_vtab.OperationalError) as caught:
        db.execute(SELECT).fetchall()
    assert isinstance(caught.value, openai_vtab.APIError | openai_vtab.APIConnectionError)
    assert caught.value.request.startswith("GET http://127.0.0.1")
    sandbox.clear_faults()
    assert db.execute(SELECT).get == ROW


def test_odd_values_become_sql_values(db: apsw.Connection, sandbox: Any) -> None:
    """Missing fields are NULL, unknown statuses are kept, huge numbers and lone surrogates do not break."""
    answer = {
        "id": "vsfb_demo_finished",
        "created_at": 2**70,
        "status": "brand_new \ud800",
        "file_counts": {"failed": 1.0, "total": "3", "completed": None, "extra": True},
        "object": ["x", {"y": "é"}],
    }
    sandbox.inject(Answer(answer))
    sql = f"SELECT *, failed_count, total_count, completed_count, cancelled_count FROM {T} WHERE vector_store_id = 'vs_demo' AND id = 'vsfb_demo_finished'"
    assert db.execute(sql).get == (
        "vsfb_demo_finished",
        float(2**70),
        '{"failed":1.0,"total":"3","completed":null,"extra":true}',
        '["x",{"y":"é"}]',
        "brand_new ?",
        "vs_demo",
        1,
        "3",
        None,
        None,
    )
    for number, read in ((10**400, math.inf), (-(10**400), -math.inf)):
        sandbox.inject(Answer({"id": "vsfb_demo_finished", "created_at": number}))
        assert db.execute(sql).get[1] == read
    sandbox.inject(Answer({"id": "vsfb_demo_finished", "file_counts": [1]}))
    assert db.execute(sql).get[2:] == ("[1]", None, None, "vs_demo", None, None, None, None)


def test_a_create_that_is_answered_without_an_id_is_unknown(
    db: apsw.Connection, sandbox: Any, requests: Requests
) -> None:
    """The batch may exist; the error says so."""
    for body in ({}, {"id": None}, {"id": ""}, {"id": 5}):
        sandbox.inject(Answer(body), method="POST")
        with pytest.raises(openai_vtab.APIError, match="the answer has no id: the object may exist all the same"):
            db.execute(INSERT)
    assert requests() == [POST] * 4


def test_an_answer_that_is_too_long(connect: Any, sandbox: Any) -> None:
    """max_answer_bytes bounds what is held."""
    db = connect(max_answer_bytes=1000)
    sandbox.inject(Answer(b'"' + b"x" * 100_000 + b'"'))
    with pytest.raises(openai_vtab.APIError, match=r"the answer is longer than 1000 bytes \(max_answer_bytes\)"):
        db.execute(SELECT).fetchall()
    assert db.execute(SELECT).get == ROW


def test_connections_are_kept_alive(connect: Any, sandbox: Any) -> None:
    """One for one request at a time, whatever is answered."""
    db = connect(max_concurrency=1)
    for batch in ("vsfb_demo_finished", "vsfb_gone", "vsfb_demo_running"):
        db.execute(f"SELECT status FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = ?", (batch,)).fetchall()
    assert (len(sandbox.requests), sandbox.connections) == (3, 1)


def test_a_connection_closed_without_a_word(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """Some servers close a kept-alive connection after each answer."""
    sandbox.quirks.close_without_notice = True
    for _ in range(10):
        assert db.execute(SELECT).get == ROW
    for _ in range(10):
        db.execute(INSERT)
        time.sleep(0.005)
    assert requests().count(POST) == 10


def test_the_key_is_in_no_exception_and_no_log(sandbox: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Not in messages, args, causes, contexts, nor in what a server quotes back, nor at DEBUG."""
    caplog.set_level(logging.DEBUG)
    key = "sk-this-is-the-secret-key"
    db = openai_vtab.connect(base_url=sandbox.base_url, api_key=key, max_retries=0, timeout=0.3)
    faults = [None, Cut("answer"), Cut("headers"), Slow(1), Raw(b"x"), Answer({"id": "other"}), Status(500)]
    for fault in faults:
        if fault:
            sandbox.inject(fault)
        for sql in (SELECT, INSERT):
            with pytest.raises(openai_vtab.Error) as caught:
                db.execute(sql).fetchall()
            seen: list[str] = []
            error: BaseException | None = caught.value
            while error is not None:
                seen += [
                    str(error),
                    repr(error),
                    repr(error.args),
                    repr(vars(error)),
                    "".join(traceback.format_exception(error)),
                ]
                error = error.__cause__ or error.__context__
            assert all(key not in text for text in seen)
    assert key not in caplog.text
    assert key not in repr(openai_vtab.settings.Settings(api_key=key))  # type: ignore[attr-defined]
    db.close()


@pytest.mark.parametrize("key", ["sk-line\nbreak", "sk-space ", "sk-ключ", " "])
def test_a_key_that_no_header_may_have(sandbox: Any, requests: Requests, key: str) -> None:
    """Said without showing it."""
    db = openai_vtab.connect(base_url=sandbox.base_url, api_key=key)
    with pytest.raises(openai_vtab.ConfigurationError) as caught:
        db.execute(SELECT).fetchall()
    assert key not in str(caught.value) or not key.strip()
    assert requests() == []
    db.close()


def test_an_unknown_setting_is_a_type_error() -> None:
    """That lists the known ones."""
    with pytest.raises(TypeError, match=r"max_concurency.*the settings are api_key, base_url"):
        openai_vtab.connect(max_concurency=3)  # type: ignore[call-arg]


def test_azure_gets_its_own_header() -> None:
    """The key goes into `api-key` for a host of azure.com, also through its subdomains, and nowhere else."""
    from openai_vtab.settings import Settings

    azure = Settings(base_url="https://my.openai.azure.com/openai/v1").key_header("k")
    assert azure == {"api-key": "k"}
    other = Settings(base_url="https://azure.com.example.org/v1").key_header("k")
    assert other == {"Authorization": "Bearer k"}


@pytest.mark.parametrize("attempt", range(8))
def test_the_wait_grows_from_half_a_second_to_eight(monkeypatch: pytest.MonkeyPatch, attempt: int) -> None:
    """Doubling, with up to a quarter off."""
    monkeypatch.setattr("openai_vtab.transport.client.FIRST_WAIT", 0.5)
    broken = APIConnectionError("x", request="GET x", sent=True)
    waits = [wait_before_repeating(Request("GET", "/x"), broken, attempt) for _ in range(50)]
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
    assert workers._poll_after(Response(200, {"openai-poll-after-ms": text}, b"", "x")) is None


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


def test_x_should_retry_forbids_what_would_be_retried(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """Also for a status of a CDN, and for 501."""
    for status in (501, 520):
        sandbox.inject(Status(status, headers={"x-should-retry": "false"}))
        with pytest.raises(openai_vtab.APIError, match=f"answered {status}"):
            db.execute(SELECT).fetchall()
        assert requests() == [GET]


def test_retry_after_is_honoured_up_to_two_minutes() -> None:
    """A longer one is the user's decision; that of a limit is bounded for the whole statement."""
    request = Request("GET", "/x")
    assert wait_before_repeating(request, Response(503, {"retry-after": "7"}, b"", "x"), 0) == 7
    assert wait_before_repeating(request, Response(503, {"retry-after": "121"}, b"", "x"), 0) is None
    assert wait_before_repeating(request, Response(429, {"retry-after": "121"}, b"", "x"), 0) == 121


def test_a_limit_that_says_at_once_is_believed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """After that, the pauses grow as if it had said nothing: nobody is asked for ever without one."""
    monkeypatch.setattr("openai_vtab.transport.client.FIRST_WAIT", 0.5)
    limit = Response(429, {"retry-after": "0"}, b"", "x")
    waits = [wait_before_repeating(Request("GET", "/x"), limit, attempt) for attempt in range(3)]
    assert waits[0] == 0
    assert 0.37 < (waits[1] or 0) <= 0.5
    assert 0.75 <= (waits[2] or 0) <= 1


@pytest.mark.parametrize("told", ["true", "false", "True ", "perhaps"])
@pytest.mark.parametrize("repeatable", [True, False])
@pytest.mark.parametrize("status", [200, 400, 404, 409, 429, 500, 503])
def test_the_server_may_say_whether_to_repeat(told: str, repeatable: bool, status: int) -> None:
    """x-should-retry forbids it always; it asks for it only where carrying it out twice is carrying it out once."""
    request = Request("POST", "/x", repeatable=repeatable)

    def repeats(headers: dict[str, str]) -> bool:
        return wait_before_repeating(request, Response(status, headers, b"", "x"), 0) is not None

    by_itself = repeats({})
    expected = {"true": by_itself or (repeatable and status >= 400), "false": False}
    assert repeats({"x-should-retry": told}) is expected.get(told.strip().lower(), by_itself)


def test_an_interrupt_ends_a_wait(connect: Any, sandbox: Any) -> None:
    """connection.interrupt() from another thread is heard within 0.2 s, and the connection works on."""
    db = connect()
    sandbox.inject(Slow(3))
    threading.Timer(0.1, db.interrupt).start()
    begin = time.monotonic()
    with pytest.raises(apsw.InterruptError):
        db.execute(SELECT).fetchall()
    assert time.monotonic() - begin < 0.4
    assert db.execute(SELECT).get == ROW


def test_an_interrupted_commit_says_what_is_unknown(connect: Any, sandbox: Any) -> None:
    """What was sent and not answered may have been carried out; what was not begun never is."""
    db = connect(max_concurrency=1)
    sandbox.inject(Slow(0.6), method="POST")
    threading.Timer(0.2, db.interrupt).start()
    begin = time.monotonic()
    with pytest.raises(openai_vtab.WriteError, match="interrupted while writing") as caught:
        db.execute(INSERT + ", ('vs_demo', '[\"file-new-02\"]')")
    assert time.monotonic() - begin < 0.5
    assert [why for _, why in caught.value.not_done] == ["not sent"]
    assert len(caught.value.unknown) == 1
    time.sleep(0.6)
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
def test_a_delete_that_is_retried_is_done_when_the_file_has_gone(
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
def test_a_cancel_that_is_retried_and_refused_may_have_been_done(db: apsw.Connection, sandbox: Any, way: str) -> None:
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
    with pytest.raises(openai_vtab.APIError, match="an earlier attempt, whose answer did not come, may have done it"):
        db.execute(sql).fetchall()
    sandbox.inject(Cut("answer"), method="GET")
    sandbox.inject(Status(400, message="No."), method="GET")
    with pytest.raises(openai_vtab.APIError) as caught:
        db.execute("SELECT * FROM files WHERE id = 'file-demo-01'").fetchall()
    assert "earlier attempt" not in str(caught.value)
