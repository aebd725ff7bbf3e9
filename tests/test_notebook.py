"""The examples' notebook: it runs in its own kernel, and its committed output is that of one run."""

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
    """The media types of each output of each code cell."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [[sorted(output.get("data", [output.output_type])) for output in cell.outputs] for cell in cells]


def text(notebook: Any) -> str:
    """The text of all outputs."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return "\n".join(output.get("data", {}).get("text/plain", "") for output in outputs)


def test_notebook_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a key, with the rows, the picture and the kinds of output that are committed."""
    monkeypatch.setenv("HOME", str(tmp_path))  # the kernel writes its history there
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


def test_notebook_output_is_that_of_one_run() -> None:
    """From the first cell to the last, without paths, names or keys of the machine."""
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
