"""The marker `slow`: which of many cases the fast suite runs, and which only `pytest -m slow`.

>>> @pytest.mark.parametrize("fault", slow_except(FAULTS, "429", "an empty body"))
>>> @pytest.mark.parametrize("examples", few_and_many(30, 400))
>>> @pytest.mark.sample(8)      # of the cases of any parametrization
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
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


def mark_slow_outside_samples(items: Sequence[pytest.Item]) -> None:
    """Of each test with the marker sample(n), leave n cases in the fast suite, spread evenly over all."""
    cases: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if item.get_closest_marker("sample") is not None:
            cases[item.nodeid.partition("[")[0]].append(item)
    for same in cases.values():
        (size,) = same[0].get_closest_marker("sample").args  # type: ignore[union-attr]
        fast = {place * len(same) // size for place in range(min(size, len(same)))}
        for place, item in enumerate(same):
            if place not in fast:
                item.add_marker(pytest.mark.slow)
