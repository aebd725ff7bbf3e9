"""The order of a list that SQLite does not sort: a server may ignore the parameter `order`.

SQLite may stop after the first row (LIMIT 1), so each page is checked before any of its rows is returned. If all
objects of the first page have the same time, they do not show the order, and the second page is checked as well. There
it ends: a batch attaches thousands of files in one second, and reading all of them takes a request for each hundred.

>>> order = ListOrder("files", "created_at", "desc"); order.check([{"created_at": 2}, {"created_at": 1}])
>>> order.is_shown
True
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from ..errors import OperationalError
from ..execution.statement import NOT_READ, ListPosition
from ..protocol import Object, Request

SHOWING = 10  # objects that a first page has at least; one says nothing of the order, and two say little
NOTHING = object()  # stands for the value before the first object


@dataclass(frozen=True, slots=True)
class ListPage:
    """The objects of a page. `place` is how many rows of the list precede it, `following` the next page, if any."""

    request: Request
    objects: list[Object]
    place: int
    following: ListPosition | None = None


class ListOrder:
    """Checks that the objects of one list are in order of a column, "asc" or "desc".

    is_shown: two objects had different values.
    """

    def __init__(self, table: str, column: str, order: str) -> None:
        self._table = table
        self._column = column
        self._order = order
        self._latest: Any = NOTHING
        self.is_shown = False

    def checked(self, pages: Iterable[ListPage]) -> Iterator[ListPage]:
        """The pages; the first two come together if the first one does not show the order.

        Raises OperationalError if an object is out of order. The first page comes before an error of the second one.
        """
        held: list[ListPage] = []
        try:
            for page in pages:
                self.check(page.objects)
                held.append(page)
                if self.is_shown or page.following is None or page.place:
                    yield _joined(held, page.following)
                    held.clear()
        except NOT_READ:
            if held:
                yield _joined(held, None)
            raise

    def check(self, objects: Iterable[Object]) -> None:
        """Look at the objects of the next page. Raises OperationalError if one is out of order."""
        for item in objects:
            latest, self._latest = self._latest, item.get(self._column)
            if latest is NOTHING or latest == self._latest:
                continue
            numbers = isinstance(latest, (int, float)) and isinstance(self._latest, (int, float))
            if not (numbers and (latest < self._latest) == (self._order == "asc")):
                raise OperationalError(
                    f"{self._table}: the server's list is not in the order of {self._column}; "
                    f"write ORDER BY +{self._column}, so that SQLite sorts it"
                )
            self.is_shown = True


def _joined(pages: list[ListPage], following: ListPosition | None) -> ListPage:
    if len(pages) == 1:
        return replace(pages[0], following=following)
    return replace(pages[0], objects=[item for page in pages for item in page.objects], following=following)
