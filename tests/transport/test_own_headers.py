"""Headers and parameters that the user adds to every request, and the header that carries the key."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.settings import Settings

from ..support.server import Wire, answer, wire

KEY = "sk-own-headers-0123456789"
SECRET = "gateway-secret-0123456789"
ONE = "SELECT id FROM files WHERE id = 'file-1'"
LIST = "SELECT id FROM files LIMIT 1"


@pytest.fixture
def server() -> Iterator[Wire]:
    """A server that has one file, and an empty list."""

    def respond(head: bytes) -> bytes:
        return answer({"id": "file-1", "object": "file", "data": [], "has_more": False})

    with wire(respond) as running:
        yield running


def connect(server: Wire, query: str = "", **settings: Any) -> apsw.Connection:
    return openai_vtab.connect(base_url=server.url() + query, api_key=KEY, max_retries=0, **settings)


def headers(head: bytes) -> dict[str, list[str]]:
    """The values of each header by its name in lower case."""
    found: dict[str, list[str]] = {}
    for line in head.decode().split("\r\n")[1:]:
        name, _, value = line.partition(": ")
        found.setdefault(name.lower(), []).append(value)
    return found


@pytest.mark.parametrize(
    ("host", "auth", "is_function", "header"),
    [
        ("api.openai.com", "auto", False, "authorization"),
        ("api.openai.com", "auto", True, "authorization"),
        ("api.openai.com", "api-key", False, "api-key"),
        ("r.openai.azure.com", "auto", False, "api-key"),
        ("r.openai.azure.com", "auto", True, "authorization"),
        ("r.openai.azure.com", "bearer", False, "authorization"),
        ("r.openai.azure.com", "api-key", True, "api-key"),
        ("r.services.ai.azure.com", "auto", False, "api-key"),
        ("r.openai.azure.us", "auto", False, "api-key"),
        ("r.openai.azure.cn", "auto", False, "api-key"),
        ("r.azure-api.net", "auto", False, "api-key"),
        ("azure.us.example.org", "auto", False, "authorization"),
        ("notazure-api.net", "auto", False, "authorization"),
    ],
)
def test_auth_chooses_the_header(host: str, auth: Any, is_function: bool, header: str) -> None:
    """By the host, unless the setting says which; a function at Azure returns a token."""
    settings = Settings(base_url=f"https://{host}/v1", auth=auth, api_key=(lambda: KEY) if is_function else KEY)
    ((name, value),) = settings.key_header(KEY).items()
    assert (name.lower(), value) == (header, KEY if header == "api-key" else f"Bearer {KEY}")


def test_auth_is_sent(server: Wire) -> None:
    """In one header only."""
    connect(server, auth="api-key").execute(ONE).fetchall()
    found = headers(server.heads[0])
    assert found["api-key"] == [KEY]
    assert "authorization" not in found


def test_auth_is_one_of_three() -> None:
    """Anything else is refused."""
    with pytest.raises(openai_vtab.InterfaceError, match="auth is 'azure'; write 'auto' or 'bearer' or 'api-key'"):
        openai_vtab.connect(auth="azure")  # type: ignore[arg-type]


def test_default_headers_are_sent_once(server: Wire) -> None:
    """In the place of our own, whatever the case of their names."""
    own = {"X-Team": "docs", "user-agent": "mine/1", "OPENAI-ORGANIZATION": "org-2", "openai-beta": "assistants=v9"}
    db = connect(server, organization="org-1", default_headers=own)
    db.execute(ONE).fetchall()
    db.execute("INSERT INTO vector_stores (name) VALUES ('a')")
    for head in server.heads:
        found = headers(head)
        assert [found[name.lower()] for name in own] == [[value] for value in own.values()]
        assert found["authorization"] == [f"Bearer {KEY}"]


def test_default_headers_from_the_environment(server: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the official SDK reads them: a line each, split at the first colon; what is given as a setting wins."""
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Team: docs\n no colon\nX-Url :https://a:1 \r\nX-Both: environment\n")
    connect(server, default_headers={"x-both": "setting"}).execute(ONE).fetchall()
    found = headers(server.heads[0])
    assert [found[name] for name in ("x-team", "x-url", "x-both")] == [["docs"], ["https://a:1"], ["setting"]]


@pytest.mark.parametrize(
    ("own", "problem"),
    [
        (
            {"Authorization": "Bearer x"},
            "has 'Authorization', the header that carries the key; give the key as api_key=",
        ),
        ({"authorization": "Bearer x"}, "has 'authorization', the header that carries the key"),
        (
            {"Content-Type": "text/plain"},
            "has 'Content-Type', which openai_vtab sets itself; write a dict of str to str",
        ),
        ({"host": "other"}, "has 'host', which openai_vtab sets itself"),
        ({"X-A b": "x"}, "has the name 'X-A b', which no HTTP header can have"),
        ({"X-A": "x\r\nX-B: y"}, "has a value for 'X-A' that no HTTP header can carry"),
        ({"X-A": "é"}, "has a value for 'X-A' that no HTTP header can carry"),
        ({"X-A": 5}, "has a value that is no str for 'X-A'"),
        ({5: "x"}, "has the name 5"),
        ("X-A: x", "is of type str; write a dict of str to str"),
    ],
    ids=str,
)
def test_default_headers_that_cannot_be_sent_are_refused(own: Any, problem: str) -> None:
    """With the name, never with the value."""
    with pytest.raises(
        openai_vtab.ConfigurationError, match="default_headers \\(or OPENAI_CUSTOM_HEADERS\\)"
    ) as caught:
        openai_vtab.connect(api_key=KEY, default_headers=own)
    assert problem in str(caught.value)


def test_default_headers_beside_another_key_header(server: Wire) -> None:
    """A gateway may want its own Authorization where the key is in `api-key`."""
    connect(server, auth="api-key", default_headers={"Authorization": "Bearer gateway"}).execute(ONE).fetchall()
    found = headers(server.heads[0])
    assert (found["authorization"], found["api-key"]) == (["Bearer gateway"], [KEY])


def test_default_query_is_sent_with_every_request(server: Wire) -> None:
    """With that of base_url; the setting wins over base_url, and the request's own parameters over both."""
    db = connect(server, "?api-version=2025-03-01-preview&both=url", default_query={"both": "a b&c", "limit": "9"})
    db.execute(ONE).fetchall()
    db.execute(LIST).fetchall()
    added = "api-version=2025-03-01-preview&both=a%20b%26c"
    first, second = (line.split()[1] for line in server.lines)
    assert first == f"/v1/files/file-1?{added}&limit=9"
    path, _, query = second.partition("?")
    assert path == "/v1/files"
    assert query.endswith(f"&{added}")
    assert query.count("limit=") == 1
    assert "limit=9" not in query
    with pytest.raises(openai_vtab.ConfigurationError, match="default_query has a value that is no str for 'n'"):
        openai_vtab.connect(default_query={"n": 5})  # type: ignore[dict-item]
    for options in ({"default_query": {"after": "vs_9"}}, {"base_url": "https://api.openai.com/v1?a=b&after=vs_9"}):
        with pytest.raises(openai_vtab.ConfigurationError, match="has 'after', which would make lists incomplete"):
            openai_vtab.connect(**options)  # type: ignore[arg-type]


def test_own_values_are_shown_nowhere(server: Wire, caplog: pytest.LogCaptureFixture) -> None:
    """Not in the log, openai_requests, an error, a repr or the schema."""
    caplog.set_level(logging.DEBUG)
    own: dict[str, Any] = {"default_headers": {"X-Gateway": SECRET}, "default_query": {"code": SECRET}}
    settings = Settings(base_url=f"https://x.example/v1?token={SECRET}", api_key=KEY, **own)
    shown = [repr(settings), str(vars(settings)), settings.checked_base_url()]
    db = connect(server, f"?token={SECRET}", **own)
    db.execute(ONE).fetchall()
    with pytest.raises(openai_vtab.APIError) as caught:
        db.execute("SELECT id FROM files WHERE id = 'file-2'").fetchall()
    dry = connect(server, f"?token={SECRET}", dry_run=True, **own)
    dry.execute("INSERT INTO vector_stores (name) VALUES ('a')")
    for connection in (db, dry):
        connection.execute("CREATE VIRTUAL TABLE mine USING vector_store_file_batches")
        for table in ("openai_requests", "sqlite_schema"):
            shown += map(str, connection.execute(f"SELECT * FROM {table}").fetchall())
    shown.append(str(caught.value))
    assert all(SECRET not in text for text in [*shown, *caplog.messages])
    assert SECRET in server.heads[0].decode()
