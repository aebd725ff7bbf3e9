"""A table is one short data file: what a resource needs beside its documentation and examples fits on one screen."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import openai_vtab.tables

FILES = sorted(Path(openai_vtab.tables.__file__).parent.glob("[!_]*.py"))
MAX_LINES = 45


class WithoutDocumentation(ast.NodeTransformer):
    """Empties the sentences of tables and columns, and drops examples."""

    def visit_Call(self, node: ast.Call) -> ast.Call:
        self.generic_visit(node)
        name = getattr(node.func, "id", "")
        if name == "Column":
            node.args[2] = ast.Constant("")
        elif name == "Table":
            del node.args[1]
            node.keywords = [keyword for keyword in node.keywords if keyword.arg != "examples"]
        return node


def lines(path: Path) -> int:
    """The lines of the file as the formatter would break them without documentation and examples."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    del tree.body[0]
    bare = ast.unparse(WithoutDocumentation().visit(tree))
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "--config", "line-length=120", "-"]
    done = subprocess.run(command, input=bare, capture_output=True, text=True, check=True)
    return sum(bool(line.strip()) for line in done.stdout.splitlines())


@pytest.mark.slow  # ruff is in the extra `lint`
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_table_file_is_short(path: Path) -> None:
    """Up to 45 lines without examples and documentation text."""
    assert lines(path) <= MAX_LINES


def test_table_files_are_all_named() -> None:
    """Each file has the table of its name."""
    assert {path.stem for path in FILES} == {table.name for table in openai_vtab.tables.TABLES}
