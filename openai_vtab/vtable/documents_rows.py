"""The rows of a scan of a documents table: which documents, and what the API says of their files once that is read.

>>> rows = documents(store, "d.key = ?", ["a.md"])
>>> statuses.file(next(rows)[1]).state
<State.COMPLETED: 'completed'>
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..clock import Clock
from ..documents import reading
from ..documents.rows import Document, StoredFile
from ..documents.states import State
from ..documents.store import DocumentStore
from ..execution.statement import StatementSession
from ..protocol import Object
from ..schema.table import SpecialSource
from ..schema.values import SQLiteValue
from .scan_arguments import error_row

CHUNK = 1000  # documents that are read at once, and whose statuses are looked at together
NUMBERS = (int, float)
COLUMNS = {"rowid": "d.id", "key": "d.key", "file_id": "f.file_id"}


@dataclass(slots=True)
class DocumentRow:
    """A document, or a file in the vector store that the table does not know: then `document` is None.

    file: the newest file of the document.
    peers: the files that are read beside it, whose statuses are looked at together.
    hit: the passage that a search has found.
    failure: why the row could not be read.
    """

    document: Document | None
    file: StoredFile | None
    peers: Sequence[StoredFile]
    hit: Object | None = None
    failure: Object | None = None

    def get(self, name: str, /) -> Any:
        """Return why the row could not be read; the row has no other member."""
        return self.failure if name == SpecialSource.ERROR else None


Row = tuple[int, DocumentRow]


def documents(store: DocumentStore, where: str, bindings: Sequence[SQLiteValue]) -> Iterator[Row]:
    """Yield documents by rowid.

    No statement stays open between two rows: after an interrupt it would keep SQLite from rolling back.
    """
    after = -1
    while True:
        found = list(store.listed(f"({where}) AND d.id > ?", [*bindings, after], CHUNK))
        peers = [file for _, file in found if file is not None and file.state.is_unfinished]
        for document, file in found:
            yield document.id, DocumentRow(document, file, peers)
        if len(found) < CHUNK:
            return
        after = found[-1][0].id


def narrowing(name: str, value: Any) -> tuple[str, list[SQLiteValue]]:
    """Return the condition for a rowid, a key or a file_id that equals a value, or one of a set of values.

    SQLite compares text with a number as numbers if the number comes from a column of numbers. So a number selects
    every key that may be equal, and SQLite drops the others.
    """
    if isinstance(value, (str, bytes)) or value is None:
        return f"{COLUMNS[name]} = ?", [value]
    values = value if isinstance(value, (set, frozenset)) else (value,)
    texts = json.dumps([each for each in values if isinstance(each, (str, *NUMBERS))])
    column = COLUMNS[name]
    condition = f"{column} IN (SELECT value FROM openai.json_each(?))"
    numbers = [each for each in values if isinstance(each, NUMBERS)]
    if name == "rowid" or not numbers:
        return condition, [texts]
    as_numbers = f"CAST({column} AS NUMERIC) IN (SELECT value FROM openai.json_each(?))"
    return f"{condition} OR {as_numbers}", [texts, json.dumps(numbers)]


class Statuses:
    """The API's statuses of one scan's files, requested when a column that shows them is read.

    `session` is None in a replay, which asks nothing. `vector_store_id` is None before the store is created.
    """

    def __init__(
        self, session: StatementSession | None, store: DocumentStore, vector_store_id: str | None, clock: Clock
    ) -> None:
        self._session = session
        self._store = store
        self._vector_store_id = vector_store_id
        self._clock = clock
        self._looked_at: set[str | None] = {None}  # ids of files; a file without an id cannot be looked at
        self._looks = 0
        self._failures: reading.Failures = {}

    def file(self, row: DocumentRow) -> StoredFile | None:
        """Return the newest file of a document as it is now. Raises APIError and APIConnectionError."""
        file = row.file
        if file is None or not file.state.is_unfinished:
            return file
        if file.file_id not in self._looked_at:
            self.look(row.peers)
        return self._store.learned.current(file)

    def answered(self, row: DocumentRow) -> StoredFile | None:
        """The same with the latest response, which is not known yet if a search has found the file before."""
        file = self.file(row)
        if file is None or file.answer is not None or not file.state.is_attached or file.file_id in self._looked_at:
            return file
        self.refresh([file])
        return self._store.learned.current(file)

    def failure(self, row: DocumentRow) -> Object | None:
        """Return why the row, or the status of its file, could not be read; None if it could."""
        if row.failure is not None or row.file is None or row.file.file_id not in self._failures:
            return row.failure
        assert self._session is not None  # noqa: S101 - a replay has no failures
        found: Object = error_row(self._session, {}, *self._failures[row.file.file_id])[SpecialSource.ERROR]
        return found

    def look(self, files: Iterable[StoredFile]) -> None:
        """Look at the unfinished ones of these files, unless the scan has done that."""
        due = self._due(file for file in files if file.state.is_unfinished)
        if self._session is None or self._vector_store_id is None or not due:
            return
        if self._looks and len(due) == 1 and due[0].batch_id is not None:
            # a join looks for one document after the other: their batch tells all at once
            others = self._store.files("f.batch_id = ? AND f.state = ?", [due[0].batch_id, State.IN_PROGRESS])
            due = self._due(file for file in others if file.state is State.IN_PROGRESS) or due
        self._looks += 1
        self._looked_at.update(file.file_id for file in due)
        self._failures |= reading.look(self._session, self._store, self._vector_store_id, due, self._clock)

    def refresh(self, files: Iterable[StoredFile]) -> None:
        """Look at files that may be finished, unless the scan has done that."""
        due = self._due(files)
        if self._session is None or self._vector_store_id is None or not due:
            return
        if self._looks and len(due) == 1:  # of a join: the vector store's list tells all at once
            due = self._due(file for _, file in self._store.listed() if file is not None)
        self._looks += 1
        self._looked_at.update(file.file_id for file in due)
        self._failures |= reading.refresh(self._session, self._store, self._vector_store_id, due, self._clock)

    def wait(self, files: Iterable[StoredFile], seconds: float) -> None:
        """Wait until the files are finished; all waits of a statement share one deadline."""
        session, store = self._session, self._store
        if session is None or self._vector_store_id is None:
            return
        deadline = session.deadline(seconds)
        if self._looks:  # of a join: their batch may tell that those which follow are finished
            self.look(files)
        unfinished = [file for file in map(store.learned.current, files) if file.state.is_unfinished]
        self._looks += 1
        self._looked_at.update(file.file_id for file in unfinished)
        self._failures |= reading.wait(session, store, self._vector_store_id, unfinished, self._clock, deadline)

    def _due(self, files: Iterable[StoredFile]) -> list[StoredFile]:
        return [file for file in files if file.file_id not in self._looked_at]
