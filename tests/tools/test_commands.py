"""Command-line tools: sqlite-utils, litecli, marimo."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import PROGRAMS, Tools

pytestmark = pytest.mark.slow


def test_sqlite_utils_queries_and_writes_its_own_tables(tools: Tools, writes: Callable[[], list[str]]) -> None:
    """A query, the rows of a table, and a local table; changes at the API are refused."""
    run = ["sqlite-utils", "query", "my.db"]
    rows = json.loads(tools.run(*run, "SELECT id, name FROM vector_stores ORDER BY id", needs="sqlite-utils"))
    assert rows == [{"id": "vs_archive", "name": "Old handbooks"}, {"id": "vs_demo", "name": "Product handbook"}]
    tools.run("sqlite-utils", "insert", "my.db", "notes", "-", text='[{"text": "local"}]', needs="sqlite-utils")
    joined = "SELECT text, name FROM notes JOIN vector_stores WHERE id = 'vs_demo'"
    assert "local,Product handbook" in tools.run(*run, joined, "--csv", needs="sqlite-utils")
    for sql in (
        "DELETE FROM vector_stores WHERE id = 'vs_demo'",
        "SELECT cancel_vector_store_file_batch('vs_demo', 'vsfb_demo_running')",
    ):
        assert "this connection is read_only" in tools.run(*run, sql, needs="sqlite-utils", ok=False)
    error = tools.run("sqlite-utils", "rows", "my.db", "vector_store_files", needs="sqlite-utils", ok=False)
    assert "vector_store_id" in error.splitlines()[-1]
    assert writes() == []


def test_sqlite_utils_writes_to_the_api_if_it_may(tools: Tools, writes: Callable[[], list[str]]) -> None:
    """One statement, one request; a value that the statement names is bound."""
    insert = "INSERT INTO vector_stores (name) VALUES (:name)"
    command = ("sqlite-utils", "query", "my.db", insert, "-p", "name", "New")
    tools.run("--allow-writes", *command, needs="sqlite-utils")
    assert writes() == ["POST /vector_stores"]


def test_litecli_runs_statements(tools: Tools, writes: Callable[[], list[str]]) -> None:
    """The rows on standard output, and the error's text."""
    out = tools.run("litecli", "my.db", "-e", "SELECT id, name FROM vector_stores ORDER BY id", needs="litecli")
    assert out.split("\n")[:3] == ["id\tname", "vs_archive\tOld handbooks", "vs_demo\tProduct handbook"]
    for sql, error in {
        "DELETE FROM vector_stores WHERE id = 'vs_demo'": "this connection is read_only",
        "SELECT * FROM vector_store_files": "missing: vector_store_id",
    }.items():
        assert error in tools.run("litecli", "my.db", "-e", sql, needs="litecli", ok=False)
    assert writes() == []


def test_marimo_runs_a_notebook(tools: Tools, tmp_path: Path) -> None:
    """mo.sql on a connection gives a frame, which the page shows."""
    shutil.copy(PROGRAMS / "marimo_notebook.py", tmp_path)  # marimo writes beside it
    tools.run("marimo", "export", "html", "marimo_notebook.py", "-o", "page.html", needs="marimo")
    assert "the names: Old handbooks, Product handbook" in (tmp_path / "page.html").read_text()
