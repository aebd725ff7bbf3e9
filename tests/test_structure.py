"""The architecture, read from the sources: what may be imported, and that every file says what it is for."""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from pathlib import Path

import pytest

import openai_vtab

ROOT = Path(openai_vtab.__file__).parent

FILES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))


@cache
def parsed(file: str) -> ast.Module:
    """Each file's syntax tree, which several tests walk."""
    return ast.parse((ROOT / file).read_text(encoding="utf-8"))


def imports(file: str) -> list[str]:
    """The absolute names of what a file imports, at any depth but under TYPE_CHECKING."""
    tree = parsed(file)
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


def test_structure_checks_see_the_whole_package() -> None:
    """The checks below see the whole package."""
    assert {"vtable/table.py", "tables/vector_store_file_batches.py", "sandbox/server.py"} <= set(FILES)


def test_dependencies_are_apsw_and_requests() -> None:
    """The sandbox may also use werkzeug, the dialect is for SQLAlchemy, the plugin for Datasette, the shell's bars are by tqdm, manifests may be YAML."""
    for file in FILES:
        allowed = {"openai_vtab", "apsw", "requests", "urllib3"}
        allowed |= {"werkzeug"} if file.startswith("sandbox/") else set()
        allowed |= {"sqlalchemy"} if file == "sqlalchemy.py" else set()
        allowed |= {"yaml"} if file == "stackql/manifest.py" else set()
        allowed |= {"datasette"} if file == "datasette.py" else set()
        allowed |= {"tqdm"} if file == "shell/progress_bar.py" else set()
        foreign = {name.partition(".")[0] for name in imports(file)} - set(sys.stdlib_module_names)
        assert foreign <= allowed, file


def test_threads_are_started_in_execution_alone() -> None:
    """Locks may guard shared state anywhere."""
    for file in FILES:
        if not file.startswith(("sandbox/", "execution/")):
            assert "threading.Thread(" not in (ROOT / file).read_text(encoding="utf-8"), file


def test_docstring_opens_every_file() -> None:
    """The first thing to read in it."""
    for file in FILES:
        if file.endswith("__main__.py"):
            continue
        text = ast.get_docstring(parsed(file)) or ""
        assert re.match(r"^[^\n]*[.:]", text), f"{file}: the first line says what it is for"
        if not file.endswith("__init__.py"):
            assert ">>> " in text or "\n    " in text, f"{file}: no example"


def test_files_are_short() -> None:
    """Up to 300 lines: a longer file has two jobs."""
    assert {file: size for file in FILES if (size := len((ROOT / file).read_text("utf-8").splitlines())) > 300} == {}


def test_comments_leave_nothing_for_later() -> None:
    """What is not there is not there; no notes to do it."""
    for file in FILES:
        assert not re.search(r"\b(TODO|FIXME|XXX|HACK)\b", (ROOT / file).read_text(encoding="utf-8")), file


def attributes_set_from_outside(file: str) -> list[str]:
    """The attributes that a file sets of anything but self."""
    found = []
    for node in ast.walk(parsed(file)):
        targets = node.targets if isinstance(node, ast.Assign) else []
        targets += [node.target] if isinstance(node, ast.AugAssign | ast.AnnAssign) else []
        for part in (part for target in targets for part in ast.walk(target)):
            if isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store):
                found.append(ast.unparse(part))
    return [name for name in found if name.count(".") > 1 or not name.startswith("self.")]


# Objects of others that have no other way in, and objects that a function of the same file is just making.
SET_FROM_OUTSIDE = {
    "dbapi/connection.py": {"cursor.row_factory"},  # as sqlite3 does: a connection's setting for each new cursor
    "planner/constraints.py": {"bound.limits", "bound.unusable_option", "bound.has_unusable_key", "bound.rowid"},
    "shell/options.py": {"options.rest", "options.version", "options.sandbox", "options.quiet"},
    "sqlite/open_cursors.py": {"make.known_cursors_of"},
    "settings/description.py": {"settings.__doc__"},
}
OF_OTHERS = re.compile(
    r"\b(info|record|pool|tqdm)\.\w+|\bself\._bar\.|\.(exec_trace|row_trace|cursor_factory|authorizer)$"
    r"|\.(__cause__|args|sqlite_errorcode|sqlite_errorname)$"
)


def test_attributes_are_set_by_their_own_object() -> None:
    """Callbacks and values are given at construction."""
    for file in FILES:
        ours = {name for name in attributes_set_from_outside(file) if not OF_OTHERS.search(name)}
        assert ours == SET_FROM_OUTSIDE.get(file, set()), file


def test_public_names_are_complete_and_sorted() -> None:
    """__all__ is what `from openai_vtab import *` gives, and dir() shows it."""
    assert openai_vtab.__all__ == sorted(openai_vtab.__all__)
    for name in openai_vtab.__all__:
        assert getattr(openai_vtab, name).__name__ == name
        assert name in dir(openai_vtab)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        openai_vtab.nonsense  # noqa: B018
