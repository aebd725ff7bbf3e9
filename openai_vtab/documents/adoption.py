"""INSERT of a file_id: a document adopts a file that is in the vector store already, without an upload.

COMMIT looks whether the vector store has the file. The table never deletes a file that it has adopted: DELETE of the
document only detaches it.

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

# COMMIT learns them from the API
_UNKNOWN: dict[str, SQLiteValue] = dict.fromkeys(("chunking", "sha256", "bytes", "filename", "stamp"))
_NOT_WITH = ("content", "path", "chunking_strategy")


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
        for column in _NOT_WITH:
            if column in row:
                raise RowError(
                    f"{store.name}.{column} of the key {sql_literal(key)}: a file that is in the vector store already "
                    f"keeps its content and chunks; give file_id or {column}"
                )
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
            id = store.add_document(key=key, attributes=attributes, **_UNKNOWN)
        else:
            id = document.id
            self._supersede(document, newest)
            store.change_document(id, attributes=attributes, **_UNKNOWN)
        self._take(file, file_id, id)
        return id

    def _supersede(self, document: Document, newest: StoredFile | None) -> None:
        if newest is not None and newest.state is State.WANTED:
            self._store.remove_file(newest.id)
        elif newest is not None:
            self._protection.refuse([newest], document.key)

    def _take(self, file: StoredFile | None, file_id: str, document: int) -> None:
        """Add the file. One that the table knew is added again, because a document's newest has the largest id."""
        owned = 0
        if file is not None:
            owned = file.owned
            self._store.remove_file(file.id)
        self._store.add_file(document=document, file_id=file_id, owned=owned, state=State.UNSURE)
