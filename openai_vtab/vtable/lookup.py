"""The rows of a scan: objects asked for by their keys, by their rowids, or listed by a ledger.

It decides what need not be asked for and what is remembered. It must not know SQLite's callbacks or idxNum.

>>> for rowid, batch in rows.by_key(Scan(statement), method, [{"vector_store_id": "vs_1", "id": "vsfb_1"}]): ...
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from .. import protocol
from ..errors import OperationalError, RowError
from ..execution.polling import poll_until
from ..execution.reachability import refuse_unless_reached
from ..execution.statement import NOT_READ, StatementSession
from ..ledger.row import LedgerRow
from ..ledger.store import Ledger
from ..protocol import Object, Page, Request, Response
from ..schema.columns import REFRESH, WAIT_SECONDS
from ..schema.decode import Fields
from ..schema.table import Listing, Method, Source, Table
from ..sqlite.rowids import Key, Rowids

Row = tuple[int, Fields]

# seconds after its creation for which 404 does not mean that an object does not exist: reads lag behind writes,
# https://github.com/mkdev-me/terraform-provider-openai/issues/35
READ_AFTER_WRITE_SECONDS = 10.0
FIRST = object()  # in the place of what comes before the first row of a list
# Above every rowid of a ledger: those of objects that are not in it
NOT_IN_LEDGER = 1 << 60


class RequestRecorder:
    """Takes the requests that a replay would send. `partial`: more will be known when a response has come."""

    def __init__(self, record: Callable[[Request], None]) -> None:
        self._record = record
        self.partial = False

    def __call__(self, request: Request) -> None:
        """Record a request."""
        self._record(request)


@dataclass
class ScanOptions:
    """What one Filter has been given beside the keys.

    `asking` is the statement, `option_values` the values that say how to read. `single` tells that it is one key, of a row
    of a join perhaps. With `note`, only the requests are wanted that it would send. A list must come in `order`
    (asc or desc) when there is one, and `at_most` so many rows of it will be read. `download` gives a column that the
    statement reads.
    """

    session: StatementSession
    option_values: Mapping[str, Any] = field(default_factory=dict)
    single: bool = False
    note: RequestRecorder | None = None
    order: str = ""
    at_most: int | None = None
    download: Method | None = None


class _Item:
    """An object that a scan names: its keys, what a ledger knows of it, and the rowid it is asked for by."""

    __slots__ = ("_keys", "entry", "rowid")

    def __init__(
        self, keys: Mapping[str, Any] | None, entry: LedgerRow | None = None, rowid: int | None = None
    ) -> None:
        self._keys = keys
        self.entry = entry
        self.rowid = rowid

    @property
    def keys(self) -> Mapping[str, Any]:
        """By their sources; of one that is remembered the ledger's."""
        if self._keys is None:
            assert self.entry is not None  # noqa: S101 - one of them is there
            self._keys = self.entry.keys
        return self._keys


class Rows:
    """The objects of one table, as one schema sees it; `ledger` when it remembers."""

    def __init__(self, table: Table, rowids: Rowids, created: dict[Key, float], ledger: Ledger | None = None) -> None:
        self.table = table
        self.rowids = ledger.rowids if ledger else rowids
        self.created = created  # what this connection has made itself, and when (clock.monotonic)
        self.ledger = ledger

    def by_key(self, scan: ScanOptions, method: Method, keys: Iterable[dict[str, Any]]) -> Iterator[Row]:
        """The objects with these keys, in their order; those that do not exist are left out. Or their lists."""
        if method.listing:
            return self._lists(scan, method, keys)
        ledger = self.ledger
        return self._rows(scan, method, (_Item(key, ledger.find(key) if ledger else None) for key in keys))

    def by_rowid(self, scan: ScanOptions, rowids: Iterable[int]) -> Iterator[Row]:
        """The objects with these rowids."""
        if self.ledger is None:
            rowids = (rowid for rowid in rowids if not self.rowids.is_replaced(rowid))
        return self._rows(scan, self._one, self._at(rowids))

    @property
    def _one(self) -> Method:
        method = self.table.lookup_method
        assert method is not None  # noqa: S101 - plan.choose looks up only where there is one
        return method

    def listed(self, scan: ScanOptions, wanted: Mapping[str, Sequence[str]], ask: bool) -> Iterator[Row]:
        """What the ledger knows; unless told not to ask, as it is now."""
        assert self.ledger is not None  # noqa: S101 - plan.choose lists only with one
        entries = self.ledger.entries(wanted)
        if not ask or scan.note is not None:
            return ((self._rowid(_Item(None, entry)), entry) for entry in entries)
        return self._as_they_are_now(scan, entries)

    def _as_they_are_now(self, scan: ScanOptions, entries: Generator[LedgerRow]) -> Iterator[Row]:
        """The oldest are finished, as a rule, and thousands: they take a way that is short for each.

        What is read of the ledger ends with an error: its traceback would keep it half read, and SQLite then refuses
        ROLLBACK after an interrupt, and to close the connection.
        """
        finished = () if scan.option_values else self.table.finished
        with closing(entries):
            for entry in entries:
                if entry.status in finished:
                    yield self._rowid(_Item(None, entry)), entry
                else:
                    rest = itertools.chain([entry], entries)
                    yield from self._rows(scan, self._one, (_Item(None, entry) for entry in rest))

    def keys_of(self, rowid: int) -> dict[str, str]:
        """The keys of a row that SQLite has just read. Raises RowError when nobody knows them."""
        for item in self._at([rowid]):
            if item.entry is None or item.entry.askable:
                return dict(item.keys)
        raise RowError(
            f"{self.table.name}: the {self.table.key[-1]} of the row is not known, so that nothing can be done to it; "
            "look whether it was created, INSERT it then by its keys, and DELETE this row"
        )

    def forget(self, rowid: int) -> None:
        """The ledger does not list this row any more."""
        assert self.ledger is not None  # noqa: S101 - the caller has looked
        for item in self._at([rowid]):
            self.ledger.forget(item.entry.seq if item.entry else None, item.keys)

    def is_finished(self, request: Request, response: Response) -> bool:
        """Whether waiting for it is over. By its status alone: counts are all zero at first, a store's says nothing."""
        answer = _present(request, response)
        return answer is None or self._is_final(answer.get("status"))

    def _is_final(self, status: Any) -> bool:
        return isinstance(status, str) and status in self.table.finished

    def _lists(self, scan: ScanOptions, method: Method, keys: Iterable[dict[str, Any]]) -> Iterator[Row]:
        """The objects of each list, one list after the other; as many as can be are asked for at once."""
        waits = WAIT_SECONDS.name in scan.option_values and scan.note is None

        def first(key: dict[str, Any]) -> Request:
            return protocol.build(self.table, method, key, self._page(scan, method))

        pairs = ((key, first(key)) for key in keys) if scan.note is not None else scan.session.prefetch(keys, first)
        for key, request in pairs:
            if request is None:
                continue
            objects = self._orerror_row(scan, key, request, self._objects(scan, method, key, request))
            yield from self._finished(scan, objects) if waits else objects

    def _orerror_row(
        self, scan: ScanOptions, key: Mapping[str, Any], request: Request, objects: Iterator[Row]
    ) -> Iterator[Row]:
        """The objects of a list; when it cannot be read to its end, a row that says so."""
        try:
            yield from objects
        except NOT_READ as error:
            yield self.rowids.of((request.identity, Source.ERROR)), error_row(scan.session, key, request, error)

    def _page(self, scan: ScanOptions, method: Method, after: str | None = None) -> Page | None:
        if method.listing is not Listing.PAGES:
            return None
        limit = (
            method.page_size
            if after is not None or scan.at_most is None
            else max(1, min(method.page_size, scan.at_most))
        )
        return Page(limit, scan.order or "desc", after)

    def _objects(
        self, scan: ScanOptions, method: Method, key: dict[str, Any], request: Request | None
    ) -> Iterator[Row]:
        """One list, page after page: the next one is on its way while the second half of a page is read."""
        echoed = {self.table.source(name): key[self.table.source(name)] for name in method.variables}
        page = self._page(scan, method)
        most = scan.session.workers.client.settings.max_rows
        seen: set[Any] = set()
        place = 0
        last: Any = FIRST
        while request is not None:
            if scan.note is not None and not scan.session.is_answered(request):
                scan.note.partial = True
                scan.note(request)
                return
            if scan.single and scan.note is None and not place:
                scan.session.look_up(request, alone=True)  # the lists of a join; a list's own pages follow each other
            objects, after = self._understood(scan.session, request, page, echoed)
            if page is not None:
                if not seen.isdisjoint(item["id"] for item in objects):
                    objects, after = self._unseen(scan.session, request, objects, seen)
                seen.update(item["id"] for item in objects)
            following, page = None, self._page(scan, method, after)
            if after is not None:
                following = protocol.build(self.table, method, key, page)
            goes_on = scan.note is None and (scan.at_most is None or place + len(objects) < scan.at_most)
            for number, item in enumerate(objects):
                if following is not None and number == len(objects) // 2 and goes_on:
                    scan.session.start(following)
                if place == most:
                    raise OperationalError(
                        f"{self.table.name}: the list has more than {most} rows (max_rows); write LIMIT, or a larger "
                        "max_rows if it is as long as that"
                    )
                row = {**item, **echoed}
                if scan.order:
                    last = self._in_order(method, scan.order, last, row.get(method.ordered_by))
                if method.listing is Listing.PAGES:
                    yield self.rowids.of(tuple(str(row.get(source)) for source in self.table.key)), row
                else:
                    yield self.rowids.of((request.identity, str(place))), {**row, Source.POSITION: place}
                place += 1
            request = following

    def _unseen(
        self, session: StatementSession, request: Request, objects: list[Object], seen: Collection[Any]
    ) -> tuple[list[Object], str | None]:
        """The objects of a page that have not come before, and what the next page begins after; None ends the list.

        A server that knows no pages gives its whole list again, and does not say that it goes on. Raises APIError when
        the server does say whether it goes on.
        """
        answer = session.response(request)
        if protocol.has_end_marker(request, answer):
            raise protocol.repeated_page_error(request, answer)
        unseen = [item for item in objects if item["id"] not in seen]
        return unseen, unseen[-1]["id"] if unseen else None

    def _in_order(self, method: Method, order: str, last: Any, this: Any) -> Any:
        """SQLite has been promised the order, and does not sort: a server that has another must not go unnoticed."""
        numbers = isinstance(last, (int, float)) and isinstance(this, (int, float))
        if last is not FIRST and last != this and not (numbers and (last < this) == (order == "asc")):
            raise OperationalError(
                f"{self.table.name}: the server's list is not in the order of {method.ordered_by}; "
                f"write ORDER BY +{method.ordered_by}, so that SQLite sorts it"
            )
        return this

    def _understood(
        self, session: StatementSession, request: Request, page: Page | None, keys: Mapping[str, str]
    ) -> tuple[list[Object], str | None]:
        return session.parse_once(
            request, lambda response: protocol.listed(request, response, page, keys), lambda found: len(found[0])
        )

    def _finished(self, scan: ScanOptions, rows: Iterator[Row]) -> Iterator[Row]:
        """The rows of a list when they are finished, or when the time is over."""
        found = list(itertools.islice(rows, scan.at_most))
        waited: dict[int, tuple[dict[str, Any], Request]] = {}
        for number, (_, fields) in enumerate(found):
            if fields.get(Source.ERROR) is None and not self._is_final(fields.get("status")):
                keys = {source: fields.get(source) for source in self.table.key}
                waited[number] = keys, protocol.build(self.table, self._one, keys)
        deadline = scan.session.deadline(scan.option_values[WAIT_SECONDS.name])
        poll_until(scan.session, self.is_finished, (request for _, request in waited.values()), deadline)
        for number, row in enumerate(found):
            if number not in waited:
                yield row
                continue
            keys, request = waited[number]
            try:
                found_now = self._object(scan.session, request, keys)
            except NOT_READ as error:
                found_now = error_row(scan.session, keys, request, error)
            if found_now is not None:  # it may have gone meanwhile
                yield row[0], found_now

    def _rows(self, scan: ScanOptions, method: Method, items: Iterable[_Item]) -> Iterator[Row]:
        session = scan.session
        refresh = bool(scan.option_values.get(REFRESH.name))

        def request_of(item: _Item) -> Request | None:
            entry = item.entry
            known = self.ledger is not None and entry is not None and self.ledger.is_final(entry)
            if known and not (refresh and entry and entry.askable):
                return None
            return protocol.build(self.table, method, item.keys)

        if scan.note is not None:
            for item in items:
                if (request := request_of(item)) is not None:
                    scan.note(request)
                    if scan.download is not None:
                        scan.note(protocol.download(self.table, scan.download, item.keys))
                elif item.entry is not None:
                    yield self._rowid(item), item.entry
            return
        if WAIT_SECONDS.name in scan.option_values:
            items = list(items)
            deadline = session.deadline(scan.option_values[WAIT_SECONDS.name])
            asked = [(item, request) for item in items if (request := request_of(item)) is not None]
            for item, request in asked:
                self._until_visible(session, item, request)
            poll_until(session, self.is_finished, (request for _, request in asked), deadline)
        for item, request in session.prefetch(items, request_of):
            found: Fields | None = item.entry
            if request is not None:
                if scan.single and WAIT_SECONDS.name not in scan.option_values:
                    session.look_up(request, alone=True)
                try:
                    found = self._asked(session, item, request)
                except NOT_READ as error:
                    found = error_row(session, item.keys, request, error)
            if found is not None:
                yield self._rowid(item), found

    def _asked(self, session: StatementSession, item: _Item, request: Request) -> Fields | None:
        self._until_visible(session, item, request)
        row = self._object(session, request, item.keys)
        if row is None:
            if session.response(request).status == protocol.NOT_SENT:
                return item.entry or (dict(item.keys) if session.assume_exists else None)
            return item.entry and item.entry.with_unknown_status()
        if self.ledger is None:
            return row
        found = item.entry.with_response(row) if item.entry else self.ledger.row_of(item.keys, row)
        if item.entry is None or self.ledger.is_final(found):
            self.ledger.remember(item.keys, row)
        return found

    def _object(self, session: StatementSession, request: Request, keys: Mapping[str, Any]) -> Object | None:
        """The single object that was asked for, with its keys; None when there is none."""

        def understand(response: Response) -> Object | None:
            if protocol.is_undecided(request, response):
                refuse_unless_reached(session, request, response)
                return None
            answer = protocol.parse_object(request, response)
            found = None if answer is None else protocol.verify_keys(self.table, request, response, answer, keys)
            if response.status != protocol.NOT_SENT:
                session.workers.reached.add(request.route)
            return found

        return session.parse_once(request, understand)

    def _until_visible(self, session: StatementSession, item: _Item, request: Request) -> None:
        """Have an object that this connection has just made asked for until the API knows it."""
        created = self.created.get(tuple(item.keys[source] for source in self.table.key))
        if created is not None:
            deadline = created + READ_AFTER_WRITE_SECONDS
            poll_until(session, lambda r, response: _present(r, response) is not None, [request], deadline)

    def _at(self, rowids: Iterable[int]) -> Iterator[_Item]:
        for rowid in rowids:
            if self.ledger is not None and rowid < NOT_IN_LEDGER:
                entry = self.ledger.at(rowid)
                if entry is not None:
                    yield _Item(None, entry, rowid)
                continue
            key = self.rowids.key(rowid - NOT_IN_LEDGER if self.ledger is not None else rowid)
            if key is not None:
                keys = dict(zip(self.table.key, key, strict=True))
                yield _Item(keys, self.ledger.find(keys) if self.ledger else None, rowid)

    def _rowid(self, item: _Item) -> int:
        if item.rowid is not None:
            return item.rowid
        entry = item.entry
        seq = None if entry is None or (entry.seq or 0) >= NOT_IN_LEDGER else entry.seq  # it may be edited by hand
        if seq is not None and not self.rowids:
            return seq
        key = tuple(item.keys[source] for source in self.table.key)
        if self.ledger is None:
            return self.rowids.of(key)
        # one that was looked up before the ledger knew it keeps its rowid as long as the statement may run
        if seq is not None and self.rowids.known(key) is None:
            return seq
        return NOT_IN_LEDGER + self.rowids.of(key)


def _present(request: Request, response: Response) -> Object | None:
    """The object in the response; None when it is absent, or when the response does not tell whether it is."""
    return None if protocol.is_undecided(request, response) else protocol.parse_object(request, response)


def error_row(session: StatementSession, keys: Mapping[str, Any], request: Request, error: Exception) -> Object:
    """An error row: the keys, and the reason they could not be read. Raises the error unless the statement goes on."""
    session.record_unreadable(request, error)
    message = getattr(error, "message", None) or str(error)
    return {
        **keys,
        Source.ERROR: {
            "status": getattr(error, "status", None),
            "code": getattr(error, "code", None),
            "message": "; ".join(filter(None, (message, getattr(error, "hint", "")))),
            "request_id": getattr(error, "request_id", None),
        },
    }
