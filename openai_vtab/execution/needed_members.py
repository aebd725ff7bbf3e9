"""The members that an object of a list must have to serve a look-up: those that the statement reads.

SQLite tells a table which columns a statement uses when it plans the statement, but a cursor does not learn for which
statement it was planned. So `planned` are the members that any statement of the connection has used. If an object
lacks one of them, the program of the running statement (EXPLAIN) tells which members it reads itself: `exact`. A
program is long, and is read once, only then: an IN list of 1,000 literals has 3,000 instructions.

>>> NeededMembers(lambda: frozenset({"filename", "expires_at"}), lambda: frozenset({"filename"})).are_in(object)
True
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import cached_property

from ..protocol import Object

Members = frozenset[str] | None  # None: a list may leave out one that is needed


class NeededMembers:
    """The members. The functions `planned` and `exact` find them, and are called when they are first needed.

    `planned` may return more than the statement reads.
    """

    def __init__(self, planned: Callable[[], Members], exact: Callable[[], Members]) -> None:
        self._find_planned = planned
        self._find_exact = exact

    @classmethod
    def of_all(cls, several: Collection[NeededMembers]) -> NeededMembers:
        """The members that any of several scans needs."""
        return cls(
            lambda: _together([each.planned for each in several]), lambda: _together([each.exact for each in several])
        )

    @cached_property
    def planned(self) -> Members:
        """Those that any statement has used."""
        return self._find_planned()

    @cached_property
    def exact(self) -> Members:
        """Those that the running statement reads, or `planned` if its program does not show them."""
        return self._find_exact()

    @property
    def are_known(self) -> bool:
        """Whether an object of a list may have all of them."""
        return self.planned is not None or self.exact is not None

    def are_in(self, item: Object) -> bool:
        """Whether an object has all of them."""
        names = self.planned
        if names is not None and names <= item.keys():
            return True
        names = self.exact
        return names is not None and names <= item.keys()


def _together(several: Collection[Members]) -> Members:
    known = [each for each in several if each is not None]
    return frozenset().union(*known) if len(known) == len(several) else None
