"""Datasette over HTTP: pages and JSON of the tables, their forms, facets, errors, and concurrent requests."""

from __future__ import annotations

import html
import json
import re
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import openai_vtab
from openai_vtab import sandbox as sandbox_package

from .conftest import Tools
from .environment import Environment
from .site import Site

pytestmark = pytest.mark.slow

TABLES = {  # each with the keys that its form asks for
    "vector_store_file_batches": ["vector_store_id", "batch_id"],
    "vector_store_file_batch_files": ["vector_store_id", "batch_id"],
    "vector_store_files": ["vector_store_id"],
    "vector_store_file_content": ["vector_store_id", "file_id"],
    "vector_store_search": ["vector_store_id", "query"],
    "vector_stores": [],
    "files": [],
    "my_batches": [],
    "handbook": ["search"],
    "attached": ["vector_store_id"],
}
CREATED = """
    CREATE TABLE notes (text, store);
    INSERT INTO notes VALUES ('local', 'vs_demo');
    CREATE VIRTUAL TABLE my_batches USING vector_store_file_batches;
    INSERT INTO my_batches (vector_store_id, file_ids) VALUES ('vs_demo', '["file-new-01"]');
    CREATE VIRTUAL TABLE attached USING vector_store_files;
    CREATE VIRTUAL TABLE handbook USING vector_store_documents(name = 'Handbook');
    INSERT INTO handbook (key, content) VALUES ('returns.md', 'refunds within 30 days'), ('hours.md', 'nine to five');
"""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Any]:
    """One sandbox for the whole file."""
    with sandbox_package.run(processing_seconds=3600) as running:
        yield running


@pytest.fixture(scope="module")
def site(environment: Environment, sandbox: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Datasette on a database with tables of its own, and on a database in memory that its connections share."""
    folder = tmp_path_factory.mktemp("datasette")
    database = openai_vtab.connect(folder / "my.db", base_url=sandbox.base_url, api_key=sandbox.api_key)
    database.execute(CREATED)
    sandbox.finish()
    assert database.execute("SELECT DISTINCT status FROM handbook").get == "completed"  # which the file has, then
    database.close()
    with Tools(environment, sandbox, folder).served("datasette", "my.db", "--memory", needs="datasette") as site:
        yield site


def fields(page: str) -> list[str]:
    """The names of the fields in the form of a page."""
    return re.findall(r'<input type="text"[^>]* name="(\w+)"', page)


def test_datasette_has_pages_with_forms_for_the_keys(site: Site, requests: Callable[[], list[str]]) -> None:
    """Each table is listed, and its page asks for what the table needs. An empty form requests nothing."""
    requests()
    status, page = site.get("/my")
    assert status == 200
    assert set(re.findall(r'<li><a href="/my/(\w+)"', page)) == set(TABLES)
    for table, keys in TABLES.items():
        status, page = site.get(f"/my/{table}")
        assert (status, fields(page)) == (200, keys), table
        asks_for = f" Give {' and '.join(keys)}." if keys and table != "handbook" else ""
        assert re.search(rf"\.{re.escape(asks_for)}\s*</", page), table
        assert bool(asks_for) == (" Give " in page), table
    asked = {request.split("?")[0] for request in requests()}
    assert {request for request in asked if "/vs_" not in request} == {"GET /files", "GET /vector_stores"}  # no form
    assert {request.split("/")[3] for request in asked if "/vs_" in request} == {"file_batches"}  # the ledger's


def test_datasette_shows_rows(site: Site, requests: Callable[[], list[str]]) -> None:
    """A page for people, and JSON and CSV for programs, of a form that was filled in."""
    keys = {"vector_store_id": "vs_demo", "batch_id": "vsfb_demo_failures"}
    status, page = site.get("/my/vector_store_file_batches", **keys)
    assert status == 200
    assert re.search(r'<td class="col-status">\s*completed', page)
    requests()
    (row,) = site.rows("/my/vector_store_file_batches", **keys)
    assert (row["id"], row["status"]) == ("vsfb_demo_failures", "completed")
    assert requests() == ["GET /vector_stores/vs_demo/file_batches/vsfb_demo_failures"]
    (passage,) = site.rows("/my/vector_store_search", vector_store_id="vs_demo", query="refund policy")
    assert passage["filename"] == "returns.md"
    status, csv = site.get("/my/vector_stores.csv")
    assert csv.splitlines()[0].startswith("id,name,status")


def test_datasette_shows_tables_that_are_in_the_file(site: Site, requests: Callable[[], list[str]]) -> None:
    """Ledgers and tables of documents: few requests, pages of single rows, and a search."""
    requests()
    (batch,) = site.rows("/my/my_batches")
    assert (batch["rowid"], batch["status"]) == (1, "completed")
    assert requests() == [f"GET /vector_stores/vs_demo/file_batches/{batch['id']}"]
    documents = site.rows("/my/handbook")
    assert [(each["rowid"], each["key"], each["score"]) for each in documents] == [
        (1, "returns.md", None),
        (2, "hours.md", None),
    ]
    assert requests() == []
    (found,) = site.rows("/my/handbook", search="refunds")
    assert (found["key"], found["passage"]) == ("returns.md", "refunds within 30 days")
    (sent,) = requests()
    assert sent == f"POST /vector_stores/{found['vector_store_id']}/search"
    for path, text in {"/my/my_batches/1": str(batch["id"]), "/my/handbook/2": "hours.md"}.items():
        status, page = site.get(path)
        assert (status, text in page) == (200, True), path


def test_datasette_runs_sql_with_joins(site: Site) -> None:
    """The tables in SQL that a person types, joined with a table of the file; in the shared memory, too."""
    sql = "SELECT text, name FROM notes JOIN vector_stores ON id = store"
    assert site.rows("/my", sql=sql) == [{"text": "local", "name": "Product handbook"}]
    assert site.rows("/_memory", sql="SELECT count(*) AS n FROM vector_stores") == [{"n": 3}]
    assert site.rows("/my/notes")[0]["text"] == "local"


def test_datasette_shows_the_text_of_an_error(site: Site) -> None:
    """A missing key and a wrong one are 400 with the reason; no page shows the key of the API."""
    status, page = site.get("/my", sql="SELECT * FROM vector_store_files")
    assert status == 400
    assert "missing: vector_store_id" in html.unescape(page)
    status, page = site.get("/my/vector_store_files", vector_store_id="vs_none")
    assert status == 400
    assert "No vector store found with id 'vs_none'" in html.unescape(page)
    assert "sandbox-key" not in page


def test_datasette_cannot_change_anything(site: Site, writes: Callable[[], list[str]]) -> None:
    """Neither by a statement nor by a function in a SELECT; and no file of this machine can be read."""
    before = writes()  # a search is a POST, too
    for sql in (
        "SELECT cancel_vector_store_file_batch('vs_demo', 'vsfb_demo_running')",
        "WITH x AS (SELECT 1) SELECT cancel_vector_store_file_batch('vs_demo', 'vsfb_demo_running') FROM x",
        "DELETE FROM vector_stores WHERE id = 'vs_demo'",
        "SELECT readfile('/etc/hostname')",
    ):
        assert site.get("/my", sql=sql)[0] == 400, sql
    assert writes() == before


def test_datasette_serves_concurrent_requests(site: Site) -> None:
    """Eight at a time, on several connections."""
    sql = "SELECT count(*) AS n FROM vector_store_files WHERE vector_store_id = 'vs_demo'"
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda _: site.rows("/my", sql=sql), range(40)))
    assert results == [[{"n": 9}]] * 40


def test_datasette_without_the_launcher_shows_no_queries(
    tools: Tools, environment: Environment, tmp_path: Path
) -> None:
    """The plugin is installed, and knows that the tables are not there."""
    environment.require("datasette")
    sqlite3.connect(tmp_path / "my.db").close()
    run = [str(environment.scripts / "datasette"), "my.db", "--get", "/my.json"]
    found = subprocess.run(run, cwd=tmp_path, env=tools.variables, capture_output=True, timeout=120, check=True)
    assert json.loads(found.stdout)["queries"] == []
    found_with_tables = json.loads(tools.run("datasette", "my.db", "--get", "/my.json", needs="datasette"))
    assert {query["name"] for query in found_with_tables["queries"]} == set(TABLES) - {
        "my_batches",
        "handbook",
        "attached",
    }


def test_datasette_hides_a_table_that_its_metadata_hides(tools: Tools, tmp_path: Path) -> None:
    """The query in the place of the table's page obeys the table's `allow` block."""
    database = openai_vtab.connect(tmp_path / "my.db")
    database.execute("CREATE VIRTUAL TABLE my_batches USING vector_store_file_batches")
    database.close()
    tables = {"my_batches": {"allow": False}}
    (tmp_path / "metadata.json").write_text(json.dumps({"databases": {"my": {"tables": tables}}}))
    get = ("--get", "/my/my_batches.json")
    assert json.loads(tools.run("datasette", "my.db", *get, needs="datasette"))["rows"] == []
    refused = tools.run("datasette", "my.db", "--metadata", "metadata.json", *get, needs="datasette", ok=False)
    assert "You do not have permission to view this query" in refused
