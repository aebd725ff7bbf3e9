"""A column that the API gives by a request of its own: the content of a file.

It is asked for when SQLite reads the column of a row. Like read-ahead for joins, the contents of the rows that follow
are requested early: never more are outstanding than have been read, so that a WHERE that leaves out most rows, or a
LIMIT, downloads at most twice what it needs.

>>> downloads = Downloads(scan, rows, table.downloads["content"], found); downloads.content(fields)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from .. import protocol
from ..execution.statement import NOT_READ
from ..protocol import Object, Request
from ..schema.decode import Fields, sql_value
from ..schema.table import Method, Source
from ..schema.values import SQLiteValue
from .lookup import Row, Rows, ScanOptions, error_row

FIRST_USEFUL = 2  # nothing is asked for ahead at the first: many statements want one


class Downloads:
    """The rows of a scan, and what `method` gives for each of them.

    `found` are the rows. An error in a row that was fetched early is raised when the scan reaches that row.
    """

    def __init__(self, scan: ScanOptions, rows: Rows, method: Method, found: Iterator[Row]) -> None:
        self._scan = scan
        self._rows = rows
        self._method = method
        self._found = found
        self._coming: deque[Row] = deque()
        self._ahead = 0  # of those that are coming, how many have been asked for
        self._read_count = self._wasted = 0
        self._is_ahead = self._is_read = False  # the present row: asked for ahead, and read
        self._present: Fields | None = None
        self._error: Exception | None = None
        self._failure: Object | None = None

    def __iter__(self) -> Downloads:
        return self

    def __next__(self) -> Row:
        if self._is_ahead and not self._is_read and self._present is not None:
            self._wasted += 1
            self._scan.session.forget(self._request(self._present))
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

    def content(self, fields: Fields) -> bytes | None:
        """The bytes for the present row; None when its file could not be read, which `error` says.

        Raises APIError and APIConnectionError, unless the statement goes on without.
        """
        if fields.get(Source.ERROR) is not None or self._failure is not None:
            return None
        session, request = self._scan.session, self._request(fields)
        self._start_ahead()
        if self._scan.single:
            session.look_up(request, alone=True)
        try:
            return session.download(
                request, lambda response: protocol.downloaded(request, response, self._size(fields))
            )
        except NOT_READ as error:
            keys = {source: fields.get(source) for source in self._rows.table.key}
            self._failure = error_row(session, keys, request, error)
        return None

    def error(self, fields: Fields) -> SQLiteValue:
        """Why the present row, or its content, could not be read: JSON; None when it could."""
        self.content(fields)
        failure = (self._failure if self._failure is not None else fields).get(Source.ERROR)
        return None if failure is None else sql_value(failure)

    def _request(self, fields: Fields) -> Request:
        return protocol.download(self._rows.table, self._method, {s: fields.get(s) for s in self._rows.table.key})

    def _size(self, fields: Fields) -> int:
        """How many bytes the row says that its content has; 0 when it does not say."""
        size = fields.get(self._rows.table.source(self._method.size)) if self._method.size else None
        return size if type(size) is int else 0

    def _start_ahead(self) -> None:
        """Ask for the contents of as many of the following rows as are due."""
        if self._is_read:
            return
        self._is_read = True
        self._read_count += 1
        if self._read_count < FIRST_USEFUL:
            return
        due = min(self._read_count - self._wasted, self._scan.session.workers.size)
        while self._ahead < due:
            if self._ahead == len(self._coming) and not self._look_ahead():
                return
            _, fields = self._coming[self._ahead]
            if fields.get(Source.ERROR) is None:
                self._scan.session.predict(self._request(fields))
            self._ahead += 1

    def _look_ahead(self) -> bool:
        """Fetch one more row into `_coming`. Returns False when there is none."""
        if self._error is None:
            try:
                self._coming.append(next(self._found))
            except StopIteration as over:
                self._error = over
            except Exception as error:
                self._error = error
        return self._error is None
