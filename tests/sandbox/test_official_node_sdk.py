"""The methods of OpenAI's own Node library for files and vector stores, against the sandbox.

`official_node_sdk.mjs` calls the methods and prints what they return. npm installs the package in a temporary folder.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from openai_vtab import sandbox as sandbox_package
from openai_vtab.sandbox import Cut, Slow, Status

pytestmark = pytest.mark.slow

PACKAGE = "openai@~6.49.0"  # version 7 needs Node 22
PROGRAM = Path(__file__).with_name("official_node_sdk.mjs")
INSTALL_SECONDS, RUN_SECONDS = 300, 180

Scenario = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The folder of the package, which the workers of pytest-xdist share."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not on this machine")
    folder = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        folder = folder.parent
    installed = folder / "node" / "node_modules" / "openai"
    with Path(folder, "node.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not installed.exists():
            (folder / "node").mkdir(exist_ok=True)
            _install(folder / "node")
    return installed


def _install(folder: Path) -> None:
    options = ("--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--prefer-offline", "--ignore-scripts")
    try:
        result = subprocess.run(
            ["npm", "install", *options, "--prefix", folder, PACKAGE],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm has not installed {PACKAGE} within {INSTALL_SECONDS} s")
    if result.returncode:
        pytest.skip(f"npm cannot install {PACKAGE}: {' '.join(result.stderr.split())[:200]}")


@pytest.fixture(scope="module")
def printed(package: Path) -> Callable[[str], dict[str, Any]]:
    """What the program prints for a scenario, which it runs once, with a sandbox of its own."""
    known: dict[str, dict[str, Any]] = {}

    def run(scenario: str) -> dict[str, Any]:
        if scenario not in known:
            known[scenario] = _run(package, scenario)
        return known[scenario]

    return run


def _run(package: Path, scenario: str) -> dict[str, Any]:
    with sandbox_package.run(processing_seconds=0.02) as running:
        if scenario == "errors":
            for fault in (
                Status(429, code="rate_limit_exceeded"),
                Status(500),
                Cut("answer"),
                Slow(1),
                Status(429, headers={"Retry-After": "0.1"}),
                Status(503),
            ):
                running.inject(fault, method="GET", path="/vector_stores$")
        variables = {**os.environ, "SANDBOX_URL": running.base_url, "SANDBOX_KEY": running.api_key}
        result = subprocess.run(
            ["node", PROGRAM, package, scenario],
            env=variables,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )
    assert result.returncode == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.fixture
def scenario(printed: Scenario) -> Scenario:
    """What a scenario has found."""
    return lambda name: printed(name)["found"]


def test_node_sdk_files(scenario: Scenario) -> None:
    """Create from a buffer and a stream, wait, list over pages, retrieve, content, delete."""
    found = scenario("uploads")
    assert found == {
        "lifetime": 3600,
        "request": "string",
        "stream": "package.json",
        "package": "openai",
        "status": "processed",
        "retrieved": "a.md",
        "listed": ["a.md", "package.json"],
        "content": "text",
        "blob": ["b.md", 4, "blob"],
        "deleted": {"id": found["id"], "object": "file", "deleted": True},
        "id": found["id"],
    }


def test_node_sdk_vector_stores(scenario: Scenario) -> None:
    """Create with and without parameters, retrieve, update, list over pages, search, delete."""
    found = scenario("vectorStores")
    empty, store = found["ids"]
    assert found == {
        "counts": dict.fromkeys(("in_progress", "completed", "failed", "cancelled", "total"), 0),
        "ids": [empty, store],
        "changed": ["", None, {"c": "d"}],
        "metadata": {"c": "d"},
        "pages": [["vs_demo", "vs_archive"], [empty, store]],
        "before": ["vs_demo", "vs_archive", empty],
        "filtered": [["returns.md", {"team": "sales", "n": 2}]],
        "hits": [["returns.md", "text", "number"], ["warranty.txt", "text", "number"]],
        "deleted": {"id": store, "object": "vector_store.deleted", "deleted": True},
    }


def test_node_sdk_files_of_a_vector_store(scenario: Scenario) -> None:
    """Attach in all ways, wait, update, list over pages, content, detach."""
    assert scenario("filesOfStores") == {
        "chunking": {"type": "static", "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 50}},
        "attributes": {"n": 1, "x": True, "s": "t"},
        "statuses": ["completed", "completed", None, "failed", "unsupported_file"],
        "same": True,
        "changed": [{"x": False}, {}],
        "failed": [True],
        "listed": 6,
        "before": ["file-archive-01"],
        "next": ["file-archive-01", True, "file-archive-02"],
        "content": ["Within the EU, shipping takes two to five days."],
        "detached": {"id": "file-new-01", "object": "vector_store.file.deleted", "deleted": True},
    }


def test_node_sdk_file_batches(scenario: Scenario) -> None:
    """Create in both forms, wait, list the files over pages, cancel, upload."""
    found = scenario("fileBatches")
    none = dict.fromkeys(("in_progress", "failed", "cancelled"), 0)
    assert found == {
        "object": "vector_store.file_batch",
        "statuses": ["completed"] * 3,
        "counts": [{**none, "completed": 1, "failed": 1, "total": 2}, {**none, "completed": 3, "total": 3}],
        "failed": ["file-new-05"],
        "listed": 3,
        "same": True,
        "cancelled": "vsfb_demo_running",
    }


def test_node_sdk_errors(scenario: Scenario) -> None:
    """Each has the class, the status, the type, the code and the parameter of OpenAI's, and the request's id."""
    invalid, text = "invalid_request_error", "string"
    missing = ["NotFoundError", 404, invalid, None]
    refused = ["BadRequestError", 400, invalid]
    assert scenario("errors") == {
        "store": [*missing, "vector_store_id", text],
        "file": [*missing, "id", text],
        "attached": [*missing, "file_id", text],
        "batch": [*missing, None, text],
        "absent": [*missing, "id", text],
        "limit": [*refused, "integer_above_max_value", "max_num_results", text],
        "filter": [*refused, "invalid_value", "filter", text],
        "empty": [*refused, "empty_array", "file_ids", text],
        "purpose": [*refused, None, "purpose", text],
        "rate": ["RateLimitError", 429, "requests", "rate_limit_exceeded", None, text],
        "server": ["InternalServerError", 500, "server_error", None, None, text],
        "cut": ["APIConnectionError", None, None, None, None, "undefined"],
        "timeout": ["APIConnectionTimeoutError", None, None, None, None, "undefined"],
        "retried": 2,
        "key": ["AuthenticationError", 401, invalid, "invalid_api_key", None, text],
    }


def test_node_sdk_has_no_other_methods(printed: Scenario) -> None:
    """Each method of the library's `files` and `vectorStores` is called above."""
    runs = [printed(name) for name in ("uploads", "vectorStores", "filesOfStores", "fileBatches", "errors")]
    called = {name for run in runs for name in run["called"]}
    print(f"{PACKAGE}: {len(called)} of {len(runs[0]['all'])} methods called")
    assert sorted(called) == sorted(runs[0]["all"])
