"""Fixtures: a sandbox, a connection to it, and what it was asked.

The tests go through real SQLite and real HTTP on loopback; nothing of SQLite or APSW is replaced.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab import connection
from openai_vtab import sandbox as sandbox_package
from openai_vtab.settings import Settings

from .support.clock import FakeClock
from .support.slow import mark_slow_outside_samples

collect_ignore = ["suites"]  # of others, each with its own settings: CONTRIBUTING.md


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the cases slow that are not in their test's sample."""
    mark_slow_outside_samples(items)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the user's key, address, proxies, certificates or options of pytest's."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_CUSTOM_HEADERS"):
        monkeypatch.delenv(name, raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    for name in (
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "no_proxy",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def sandbox() -> Iterator[Any]:
    """A sandbox with the demo data; batches take an hour unless a test says otherwise."""
    with sandbox_package.run(processing_seconds=3600) as running:
        yield running


@pytest.fixture
def connect(sandbox: Any) -> Iterator[Callable[..., apsw.Connection]]:
    """connect() to the sandbox, closed at the end; with `clock`, pauses are its."""
    opened: list[apsw.Connection] = []

    def open_connection(database: str = ":memory:", clock: FakeClock | None = None, **settings: Any) -> apsw.Connection:
        settings = {"base_url": sandbox.base_url, "api_key": sandbox.api_key, **settings}
        if clock is None:
            opened.append(openai_vtab.connect(database, **settings))
        else:
            opened.append(connection.Connection(database))
            connection.register_tables(opened[-1], Settings(**settings), clock=clock)
        return opened[-1]

    yield open_connection
    for each in opened:
        each.close(True)


@pytest.fixture
def shadow_name_slots() -> None:
    """Give back the slots for ShadowName that connections hold which nobody has closed: APSW has 33 in a process."""
    gc.collect()


@pytest.fixture
def clock(sandbox: Any) -> FakeClock:
    """A clock that the test holds, which is also the sandbox's."""
    clock = FakeClock()
    sandbox._state.clock = clock.time
    return clock


@pytest.fixture
def db(connect: Callable[..., apsw.Connection]) -> apsw.Connection:
    """A connection to the sandbox, in memory."""
    return connect()


@pytest.fixture
def requests(sandbox: Any) -> Callable[[], list[str]]:
    """The requests since the last call, as "GET /path"."""

    def take() -> list[str]:
        taken = [f"{request.method} {request.path}" for request in list(sandbox.requests)]
        sandbox.requests.clear()
        return taken

    return take
