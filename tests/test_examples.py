"""Every example, and every code block of the README, runs; and the files say the same as the descriptions."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab import dbapi, sandbox, stackql
from openai_vtab.sandbox import Answer
from openai_vtab.schema import table as description
from openai_vtab.settings import Keywords, Settings
from openai_vtab.tables import TABLES

from .shell.command import run_shell
from .support.slow import slow_except

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.*"))
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str, page: str = README) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return [text for name, text in found if name == language]


# What an example's output has, at least
SHOWN = {
    "batches": ["vsfb_demo_"],
    "attributes": ["│     1 │ completed │  2000 │", "│     2 │ completed │  1000 │", "│ de   │     2 │ file-new-01 file-new-04 "],
    "drift": ["│ Product handbook │ file-demo-03 │", "│ gift-cards.txt │", "│ Old handbooks and Product handbook │", "│        1 │"],
    "failed_files": ["│ prices.csv │ unsupported_file │ The file type is not supported. │"],
    "ingest": ["│ Stock, Repairs │"],
    "join": ["vsfb_demo_"],
    "documents_table": ["│       1 │                     1 │             2 │", "│ Shipping │ 1.0 "],
    "quickstart": ["│ what does a ledger recover after a crash │ docs/guides/batches.md ", "/file_batches │        1 │"],
    "retry_failed": ["│ 2 failed again │ completed │    0 │     2 │", '│ file-demo-05 │ failed │ {"team":"sales"}  │'],
    "search": ["│ refund policy        │ Returns  │ Ada     │", "│ faults of material   │ Warranty │ Barbara │"],
    "search_documents": ["│ returns/eu │ 2026 │", "│    0 │", "│ refund in the US         │ returns/us │"],
    "sync_folder": ["│ developers │         2 │"],
    "stores": ["│ Old handbooks    │     2 │      0 │   118 │       300 │"],
}  # fmt: skip


IN_A_FILE = ("join", "quickstart", "sync_folder", "documents_table", "search_documents")  # those that may be run again


@pytest.mark.parametrize("name", slow_except([e.name for e in EXAMPLES if e.suffix == ".sql"], "stores.sql"))
def test_examples_in_sql_run_in_the_shell(name: str, tmp_path: Path) -> None:
    """With a sandbox; those that use a database file also a second time, without an error."""
    example = ROOT / "examples" / name
    is_in_a_file = example.stem in IN_A_FILE
    with sandbox.run(processing_seconds=0.5) as api:
        outputs = [_run_in_shell(example, tmp_path, api, "my.db" if is_in_a_file else "--sandbox")]
        if is_in_a_file:
            outputs.append(_run_in_shell(example, tmp_path, api, "my.db"))
    for shown in SHOWN[example.stem]:
        assert shown in outputs[0]


def _run_in_shell(example: Path, folder: Path, api: Any, argument: str) -> str:
    """Run an example as the README does, in the project's folder. Returns its output."""
    done = subprocess.run(
        [sys.executable, "-m", "openai_vtab", str(folder / argument) if argument == "my.db" else argument],
        input=example.read_text(encoding="utf-8"),
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONIOENCODING": "utf-8",
            "OPENAI_BASE_URL": api.base_url,
            "OPENAI_API_KEY": api.api_key,
        },
        timeout=60,
        check=False,
    )
    assert (done.stderr, done.returncode) == ("", 0)
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("example", [e for e in EXAMPLES if e.suffix == ".py"], ids=lambda e: e.name)
def test_examples_in_python_run(example: Path, tmp_path: Path) -> None:
    """Without a key: with the sandbox."""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", str(example)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
        check=False,
    )
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout


@pytest.mark.slow
def test_examples_connection_says_what_happened(tmp_path: Path) -> None:
    """Two of its files are processed, the table of the third's type is refused by the API."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "python_connection.py")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "completed: 1 of 3 files failed",
        "refused before it was sent: vector_store_file_batches.file_ids: the array is empty; write at least one file: "
        "json_array('file-abc', …) or json_group_array(file_id)",
    ]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the README's commands have made, with docs/ in it."""
    commands = blocks("sh")[1].removesuffix("openai-vtab --sandbox\n")
    subprocess.run(["sh", "-e", "-c", commands], env={**os.environ, "HOME": str(tmp_path)}, check=True)
    made = tmp_path / "handbook-demo"
    monkeypatch.chdir(made)
    return made


def shown_results(page: str) -> list[tuple[str, str]]:
    """The SQL blocks of a page that are followed by their output, and this."""
    return re.findall(r"^```sql\n([^`]*)^```\n\n(?:[^`]*:\n\n)?```\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def test_readme_sql_returns_what_it_shows(folder: Path) -> None:
    """In the order of the page, from an empty folder, with the sandbox's demo data; the results are on the page."""
    shown = dict(shown_results(README))
    assert len(shown) == 3
    with sandbox.run(processing_seconds=0) as api, closing(_connect(api, folder)) as db:
        for block in blocks("sql"):
            results = db.execute(block).fetchall()
            if block in shown:
                assert ["|".join(map(str, row)).rstrip() for row in results] == shown[block].splitlines()


def _connect(api: Any, folder: Path) -> apsw.Connection:
    return openai_vtab.connect(base_url=api.base_url, api_key=api.api_key, upload_root=folder)


def test_readme_python_runs(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Each block, as it stands there, in a folder that has docs/."""
    hooks = list(apsw.connection_hooks)
    with sandbox.run(processing_seconds=0) as api:
        monkeypatch.setenv("OPENAI_BASE_URL", api.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", api.api_key)
        try:
            for block in blocks("python"):
                names: dict[str, Any] = {"__name__": "readme"}
                exec(compile(block, "README.md", "exec"), names)  # noqa: S102 - our own page
                for value in names.values():
                    if isinstance(value, apsw.Connection):
                        value.close(True)
        finally:
            apsw.connection_hooks[:] = hooks
    assert capsys.readouterr().out.strip() == f"docs/returns.md: {(folder / 'docs' / 'returns.md').read_text().strip()}"
    assert (folder / "my.db").exists()


def test_contributing_example_is_a_table(
    connect: Callable[..., apsw.Connection], sandbox: Any, requests: Callable[[], list[str]], monkeypatch: Any
) -> None:
    """The data file that CONTRIBUTING.md shows is all that a new resource needs."""
    (block,) = blocks("python", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    names = dict(vars(description))
    exec(compile(block, "CONTRIBUTING.md", "exec"), names)  # noqa: S102 - our own page
    monkeypatch.setattr("openai_vtab.connection.TABLES", (*TABLES, names["models"]))
    sandbox.inject(Answer({"id": "gpt-4o", "object": "model", "created": 1715367049, "owned_by": "system"}))
    assert connect().execute(names["models"].examples[0]).fetchall() == [("system",)]
    assert requests() == ["GET /models/gpt-4o"]


def test_readme_opens_with_the_two_commands() -> None:
    """Nothing is needed before them."""
    commands = [line.partition("  ")[0] for line in blocks("sh")[0].splitlines()]
    assert commands == [
        "pip install '.[sandbox,shell]' && openai-vtab --sandbox < examples/quickstart.sql",
        "pip install '.[test]' && pytest -n 4",
    ]


@pytest.mark.slow
def test_readme_picture_is_what_the_shell_shows() -> None:
    """The recording is repeated on a terminal and compared."""
    done = subprocess.run(
        [sys.executable, "docs/record.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


@pytest.mark.slow
@pytest.mark.parametrize("command", blocks("sh", (ROOT / "cassettes" / "README.md").read_text(encoding="utf-8")))
def test_cassettes_commands_run(command: str, tmp_path: Path) -> None:
    """On a copy, some of them, from the sandbox; those with a key as if the sandbox was the API or another server."""
    for name in ("tests", "cassettes"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    cassette = Path("test_vector_stores", "test_life_of_a_store.yaml")
    committed = (tmp_path / "cassettes" / cassette).read_text(encoding="utf-8")
    (tmp_path / "cassettes" / cassette).write_text("# the former one", encoding="utf-8")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    with sandbox.run(processing_seconds=0.5) as api:
        if "OPENAI_API_KEY" in command:
            environment["OPENAI_BASE_URL"] = api.base_url
        command = command.strip().replace("…", api.api_key).replace("http://localhost:8321/v1", api.base_url)
        for each in command.splitlines():
            done = subprocess.run(
                ["bash", "-c", f"{each} -m vcr -k life -p no:cacheprovider"],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, done.stdout
        assert bool(api.requests) == ("OPENAI_BASE_URL" in environment)
    folder = "other" if "--cassettes=other" in command else "cassettes"
    assert (tmp_path / folder / cassette).read_text(encoding="utf-8") == committed


def test_readme_shows_the_notebooks_plot() -> None:
    """As it is in the notebook."""
    plot = (ROOT / "docs" / "assets" / "files-of-each-batch.png").read_bytes()
    notebook = json.loads((ROOT / "examples" / "notebook.ipynb").read_text(encoding="utf-8"))
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", ())]
    assert [base64.b64decode(o["data"]["image/png"]) for o in outputs if "image/png" in o.get("data", ())] == [plot]


def test_docs_stackql_runs_as_it_stands(tmp_path: Path) -> None:
    """In the shell, with the page's manifest and options, and through dbapi."""
    page = (ROOT / "docs" / "guides" / "stackql.md").read_text(encoding="utf-8")
    (manifest,), statements = blocks("yaml", page), "".join(blocks("stackql", page))
    (command,) = (line for line in page.splitlines() if line.startswith("openai-vtab "))
    (tmp_path / "manifest.yaml").write_text(manifest, encoding="utf-8")
    options = command.replace("manifest.yaml", str(tmp_path / "manifest.yaml")).split()[1:]
    done = run_shell(*options, text=f"{statements}SELECT count(*) FROM openai_requests WHERE status = 200;\n")
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout.endswith("\n5\n")
    values = {**stackql.parse_manifest(manifest, "manifest.yaml"), "batch_id": "vsfb_demo_running"}
    with sandbox.run() as api, closing(dbapi.connect(":memory:", base_url=api.base_url, api_key=api.api_key)) as con:
        con.executescript(stackql.fill(statements, values))
        con.commit()
        assert len(api.requests) == 5


def test_settings_and_keywords_are_the_same() -> None:
    """The typed keywords of connect() and the dataclass name the same settings, all documented."""
    assert Keywords.__annotations__.keys() == Settings.__dataclass_fields__.keys()
    assert Settings.__doc__ is not None
    for name in Keywords.__annotations__:
        assert re.search(rf"^    .*\b{name}\b.*:", Settings.__doc__, re.MULTILINE), name


@pytest.mark.parametrize(("table", "example"), [(t, e) for t in TABLES for e in t.examples])
def test_schema_examples_run(db: apsw.Connection, table: Any, example: str) -> None:
    """Each on the demo data."""
    db.execute(example).fetchall()


def test_public_names_are_in_the_readme() -> None:
    """Sorted, resolvable, and nothing else is offered."""
    assert openai_vtab.__all__ == sorted(openai_vtab.__all__)
    for name in openai_vtab.__all__:
        assert getattr(openai_vtab, name) is not None
    assert set(openai_vtab.__all__) <= set(dir(openai_vtab))
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = openai_vtab.nonsense
