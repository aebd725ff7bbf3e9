"""Replays: a running statement is run once more, only to record the requests that it will send.

During a replay, the tables open their cursors with a RequestRecorder and a RecordingLookup instead of the statement's
session and Lookup. These send nothing: a look-up is recorded and returns no row; a list returns its rows if its
response has come already, otherwise it is recorded as well; a ledger returns what it has. So a replay takes
microseconds for each key, and read-ahead (execution/read_ahead.py) sends the requests early.

>>> Replayer(weak, internal_sql, cursors).replay("SELECT …", session, record=lambda request, is_page: …, seconds=0.25)
True
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import apsw

from .. import protocol
from ..execution.read_ahead import Record
from ..execution.statement import ListPosition, StatementSession
from ..protocol import PageParameters, Request
from ..schema.table import Method
from ..sqlite.internal_sql import InternalSQL
from ..sqlite.open_cursors import OpenCursors
from .fields_read import FieldsRead
from .lookup import lookup_method, request_of
from .row_identity import ObjectRef, Row, RowIdentities
from .scan_arguments import ScanOptions, combinations

T = TypeVar("T")


class RequestRecorder:
    """Stands for a statement's session in a replay, and records the requests that are not answered yet.

    `partial`: a list was not answered yet, so that another replay may record more. `recorded` counts the requests.
    """

    def __init__(self, session: StatementSession, record: Record) -> None:
        self.session = session
        self.partial = False
        self.recorded = 0
        self._record = record
        self._begun: set[str] = set()  # the lists that this replay has scanned, by their first pages
        self.skip_unreadable = session.skip_unreadable
        self.response = session.response
        self.parse_once = session.parse_once
        self.record_unreadable = session.record_unreadable

    def prefetch(
        self, items: Iterable[T], request: Callable[[T], Request | None], /
    ) -> Iterator[tuple[T, Request | None]]:
        """The items with their requests."""
        return ((item, request(item)) for item in items)

    def look_up(self, request: Request, /, *, alone: bool) -> bool:
        """Return True if the list can be read now. Record the request if it has no response yet.

        A large response without pages, such as the text of a file, is not read: parsing it would put a second large
        text in memory beside the row of the real scan. Look-ups that depend on its rows are not predicted.
        """
        if self.session.is_answered(request):
            return request.page is not None or not self.session.is_large(request)
        self.partial = True
        self._record(request, True)
        return False

    def record(self, request: Request) -> None:
        """Record the request of a single object or of a content."""
        self.recorded += 1
        self._record(request, False)

    def begin_list(self, first: Request, page: PageParameters | None) -> ListPosition:
        """Where a scan of a list begins: the first one of this replay where earlier replays have ended."""
        beginning = first, page, 0
        if first.identity in self._begun:
            return beginning
        self._begun.add(first.identity)
        return self.session.replayed.get(first.identity, beginning)

    def end_page(self, first: Request, following: ListPosition) -> None:
        """What follows from the rows of a list before this position is recorded."""
        self.session.replayed[first.identity] = following

    def start(self, request: Request, /) -> bool:
        """Send nothing."""
        return False


class RecordingLookup:
    """Stands for a Lookup in a replay: it records look-ups, and returns only what the ledger knows."""

    def __init__(self, rows: RowIdentities, recorder: RequestRecorder, fields_read: FieldsRead) -> None:
        self._rows = rows
        self._record = recorder.record
        self._bulk = recorder.session.bulk
        self._fields_read = fields_read
        self._scans: set[str] = set()  # that bulk reading knows, by idxStr

    def one(self, scan: ScanOptions, method: Method, keys: Mapping[str, str]) -> Row | None:
        """The row if the ledger knows the object's final state. Otherwise record the look-up and return None."""
        return self._row(scan, method, self._rows.item(keys))

    def many(self, scan: ScanOptions, method: Method, texts: Mapping[str, Sequence[str]]) -> Iterator[Row]:
        """The same for all combinations of the keys; `texts` maps their sources to values."""
        return self._known(scan, method, map(self._rows.item, combinations(texts)))

    def by_rowid(self, scan: ScanOptions, rowids: Iterable[int]) -> Iterator[Row]:
        """The same for the objects with these rowids."""
        return self._known(scan, lookup_method(self._rows.table), self._rows.at_current(rowids))

    def ledger_only(self, wanted: Mapping[str, Sequence[str]]) -> Iterator[Row]:
        """The rows that the ledger has."""
        return self._rows.ledger_only(wanted)

    def ledger_refreshed(self, scan: ScanOptions, wanted: Mapping[str, Sequence[str]]) -> Iterator[Row]:
        """The ledger's rows. Their look-ups are not recorded, because the scan prefetches them itself."""
        return self._rows.ledger_only(wanted, responses=scan.responses)

    def with_downloads(self, scan: ScanOptions, found: Iterator[Row]) -> None:
        """Leave the rows as they are: nothing is downloaded."""

    def _known(self, scan: ScanOptions, method: Method, items: Iterable[ObjectRef]) -> Iterator[Row]:
        return (row for item in items if (row := self._row(scan, method, item)) is not None)

    def _row(self, scan: ScanOptions, method: Method, item: ObjectRef) -> Row | None:
        request = request_of(self._rows, scan, method, item)
        if request is None:
            return None if item.entry is None else (self._rows.reference(item), item.entry)
        if self._bulk is not None and scan.idxStr not in self._scans:
            self._scans.add(scan.idxStr)
            key = self._rows.table.name, scan.idxStr
            self._bulk.add_reader(request.route, key, self._fields_read.of(scan))
        self._record(request)
        if scan.download is not None:
            self._record(protocol.download(self._rows.table, scan.download, item.keys))
        return None


class _StopForUserStatement(BaseException):
    """A function of the user's runs a statement in a replay.

    Not an Exception, because the function could catch it and remember a wrong result.
    """


def _refuse(*_: object) -> bool:
    """End the replay: the tables would show the user's own statement no rows."""
    raise _StopForUserStatement


class Replayer:
    """Runs statements of one connection once more. `recorder` is set while it does."""

    def __init__(
        self, connection: weakref.ref[apsw.Connection], internal_sql: InternalSQL, cursors: OpenCursors
    ) -> None:
        self._connection = connection
        self._internal_sql = internal_sql
        self._open_cursors = cursors
        self.recorder: RequestRecorder | None = None

    def replay(self, query: str | None, session: StatementSession, record: Record, seconds: float) -> bool:
        """Run a query for at most `seconds`. Returns whether it has recorded all requests, or never can."""
        connection = self._connection()
        if query is None or self.recorder is not None or connection is None:
            return True
        self.recorder = recorder = RequestRecorder(session, record)
        try:
            with self._open_cursors.held(connection, _refuse):
                return self._internal_sql.run_through(query, seconds) and not recorder.partial
        except _StopForUserStatement:
            return not recorder.partial
        finally:
            self.recorder = None
