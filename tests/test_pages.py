"""Every code block of the pages in docs/ runs and returns what the page shows, and every link leads somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import pytest

import openai_vtab
from openai_vtab import sandbox

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = {str(path.relative_to(DOCS)): path.read_text(encoding="utf-8") for path in sorted(DOCS.rglob("*.md"))}
FILES = {
    "returns.md": "Goods can be returned within 30 days. The refund policy covers postage.",
    "shipping.md": "When do orders leave? Within one working day.",
    "warranty.md": "It lasts two years.",
    "press.md": "",
    "logo.psd": "8BPS",
}
# Diagrams do not run. test_examples.py runs StackQL's statements, and the benchmark the program with OpenAI's SDK.
OTHER_KINDS = {"guides/stackql.md": {"stackql", "yaml"}, "architecture.md": {"mermaid"}, "guides/sdk.md": {"py"}}


class Block(NamedTuple):
    """A code block of a page, with the output that follows it, "" when none does."""

    kind: str
    text: str
    output: str


def blocks(page: str, kind: str) -> list[Block]:
    """The blocks of one kind, in the order of the page. An output is a block without a kind."""
    found = re.findall(r"^```(\w+)\n(.*?)^```$(?:\n\n^```\n(.*?)^```$)?", page, re.MULTILINE | re.DOTALL)
    return [block for block in map(Block._make, found) if block.kind == kind]


def pages_with(kind: str) -> list[Any]:
    return [
        pytest.param(name, marks=[pytest.mark.slow] if kind == "sh" or "import pandas" in page else [])
        for name, page in PAGES.items()
        if blocks(page, kind)
    ]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with three documents, an empty file and a file of an unsupported type in docs/."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    for name, text in FILES.items():
        (tmp_path / "docs" / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A sandbox, in the environment's variables."""
    with sandbox.run(processing_seconds=0) as api:
        monkeypatch.setenv("OPENAI_BASE_URL", api.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", api.api_key)
        yield api


@pytest.mark.parametrize("name", pages_with("sql"))
def test_docs_sql_returns_what_it_shows(name: str, folder: Path, api: Any) -> None:
    """In the order of the page, on the demo data."""
    with closing(openai_vtab.connect(upload_root=folder)) as db:
        for block in blocks(PAGES[name], "sql"):
            shown = _in_columns(db.execute(block.text))
            assert not block.output or shown == block.output


def _in_columns(cursor: apsw.Cursor) -> str:
    """The results of the statements as a table each, in which dashes are below the names."""
    rows = [(tuple(name for name, _ in cursor.get_description()), tuple(map(str, row))) for row in cursor]
    tables = []
    for names, found in groupby(rows, key=lambda row: row[0]):
        values = [row for _, row in found]
        widths = [max(map(len, column)) for column in zip(names, *values, strict=True)]
        lines = [names, tuple("-" * width for width in widths), *values]
        tables.append("".join(f"{'  '.join(map(str.ljust, line, widths)).rstrip()}\n" for line in lines))
    return "\n".join(tables)


@pytest.mark.parametrize("name", pages_with("python"))
@pytest.mark.usefixtures("folder", "api")
def test_docs_python_prints_what_it_shows(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In the order of the page, with the demo data."""
    names: dict[str, Any] = {"__name__": "page"}
    for block in blocks(PAGES[name], "python"):
        exec(compile(block.text, name, "exec"), names)  # noqa: S102 - our own page
        assert capsys.readouterr().out == block.output
    for opened, end in (("con", "close"), ("engine", "dispose")):
        if opened in names:
            getattr(names[opened], end)()


@pytest.mark.parametrize("name", pages_with("sh"))
@pytest.mark.usefixtures("api")
def test_docs_commands_print_what_they_show(name: str, tmp_path: Path) -> None:
    """From an empty folder, or with the files of docs/. What is installed already is not installed again."""
    extras = set(re.findall(r'^        "(\w+)": ', (ROOT / "setup.py").read_text(encoding="utf-8"), re.MULTILINE))
    for block in blocks(PAGES[name], "sh"):
        if "mkdir docs" not in PAGES[name]:
            (tmp_path / "docs").mkdir(exist_ok=True)
            for file, text in FILES.items():
                (tmp_path / "docs" / file).write_text(text, encoding="utf-8")
        commands = block.text
        for install in re.findall(r"^pip install .*\n", commands, re.MULTILINE):
            assert set(re.findall(r"\w+", install.partition("[")[2])) <= extras
            commands = commands.replace(install, "")
        done = subprocess.run(
            ["bash", "-c", commands],
            cwd=tmp_path,
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.stderr == ""
        assert done.stdout.replace(str(tmp_path), "/srv") == block.output
        assert done.returncode == (3 if "failed:" in block.output else 0)


def test_docs_sdk_shows_what_is_measured() -> None:
    """The benchmark runs the two programs of the page."""
    page = PAGES["guides/sdk.md"]
    programs = ROOT / "tests" / "benchmarks"
    assert (programs / "sdk_sync.py").read_text(encoding="utf-8").endswith(f'"""\n\n{blocks(page, "py")[0].text}')
    assert (programs / "sdk_sync.sql").read_text(encoding="utf-8") == blocks(page, "sql")[0].text


def test_docs_have_no_block_that_nothing_runs() -> None:
    """SQL, Python and commands run. Blocks without a kind are output."""
    others = {name: (ROOT / name).read_text(encoding="utf-8") for name in OTHER_PAGES}
    for name, page in {**PAGES, **others}.items():
        kinds = set(re.findall(r"^```(\w*)$", page, re.MULTILINE))
        assert kinds <= {"", "sql", "python", "sh"} | OTHER_KINDS.get(name, set()), name


OTHER_PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "cassettes/README.md")


@pytest.mark.parametrize("name", [*OTHER_PAGES, *(f"docs/{name}" for name in PAGES)])
def test_links_lead_to_a_file_and_a_heading(name: str) -> None:
    """Those of the site lead to its own pages: no other file of the project is part of it."""
    page = ROOT / name
    for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", _without_blocks(page))):
        path, _, anchor = link.partition("#")
        if not re.match(r"https?:", link):
            target = (page.parent / path).resolve() if path else page
            assert target.exists(), link
            assert not name.startswith("docs/") or target.is_relative_to(DOCS), link
            assert not anchor or anchor in _anchors(target), link


def _without_blocks(page: Path) -> str:
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and MkDocs make them."""
    headings = re.findall(r"^#+ (.*)$", _without_blocks(page), re.MULTILINE)
    return {re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", heading.lower())) for heading in headings}
