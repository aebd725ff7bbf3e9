"""The sandbox that the matrices' cells share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from openai_vtab.sandbox import Sandbox

from .matrix import running


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    """A sandbox for all cells of a module; each cell has a vector store of its own."""
    with running() as sandbox:
        yield sandbox
