"""One exchange: headers and the key, statuses, broken responses, connections that are kept alive."""

from __future__ import annotations

import logging
import math
import re
import time
import traceback
from collections.abc import Callable
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.sandbox import Answer, Cut, Raw, Slow, Status

from .batch import INSERT, SELECT, T

ROW = ("vsfb_demo_finished", "completed", "vector_store.file_batch")

POST = "POST /vector_stores/vs_demo/file_batches"

pytestmark = pytest.mark.usefixtures("no_backoff")

Requests = Callable[[], list[str]]


def test_headers_of_a_request(connect: Any, sandbox: Any) -> None:
    """Bearer key, OpenAI-Beta as the SDK sends it, organisation and project when they are set."""
    connect(organization="org-1", project="proj_1").execute(SELECT).fetchall()
    headers = sandbox.requests[0].headers
    assert headers["authorization"] == f"Bearer {sandbox.api_key}"
    assert headers["openai-beta"] == "assistants=v2"
    assert (headers["openai-organization"], headers["openai-project"]) == ("org-1", "proj_1")
    assert headers["user-agent"].startswith("openai_vtab/")
    assert "cookie" not in headers


def test_headers_without_openai_beta(connect: Any, sandbox: Any) -> None:
    """Some servers do not like unknown headers."""
    connect(openai_beta=None).execute(SELECT).fetchall()
    assert "openai-beta" not in sandbox.requests[0].headers


def test_headers_ignore_a_netrc(connect: Any, sandbox: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The requests library would, for any host that a netrc file names."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    connect().execute(SELECT).fetchall()
    assert sandbox.requests[0].headers["authorization"] == f"Bearer {sandbox.api_key}"


def test_headers_from_the_environment(sandbox: Any, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_api_key_that_is_missing_raises_at_the_first_request(sandbox: Any, requests: Requests) -> None:
    """Not of connect(), nor of SQL that needs no request."""
    db = openai_vtab.connect(base_url=sandbox.base_url)
    assert db.execute("SELECT 1").get == 1
    said = r"no API key: set OPENAI_API_KEY, or give api_key=.*--sandbox"
    with pytest.raises(openai_vtab.ConfigurationError, match=said):
        db.execute(SELECT).fetchall()
    assert requests() == []
    db.close()


def test_api_key_function_is_called_for_every_request(sandbox: Any) -> None:
    """For tokens that are renewed."""
    keys = iter([sandbox.api_key, "expired"])
    db = openai_vtab.connect(base_url=sandbox.base_url, api_key=lambda: next(keys))
    assert db.execute(SELECT).get == ROW
    with pytest.raises(openai_vtab.APIError, match="answered 401"):
        db.execute(SELECT).fetchall()
    db.close()


def test_api_key_setting_is_named_by_a_401(sandbox: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """api_key, or the variable that holds it."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-another-0123456789")
    for given, said in (
        ("sk-wrong-0123456789", "check the key, which comes from the setting api_key"),
        ("bad", "check the key, which has only 3 characters and comes from the setting api_key"),
        (lambda: "sk-x", "check the key, which has only 4 characters and comes from the function given as api_key"),
        (None, "check the key, which comes from the environment variable OPENAI_API_KEY"),
    ):
        db = openai_vtab.connect(base_url=sandbox.base_url, api_key=given)
        with pytest.raises(openai_vtab.APIError) as caught:
            db.execute("SELECT * FROM vector_stores").fetchall()
        assert re.search(
            rf"answered 401: Incorrect API key provided: \S+\. .*; {re.escape(said)} \(", str(caught.value)
        )
        db.close()


def test_connection_refused_names_the_address_and_the_attempts(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What to check, and how often it was tried; the log tells of each retry, since they take seconds."""
    caplog.set_level(logging.INFO, "openai_vtab")
    monkeypatch.setattr("openai_vtab.transport.retries.FIRST_WAIT", 0.001)
    db = openai_vtab.connect(base_url="http://127.0.0.1:9/v1", api_key="k", max_retries=2)
    with pytest.raises(openai_vtab.APIConnectionError) as caught:
        db.execute("SELECT * FROM vector_stores").fetchall()
    assert "cannot connect: Connection refused (3 attempts); check base_url (http://127.0.0.1:9/v1)" in str(
        caught.value
    )
    retry = "Connection refused; retrying up to 2 times, next in 0.0 s"
    assert [retry in message for message in caplog.messages] == [True, True]
    db.close()


def test_status_404_of_a_read_returns_no_row(db: apsw.Connection, sandbox: Any) -> None:
    """An unknown batch, and an unknown store."""
    for store, batch in (("vs_demo", "vsfb_none"), ("vs_none", "vsfb_demo_finished")):
        sql = f"SELECT * FROM {T} WHERE vector_store_id = ? AND batch_id = ?"
        assert db.execute(sql, (store, batch)).fetchall() == []


@pytest.mark.parametrize("plain", [None, "detail", "text"])
def test_status_400_that_says_not_found_returns_no_row(db: apsw.Connection, sandbox: Any, plain: str | None) -> None:
    """Compatible servers answer so, in bodies of their own."""
    sandbox.quirks.unknown_id_is_400 = True
    sandbox.quirks.plain_errors = plain
    sql = f"SELECT * FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id IN ('vsfb_none', 'vsfb_demo_finished')"
    assert [row[0] for row in db.execute(sql)] == ["vsfb_demo_finished"]


def test_status_400_for_an_id_raises(db: apsw.Connection) -> None:
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


def test_response_with_the_vector_store_instead_of_the_batch(db: apsw.Connection, sandbox: Any) -> None:
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


def test_response_keeps_the_servers_spelling_of_object(db: apsw.Connection, sandbox: Any) -> None:
    """The specification's enum and the live API differ; both are accepted."""
    sandbox.quirks.plural_object = True
    assert db.execute(SELECT).get == ("vsfb_demo_finished", "completed", "vector_store.files_batch")


def test_response_with_another_servers_ids(db: apsw.Connection, sandbox: Any) -> None:
    """A batch id need not begin with vsfb_."""
    sandbox.quirks.batch_ids_without_prefix = True
    db.execute(INSERT)
    batch = db.execute(f"SELECT id FROM {T} WHERE rowid = last_insert_rowid()").get
    assert batch.startswith("batch_")


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
def test_response_that_is_broken_raises(db: apsw.Connection, sandbox: Any, fault: Any) -> None:
    """Never a row that is not there, never another library's exception; and the next statement works."""
    sandbox.inject(fault, times=5)
    with pytest.raises(openai_vtab.OperationalError) as caught:
        db.execute(SELECT).fetchall()
    assert isinstance(caught.value, openai_vtab.APIError | openai_vtab.APIConnectionError)
    assert caught.value.request.startswith("GET http://127.0.0.1")
    sandbox.clear_faults()
    assert db.execute(SELECT).get == ROW


def test_response_with_odd_values_becomes_sql_values(db: apsw.Connection, sandbox: Any) -> None:
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


def test_response_to_a_create_without_an_id_is_unknown(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """The batch may exist; the error says so."""
    for body in ({}, {"id": None}, {"id": ""}, {"id": 5}):
        sandbox.inject(Answer(body), method="POST")
        with pytest.raises(openai_vtab.APIError, match="the response has no id, but the object may exist"):
            db.execute(INSERT)
    assert requests() == [POST] * 4


def test_response_that_is_too_long(connect: Any, sandbox: Any) -> None:
    """max_answer_bytes bounds what is held."""
    db = connect(max_answer_bytes=1000)
    sandbox.inject(Answer(b'"' + b"x" * 100_000 + b'"'))
    with pytest.raises(openai_vtab.APIError, match=r"the response is longer than 1000 bytes \(max_answer_bytes\)"):
        db.execute(SELECT).fetchall()
    assert db.execute(SELECT).get == ROW


def test_connections_are_kept_alive(connect: Any, sandbox: Any) -> None:
    """One for one request at a time, whatever is answered."""
    db = connect(max_concurrency=1)
    for batch in ("vsfb_demo_finished", "vsfb_gone", "vsfb_demo_running"):
        db.execute(f"SELECT status FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = ?", (batch,)).fetchall()
    assert (len(sandbox.requests), sandbox.connections) == (3, 1)


def test_connection_that_the_server_closed_is_replaced(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """Some servers close a kept-alive connection after each answer."""
    sandbox.quirks.close_without_notice = True
    for _ in range(10):
        assert db.execute(SELECT).get == ROW
    for _ in range(10):
        db.execute(INSERT)
        time.sleep(0.005)
    assert requests().count(POST) == 10


def test_api_key_is_in_no_exception_and_no_log(sandbox: Any, caplog: pytest.LogCaptureFixture) -> None:
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
def test_api_key_that_no_header_may_have(sandbox: Any, requests: Requests, key: str) -> None:
    """Said without showing it."""
    db = openai_vtab.connect(base_url=sandbox.base_url, api_key=key)
    with pytest.raises(openai_vtab.ConfigurationError) as caught:
        db.execute(SELECT).fetchall()
    assert key not in str(caught.value) or not key.strip()
    assert requests() == []
    db.close()


def test_headers_for_azure() -> None:
    """The key goes into `api-key` for a host of azure.com, also through its subdomains, and nowhere else."""
    from openai_vtab.settings import Settings

    azure = Settings(base_url="https://my.openai.azure.com/openai/v1").key_header("k")
    assert azure == {"api-key": "k"}
    other = Settings(base_url="https://azure.com.example.org/v1").key_header("k")
    assert other == {"Authorization": "Bearer k"}
