"""Runs rounds of examples until it is time to stop.

>>> run(7, ["calm"], goes_on=lambda: False)
Counter({'statements': 3215, …})
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from .calm import Calm
from .stormy import Stormy
from .tally import Tally

MACHINES: dict[str, type[RuleBasedStateMachine]] = {"calm": Calm, "stormy": Stormy}
EXAMPLES, STEPS = 5, 50  # of a round


def run(first: int, kinds: Sequence[str], goes_on: Callable[[], bool]) -> Counter[str]:
    """Run rounds with the seeds from the first one on, and return what was done. Raises what is wrong."""
    Tally.now = Tally()
    number = first
    while True:
        for kind in kinds:
            print(f"{kind}, seed {number}", flush=True)
            one_round(MACHINES[kind], number, EXAMPLES)
            if not goes_on():
                return Tally.now.counts
        number += 1


def one_round(machine: type[RuleBasedStateMachine], number: int, examples: int, steps: int = STEPS) -> None:
    """Run examples of a seed. The first failure is made as short as possible, and raised."""
    seeded = seed(number)(type(machine.__name__, (machine,), {}))
    run_state_machine_as_test(
        seeded,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
            print_blob=False,
        ),
    )
