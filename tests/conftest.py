"""Fixtures: a sandbox, a connection to it, and what it was asked.

The tests go through real SQLite and real HTTP on loopback; nothing of SQLite or APSW is replaced.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest
from requests import utils

import openai_vtab
from openai_vtab import connection
from openai_vtab import sandbox as sandbox_package
from openai_vtab.settings import Settings

from .support.clock import FakeClock
from .support.slow import mark_slow_outside_samples

collect_ignore = ["suites"]  # of others, each with its own settings: CONTRIBUTING.md

# Containers often set PYTHONDONTWRITEBYTECODE. Each worker, and each process of a test, would then compile everything:
# this is a quarter of the processor time of the fast tests.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Collecting makes a million objects that stay. The garbage collector would look through them again and again, while
# they are made and in each test.
gc.disable()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option for recordings that are not to replace the committed cassettes."""
    parser.addoption(
        "--cassettes",
        metavar="FOLDER",
        default=str(Path(__file__).parent.parent / "cassettes"),
        help="the cassettes of tests/tables, which --record-mode=rewrite replaces (default: the committed ones)",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the cases slow that are not in their test's sample."""
    mark_slow_outside_samples(items)


def pytest_collection_finish() -> None:
    """Collect garbage from now on, but not among what was there before the first test."""
    gc.freeze()
    gc.enable()


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


@pytest.fixture(scope="session", autouse=True)
def _one_certificate(record_mode: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Trust only the first of certifi's certificates: each connection object to an https address reads all of them."""
    with pytest.MonkeyPatch.context() as patch:
        if record_mode == "none":
            first, end, _ = (
                Path(utils.DEFAULT_CA_BUNDLE_PATH).read_text(encoding="utf-8").partition("-----END CERTIFICATE-----\n")
            )
            bundle = tmp_path_factory.mktemp("certificates") / "one.pem"
            bundle.write_text(first + end, encoding="utf-8")
            patch.setattr(utils, "DEFAULT_CA_BUNDLE_PATH", str(bundle))
        yield


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
