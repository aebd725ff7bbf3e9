"""Lists: the objects that the API lists, page after page. A list is complete or raises an error.

>>> reader = ListReader(rows, session, lookup, max_rows=100_000)
>>> reader.lists(scan, method, [{"vector_store_id": "vs_1"}])
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from .. import protocol
from ..errors import OperationalError
from ..execution.statement import NOT_READ, ListPosition
from ..protocol import Object, PageParameters, Request
from ..schema.table import Listing, Method, SpecialSource
from .lookup import Lookup
from .replay import RecordingLookup
from .row_identity import Row, RowIdentities
from .scan import ListRequests, ScanOptions, error_row

FIRST = object()  # stands for the value before the first row of a list


class ListReader:
    """Reads lists of one table for one statement. `lookup` waits for rows that are not finished."""

    def __init__(
        self, rows: RowIdentities, session: ListRequests, lookup: Lookup | RecordingLookup, max_rows: int
    ) -> None:
        self._table = rows.table
        self._session = session
        self._lookup = lookup
        self._max_rows = max_rows

    def lists(self, scan: ScanOptions, method: Method, keys: Iterable[dict[str, Any]]) -> Iterator[Row]:
        """The objects of one list for each of the keys, one list after the other; the lists are prefetched."""

        def first_page(key: dict[str, Any]) -> Request:
            return protocol.build(self._table, method, key, _page(scan, method))

        for key, request in self._session.prefetch(keys, first_page):
            if request is not None:
                yield from self._lookup.finished(scan, self._or_error_row(scan, method, key, request))

    def _or_error_row(self, scan: ScanOptions, method: Method, key: dict[str, Any], request: Request) -> Iterator[Row]:
        """The objects of a list, and an error row if the list cannot be read to its end."""
        try:
            yield from self._objects(scan, method, key, request)
        except NOT_READ as error:
            yield (
                (request.identity, SpecialSource.ERROR),
                error_row(self._session, key, request, error),
            )

    def _objects(self, scan: ScanOptions, method: Method, key: dict[str, Any], first: Request) -> Iterator[Row]:
        """One list, page after page: the next page is on its way while the second half of a page is read."""
        session = self._session
        echoed = {self._table.sources[name]: key[self._table.sources[name]] for name in method.variables}
        request: Request | None
        request, page, place = self._begin(first, _page(scan, method))
        seen: set[int] = set()  # the hashes of the ids: a set of a million ids is twice as large
        latest: Any = FIRST
        # otherwise the place in the list identifies a row
        has_keys = method.listing is Listing.PAGES or self._table.lookup_method is not None
        # only the first page may be predicted, for the rows of a join; a list's own pages follow each other
        while request is not None and session.look_up(request, alone=scan.single and not place):
            objects, after = self._parsed(request, page, echoed, has_keys)
            if page is not None:
                ids = [hash(item["id"]) for item in objects]
                if not seen.isdisjoint(ids):
                    objects, after = self._unseen(request, objects, after, seen)
                if after is not None:
                    seen.update(ids)
            following, page = None, _page(scan, method, after)
            if after is not None:
                following = protocol.build(self._table, method, key, page)
            goes_on = scan.at_most is None or place + len(objects) < scan.at_most
            for number, item in enumerate(objects):
                if following is not None and number == len(objects) // 2 and goes_on:
                    session.start(following)
                if place == self._max_rows:
                    raise OperationalError(
                        f"{self._table.name}: the list has more than {place} rows (max_rows); write LIMIT, or a larger "
                        "max_rows if it is as long as that"
                    )
                row = {**item, **echoed} if echoed else item
                if scan.order:
                    latest = self._in_order(method, scan.order, latest, row.get(method.ordered_by))
                if has_keys:
                    yield tuple([str(row.get(source)) for source in self._table.key]), row
                else:
                    yield (request.identity, str(place)), {**row, SpecialSource.POSITION: place}
                place += 1
            request = following
            if request is not None:
                self._end_page(first, (request, page, place))

    def _begin(self, first: Request, page: PageParameters | None) -> ListPosition:
        """Where a scan of the list begins."""
        return first, page, 0

    def _end_page(self, first: Request, following: ListPosition) -> None:
        """All rows of a page have been read, and the list continues."""

    def _parsed(
        self, request: Request, page: PageParameters | None, keys: Mapping[str, str], has_ids: bool
    ) -> tuple[list[Object], str | None]:
        return self._session.parse_once(
            request, lambda response: protocol.listed(request, response, page, keys, has_ids)
        )

    def _unseen(
        self, request: Request, objects: list[Object], after: str | None, seen: Collection[int]
    ) -> tuple[list[Object], str | None]:
        """The objects that no earlier page had, and the id after which the next page begins; None ends the list."""
        unseen = [item for item in objects if hash(item["id"]) not in seen]
        return unseen, protocol.next_after_repetition(request, self._session.response(request), unseen, after)

    def _in_order(self, method: Method, order: str, latest: Any, this: Any) -> Any:
        """Return `this`. Raises OperationalError if it is out of order: SQLite relies on the order."""
        numbers = isinstance(latest, (int, float)) and isinstance(this, (int, float))
        if latest is not FIRST and latest != this and not (numbers and (latest < this) == (order == "asc")):
            raise OperationalError(
                f"{self._table.name}: the server's list is not in the order of {method.ordered_by}; "
                f"write ORDER BY +{method.ordered_by}, so that SQLite sorts it"
            )
        return this


def _page(scan: ScanOptions, method: Method, after: str | None = None) -> PageParameters | None:
    """The page of a list after an id, the first one without; None for a list that has no pages."""
    if method.listing is not Listing.PAGES:
        return None
    order = scan.order or "desc"
    if after is not None or scan.at_most is None or scan.at_most > method.page_size:
        return PageParameters(method.page_size, order, after)
    return PageParameters(max(1, scan.at_most), order, is_whole=False)
