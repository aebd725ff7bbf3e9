"""Lists: the objects that the API lists, page after page. A list is complete or raises an error.

>>> reader = ListReader(rows, session, lookup.finished, 100_000, joined)
>>> reader.lists(scan, method, [{"vector_store_id": "vs_1"}])
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from .. import protocol
from ..errors import APIError, OperationalError
from ..execution.statement import NOT_READ, ListPosition
from ..protocol import Object, PageParameters, Request
from ..schema.table import Listing, Method, SpecialSource
from .list_order import SHOWING, ListOrder, ListPage
from .row_identity import Row, RowIdentities
from .scan_arguments import ListRequests, ScanOptions, error_row

Finished = Callable[[ScanOptions, Iterator[Row]], Iterator[Row]]
Joined = Callable[[str, Mapping[int, str]], bool]

AFTER_LIMIT = 100  # objects that the pages have at least that follow the first one of a query with LIMIT


class ListReader:
    """Reads lists of one table for one statement.

    `finished` returns the rows of a list once they are finished. `joined` returns whether keys of a scan with an
    idxStr, by their places in argv, are values of other tables in the statement.
    """

    def __init__(
        self,
        rows: RowIdentities,
        session: ListRequests,
        finished: Finished,
        max_rows: int,
        joined: Joined,
    ) -> None:
        self._table = rows.table
        self._session = session
        self._finished = finished
        self._max_rows = max_rows
        self._joined = joined

    def lists(self, scan: ScanOptions, method: Method, keys: Iterable[dict[str, Any]]) -> Iterator[Row]:
        """The objects of one list for each of the keys, one list after the other; the lists are prefetched."""

        def first_page(key: dict[str, Any]) -> Request:
            return protocol.build(self._table, method, key, _page(scan, method))

        for key, request in self._session.prefetch(keys, first_page):
            if request is not None:
                yield from self._finished(scan, self._or_error_row(scan, method, key, request))

    def _or_error_row(self, scan: ScanOptions, method: Method, key: dict[str, Any], request: Request) -> Iterator[Row]:
        """The objects of a list, and an error row if the list cannot be read to its end.

        Where errors become rows, a list has no rows if the vector store or batch is absent that it belongs to, and a
        join names it: the object may have been deleted after it was listed.
        """
        try:
            yield from self._objects(scan, method, key, request)
        except NOT_READ as error:
            if self._session.skip_unreadable and self._is_gone(scan, method, key, request, error):
                return
            yield (
                (request.identity, SpecialSource.ERROR),
                error_row(self._session, key, request, error),
            )

    def _objects(self, scan: ScanOptions, method: Method, key: dict[str, Any], first: Request) -> Iterator[Row]:
        """One list, page after page: the next page is on its way while the second half of a page is read."""
        echoed = self._echoed(method, key)
        has_keys = self._has_keys(method)
        pages = self._pages(scan, method, key, first, echoed)
        if scan.order:
            pages = ListOrder(self._table.name, method.ordered_by, scan.order).checked(pages)
        for page in pages:
            following = None if page.following is None else page.following[0]
            goes_on = scan.at_most is None or page.place + len(page.objects) < scan.at_most
            for number, item in enumerate(page.objects):
                place = page.place + number
                if following is not None and number == len(page.objects) // 2 and goes_on:
                    self._session.start(following)
                if place == self._max_rows:
                    raise OperationalError(
                        f"{self._table.name}: the list has more than {place} rows (max_rows); write LIMIT, or a larger "
                        "max_rows if it is as long as that"
                    )
                row = {**item, **echoed} if echoed else item
                if has_keys:
                    yield tuple([str(row.get(source)) for source in self._table.key]), row
                else:
                    yield (page.request.identity, str(place)), {**row, SpecialSource.POSITION: place}
            if page.following is not None:
                self._end_page(first, page.following)

    def _pages(
        self, scan: ScanOptions, method: Method, key: dict[str, Any], first: Request, echoed: Mapping[str, str]
    ) -> Iterator[ListPage]:
        """The pages of one list, each requested when it is read."""
        has_ids = self._has_keys(method)
        seen: set[int] = set()  # the hashes of the ids: a set of a million ids is twice as large
        request: Request | None
        request, parameters, place = self._begin(first, _page(scan, method))
        # only the first page may be predicted, for the rows of a join; a list's own pages follow each other
        while request is not None and self._session.look_up(request, alone=scan.single and request is first):
            objects, after = self._parsed(request, parameters, echoed, has_ids)
            if parameters is not None:
                ids = [hash(item["id"]) for item in objects]
                if not seen.isdisjoint(ids):
                    objects, after = self._unseen(request, objects, after, seen)
                if after is not None:
                    seen.update(ids)
            if after is None:
                yield ListPage(request, objects, place)
                return
            parameters = _page(scan, method, after)
            following = protocol.build(self._table, method, key, parameters)
            end = place + len(objects)
            yield ListPage(request, objects, place, (following, parameters, end))
            request, place = following, end

    def _is_gone(
        self, scan: ScanOptions, method: Method, key: dict[str, Any], first: Request, error: Exception
    ) -> bool:
        """Whether a list has no first page because the object is absent that it belongs to, and a join names it."""
        if not isinstance(error, APIError):
            return False
        response = self._session.response(first)
        if not protocol.is_absent(first, response):
            return False
        keys = {place: str(value) for place, value in enumerate(self._echoed(method, key).values())}
        message = protocol.error_message(response)
        named = {place: id for place, id in keys.items() if id in message}  # "no batch vsfb_1 in vector store vs_1"
        return self._joined(scan.idxStr, named or keys)

    def _echoed(self, method: Method, key: Mapping[str, Any]) -> dict[str, Any]:
        """The keys of a list, which its objects need not repeat."""
        return {self._table.sources[name]: key[self._table.sources[name]] for name in method.variables}

    def _has_keys(self, method: Method) -> bool:
        """Whether the objects of the list have ids; otherwise the place in the list identifies a row."""
        return method.listing is Listing.PAGES or self._table.lookup_method is not None

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


def as_they_stand(scan: ScanOptions, rows: Iterator[Row]) -> Iterator[Row]:
    """Return the rows of a list without waiting."""
    return rows


def _page(scan: ScanOptions, method: Method, after: str | None = None) -> PageParameters | None:
    """The page of a list after an id, the first one without; None for a list that has no pages."""
    if method.listing is not Listing.PAGES:
        return None
    most, at_most, order = method.page_size, scan.at_most, scan.order or "desc"
    if at_most is None or at_most > most:
        return PageParameters(most, order, after)
    # a first page may be enough; those after it are rare, and are not small
    least = AFTER_LIMIT if after is not None else SHOWING if scan.order else 1
    return PageParameters(min(most, max(least, at_most)), order, after, is_whole=False)
