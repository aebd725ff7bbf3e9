"""How long the reads of a connection take, by their routes: what bulk reading decides by.

>>> observed.add("/files/{file_id}", 0.05); observed.seconds("/files/{file_id}", "/files")
Seconds(look_up=0.05, page=None)
"""

from __future__ import annotations

import math

from ..clock import REAL, Clock
from ..planner import Seconds

LATEST_SHARE = 0.125  # of the latest response in the average
GIVEN_UP_SECONDS = 60.0  # until a list that could not be read is tried again


class ObservedSeconds:
    """The average times of the latest responses; written by many threads, where a lost one does no harm.

    They include retries, pauses and the wait for other requests: what a request costs a statement now.
    """

    def __init__(self, clock: Clock = REAL) -> None:
        self._clock = clock
        self._by_route: dict[str, float] = {}
        self._given_up: dict[str, float] = {}  # by route: when that was

    def add(self, route: str, seconds: float) -> None:
        """Count a response."""
        before = self._by_route.get(route, seconds)
        self._by_route[route] = before + LATEST_SHARE * (seconds - before)

    def give_up(self, route: str) -> None:
        """Take requests of this route to last for ever, for a while."""
        self._given_up[route] = self._clock.monotonic()

    def seconds(self, look_up: str, page: str) -> Seconds:
        """The averages of two routes."""
        given_up = self._given_up.get(page, -math.inf)
        if self._clock.monotonic() < given_up + GIVEN_UP_SECONDS:
            return Seconds(self._by_route.get(look_up), math.inf)
        return Seconds(self._by_route.get(look_up), self._by_route.get(page))
