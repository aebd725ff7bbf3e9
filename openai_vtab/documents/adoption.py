"""INSERT of a file_id: a document adopts a file that is in the vector store already, without an upload.

COMMIT looks whether the vector store has the file. The table never deletes a file that it has adopted: DELETE of the
document only detaches it. The API does not show the content of the file. A row that gives content or path as well says
what it is, so that the same content is not uploaded later.

>>> Adoption(store, values, protection).insert("a.md", {"key": "a.md", "file_id": "file-a"}, None, None)
1
"""

from __future__ import annotations

from ..errors import RowError
from ..schema.values import SQLiteValue, sql_literal
from .protection import Protection
from .row_values import Row, RowValues
from .rows import AS_ATTACHED, Document, StoredFile
from .states import State
from .store import DocumentStore

# COMMIT learns them from the API, but for the content's
_UNKNOWN: dict[str, SQLiteValue] = dict.fromkeys(("chunking", "sha256", "bytes", "filename", "stamp"))


class Adoption:
    """The adoptions of one table."""

    def __init__(self, store: DocumentStore, values: RowValues, protection: Protection) -> None:
        self._store = store
        self._values = values
        self._protection = protection

    def insert(self, key: str, row: Row, document: Document | None, newest: StoredFile | None) -> int:
        """Make the file the newest of the document with the key, and return its rowid. Raises RowError."""
        store = self._store
        file_id = self._values.file_id(row, key)
        if "chunking_strategy" in row:
            raise RowError(
                f"{store.name}.chunking_strategy of the key {sql_literal(key)}: a file that is in the vector store "
                "already keeps its chunks; give file_id or chunking_strategy"
            )
        content = self._values.content(row, key, None)
        columns = dict(_UNKNOWN)
        if content is not None:
            columns |= {"sha256": content.sha256, "bytes": content.bytes, "stamp": content.stamp}
        attributes = self._values.attributes(row, key) if "attributes" in row else AS_ATTACHED
        file = store.with_file_id(file_id)
        if file is not None and file.document is not None and (document is None or file.document != document.id):
            owner = store.document_at(file.document)
            other = "another document" if owner is None else f"the document {sql_literal(owner.key)}"
            raise RowError(
                f"{store.name}.file_id of the key {sql_literal(key)}: {file_id} is the file of {other}; "
                "UPDATE its key, or DELETE it first"
            )
        if document is not None and newest is not None and newest.file_id == file_id:
            if newest.state is State.MISSING:
                store.move(newest, State.UNSURE)
            if attributes not in (AS_ATTACHED, document.attributes):
                store.change_document(document.id, attributes=attributes)
            return document.id
        if document is None:
            id = store.add_document(key=key, attributes=attributes, **columns)
        else:
            id = document.id
            self._supersede(document, newest)
            store.change_document(id, attributes=attributes, **columns)
        self._take(file, file_id, id, columns["sha256"])
        return id

    def _supersede(self, document: Document, newest: StoredFile | None) -> None:
        if newest is not None and newest.state is State.WANTED:
            self._store.remove_file(newest.id)
        elif newest is not None:
            self._protection.refuse([newest], document.key)

    def _take(self, file: StoredFile | None, file_id: str, document: int, sha256: SQLiteValue) -> None:
        """Add the file. One that the table knew is added again, because a document's newest has the largest id."""
        owned = 0
        if file is not None:
            owned = file.owned
            self._store.remove_file(file.id)
        self._store.add_file(document=document, file_id=file_id, sha256=sha256, owned=owned, state=State.UNSURE)
