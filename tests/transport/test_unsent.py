"""Unsent requests: what cannot leave is refused before anything has, and what may have left is never called unsent."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest

import openai_vtab

from ..support.ledgers import connections_with_ledger
from ..support.server import Server, answer, request, serving, wire

T = "vector_store_file_batches"
KEY = "sk-0123456789abcdef"
SELECT = f"SELECT status FROM {T} WHERE vector_store_id = 'vs' AND batch_id = 'b'"
INSERT = "INSERT INTO led (vector_store_id, file_ids) VALUES ('vs', '[\"file-1\"]')"
DELETE = "DELETE FROM files WHERE id = 'file-1'"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openai_vtab.transport.retries.FIRST_WAIT", 0.001)


@pytest.fixture
def connect() -> Iterator[Callable[..., apsw.Connection]]:
    """Open a database with a ledger, and close it at the end."""
    with connections_with_ledger("led", api_key=KEY, timeout=5) as connect:
        yield connect


def assert_unsent(db: apsw.Connection, sql: str, problem: str, kind: type[Exception]) -> Exception:
    """The statement fails with an error that says that nothing was sent, and leaves nothing in the ledger."""
    with pytest.raises(kind, match=problem) as caught:
        db.execute(sql).fetchall()
    assert caught.value.sent is False  # type: ignore[attr-defined]
    assert "may have been carried out" not in str(caught.value)
    assert db.execute("SELECT * FROM led_ledger").fetchall() == []
    return caught.value


HTTPS, HTTP = "https://127.0.0.1:1/v1", "http://127.0.0.1:1/v1"
NO_FILE = "is '/nowhere/ca.pem', which is not a usable bundle of CA certificates: No such file or directory; name a PEM"
PROXY = "a proxy that cannot be used; write an address such as http://proxy.example.com:8080"
SOCKS = "a proxy that cannot be used; install requests"
IMPOSSIBLE = {
    "a bundle that is not there": ({"ca_bundle": "/nowhere/ca.pem"}, {}, f"ca_bundle {NO_FILE}"),
    "REQUESTS_CA_BUNDLE": ({}, {"REQUESTS_CA_BUNDLE": "/nowhere/ca.pem"}, f"REQUESTS_CA_BUNDLE {NO_FILE}"),
    "CURL_CA_BUNDLE": ({}, {"CURL_CA_BUNDLE": "/nowhere/ca.pem"}, f"CURL_CA_BUNDLE {NO_FILE}"),
    "a bundle without certificates": ({"ca_bundle": __file__}, {}, "it holds no certificate"),
    "a bundle with a NUL": ({"ca_bundle": "a\0b"}, {}, "it holds no certificate"),
    "no address": ({}, {"HTTPS_PROXY": "http://[bad"}, rf"HTTPS_PROXY is 'http://\[bad', {PROXY}"),
    "a port too high": (
        {},
        {"https_proxy": "http://127.0.0.1:99999"},
        f"https_proxy is 'http://127.0.0.1:99999', {PROXY}",
    ),
    "a port in words": ({}, {"HTTPS_PROXY": "http://x:port"}, PROXY),
    "no host": ({}, {"ALL_PROXY": "http://:8080"}, f"ALL_PROXY is 'http://:8080', {PROXY}"),
    "another scheme": ({}, {"HTTPS_PROXY": "ftp://x:1"}, f"HTTPS_PROXY is 'ftp://x:1', {PROXY}"),
    "a password": ({}, {"HTTPS_PROXY": "ftp://me:pw-secret@x:1"}, "HTTPS_PROXY is 'ftp://x:1', "),
    "SOCKS": ({}, {"HTTPS_PROXY": "socks5h://127.0.0.1:1"}, f"HTTPS_PROXY is 'socks5h://127.0.0.1:1', {SOCKS}"),
}


@pytest.mark.parametrize(("settings", "variables", "problem"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
@pytest.mark.parametrize("sql", [SELECT, INSERT, DELETE], ids=["SELECT", "INSERT", "DELETE"])
def test_unsent_for_its_settings(
    connect: Any, settings: Any, variables: Any, problem: str, sql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Certificates and proxies: the setting, its value, what to write; nothing is tried again."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    db = connect(HTTPS, **settings)
    error = assert_unsent(db, sql, problem, openai_vtab.ConfigurationError)
    assert "pw-secret" not in str(error)
    assert db.execute("SELECT * FROM openai_requests").fetchall() == []


def test_unsent_through_a_proxy_that_does_not_answer(connect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One attempt; the error has the variable and its value, without the password."""
    for name, address in (("HTTPS_PROXY", "http://me:pw-secret@127.0.0.1:1"), ("ALL_PROXY", "http://api.invalid:8080")):
        with monkeypatch.context() as environment:
            environment.setenv(name, address)
            shown = address.replace("me:pw-secret@", "")
            db = connect("https://api.example.invalid/v1")
            problem = (
                rf"cannot connect: .* \(1 attempt\); {name} is '{shown}', {PROXY}, or name the API's host in NO_PROXY$"
            )
            assert_unsent(db, SELECT, problem, openai_vtab.APIConnectionError)
            assert "pw-secret" not in str(db.execute("SELECT error FROM openai_requests").get)


def test_unsent_settings_do_not_matter_where_they_are_not_used(connect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Certificates and proxies are for other machines, and a setting that is put right is read again."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    monkeypatch.setenv("HTTP_PROXY", "http://[bad")
    with wire(lambda _: answer({"id": "b", "vector_store_id": "vs", "status": "completed"})) as server:
        assert connect(server.url()).execute(SELECT).get == "completed"
    db = connect(HTTPS, max_retries=0)
    assert_unsent(db, SELECT, "REQUESTS_CA_BUNDLE", openai_vtab.ConfigurationError)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    assert_unsent(db, SELECT, "cannot connect: Connection refused", openai_vtab.APIConnectionError)


@pytest.mark.parametrize(
    "value", ["org\n", "org\r\nX-Other: 1", " org", "org\0", "орг", "org\x7f", "org\ud800", 5, b"org"], ids=ascii
)
@pytest.mark.parametrize("name", ["organization", "project", "openai_beta"])
def test_unsent_headers_are_refused_when_they_are_given(name: str, value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """By connect() and register(), as settings and as variables."""
    problem = rf"^{name}.* is .*which no HTTP header can carry; write printable ASCII"
    with pytest.raises(openai_vtab.ConfigurationError, match=problem) as caught:
        openai_vtab.connect(**{name: value})
    assert ascii(value)[1:-1].replace("\\\\", "\\") in ascii(str(caught.value)).replace("\\\\", "\\")
    with pytest.raises(openai_vtab.ConfigurationError, match=problem):
        openai_vtab.register(apsw.Connection(""), **{name: value})
    variable = {"organization": "OPENAI_ORG_ID", "project": "OPENAI_PROJECT_ID"}.get(name)
    if variable and isinstance(value, str) and "\0" not in value and "\ud800" not in value:
        monkeypatch.setenv(variable, value)
        with pytest.raises(openai_vtab.ConfigurationError, match=variable):
            openai_vtab.connect()


@pytest.mark.parametrize("error", [RuntimeError, KeyError, OverflowError, UnicodeError, AssertionError, SystemExit])
@pytest.mark.parametrize("sql", [SELECT, INSERT])
def test_unsent_is_what_no_byte_has_left_of(
    connect: Any, error: type[BaseException], sql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever class of exception comes before the first byte, from whichever library."""

    def fail(*_: Any, **__: Any) -> Any:
        raise error("odd")

    monkeypatch.setattr("socket.getaddrinfo", fail)
    db = connect("https://api.example.invalid/v1", max_retries=0)
    assert_unsent(db, sql, "odd", openai_vtab.APIConnectionError)


@pytest.mark.parametrize("error", [RuntimeError, KeyError, OverflowError, UnicodeError, AssertionError, SystemExit])
def test_unsent_is_nothing_of_which_a_byte_may_have_left(
    connect: Any, error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever class of exception comes after it."""

    def fail(incoming: Any, _: Any) -> int:
        if incoming._is_over:
            return 0
        raise error("odd")

    with wire(lambda _: answer({"id": "vsfb_1"})) as server:
        monkeypatch.setattr("openai_vtab.transport.deadline.DeadlineStream.readinto", fail)
        db = connect(server.url(), max_retries=0)
        for sql in (SELECT, INSERT):
            with pytest.raises(openai_vtab.APIConnectionError, match=r"the connection broke: '?odd") as caught:
                db.execute(sql).fetchall()
            assert caught.value.sent
    db.execute("SELECT 1").fetchall()
    assert db.execute("SELECT id, status FROM led_ledger").fetchall() == [(None, "unknown")]


@contextmanager
def once(response: bytes = b"") -> Iterator[Server]:
    """A server that reads one request, answers it or not, closes the connection, and is gone."""

    def serve(connection: socket.socket) -> None:
        server.refuse()
        request(connection)
        connection.sendall(response)

    with serving(serve) as server:
        yield server


def test_unsent_is_no_retry_of_what_may_have_been_carried_out(connect: Any) -> None:
    """The last attempt found no connection, or no key; the first had left."""
    with once() as server:
        db = connect(server.url(), max_retries=2)
        with pytest.raises(openai_vtab.APIConnectionError, match="cannot connect") as caught:
            db.execute(SELECT).fetchall()
    assert caught.value.sent

    keys = iter([KEY])
    with once() as server:
        db = connect(server.url(), max_retries=2, api_key=lambda: next(keys))
        with pytest.raises(
            openai_vtab.ConfigurationError, match=r"StopIteration, raised by the function given as api_key"
        ) as no_key:
            db.execute(SELECT).fetchall()
    assert no_key.value.sent
    assert db.execute("SELECT error FROM openai_requests").get == str(no_key.value)


def test_unsent_is_a_retry_of_what_was_not_carried_out(connect: Any) -> None:
    """A create that an overloaded server has refused, and that then found no connection."""
    response = answer({"error": {"message": "busy", "code": "server_is_overloaded"}}, 503, {"retry-after": "0"})
    with once(response) as server:
        db = connect(server.url(), max_retries=1)
        assert_unsent(db, INSERT, "cannot connect: Connection refused", openai_vtab.APIConnectionError)


def test_unsent_without_a_key(connect: Any) -> None:
    """Missing, impossible, or its function fails: no row of the ledger."""

    def fail() -> str:
        raise PermissionError("no token")

    with wire() as server:
        for given, problem in (
            (None, "no API key"),
            ("k\n", "no HTTP header may have"),
            (fail, r"no token \(PermissionError, raised by the function"),
        ):
            assert_unsent(connect(server.url(), api_key=given), INSERT, problem, openai_vtab.ConfigurationError)
        assert server.heads == []


@pytest.mark.parametrize("change", ["gone", "longer", "shorter"])
def test_unsent_file_that_has_changed(connect: Any, tmp_path: Path, change: str) -> None:
    """Between INSERT and COMMIT: it is looked at before the first byte leaves."""
    file = tmp_path / "a.md"
    file.write_text("some text", encoding="utf-8")
    with wire() as server:
        db = connect(server.url(), upload_root=tmp_path)
        db.execute("BEGIN")
        db.execute("INSERT INTO files (path, purpose) VALUES ('a.md', 'assistants')")
        if change == "gone":
            file.unlink()
        else:
            os.truncate(file, 99 if change == "longer" else 1)
        assert_unsent(
            db, "COMMIT", "not sent: a.md has changed since its row was inserted", openai_vtab.APIConnectionError
        )
        assert server.heads == []
