"""What a run may cost: OpenAI's prices, an estimate before each step, and the budget that no step may exceed.

>>> Budget(0.10).charge(Cost(searches=4, bytes=2_000), "Does a search with filters …")
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

GIB = 2**30


@dataclass(frozen=True)
class Price:
    """A published price, where it was read, and on which day."""

    dollars: float
    unit: str
    source: str
    read_on: str


# OpenAI's page of prices could not be read here. This page quotes it, and names the day on which it was read.
QUOTED = "https://www.modelcostwatch.com/openai/tool-costs/file-search, quoting https://openai.com/api/pricing"
PRICES = {
    "storage": Price(0.10, "GiB of a vector store and day", QUOTED, "2026-03-12"),
    "search": Price(2.50, "1,000 calls of the file search tool", QUOTED, "2026-03-12"),
}

# Estimates are too high rather than too low. The first GiB is free, but the account may have used it. A price is
# published for the search tool of another API, and none for POST …/search: it counts as if it cost the same.
STORED_PER_BYTE = 20  # a stored file has its text, and an embedding for each chunk
STORED_PER_FILE = 16_384  # bytes at least
DAYS = 2  # a vector store of a run expires after a day without use


class BudgetExceeded(Exception):  # noqa: N818 - not a failure: the run stops as it was told to
    """The next step would cost more than what is left."""


@dataclass(frozen=True)
class Cost:
    """What a step uses: searches, files that it attaches, and the bytes of these files."""

    searches: int = 0
    files: int = 0
    bytes: int = 0

    @property
    def dollars(self) -> float:
        """An upper estimate."""
        stored = self.files * STORED_PER_FILE + self.bytes * STORED_PER_BYTE
        return self.searches * PRICES["search"].dollars / 1000 + stored * DAYS * PRICES["storage"].dollars / GIB

    def __add__(self, other: Self) -> Cost:
        return Cost(self.searches + other.searches, self.files + other.files, self.bytes + other.bytes)


NOTHING = Cost()


def total(costs: Iterable[Cost]) -> Cost:
    """The sum."""
    return sum(costs, NOTHING)


class Budget:
    """A sum of dollars, and what has been charged to it. Raises ValueError unless it is a positive, finite number."""

    def __init__(self, dollars: float) -> None:
        if not (math.isfinite(dollars) and dollars > 0):
            raise ValueError(f"{dollars:g} is no budget: give a number of dollars above 0, such as --budget 0.10")
        self.dollars = dollars
        self._charged = NOTHING

    def spent(self, searches_sent: int) -> Cost:
        """What all steps that were charged use. `searches_sent` is higher than what was charged if some were retried."""
        return replace(self._charged, searches=max(self._charged.searches, searches_sent))

    def charge(self, cost: Cost, step: str, searches_sent: int = 0) -> None:
        """Charge a step before it begins. Raises BudgetExceeded if it would cost more than what is left.

        `searches_sent` is the number of searches so far, with those that were retried.
        """
        so_far = self.spent(searches_sent)
        after = so_far + cost
        if after.dollars > self.dollars:
            raise BudgetExceeded(
                f"stopped before {step!r}: up to ${so_far.dollars:.4f} of ${self.dollars:.4f} are spent, and this step "
                f"may cost ${cost.dollars:.4f} more; give --budget {needed(after.dollars)} or more"
            )
        self._charged = after


def needed(dollars: float) -> str:
    """The smallest budget in cents that suffices, as it is written."""
    return f"{math.ceil(dollars * 100) / 100:.2f}"
