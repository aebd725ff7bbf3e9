"""The cursor of a documents table: one scan of its documents, or of what a search finds.

>>> cursor = DocumentsCursor(table, store, vector_store_id, statuses, search, content, arguments, never_numbers,
...                           is_mistake)
>>> cursor.Filter(4, "MATCH,max_num_results asc", ("refund policy", 5))
>>> cursor.Column(0)
'docs/returns.md'

https://rogerbinns.github.io/apsw/vtable.html#vtcursor-class
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from operator import attrgetter
from typing import Any

from ..documents import shown
from ..documents.columns import ARGUMENTS
from ..documents.rows import AS_ATTACHED, StoredFile
from ..documents.store import DocumentStore
from ..planner import ScanKind, ScanPlan
from ..schema.columns import REFRESH, WAIT_SECONDS
from ..schema.decode import getter, sql_value
from ..schema.table import Table
from ..schema.values import SQLiteValue
from ..tables.vector_store_search import vector_store_search
from . import documents_plan
from .documents_content import DocumentContent
from .documents_rows import COLUMNS, NUMBERS, DocumentRow, Row, Statuses, documents, narrowing
from .documents_search import DocumentSearch
from .row_cursor import IsMistake, RowCursor
from .scan_arguments import ScanArguments

NO_ROWS: Iterator[Row] = iter(())
UNFINISHED = "f.state IN ('in_progress', 'unsure')"

_decoded = lru_cache(256)(ScanPlan.decode)
_in_hit = {name: getter(column) for name, column in vector_store_search.by_name.items()}


def _of_document(name: str) -> Callable[[DocumentRow], SQLiteValue]:
    get = attrgetter(name)
    return lambda row: None if row.document is None else get(row.document)


def _of_file(name: str) -> Callable[[DocumentRow], SQLiteValue]:
    get = attrgetter(name)
    return lambda row: None if row.file is None else get(row.file)


def _of_hit(name: str) -> Callable[[DocumentRow], SQLiteValue]:
    get = _in_hit[name]
    return lambda row: None if row.hit is None else get(row.hit)


def _of_either(name: str) -> Callable[[DocumentRow], SQLiteValue]:
    """A column of the document, or of the hit in a file that the table does not know."""
    of_document, of_hit = _of_document(name), _of_hit(name)
    return lambda row: of_hit(row) if row.document is None else of_document(row)


def _attributes(row: DocumentRow) -> SQLiteValue:
    """NULL for a document that adopts those of its file, before COMMIT has read them."""
    attributes = _of_hit("attributes")(row) if row.document is None else row.document.attributes
    return None if attributes == AS_ATTACHED else attributes


def _rank(row: DocumentRow) -> SQLiteValue:
    score = None if row.hit is None else sql_value(row.hit.get("score"))
    return -score if isinstance(score, NUMBERS) else None


# the columns that need neither the API nor the query
VALUES: dict[str, Callable[[DocumentRow], SQLiteValue]] = {
    "key": _of_document("key"),
    "attributes": _attributes,
    "filename": _of_either("filename"),
    "bytes": _of_document("bytes"),
    "sha256": _of_document("sha256"),
    "created_at": _of_file("created_at"),
    "file_id": lambda row: _in_hit["file_id"](row.hit or {}) if row.file is None else row.file.file_id,
    "batch_id": _of_file("batch_id"),
    "rank": _rank,
    "score": _of_hit("score"),
    "passage": _of_hit("content"),
    "path": lambda _: None,
    "chunking_strategy": _of_document("chunking"),
}


class DocumentsCursor(RowCursor[int, DocumentRow]):
    """One scan of a documents table. `vector_store_id` is None before the vector store is created.

    `never_numbers` returns, for an idxStr, the places in argv whose values equal no key if they are numbers.
    """

    def __init__(
        self,
        table: Table,
        store: DocumentStore,
        vector_store_id: str | None,
        statuses: Statuses,
        search: DocumentSearch,
        content: DocumentContent,
        arguments: ScanArguments,
        never_numbers: Callable[[str], set[int]],
        is_mistake: IsMistake,
        refuse_hidden: Callable[[], None] | None,
        only_returned: Callable[[str, int], bool],
    ) -> None:
        self._store = store
        self._statuses = statuses
        self._search = search
        self._content = content
        self._arguments = arguments
        self._never_numbers = never_numbers
        values = VALUES | {
            "status": self._status,
            "last_error_code": lambda row: self._last_error(row)[0],
            "last_error_message": lambda row: self._last_error(row)[1],
            "vector_store_id": lambda _: vector_store_id,
            "content": content.of,
            "raw": self._raw,
            "error": self._error,
        }
        getters = [values.get(column.name) for column in table.columns]
        super().__init__(table, getters, int, is_mistake, refuse_hidden, only_returned)

    def Filter(self, idxNum: int, idxStr: str, args: tuple[Any, ...]) -> None:  # noqa: N803 - SQLite's names
        """SQLite begins a scan with the plan that BestIndex has made, and the values for it."""
        plan = _decoded(idxNum, idxStr)
        if plan.kind is ScanKind.NOTHING:
            raise documents_plan.missing(self._table, plan)
        args = self._check_comparisons(plan.compared, args)
        names = (self._table.name if name == documents_plan.TEXT else name for name in plan.columns)
        self._rows = self._scan(plan, idxStr, dict(zip(names, args, strict=True)))
        if plan.download:
            is_list = any(isinstance(value, (set, frozenset)) for value in args)
            self._rows = self._content.rows(self._rows, alone=bool(plan.columns) and not is_list)
        self._row = next(self._rows, None)

    def _scan(self, plan: ScanPlan, idxStr: str, given: dict[str, Any]) -> Iterator[Row]:  # noqa: N803
        options = {name: value for name, value in given.items() if name not in COLUMNS}
        self._option_values, self._idxStr = options, idxStr
        # an option that is NULL is not given
        checked = {name: self._checked(name, value) for name, value in options.items() if value is not None}
        if plan.kind is ScanKind.METHOD:
            if self._table.name not in checked:  # MATCH NULL
                return NO_ROWS
            self._prepare(checked, "true", [])
            arguments = {column.name: checked[column.name] for column in ARGUMENTS if column.name in checked}
            return self._search.rows(checked[self._table.name], arguments)
        name = next((name for name in plan.columns if name in COLUMNS), None)
        where, bindings = ("true", []) if name is None else narrowing(name, given[name])
        if name in ("key", "file_id") and isinstance(given[name], NUMBERS) and 0 in self._never_numbers(idxStr):
            return NO_ROWS
        self._prepare(checked, where, bindings)
        return documents(self._store, where, bindings)

    def _checked(self, name: str, value: SQLiteValue) -> Any:
        if name == self._table.name and isinstance(value, int):
            value = str(value)  # MATCH converts nothing, = does
        return self._arguments.checked(name, value)

    def _prepare(self, options: dict[str, Any], where: str, bindings: list[SQLiteValue]) -> None:
        """Wait, or look at finished documents, too, before the rows are read."""
        seconds = options.get(WAIT_SECONDS.name)
        if options.get(REFRESH.name):
            self._statuses.refresh(self._files(where, bindings))
        if seconds is not None:
            self._statuses.wait(self._files(f"({where}) AND {UNFINISHED}", bindings), seconds)

    def _files(self, where: str, bindings: list[SQLiteValue]) -> list[StoredFile]:
        """The newest files of some documents."""
        return [file for _, file in self._store.listed(where, bindings) if file is not None]

    def _status(self, row: DocumentRow) -> SQLiteValue:
        """The status; completed for a hit in a file that the table does not know."""
        if row.document is None:
            return None if row.hit is None else "completed"
        file = self._statuses.file(row)
        return None if self._statuses.failure(row) is not None else shown.status(row.document, file)

    def _last_error(self, row: DocumentRow) -> tuple[str | None, str | None]:
        file = self._statuses.file(row)
        return (None, None) if self._statuses.failure(row) is not None else shown.last_error(file)

    def _raw(self, row: DocumentRow) -> SQLiteValue:
        """The latest vector_store.file object; the hit in a file that the table does not know."""
        if row.document is None:
            return None if row.hit is None else sql_value(row.hit)
        file = self._statuses.answered(row)
        return None if self._statuses.failure(row) is not None else shown.raw(row.document, file)

    def _error(self, row: DocumentRow) -> SQLiteValue:
        """Why the row, or its content, could not be read: JSON; None if it could, or need not be."""
        failure = self._statuses.failure(row)
        return self._content.error(row) if failure is None else sql_value(failure)
