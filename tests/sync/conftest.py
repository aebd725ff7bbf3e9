"""Fixtures: a folder with documents, and the command that syncs it with a sandbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
import pytest

from openai_vtab import sandbox as sandbox_package

from ..shell.command import run_shell

FILES = {"a.md": "first", "b.md": "second", "guides/c.md": "third"}


@dataclass
class Done:
    """What a sync has written, and what it has sent."""

    status: int
    out: str
    err: str
    requests: list[str]

    @property
    def summary(self) -> str:
        """The line with the numbers, without the folder."""
        line = next(line for line in self.out.splitlines() if " added, " in line or " to add, " in line)
        return line.partition(": ")[2]


@pytest.fixture
def sandbox() -> Iterator[Any]:
    """A sandbox without demo data, whose batches are finished at once."""
    with sandbox_package.run(processing_seconds=0, seeded=False) as running:
        yield running


@pytest.fixture(autouse=True)
def _environment(sandbox: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command finds the sandbox, and its data directory is the test's."""
    monkeypatch.setenv("OPENAI_BASE_URL", sandbox.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", sandbox.api_key)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with three files."""
    for name, text in FILES.items():
        file = tmp_path / "docs" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path / "docs"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """The file of the ledger, which does not exist yet."""
    return tmp_path / "my.db"


@pytest.fixture
def sync(sandbox: Any, folder: Path, database: Path) -> Callable[..., Done]:
    """Run the command on the folder, with the store Handbook unless another one is given."""

    def run(*options: str) -> Done:
        sandbox.requests.clear()
        store = () if "--vector-store-id" in options or "--store" in options else ("--store", "Handbook")
        done = run_shell("sync", str(folder), *store, *options, str(database))
        requests = [
            f"{request.method} {request.path.removeprefix('/v1').partition('?')[0]}"
            for request in list(sandbox.requests)
        ]
        return Done(done.returncode, done.stdout, done.stderr, requests)

    return run


@pytest.fixture
def stored(sandbox: Any) -> Callable[[], list[tuple[str, str]]]:
    """Return the name and content of each file in the only vector store; no other file may exist, and none fewer."""

    def contents() -> list[tuple[str, str]]:
        with sandbox._state.lock:
            (store,) = sandbox._state.stores.values()
            files = {file.id: (file.filename, file.content.decode()) for file in sandbox._state.files.values()}
            assert sorted(store.files) == sorted(files)
        return sorted(files.values())

    return contents


@pytest.fixture
def ledger(database: Path) -> Callable[[str], list[tuple[Any, ...]]]:
    """Run SQL on the shadow tables of the database."""

    def read(sql: str) -> list[tuple[Any, ...]]:
        with apsw.Connection(str(database)) as db:
            return [tuple(row) for row in db.execute(sql)]

    return read
