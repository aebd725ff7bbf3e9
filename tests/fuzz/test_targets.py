"""The fuzz targets with a few inputs; `python -m tests.fuzz` runs them for long."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openai_vtab.transport.client import Client

from ..support.slow import few_and_many

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def targets() -> Any:
    """The module, with a Client.send that lets no request leave."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT))
        module = importlib.import_module("tests.fuzz.targets")
        patch.setattr(Client, "send", module.ANSWERING.send)
        yield module
    module.database().close()
    sys.modules.pop("tests.fuzz.targets")


@pytest.mark.parametrize("examples", few_and_many(15, 300))
@pytest.mark.parametrize("name", ["answers", "remembered", "given", "checked", "statements"])
def test_fuzz_target_raises_only_the_packages_errors(targets: Any, name: str, examples: int) -> None:
    """Answers, ledgers and SQL values of any kind."""

    @settings(max_examples=examples, deadline=None)
    @given(st.binary(max_size=300))
    def run(data: bytes) -> None:
        targets.TARGETS[name](data)

    run()
