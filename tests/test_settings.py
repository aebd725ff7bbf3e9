"""Settings: where they come from, and what is refused before any request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab import dbapi
from openai_vtab.settings import Keywords, Settings, read_key

SECRET = "sk-secret-0123456789"


def test_settings_are_all_described() -> None:
    """connect() and register() take what Settings has, with a line for each."""
    assert Keywords.__annotations__.keys() == Settings.__dataclass_fields__.keys()
    for name in Keywords.__annotations__:
        assert name in (Settings.__doc__ or "")


def open_async(**settings: Any) -> None:
    asyncio.run(openai_vtab.connect_async(**settings))


def register(**settings: Any) -> None:
    openai_vtab.register(apsw.Connection(":memory:"), **settings)


DOORS: dict[str, Callable[..., object]] = {
    "openai_vtab.connect()": openai_vtab.connect,
    "openai_vtab.connect_async()": open_async,
    "openai_vtab.register()": register,
    "openai_vtab.dbapi.connect()": partial(dbapi.connect, ":memory:"),
}


@pytest.mark.parametrize(("function", "door"), DOORS.items(), ids=DOORS)
def test_settings_that_are_unknown_name_what_was_meant(function: str, door: Callable[..., object]) -> None:
    """And the function that was called; a name like none lists all."""
    with pytest.raises(TypeError) as caught:
        door(max_concurency=5)
    assert str(caught.value) == f"{function} has no setting max_concurency; did you mean max_concurrency?"
    with pytest.raises(TypeError, match=r"has no setting xyz; the settings are .*base_url, "):
        door(xyz=5)


def test_settings_of_sqlite3_are_known_to_dbapi() -> None:
    """A misspelt one is named, too; timeout is called request_timeout."""
    with pytest.raises(TypeError, match=r"has no setting isolation_levl; did you mean isolation_level\?"):
        dbapi.connect(":memory:", isolation_levl=None)
    dbapi.connect(":memory:", request_timeout=3, isolation_level=None).close()


@pytest.mark.parametrize("given", ["nope", "a.txt"])
def test_upload_root_that_is_no_folder_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    """When the database is opened; the message says what a name is relative to. An empty text is none."""
    (tmp_path / "a.txt").touch()
    (tmp_path / "docs").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(openai_vtab.InterfaceError) as caught:
        openai_vtab.connect(upload_root=given)
    said = "a str or a pathlib.Path, or None: a folder that exists, absolute or below the current directory"
    assert str(caught.value) == f"upload_root is {given!r}; write {said}, {tmp_path}"
    for root in ("docs", tmp_path / "docs", "", None):
        openai_vtab.connect(upload_root=root).close()


def test_environment_gives_what_is_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK's variables; what is given wins, and an empty variable is unset."""
    for name, value in (
        ("BASE_URL", "https://x.example/v1/"),
        ("ORG_ID", "org-1"),
        ("PROJECT_ID", ""),
        ("API_KEY", SECRET),
    ):
        monkeypatch.setenv(f"OPENAI_{name}", value)
    settings = Settings(organization="org-2").with_environment()
    assert settings.checked_base_url() == "https://x.example/v1"
    assert read_key(settings.api_key) == SECRET
    assert settings.account_headers() == {"OpenAI-Organization": "org-2"}


def test_api_key_may_be_a_function() -> None:
    """Called each time, so that it can be renewed."""
    keys = iter(["one", "two"])
    settings = Settings(api_key=lambda: next(keys))
    assert [read_key(settings.api_key), read_key(settings.api_key)] == ["one", "two"]


def test_api_key_is_in_no_repr() -> None:
    """Nor in the error about it."""
    assert SECRET not in repr(Settings(api_key=SECRET))
    with pytest.raises(openai_vtab.ConfigurationError) as caught:
        read_key(Settings(api_key=SECRET + "\n").api_key)
    assert SECRET not in str(caught.value)


def test_api_key_that_is_missing_raises_when_needed() -> None:
    """Not before."""
    settings = Settings()
    with pytest.raises(openai_vtab.ConfigurationError, match="set OPENAI_API_KEY, or give api_key="):
        read_key(settings.api_key)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"timeout": 0}, "timeout is 0; write a number of at least 0.001"),
        ({"timeout": "30"}, "timeout is '30'"),
        ({"timeout": float("nan")}, "timeout is nan"),
        ({"max_concurrency": 0}, "max_concurrency is 0; write a whole number of at least 1"),
        ({"max_concurrency": 2.5}, "max_concurrency is 2.5; write a whole number of at least 1"),
        ({"max_retries": -1}, "max_retries is -1"),
        ({"max_retries": True}, "max_retries is True"),
        ({"timeout": float("inf")}, "timeout is inf; write a number of at least 0.001 and at most 86,400"),
        ({"timeout": 1e10}, "timeout is 10000000000.0; write a number"),
        ({"max_concurrency": 10**9}, "max_concurrency is 1000000000; write a whole number of at least 1 and at most"),
        ({"max_rows": 10**400}, "max_rows is 1000"),
    ],
)
def test_settings_refuse_wrong_numbers(given: dict[str, Any], problem: str) -> None:
    """At connect(), with what to write instead."""
    with pytest.raises(openai_vtab.InterfaceError) as caught:
        openai_vtab.connect(**given)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        (
            "api.openai.com/v1",
            "base_url is 'api.openai.com/v1', which is not an address such as https://api.openai.com/v1",
        ),
        ("me:pw@api.openai.com/v1", "base_url is not an address"),
        ("ftp://x/v1", "not an address"),
        ("https:///v1", "not an address"),
        ("?api-version=1", "base_url is '' with a query"),
        ("https://x/v1?pw", "base_url is 'https://x/v1' with a query that is not NAME=VALUE, or several"),
        ("https://me:pw@x/v1", "has a user name or password"),
        ("http://api.example.org/v1", "the key would travel unencrypted; write https://, or allow_http=True"),
        ("http://127.0.0.1.example.org/v1", "the key would travel unencrypted"),
    ],
)
def test_base_url_refuses_wrong_addresses(url: str, problem: str) -> None:
    """And the password is not repeated."""
    with pytest.raises(openai_vtab.ConfigurationError) as caught:
        Settings(base_url=url)
    assert problem in str(caught.value)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://localhost:1/v1", "http://127.0.0.1/v1", "http://[::1]:8080/v1"])
def test_base_url_may_be_http_to_this_machine(url: str) -> None:
    """Loopback needs no TLS."""
    assert Settings(base_url=url).checked_base_url() == url


@pytest.mark.parametrize("name", ["allow_http", "read_ahead", "bulk_reading", "dry_run", "read_only"])
@pytest.mark.parametrize("value", ["false", "no", 0, 1, None, [True]], ids=str)
def test_settings_refuse_a_flag_that_is_no_bool(name: str, value: Any) -> None:
    """Python takes the text "false" for true: allow_http="false" would allow it."""
    with pytest.raises(openai_vtab.InterfaceError) as caught:
        openai_vtab.connect(**{name: value})
    assert str(caught.value) == f"{name} is {value!r}; write True or False"


@pytest.mark.parametrize("name", ["base_url", "ca_bundle", "upload_root"])
@pytest.mark.parametrize("value", [5, b"x", ["x"], False], ids=str)
def test_settings_refuse_text_of_another_type(name: str, value: Any) -> None:
    """Refused at connect with the setting, the value and what to write."""
    with pytest.raises(openai_vtab.InterfaceError, match="; write a str") as caught:
        openai_vtab.connect(**{name: value})
    shown = "of type bytes" if value == b"x" else repr(value)
    assert str(caught.value).startswith(f"{name} is {shown}; write a str")


@pytest.mark.parametrize("name", ["organization", "project", "openai_beta"])
@pytest.mark.parametrize("value", [0, False, [], b""], ids=str)
def test_settings_refuse_a_header_that_is_not_text(name: str, value: Any) -> None:
    """Also one that Python takes for false."""
    with pytest.raises(openai_vtab.ConfigurationError, match=f"^{name}.* is .*, which no HTTP header can carry"):
        openai_vtab.connect(**{name: value})


def test_settings_take_a_pathlib_path(tmp_path: Path) -> None:
    """For the settings that name a file or a folder."""
    Settings(ca_bundle=tmp_path, upload_root=tmp_path)


@pytest.mark.parametrize("host", ["a..b", ".a", "a" * 64 + ".com", ".".join(["a" * 60] * 5), "x." + "é" * 70])
def test_base_url_refuses_a_host_that_no_name_can_be(host: str) -> None:
    """An empty or too long label, or too long a name: nothing is tried."""
    with pytest.raises(openai_vtab.ConfigurationError, match="base_url has the host '") as caught:
        openai_vtab.connect(base_url=f"https://{host}/v1")
    assert "write an address such as https://api.openai.com/v1" in str(caught.value)


@pytest.mark.parametrize("host", ["a_b.example", "api.example.org.", "bücher.example", "a" * 63 + ".example"])
def test_base_url_takes_a_host_that_may_be(host: str) -> None:
    """What a name server can know."""
    assert Settings(base_url=f"https://{host}/v1").checked_base_url() == f"https://{host}/v1"
