"""The column content of a documents table: the text that the API has read in a document, one request for each row.

>>> content = DocumentContent(session, None, statuses, "vs_1")
>>> _, row = next(content.rows(found, alone=False))
>>> content.of(row)
'# Returns …'

https://platform.openai.com/docs/api-reference/vector-stores-files/getContent
"""

from __future__ import annotations

from collections.abc import Iterator

from .. import protocol
from ..documents.states import State
from ..execution.download_cache import Downloaded
from ..execution.statement import StatementSession
from ..protocol import Request, Response
from ..schema.values import SQLiteValue
from ..tables.vector_store_file_content import vector_store_file_content
from .documents_rows import DocumentRow, Row, Statuses
from .downloads import RowsWithContent
from .replay import RequestRecorder

SELECT = vector_store_file_content.of("SELECT")[0]


class DocumentContent:
    """The contents of one scan. In a replay, `recorder` records the requests."""

    def __init__(
        self,
        session: StatementSession,
        recorder: RequestRecorder | None,
        statuses: Statuses,
        vector_store_id: str | None,
    ) -> None:
        self._session = session
        self._recorder = recorder
        self._statuses = statuses
        self._vector_store_id = vector_store_id
        self._rows: RowsWithContent[int, DocumentRow] | None = None

    def rows(self, found: Iterator[Row], *, alone: bool) -> Iterator[Row]:
        """Return the rows; their contents can be read from now on. `alone`: the scan is of one key."""
        if self._recorder is not None:
            return found
        self._rows = RowsWithContent(self._session, found, self._request, _read, keys=(), alone=alone)
        return self._rows

    def of(self, row: DocumentRow) -> Downloaded:
        """Return the text of the present row's document; None if it is not completed, or could not be read.

        Raises APIError and APIConnectionError, unless the statement goes on without.
        """
        if self._recorder is not None:
            if (request := self._request(row)) is not None:
                self._recorder.record(request)
            return None
        return None if self._rows is None else self._rows.content(row)

    def error(self, row: DocumentRow) -> SQLiteValue:
        """Return why the present row, or its content, could not be read: JSON; None if it could, or was not to be."""
        return None if self._rows is None else self._rows.error(row)

    def _request(self, row: DocumentRow) -> Request | None:
        if row.hit is not None:
            file_id = row.hit.get("file_id")
        else:
            file = self._statuses.file(row)
            file_id = file.file_id if file is not None and file.state is State.COMPLETED else None
        if file_id is None or self._vector_store_id is None or self._statuses.failure(row) is not None:
            return None
        keys = {"vector_store_id": self._vector_store_id, "file_id": file_id}
        return protocol.build(vector_store_file_content, SELECT, keys)


def _read(_: DocumentRow, request: Request, response: Response) -> str | None:
    if response.status == protocol.NOT_SENT:
        return None
    parts, _after = protocol.listed(request, response, None, has_ids=False)
    return "".join(part["text"] for part in parts if isinstance(part.get("text"), str))
