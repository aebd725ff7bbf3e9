"""Fixtures: an environment with other people's tools, made once, and their commands run in it against the sandbox."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from .environment import Environment
from .site import Site

PROGRAMS = Path(__file__).with_name("programs")


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Environment:
    """The environment, which the workers of pytest-xdist share."""
    folder = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        folder = folder.parent
    with Path(folder, "tools.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return Environment.made_once(folder / "tools")


class Tools:
    """Starts tools in a folder of the test, with the tables of the sandbox."""

    def __init__(self, environment: Environment, sandbox: Any, folder: Path) -> None:
        self._environment = environment
        self._folder = folder
        self.variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        self.variables |= {
            "PATH": f"{environment.scripts}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),  # tools keep settings and histories there
            "TMPDIR": str(folder),
            "OPENAI_BASE_URL": sandbox.base_url,
            "OPENAI_API_KEY": sandbox.api_key,
            "NO_COLOR": "1",
        }

    def run(self, *args: str, needs: str, text: str = "", ok: bool = True) -> str:
        """`openai-vtab run ARGS` with this standard input: its output. Skips the test without the package `needs`."""
        self._environment.require(needs)
        result = subprocess.run(
            [self._environment.scripts / "openai-vtab", "run", *args],
            cwd=self._folder,
            env=self.variables,
            input=text,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert (result.returncode == 0) is ok, f"{result.stdout}\n{result.stderr}"
        return result.stdout if ok else result.stdout + result.stderr

    def program(self, name: str, *options: str, needs: str) -> Any:
        """Run a program of the folder programs/ on a new database, and return the JSON that it prints last."""
        out = self.run(*options, str(PROGRAMS / f"{name}.py"), "my.db", needs=needs)
        return json.loads(out.splitlines()[-1])

    @contextmanager
    def served(self, *args: str, needs: str) -> Iterator[Site]:
        """`openai-vtab run ARGS --port PORT` in the background, until it has responded; ended as by Ctrl-C."""
        self._environment.require(needs)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        with Path(self._folder, "log").open("w") as log:
            process = subprocess.Popen(
                [self._environment.scripts / "openai-vtab", "run", *args, "--port", str(port)],
                cwd=self._folder,
                env=self.variables,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            site = Site(port)
            assert site.is_up(process), Path(self._folder, "log").read_text()
            yield site
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(60)
            finally:
                process.kill()
        assert list(self._folder.glob("openai-vtab-*")) == []  # databases in memory that were shared


@pytest.fixture
def tools(environment: Environment, sandbox: Any, tmp_path: Path) -> Tools:
    """The tools."""
    return Tools(environment, sandbox, tmp_path)


@pytest.fixture
def writes(sandbox: Any) -> Callable[[], list[str]]:
    """What was sent that changes something."""
    return lambda: [f"{r.method} {r.path}" for r in list(sandbox.requests) if r.method != "GET"]
