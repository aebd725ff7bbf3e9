"""MATCH: the passages that a vector store finds, and the documents that they belong to.

A document shows one version, the newest that is completed: a hit in an older file is hidden once a newer file is
completed, and so is a hit in a file that no document needs any more. A hit in a file that the table does not know is a
row without a key.

>>> search.rows("refund policy", {"max_num_results": 5})
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from ..documents.rows import Pair, StoredFile
from ..documents.states import State
from ..documents.store import DocumentStore
from ..protocol import Object
from ..schema.decode import sql_value
from ..schema.search_validators import MAX_RESULTS
from ..schema.table import SpecialSource
from ..sqlite.rowids import Rowids
from ..tables.vector_store_search import vector_store_search
from .documents_rows import DocumentRow, Row, Statuses
from .listing import ListReader
from .row_identity import NOT_IN_LEDGER
from .scan_arguments import ScanOptions

SELECT = vector_store_search.of("SELECT")[0]
IN_LIST = "IN (SELECT value FROM openai.json_each(?))"


class DocumentSearch:
    """The searches of one scan. `lists` reads lists of vector_store_search; `rowids` are those of unknown files."""

    def __init__(
        self,
        store: DocumentStore,
        statuses: Statuses,
        lists: ListReader,
        rowids: Rowids,
        vector_store_id: str | None,
    ) -> None:
        self._store = store
        self._statuses = statuses
        self._lists = lists
        self._rowids = rowids
        self._vector_store_id = vector_store_id

    def rows(self, text: Any, arguments: Mapping[str, Any]) -> Iterator[Row]:
        """Yield the rows for a text, best first. `text` and `arguments` are checked.

        50 passages by default, because the API's own default, 10, would look like all.
        """
        if self._vector_store_id is None:
            return
        keys = {"vector_store_id": self._vector_store_id, "query": text, "max_num_results": MAX_RESULTS, **arguments}
        found = list(self._lists.lists(ScanOptions(), SELECT, [keys]))
        hits = sorted((dict(hit) for _, hit in found if isinstance(hit, dict)), key=score, reverse=True)
        shown = self._shown([str(hit.get("file_id")) for hit in hits])
        for hit in hits:
            if (failure := hit.get(SpecialSource.ERROR)) is not None:
                yield NOT_IN_LEDGER, DocumentRow(None, None, (), failure=failure)
                continue
            file_id = str(hit.get("file_id"))
            if file_id not in shown:
                yield NOT_IN_LEDGER + self._rowids.of((file_id,)), DocumentRow(None, None, (), hit)
            elif (known := shown[file_id]) is not None:
                document, newest = known
                yield document.id, DocumentRow(document, newest, (newest,), hit)

    def _shown(self, file_ids: list[str]) -> dict[str, Pair | None]:
        """Return, for the files that the table knows, their documents with the newest file; None if they are hidden."""
        if not file_ids:  # for example in a replay, before the response is there
            return {}
        store = self._store
        hit_files = store.files(f"f.file_id {IN_LIST}", [json.dumps(file_ids)])
        ids = json.dumps([file.document for file in hit_files if file.document is not None])
        documents = {document.id: document for document, _ in store.listed(f"d.id {IN_LIST}", [ids])}
        versions: dict[int, list[StoredFile]] = {}
        for file in store.files(f"f.document {IN_LIST}", [ids]):
            versions.setdefault(file.document or 0, []).append(file)
        # a hit proves that its file is completed; a newer one may be, too
        for file in hit_files:
            if file.file_id is not None and file.state is State.IN_PROGRESS:
                store.learned.add(file, State.COMPLETED)
        newer = {
            file.id: [each for each in versions.get(file.document or 0, ()) if each.id > file.id] for file in hit_files
        }
        self._statuses.look([store.learned.current(each) for group in newer.values() for each in group])
        shown: dict[str, Pair | None] = {}
        for file in hit_files:
            known = file.document in documents and file.state is not State.LEAVING
            superseded = any(store.learned.current(each).state is State.COMPLETED for each in newer[file.id])
            shown[str(file.file_id)] = (
                (documents[file.document or 0], store.learned.current(versions[file.document or 0][-1]))
                if known and not superseded
                else None
            )
        return shown


def score(hit: Object) -> float:
    """Return how well a passage matches; the worst for a response that does not say it."""
    found = hit.get("score")
    value = sql_value(found) if isinstance(found, (int, float)) else None
    return float(value) if isinstance(value, (int, float)) else -math.inf
