"""INSERT of a file_id: a document adopts a file that is in the vector store already, without an upload.

COMMIT looks whether the vector store has the file. The table never deletes a file that it has adopted: DELETE of the
document only detaches it. The API does not show what the file contains. A row that has content or path as well says so,
and the same content is then not uploaded when the document is written again.

>>> Adoption(store, values, shared_files).insert("a.md", {"key": "a.md", "file_id": "file-a"}, None, None)
1
"""

from __future__ import annotations

from ..errors import RowError
from ..schema.values import SQLiteValue, sql_literal
from .contents import Content
from .row_values import Row, RowValues
from .rows import AS_ATTACHED, NO_ATTRIBUTES, Document, StoredFile
from .shared_files import SharedFiles
from .states import State
from .store import DocumentStore

_KEPT = ("chunking", "sha256", "bytes", "filename")
_KEPT_OF_THE_FILE = ("attributes", "batch_id", "created_at", "attached_at", "answer")


class Adoption:
    """The adoptions of one table."""

    def __init__(self, store: DocumentStore, values: RowValues, shared_files: SharedFiles) -> None:
        self._store = store
        self._values = values
        self._shared_files = shared_files

    def insert(self, key: str, row: Row, document: Document | None, newest: StoredFile | None) -> int:
        """Make the file the newest of the document with the key, and return its rowid. Raises RowError."""
        store = self._store
        file_id = self._values.file_id(row, key)
        if "chunking_strategy" in row:
            raise RowError(
                f"{store.name}.chunking_strategy of the key {sql_literal(key)}: a file that is in the vector store "
                "already keeps its chunks; give file_id or chunking_strategy"
            )
        file = store.with_file_id(file_id)
        if file is not None and file.document is not None and (document is None or file.document != document.id):
            owner = store.document_at(file.document)
            other = "another document" if owner is None else f"the document {sql_literal(owner.key)}"
            raise RowError(
                f"{store.name}.file_id of the key {sql_literal(key)}: {file_id} is the file of {other}; "
                "UPDATE its key, or DELETE it first"
            )
        content = self._content(row, key, file)
        attributes = AS_ATTACHED
        if "attributes" in row:
            attributes = self._values.attributes(row, key)
        elif file is not None:
            attributes = file.attributes or NO_ATTRIBUTES
        if document is not None and newest is not None and newest.file_id == file_id:
            if newest.state is State.MISSING:
                store.move(newest, State.UNSURE)
            if "attributes" in row and attributes != document.attributes:
                store.change_document(document.id, attributes=attributes)
            if content is not None:
                store.change_document(document.id, sha256=content.sha256, bytes=content.bytes, stamp=content.stamp)
                store.change_file(newest.id, sha256=content.sha256, bytes=content.bytes)
            return document.id
        # COMMIT learns what is not known yet from the API
        known: dict[str, SQLiteValue] = {name: getattr(file, name, None) for name in _KEPT}
        stamp = None
        if content is not None:
            known |= {"sha256": content.sha256, "bytes": content.bytes}
            stamp = content.stamp
        if document is None:
            id = store.add_document(key=key, attributes=attributes, stamp=stamp, **known)
        else:
            id = document.id
            self._supersede(document, newest)
            store.change_document(id, attributes=attributes, stamp=stamp, **known)
        if file is not None:  # added again, because a document's newest file has the largest id
            store.remove_file(file.id)
            known |= {name: getattr(file, name) for name in _KEPT_OF_THE_FILE}
        owned = 0 if file is None else file.owned
        store.add_file(document=id, file_id=file_id, owned=owned, state=State.UNSURE, **known)
        return id

    def _content(self, row: Row, key: str, file: StoredFile | None) -> Content | None:
        """Return what the file contains, if the row says so. Raises RowError if it is known to be something else."""
        content = self._values.content(row, key)
        if content is not None and file is not None and file.sha256 not in (None, content.sha256):
            raise RowError(
                f"{self._store.name}.file_id of the key {sql_literal(key)}: {file.file_id} has other content than the "
                "row; leave out content and path, or leave out file_id to upload the content"
            )
        return content

    def _supersede(self, document: Document, newest: StoredFile | None) -> None:
        if newest is not None and (newest.state is State.WANTED or is_adopted_now(newest)):
            self._store.remove_file(newest.id)
        elif newest is not None:
            self._shared_files.refuse([newest], document.key)


def is_adopted_now(file: StoredFile) -> bool:
    """Return whether the open transaction adopts the file, and nothing of it is known yet: COMMIT has not looked."""
    return not file.owned and file.state is State.UNSURE and file.attributes is None
