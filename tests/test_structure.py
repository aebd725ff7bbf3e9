"""The architecture, read from the sources: imports point one way, every file says what it is for."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

import openai_vtab

ROOT = Path(openai_vtab.__file__).parent

# Each may import those before it. "" is the package itself: its version, or the sandbox's key.
LAYERS = ["", "errors", "intents", "upload", "values", "spec", "tables", "plan", "columns", "rowids"]
LAYERS += ["progress", "settings", "absence", "api", "flow", "log", "pool"]
LAYERS += ["http", "readahead", "fetch", "writes", "statements", "internal_sql"]
LAYERS += ["ledger", "settlement", "registration", "reach", "rows", "downloads", "vtab", "functions"]
LAYERS += ["describe", "introspection", "connection", "dbapi", "sqlalchemy"]
LAYERS += ["bars", "stock", "commands", "shell", "__main__"]
SANDBOX_LAYERS = ["state", "search", "faults", "app", "server", "demo", "", "__main__"]

FILES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))


def imports(file: str) -> list[str]:
    """The absolute names of what a file imports, at any depth but under TYPE_CHECKING."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    package = ("openai_vtab/" + file).split("/")[:-1]
    found: list[str] = []

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return
        if isinstance(node, ast.Import):
            found.extend(alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{module}.{alias.name}" for alias in node.names]
            found.extend(names if node.level and not node.module else [module])
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(tree)
    return found


def module_of(file: str) -> str:
    """openai_vtab/tables/__init__.py is openai_vtab.tables."""
    return re.sub(r"\.__init__$", "", "openai_vtab." + file.removesuffix(".py").replace("/", "."))


MODULES = {module_of(file) for file in FILES}


def layer(name: str) -> tuple[list[str], int]:
    """The layers a module or one of its names belongs to, and its place in them."""
    while name not in MODULES:
        name = name.rpartition(".")[0]
    sandbox = name.startswith("openai_vtab.sandbox")
    inner = name.removeprefix("openai_vtab.sandbox" if sandbox else "openai_vtab").removeprefix(".")
    layers = SANDBOX_LAYERS if sandbox else LAYERS
    return layers, layers.index(inner.partition(".")[0])


def test_structure_checks_see_the_whole_package() -> None:
    """The checks below see the whole package."""
    assert {"vtab.py", "tables/vector_store_file_batches.py", "sandbox/server.py"} <= set(FILES)


@pytest.mark.parametrize("file", [file for file in FILES if file != "__init__.py"])
def test_imports_point_one_way(file: str) -> None:
    """A module imports only what stands before it; the sandbox nothing of the rest."""
    layers, own = layer(module_of(file))
    for name in imports(file):
        if name.partition(".")[0] != "openai_vtab" or (file, name) == ("shell.py", "openai_vtab.sandbox"):
            continue  # the shell's --sandbox is loaded when it is asked for
        its_layers, place = layer(name)
        assert its_layers is layers, f"{file} imports {name}"
        assert place < own or (place == own and "/" in file), f"{file} imports {name}"


@pytest.mark.parametrize("file", FILES)
def test_dependencies_are_apsw_and_requests(file: str) -> None:
    """The sandbox may also use werkzeug, the dialect is for SQLAlchemy, the shell's bars are by tqdm."""
    allowed = {"openai_vtab", "apsw", "requests", "urllib3"}
    allowed |= {"werkzeug"} if file.startswith("sandbox/") else set()
    allowed |= {"sqlalchemy"} if file == "sqlalchemy.py" else set()
    allowed |= {"tqdm"} if file == "bars.py" else set()
    foreign = {name.partition(".")[0] for name in imports(file)} - set(sys.stdlib_module_names)
    assert foreign <= allowed


@pytest.mark.parametrize("file", [file for file in FILES if not file.startswith("sandbox/")])
def test_threads_and_sockets_are_in_few_files(file: str) -> None:
    """http.py and its pool.py alone import requests, and threads are started by fetch.py alone."""
    source = (ROOT / file).read_text(encoding="utf-8")
    if file not in ("http.py", "pool.py"):
        assert not {"requests", "urllib3", "socket"} & {name.partition(".")[0] for name in imports(file)}
    if file != "fetch.py":
        assert "threading.Thread(" not in source


@pytest.mark.parametrize("file", [file for file in FILES if not file.endswith("__main__.py")])
def test_docstring_opens_every_file(file: str) -> None:
    """The first thing to read in it."""
    text = ast.get_docstring(ast.parse((ROOT / file).read_text(encoding="utf-8"))) or ""
    assert re.match(r"^[^\n]*[.:]", text), f"{file}: the first line says what it is for"
    if file != "tables/__init__.py":
        assert ">>> " in text or "\n    " in text, f"{file}: no example"


@pytest.mark.parametrize("file", FILES)
def test_comments_leave_nothing_for_later(file: str) -> None:
    """What is not there is not there; no notes to do it."""
    assert not re.search(r"\b(TODO|FIXME|XXX|HACK)\b", (ROOT / file).read_text(encoding="utf-8"))


def test_public_names_are_complete_and_sorted() -> None:
    """__all__ is what `from openai_vtab import *` gives, and dir() shows it."""
    assert openai_vtab.__all__ == sorted(openai_vtab.__all__)
    for name in openai_vtab.__all__:
        assert getattr(openai_vtab, name).__name__ == name
        assert name in dir(openai_vtab)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        openai_vtab.nonsense  # noqa: B018
