"""The notebook of the examples: it runs in a kernel of its own, and is committed as it came out."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Any

import pytest

from openai_vtab.sandbox import KEY

pytestmark = pytest.mark.slow
nbformat = pytest.importorskip("nbformat", reason="nbformat is in the extra `slow`")
nbclient = pytest.importorskip("nbclient", reason="nbclient is in the extra `slow`")

NOTEBOOK = Path(__file__).parent.parent / "examples" / "notebook.ipynb"


def kinds(notebook: Any) -> list[list[list[str]]]:
    """Of each cell of code the outputs, each by its media types."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [[sorted(output.get("data", [output.output_type])) for output in cell.outputs] for cell in cells]


def text(notebook: Any) -> str:
    """Every output's text."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return "\n".join(output.get("data", {}).get("text/plain", "") for output in outputs)


def test_notebook_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a key: the same kinds of output as are committed, the rows, and a picture."""
    monkeypatch.setenv("HOME", str(tmp_path))  # a kernel leaves its history there
    committed = nbformat.read(NOTEBOOK, 4)
    ran = nbformat.read(NOTEBOOK, 4)
    nbclient.NotebookClient(ran, timeout=60, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert kinds(ran) == kinds(committed)
    outputs = [output for cell in kinds(ran) for output in cell]
    assert outputs.count(["text/html", "text/plain"]) == 5
    assert outputs.count(["image/png", "text/plain"]) == 1
    for notebook in (ran, committed):
        for row in (
            r"handbook +\| +completed +\| +3 +\| +0 +\| +3 ",
            r"prices +\| +logo.png +\| The file type is not supported.",
            r"EU +\| completed +\| +1 ",
        ):
            assert re.search(row, text(notebook)), row


def test_notebook_is_committed_as_it_came_out() -> None:
    """Run once from above, and nothing of the machine is in it: no path, no name, no key."""
    committed = nbformat.read(NOTEBOOK, 4)
    counts = [cell.execution_count for cell in committed.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))
    for cell in committed.cells:
        for output in cell.get("outputs", ()):
            output.get("data", {}).pop("image/png", None)
    everything = nbformat.writes(committed)
    assert not re.search(r"/(home|root|tmp|usr|opt|Users)/|127\.0\.0\.1|localhost", everything)
    assert not re.search(rf"\b{re.escape(socket.gethostname())}\b", everything)
    assert KEY not in everything
