"""How long the reads of a connection take, by their routes: what bulk reading decides by.

>>> observed.add("/files/{file_id}", 0.05); observed.seconds("/files/{file_id}", "/files")
Seconds(look_up=0.05, page=None)
"""

from __future__ import annotations

import math

from ..planner import Seconds

LATEST_SHARE = 0.125  # of the latest response in the average


class ObservedSeconds:
    """The average times of the latest responses; written by many threads, where a lost one does no harm.

    They include retries, pauses and the wait for other requests: what a request costs a statement now.
    """

    def __init__(self) -> None:
        self._by_route: dict[str, float] = {}

    def add(self, route: str, seconds: float) -> None:
        """Count a response."""
        before = self._by_route.get(route, seconds)
        self._by_route[route] = before + LATEST_SHARE * (seconds - before) if before < math.inf else before

    def give_up(self, route: str) -> None:
        """Count no more responses: requests of this route take for ever."""
        self._by_route[route] = math.inf

    def seconds(self, look_up: str, page: str) -> Seconds:
        """The averages of two routes."""
        return Seconds(self._by_route.get(look_up), self._by_route.get(page))
