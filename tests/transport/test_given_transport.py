"""A client over a function instead of a server, with a clock that the test holds: retries, limits, failures."""

from __future__ import annotations

import hashlib
import itertools
import ssl
from collections.abc import Iterator, Mapping
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import pytest

import openai_vtab
from openai_vtab.protocol import Request, Response
from openai_vtab.protocol.multipart import Upload, form
from openai_vtab.schema.file_to_upload import FileToUpload
from openai_vtab.schema.upload_root import Place
from openai_vtab.settings import Settings
from openai_vtab.transport.client import Client
from openai_vtab.transport.exceptions import failure_of
from openai_vtab.transport.failures import Failure
from openai_vtab.transport.http_transport import Transport
from openai_vtab.transport.limits import CancelFlag, WaitBudget

from ..support.clock import FakeClock

KEY = "sk-proj-0123456789abcdef"
READ = Request("GET", "/files/file-1")
CREATE = Request("POST", "/files", b"{}", idempotent=False)
OK = Response(200, {}, b"{}", "")
BUSY = Response(503, {"retry-after": "7"}, b"{}", "")
LIMITED = Response(429, {"retry-after": "30"}, b"{}", "")
BROKEN = Failure("Connection reset by peer", sent=True)
REFUSED = Failure("Connection refused", sent=False)

Outcome = Response | Failure | BaseException


def scripted(*outcomes: Outcome) -> tuple[Transport, list[str]]:
    """A transport that returns or raises one outcome after the other, and the requests that it was given."""
    following: Iterator[Outcome] = iter(outcomes)
    sent: list[str] = []

    def transport(request: Request, seconds: float, headers: Mapping[str, str], _: CancelFlag) -> Response | Failure:
        assert headers["Authorization"] == f"Bearer {KEY}"
        sent.append(f"{request.method} {request.target}")
        outcome = next(following)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    return transport, sent


def client(transport: Transport, clock: FakeClock, **settings: Any) -> Client:
    return Client(Settings(api_key=KEY, base_url="http://127.0.0.1:9/v1", **settings), transport=transport, clock=clock)


@pytest.mark.parametrize(
    ("outcomes", "least", "most"),
    [
        ([BUSY, OK], 7, 7),
        ([BUSY, BUSY, OK], 14, 14),
        ([BROKEN, OK], 0.37, 0.5),
        ([BROKEN, BROKEN, BROKEN, OK], 0.37 + 0.75 + 1.5, 0.5 + 1 + 2),
        ([LIMITED, OK], 30, 30),
    ],
    ids=["Retry-After", "twice", "a broken connection", "back-off", "a rate limit"],
)
def test_retries_wait_on_the_clock(outcomes: list[Outcome], least: float, most: float) -> None:
    """As long as the server asks, else longer each time; no time passes."""
    clock = FakeClock()
    transport, sent = scripted(*outcomes)
    assert client(transport, clock).send(READ, WaitBudget(300, clock)).status == 200
    assert sent == ["GET /files/file-1"] * len(outcomes)
    assert least - 1e-6 <= clock.slept <= most + 1e-6


@pytest.mark.parametrize(
    ("outcome", "count"), [(REFUSED, 3), (BROKEN, 1), (BUSY, 1)], ids=["not sent", "broken", "busy"]
)
def test_retries_of_a_create_need_certainty(outcome: Outcome, count: int) -> None:
    """It is sent again only if it certainly had no effect."""
    clock = FakeClock()
    transport, sent = scripted(*[outcome] * 3)
    send = client(transport, clock, max_retries=2).send
    if outcome is BUSY:
        assert send(CREATE, WaitBudget(300, clock)).status == 503
    else:
        with pytest.raises(openai_vtab.APIConnectionError) as caught:
            send(CREATE, WaitBudget(300, clock))
        assert caught.value.sent is (outcome is BROKEN)
    assert len(sent) == count


def test_retries_end_when_the_budget_is_cancelled() -> None:
    """The statement that asked is gone."""
    clock = FakeClock()
    budget = WaitBudget(300, clock)
    budget.cancelled.set()
    transport, sent = scripted(OK)
    with pytest.raises(CancelledError):
        client(transport, clock).send(READ, budget)
    assert sent == []


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (TimeoutError("timed out"), openai_vtab.APITimeoutError, "within 30 s"),
        (ConnectionResetError(104, "Connection reset by peer"), openai_vtab.APIConnectionError, "Connection reset"),
        (RuntimeError(f"odd: {KEY}"), openai_vtab.APIConnectionError, r"odd: \[key\]"),
        (SystemExit("odd"), openai_vtab.APIConnectionError, "odd"),
    ],
    ids=["time-out", "socket", "with the key", "no Exception"],
)
def test_exceptions_of_a_transport_are_mapped(error: BaseException, kind: type[Exception], text: str) -> None:
    """Whatever it raises; the request may have left."""
    clock = FakeClock()
    transport, _ = scripted(error)
    with pytest.raises(kind, match=text) as caught:
        client(transport, clock, max_retries=0, timeout=30).send(READ, WaitBudget(300, clock))
    assert caught.value.sent is True  # type: ignore[attr-defined]
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert KEY not in str(caught.value)


def test_redaction_of_a_given_response() -> None:
    """Whatever transport it has come by."""
    clock = FakeClock()
    quoting = Response(200, {"x-request-id": KEY}, f'{{"id": "{KEY}"}}'.encode(), "")
    transport, _ = scripted(quoting)
    response = client(transport, clock).send(READ, WaitBudget(300, clock))
    assert (response.headers, response.body) == ({"x-request-id": "[key]"}, b'{"id": "[key]"}')


@pytest.mark.parametrize(
    ("attributes", "advice"),
    [
        ({"verify_code": 62}, "for another host"),
        ({"verify_code": 20}, "is not trusted"),
    ],
    ids=["another name", "another authority"],
)
def test_failures_of_certificates_have_advice(attributes: dict[str, int], advice: str) -> None:
    """And are not retried: they would fail in the same way."""
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    for name, value in attributes.items():
        setattr(error, name, value)
    failure = failure_of(error, sent=False)
    assert advice in failure.advice
    clock = FakeClock()
    transport, sent = scripted(failure)
    with pytest.raises(openai_vtab.APIConnectionError, match=advice):
        client(transport, clock).send(READ, WaitBudget(300, clock))
    assert len(sent) == 1


@pytest.mark.parametrize("pieces", [0, 1, 3, None], ids=["none", "the head", "a part of the file", "all"])
def test_retries_of_an_upload_hash_what_the_last_attempt_sent(tmp_path: Path, pieces: int | None) -> None:
    """However much of the file the first attempt has sent, and although the file has changed since."""
    path, after = tmp_path / "f", b"y" * 3_000_000
    path.write_bytes(b"x" * 3_000_000)
    body = form({"file": FileToUpload("f", Place(str(tmp_path), str(path)))})
    sent: list[bytes] = []

    def transport(request: Request, seconds: float, headers: Mapping[str, str], _: CancelFlag) -> Response | Failure:
        assert isinstance(request.body, Upload)
        sent.append(b"".join(itertools.islice(request.body, None if sent else pieces)))
        if len(sent) == 2:
            return OK
        assert (request.body.sha256 is None) == (pieces is not None)
        path.write_bytes(after)
        return LIMITED

    clock = FakeClock()
    request = Request("POST", "/files", body, {"Content-Type": body.content_type}, idempotent=False)
    assert client(transport, clock).send(request, WaitBudget(300, clock)).status == 200
    assert after in sent[1]
    assert body.sha256 == hashlib.sha256(after).hexdigest()
