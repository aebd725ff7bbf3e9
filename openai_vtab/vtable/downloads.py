"""A column that needs its own request for each row: the content of a file, or of a document.

The request is sent when SQLite reads the column. Read-ahead sends the requests of the following rows early, but never
has more of them outstanding than rows have been read. So a LIMIT, or a WHERE that leaves out most rows, downloads at
most twice what it needs.

>>> downloads = RowsWithContent(session, found, request, read, keys=("id",), alone=False)
>>> downloads.content(next(downloads)[1])
b'The text of the file.'
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from .. import protocol
from ..execution.download_cache import Downloaded
from ..execution.statement import NOT_READ, StatementSession
from ..protocol import Object, Request, Response
from ..schema.decode import APIObject, sql_value
from ..schema.table import Method, SpecialSource, Table
from ..schema.values import SQLiteValue
from .row_identity import Reference, Row
from .scan_arguments import error_row

Identity = TypeVar("Identity")
Fields = TypeVar("Fields", bound=APIObject)

FIRST_USEFUL = 2  # the read after which read-ahead begins: many statements read one row


class RowsWithContent(Generic[Identity, Fields]):
    """The rows `found` by a scan, with their content. `alone`: the scan is of one key.

    `request` makes the request for a row's content, None for a row that has no content; `read` reads it in the
    response. `keys` are the members that an error row has. An error in a row that was fetched early is raised when the
    scan reaches that row.
    """

    def __init__(
        self,
        session: StatementSession,
        found: Iterator[tuple[Identity, Fields]],
        request: Callable[[Fields], Request | None],
        read: Callable[[Fields, Request, Response], Downloaded],
        *,
        keys: Sequence[str],
        alone: bool,
    ) -> None:
        self._session = session
        self._request = request
        self._read = read
        self._keys = keys
        self._found = found
        self._alone = alone
        self._coming: deque[tuple[Identity, Fields]] = deque()
        self._ahead = 0  # how many rows of _coming have been requested
        self._read_count = self._wasted = 0
        self._is_ahead = self._is_read = False  # whether the present row was requested early, and whether it was read
        self._present: Fields | None = None
        self._error: Exception | None = None
        self._failure: Object | None = None

    def __iter__(self) -> RowsWithContent[Identity, Fields]:
        return self

    def __next__(self) -> tuple[Identity, Fields]:
        if self._is_ahead and not self._is_read and self._present is not None:
            self._wasted += 1
            if (wasted := self._request(self._present)) is not None:
                self._session.waste(wasted)
        self._is_read, self._failure = False, None
        self._is_ahead = self._ahead > 0
        if self._coming:
            self._ahead -= self._is_ahead
            row = self._coming.popleft()
            self._present = row[1]
            return row
        if self._error is not None:
            raise self._error
        return next(self._found)

    def content(self, fields: Fields) -> Downloaded:
        """The content of the present row; None without one, or if it could not be read: `error` returns the reason.

        Raises APIError and APIConnectionError, unless the statement continues without.
        """
        if fields.get(SpecialSource.ERROR) is not None or self._failure is not None:
            return None
        session, request = self._session, self._request(fields)
        if request is None:
            return None
        self._start_ahead()
        if self._alone:
            session.look_up(request, alone=True)
        try:
            return session.download(request, lambda response: self._read(fields, request, response))
        except NOT_READ as error:
            self._failure = error_row(session, {name: fields.get(name) for name in self._keys}, request, error)
        return None

    def error(self, fields: Fields) -> SQLiteValue:
        """The reason why the present row, or its content, could not be read, as JSON; None if it could."""
        self.content(fields)
        failure = (self._failure if self._failure is not None else fields).get(SpecialSource.ERROR)
        return None if failure is None else sql_value(failure)

    def _start_ahead(self) -> None:
        """Send the requests of as many of the following rows as are due."""
        if self._is_read:
            return
        self._is_read = True
        self._read_count += 1
        if self._read_count < FIRST_USEFUL:
            return
        due = min(self._read_count - self._wasted, self._session.workers.size)
        while self._ahead < due:
            if self._ahead == len(self._coming) and not self._fetch_row():
                return
            _, fields = self._coming[self._ahead]
            if fields.get(SpecialSource.ERROR) is None and (request := self._request(fields)) is not None:
                self._session.predict(request)
            self._ahead += 1

    def _fetch_row(self) -> bool:
        """Fetch one more row into `_coming`. Returns False if there is none."""
        if self._error is None:
            try:
                self._coming.append(next(self._found))
            except StopIteration as over:
                self._error = over
            except Exception as error:
                self._error = error
        return self._error is None


def of_table(
    table: Table, session: StatementSession, method: Method, found: Iterator[Row], *, alone: bool
) -> RowsWithContent[Reference, APIObject]:
    """The rows with the column that `method` downloads."""

    def request(fields: APIObject) -> Request:
        return protocol.download(table, method, {source: fields.get(source) for source in table.key})

    def read(fields: APIObject, request: Request, response: Response) -> bytes | None:
        # the size of the content in bytes as the row states it; 0 if it does not
        size = fields.get(table.sources[method.size]) if method.size else None
        return protocol.downloaded(request, response, size if type(size) is int else 0)

    return RowsWithContent(session, found, request, read, keys=table.key, alone=alone)
