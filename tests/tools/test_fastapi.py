"""FastAPI with one shared connection under load."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from .conftest import PROGRAMS, Tools
from .site import Site

pytestmark = pytest.mark.slow

VISITS = 400


def load(site: Site) -> None:
    """Many requests at a time; each must be served, and counted once."""
    before = int(site.get("/visits")[1])
    with ThreadPoolExecutor(16) as threads:
        visits = [threads.submit(site.get, "/") for _ in range(VISITS)]
        try:
            results = [visit.result() for visit in visits]
        except OSError:
            threads.shutdown(wait=False, cancel_futures=True)  # a hanging server fails the test after one time-out
            raise
    assert {(status, body) for status, body in results} == {
        (200, json.dumps(["Old handbooks", "Product handbook"], separators=(",", ":")))
    }
    assert int(site.get("/visits")[1]) == before + VISITS


@pytest.mark.parametrize("reload", [False, True], ids=["in one process", "in a reloader's child"])
def test_fastapi_shares_a_connection_between_threads(tools: Tools, reload: bool) -> None:
    """uvicorn, started by the launcher, with an application that knows sqlite3 alone."""
    options = ["--reload"] if reload else []
    with tools.served(
        "uvicorn", "shared_connection:app", "--app-dir", str(PROGRAMS), *options, needs="fastapi"
    ) as site:
        load(site)
