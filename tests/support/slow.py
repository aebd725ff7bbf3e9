"""The marker `slow`: which of many cases the fast suite runs, and which only `pytest -m slow`.

>>> @pytest.mark.parametrize("fault", slow_except(FAULTS, "429", "an empty body"))
>>> @pytest.mark.parametrize("examples", few_and_many(30, 400))
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def slow_except(names: Iterable[str], *fast: str) -> list[Any]:
    """One parameter for each name; all but the `fast` ones are marked slow."""
    names = list(names)
    missing = set(fast) - set(names)
    assert not missing, f"no such case: {missing}"
    return [pytest.param(name, marks=() if name in fast else pytest.mark.slow) for name in names]


def few_and_many(few: int, many: int) -> list[Any]:
    """How many random examples: a few in the fast suite, many in the slow one."""
    return [pytest.param(few, id="few"), pytest.param(many, id="many", marks=pytest.mark.slow)]
