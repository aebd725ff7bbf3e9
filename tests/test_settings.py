"""Settings: where they come from, and what is refused before any request."""

from __future__ import annotations

from typing import Any

import pytest

import openai_vtab
from openai_vtab.settings import Keywords, Settings

SECRET = "sk-secret-0123456789"


def test_every_keyword_is_a_setting_and_is_described() -> None:
    """connect() and register() take what Settings has, with a line for each."""
    assert Keywords.__annotations__.keys() == Settings.__dataclass_fields__.keys()
    for name in Keywords.__annotations__:
        assert name in (Settings.__doc__ or "")


def test_unset_values_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
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
    assert settings.key() == SECRET
    assert settings.account_headers() == {"OpenAI-Organization": "org-2"}


def test_a_key_may_be_a_function() -> None:
    """Called each time, so that it can be renewed."""
    keys = iter(["one", "two"])
    settings = Settings(api_key=lambda: next(keys))
    assert [settings.key(), settings.key()] == ["one", "two"]


def test_the_key_is_in_no_repr() -> None:
    """Nor in the error about it."""
    assert SECRET not in repr(Settings(api_key=SECRET))
    with pytest.raises(openai_vtab.ConfigurationError) as caught:
        Settings(api_key=SECRET + "\n").key()
    assert SECRET not in str(caught.value)


def test_a_missing_key_is_an_error_when_it_is_needed() -> None:
    """Not before."""
    settings = Settings()
    with pytest.raises(openai_vtab.ConfigurationError, match="set OPENAI_API_KEY, or give api_key="):
        settings.key()


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
    ],
)
def test_wrong_numbers(given: dict[str, Any], problem: str) -> None:
    """At connect(), with what to write instead."""
    with pytest.raises(openai_vtab.InterfaceError) as caught:
        openai_vtab.connect(**given)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("api.openai.com/v1", "not an address"),
        ("ftp://x/v1", "not an address"),
        ("https:///v1", "not an address"),
        ("https://x/v1?key=1", "not an address"),
        ("https://me:pw@x/v1", "holds a user name or password"),
        ("http://api.example.org/v1", "the key would travel in clear; write https://, or allow_http=True"),
        ("http://127.0.0.1.example.org/v1", "the key would travel in clear"),
    ],
)
def test_wrong_addresses(url: str, problem: str) -> None:
    """And the password is not repeated."""
    with pytest.raises(openai_vtab.ConfigurationError) as caught:
        Settings(base_url=url)
    assert problem in str(caught.value)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://localhost:1/v1", "http://127.0.0.1/v1", "http://[::1]:8080/v1"])
def test_plain_http_to_this_machine(url: str) -> None:
    """Loopback needs no TLS."""
    assert Settings(base_url=url).checked_base_url() == url
