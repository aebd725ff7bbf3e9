"""Look-ups: objects that a statement names by their keys or rowids, or that a ledger lists.

>>> Lookup(rows, session, fields_read).one(ScanOptions(), method, {"vector_store_id": "vs_1", "id": "vsfb_1"})
(1, {'id': 'vsfb_1', 'status': 'completed', …})
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from .. import protocol
from ..execution.bulk_reads import BulkReads, has_keys
from ..execution.polling import poll_until
from ..execution.statement import NOT_READ, StatementSession
from ..execution.undecided_404 import refuse_unless_reached
from ..ledger.row import ShadowRow
from ..ledger.store import Ledger
from ..protocol import READ_AFTER_WRITE_SECONDS, Object, Request, Response
from ..schema.columns import REFRESH, WAIT_SECONDS
from ..schema.decode import APIObject
from ..schema.table import Method, SpecialSource, Table
from . import downloads
from .downloads import RowsWithContent
from .fields_read import FieldsRead
from .row_identity import ObjectRef, Reference, Row, RowIdentities
from .scan_arguments import ScanOptions, combinations, error_row


class Lookup:
    """Reads single objects of one table for one statement."""

    def __init__(self, rows: RowIdentities, session: StatementSession, fields_read: FieldsRead) -> None:
        self._rows = rows
        self._table = rows.table
        self._session = session
        self._fields_read = fields_read

    def one(self, scan: ScanOptions, method: Method, keys: Mapping[str, Any]) -> Row | None:
        """The object with these keys; None if the API does not know it."""
        item = self._rows.item(keys)
        return self._row(scan, item, request_of(self._rows, scan, method, item), alone=True)

    def many(self, scan: ScanOptions, method: Method, texts: Mapping[str, Sequence[str]]) -> Iterator[Row]:
        """The objects with all combinations of the keys, in their order, without those that the API does not know.

        `texts` maps sources of keys to values.
        """
        if not scan.single:
            self._session.add_expected_keys(math.prod(map(len, texts.values())))
        bulk = self._session.bulk
        if bulk is None or WAIT_SECONDS.name in scan.values or not protocol.list_page_size(self._table, method):
            return self._prefetched(scan, method, map(self._rows.item, combinations(texts)))
        return self._in_bulk(scan, method, texts, bulk)

    def by_rowid(self, scan: ScanOptions, rowids: Iterable[int]) -> Iterator[Row]:
        """The objects with these rowids."""
        return self._prefetched(scan, lookup_method(self._table), self._rows.at_current(rowids))

    def ledger_only(self, wanted: Mapping[str, Sequence[str]]) -> Iterator[Row]:
        """The objects in the ledger as it has them; `wanted` maps sources of keys to the values that are read."""
        return self._rows.ledger_only(wanted)

    def ledger_refreshed(self, scan: ScanOptions, wanted: Mapping[str, Sequence[str]]) -> Iterator[Row]:
        """The same as the API has them now.

        The oldest are finished, as a rule, and there may be thousands of them: they take a shorter way.
        """
        assert self._rows.ledger is not None  # noqa: S101 - the planner lists only ledgers
        return self._as_they_are_now(scan, self._rows.ledger, wanted)

    def _as_they_are_now(self, scan: ScanOptions, ledger: Ledger, wanted: Mapping[str, Sequence[str]]) -> Iterator[Row]:
        finished: Collection[str] = () if scan.values else self._table.finished
        status = ledger.shape.status_place
        rows = ledger.rows(wanted, responses=scan.responses)
        try:
            first: list[ShadowRow] = []  # the first row that is not finished
            while not first:
                try:
                    # not a generator of the ledger's: a second one would cost a tenth of each row's time
                    for row in rows:
                        if row[status] not in finished:
                            first.append(row)
                            break
                        yield row, row  # LedgerCursor makes an object of it
                    else:
                        return
                except UnicodeDecodeError as error:
                    ledger.leave_out(error)
            entries = map(ledger.entry, itertools.chain(first, ledger.readable(rows)))
            items = (ObjectRef(entry.keys, entry) for entry in entries)
            yield from self._prefetched(scan, lookup_method(self._table), items)
        finally:
            # An error's traceback would keep the ledger half read, and SQLite then refuses ROLLBACK after an interrupt,
            # and to close the connection.
            rows.close(True)

    def with_downloads(self, scan: ScanOptions, found: Iterator[Row]) -> RowsWithContent[Reference, APIObject] | None:
        """The rows with the column that is downloaded; None if the scan reads no such column."""
        if scan.download is None:
            return None
        return downloads.of_table(self._table, self._session, scan.download, found, alone=scan.single)

    def finished(self, scan: ScanOptions, rows: Iterator[Row]) -> Iterator[Row]:
        """The rows of a list once they are finished, or as they stand when `wait_seconds` are over."""
        if WAIT_SECONDS.name not in scan.values:
            return rows
        return self._awaited(scan, rows)

    def _awaited(self, scan: ScanOptions, rows: Iterator[Row]) -> Iterator[Row]:
        session = self._session
        found = list(itertools.islice(rows, scan.at_most))
        waited: dict[int, tuple[dict[str, Any], Request]] = {}
        for number, (_, fields) in enumerate(found):
            if fields.get(SpecialSource.ERROR) is None and not is_final(self._table, fields.get("status")):
                keys = {source: fields.get(source) for source in self._table.key}
                waited[number] = keys, protocol.build(self._table, lookup_method(self._table), keys)
        deadline = session.deadline(scan.values[WAIT_SECONDS.name])
        poll_until(session, self._is_finished, (request for _, request in waited.values()), deadline)
        for number, row in enumerate(found):
            if number not in waited:
                yield row
                continue
            keys, request = waited[number]
            try:
                found_now = self._object(scan, request, keys)
            except NOT_READ as error:
                found_now = error_row(session, keys, request, error)
            if found_now is not None:  # the object may have been deleted meanwhile
                yield row[0], found_now

    def _in_bulk(
        self, scan: ScanOptions, method: Method, texts: Mapping[str, Sequence[str]], bulk: BulkReads
    ) -> Iterator[Row]:
        """The objects of `many`, from pages of their lists where that pays."""
        *outer, last = self._table.key
        ids = texts[last]
        if not ids:
            return
        unlisted = []
        needed = self._fields_read.of(scan)
        bulk.add_reader(method.path, (self._table.name, scan.idxStr), needed)
        for shared in combinations({source: texts[source] for source in outer}):
            look_up = protocol.build(self._table, method, {**shared, last: ids[0]})
            waiting = dict(zip(protocol.look_up_identities(look_up, ids), ids, strict=True))
            values = tuple(shared.values())
            for id, answer in bulk.read(look_up, waiting, shared, needed):
                yield (*values, id), {**answer, **shared} if shared else answer
            unlisted.append((shared, waiting))
        rest = (self._rows.item({**shared, last: id}) for shared, waiting in unlisted for id in waiting.values())
        yield from self._prefetched(scan, method, rest)

    def _prefetched(self, scan: ScanOptions, method: Method, items: Iterable[ObjectRef]) -> Iterator[Row]:
        session = self._session
        waits = WAIT_SECONDS.name in scan.values
        if waits:
            items = list(items)
            deadline = session.deadline(scan.values[WAIT_SECONDS.name])
            asked = [
                (item, request) for item in items if (request := request_of(self._rows, scan, method, item)) is not None
            ]
            for item, request in asked:
                self._wait_until_visible(request, item.keys)
            poll_until(session, self._is_finished, (request for _, request in asked), deadline)
        for item, needed in session.prefetch(items, lambda item: request_of(self._rows, scan, method, item)):
            row = self._row(scan, item, needed, alone=scan.single and not waits)
            if row is not None:
                yield row
            del row  # before the next one, because rows may be large

    def _row(self, scan: ScanOptions, item: ObjectRef, request: Request | None, *, alone: bool) -> Row | None:
        """The row of an object. `alone`: read-ahead predicts the keys that the statement will look up after this."""
        if request is None:
            found: APIObject | None = item.entry
        else:
            if alone:
                self._session.look_up(request, alone=True)
            try:
                found = self._found(scan, item, request)
            except NOT_READ as error:
                found = error_row(self._session, item.keys, request, error)
        return None if found is None else (self._rows.reference(item), found)

    def _found(self, scan: ScanOptions, item: ObjectRef, request: Request) -> APIObject | None:
        """The object as the API knows it now, and in the ledger what it has learned of it."""
        session, ledger, entry = self._session, self._rows.ledger, item.entry
        if self._rows.created:
            self._wait_until_visible(request, item.keys)
        row = self._object(scan, request, item.keys)
        if row is None:
            if session.response(request).status == protocol.NOT_SENT:
                return entry or (dict(item.keys) if session.assume_exists else None)
            return entry and entry.with_unknown_status()
        if ledger is None:
            return row
        found = entry.with_response(row) if entry is not None else ledger.row_of(item.keys, row)
        if entry is None or ledger.is_final(found):
            ledger.remember(item.keys, row)
        return found

    def _object(self, scan: ScanOptions, request: Request, keys: Mapping[str, Any]) -> Object | None:
        """The object with its keys; None if the API does not know it. Raises APIError and APIConnectionError."""
        session, table = self._session, self._table
        if (listed := session.listed(request)) is not None:
            if self._fields_read.of(scan).are_in(listed) and has_keys(listed, keys):
                return {**listed, **keys}
            session.distrust(request)

        def parse(response: Response) -> Object | None:
            if protocol.is_undecided(request, response):
                refuse_unless_reached(session, request, response)
                return None
            answer = protocol.parse_object(request, response)
            found = None if answer is None else protocol.verify_keys(table, request, response, answer, keys)
            if response.status != protocol.NOT_SENT:
                session.workers.reached.add(request.route)
            return found

        return session.parse_once(request, parse)

    def _wait_until_visible(self, request: Request, keys: Mapping[str, Any]) -> None:
        """Wait until the API knows an object that this connection has just created."""
        created = self._rows.created.get(tuple(map(keys.__getitem__, self._table.key)))
        if created is not None:
            poll_until(
                self._session,
                lambda polled, response: _present(polled, response) is not None,
                [request],
                created + READ_AFTER_WRITE_SECONDS,
            )

    def _is_finished(self, request: Request, response: Response) -> bool:
        """Whether waiting for an object is over. Only its status tells: counts are all zero at first."""
        answer = _present(request, response)
        return answer is None or is_final(self._table, answer.get("status"))


def request_of(rows: RowIdentities, scan: ScanOptions, method: Method, item: ObjectRef) -> Request | None:
    """The request for an object; None if the ledger knows its final state."""
    entry = item.entry
    if (
        entry is not None
        and rows.ledger is not None
        and rows.ledger.is_final(entry)
        and not (scan.values.get(REFRESH.name) and entry.askable)
    ):
        return None
    return protocol.build(rows.table, method, item.keys)


def lookup_method(table: Table) -> Method:
    """The table's method that reads one object."""
    method = table.lookup_method
    assert method is not None  # noqa: S101 - the planner looks up only in tables that have one
    return method


def is_final(table: Table, status: Any) -> bool:
    """Whether an object with this status stays as it is."""
    return isinstance(status, str) and status in table.finished


def _present(request: Request, response: Response) -> Object | None:
    """The object in the response; None if it is absent, or if the response does not tell whether it is."""
    return None if protocol.is_undecided(request, response) else protocol.parse_object(request, response)
