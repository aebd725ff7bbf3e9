"""What was done, for the summary.

>>> Tally.now.add("statements")
"""

from __future__ import annotations

from collections import Counter
from typing import ClassVar


class Tally:
    """Counts by name. `now` is the one of the running command."""

    now: ClassVar[Tally]

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def add(self, name: str, count: int = 1) -> None:
        """Count something."""
        self.counts[name] += count


Tally.now = Tally()
