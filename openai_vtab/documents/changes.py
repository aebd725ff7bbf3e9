"""INSERT, UPDATE and DELETE of documents: what they make of the rows in the shadow tables. Nothing is sent.

    the document is new                    a document and a wanted file
    other content, filename or chunking    a wanted file; the old one stays until the new one is completed
    the same content                       the document's attributes; a file that failed is to be attached again
    it is deleted                          its files are leaving

COMMIT brings the API to what these rows say (documents/commit.py). SQLite undoes the rows with the transaction, the
savepoint or the statement that wrote them. Whatever can be wrong with a row is found before its first change, because
SQLite does not undo what a statement of one row has done before it failed.

>>> Changes(store, arguments, limits, shared_files).insert({"key": "a.md", "content": "…"}, apsw.SQLITE_ABORT)
1
"""

from __future__ import annotations

from dataclasses import dataclass

import apsw

from ..errors import RowError, UnsupportedWriteError
from ..schema.values import Limits, SQLiteValue, sql_literal
from .adoption import Adoption, is_adopted_now
from .arguments import Arguments
from .contents import Content
from .row_values import Row, RowValues
from .rows import Document, StoredFile
from .shared_files import SharedFiles
from .states import State
from .store import DocumentStore
from .unknown import is_provisional

INSERTED = ("key", "path", "content", "attributes", "chunking_strategy", "file_id")
UPDATED = ("key", "path", "content", "attributes", "chunking_strategy")
# their file can be attached with any chunking: the vector store does not have it, or could not use it
_ATTACHABLE = frozenset({State.WANTED, State.UPLOADED, State.FAILED, State.CANCELLED})
# the API does not have them, as far as is known
_NOT_THERE = frozenset({State.WANTED, State.UNKNOWN})
# COMMIT may find that it has to upload the file of the document
_MAY_BE_GONE = frozenset({State.WANTED, State.FAILED, State.CANCELLED, State.MISSING, State.UNSURE})
_AGAIN = {State.FAILED: State.UPLOADED, State.CANCELLED: State.UPLOADED, State.MISSING: State.UNSURE}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A document after a statement. content: None leaves it unchanged."""

    attributes: str
    chunking: str | None
    content: Content | None


class Changes:
    """The decisions of one table. A `conflict` is what apsw.Connection.vtab_on_conflict() returns."""

    def __init__(self, store: DocumentStore, arguments: Arguments, limits: Limits, shared_files: SharedFiles) -> None:
        self._store = store
        self._arguments = arguments
        self._shared_files = shared_files
        self._values = RowValues(store, limits)
        self._adoption = Adoption(store, self._values, shared_files)

    def insert(self, row: Row, conflict: int) -> int:
        """INSERT these columns, and return the rowid. Raises RowError, UnsupportedWriteError, apsw.ConstraintError.

        A known key is replaced, ignored or refused, as the statement says. SQLite counts an ignored row in changes().
        """
        values = self._values
        values.refuse_others(row, INSERTED, "INSERT")
        key = values.key(row)
        document, file = next(self._store.listed("d.key = ?", [key]), (None, None))
        is_there = document is not None and not _is_left_over(document, file)
        if document is not None and is_there and conflict != apsw.SQLITE_REPLACE:
            if conflict == apsw.SQLITE_IGNORE:
                return document.id
            raise self._key_is_taken(key)
        if "file_id" in row:
            return self._adoption.insert(key, row, document, file)
        chunking = values.chunking(row, key, self._arguments.chunking)
        attributes = values.attributes(row, key, None if document is None else document.attributes)
        if document is not None and self._is_unchanged(document, file, row, chunking):
            return self._change(document, file, Wanted(attributes, chunking, None), key)
        content = values.content(row, key)
        if content is None:
            raise RowError(
                f"{self._store.name}: the key {sql_literal(key)} has no content; give content, path or file_id"
            )
        wanted = Wanted(attributes, chunking, content)
        if document is None:
            return self._add(key, wanted, content)
        self._refuse_impossible(document, file, wanted, key)
        return self._change(document, file, wanted, key)

    def update(self, rowid: int, row: Row, conflict: int) -> None:
        """UPDATE these columns. Raises RowError, UnsupportedWriteError, apsw.ConstraintError."""
        values = self._values
        values.refuse_others(row, UPDATED, "UPDATE")
        document, file = next(self._store.listed("d.id = ?", [rowid]), (None, None))
        if document is None:
            raise self._not_a_document("UPDATE")
        key = values.key(row) if "key" in row else document.key
        if row.keys() == {"key"}:
            file = None  # the key is the user's alone: the file stays as it is
        attributes = values.attributes(row, key) if "attributes" in row else document.attributes
        chunking = (
            values.chunking(row, key, self._arguments.chunking) if "chunking_strategy" in row else document.chunking
        )
        content = None if self._is_unchanged(document, file, row, chunking) else values.content(row, key)
        wanted = Wanted(attributes, chunking, content)
        self._refuse_impossible(document, file, wanted, key)
        other = self._store.document(key) if key != document.key else None
        if other is not None:
            if conflict == apsw.SQLITE_IGNORE:
                return
            if conflict != apsw.SQLITE_REPLACE:
                raise self._key_is_taken(key)
            self.delete(other.id)
        self._change(document, file, wanted, key)

    def delete(self, rowid: int) -> None:
        """DELETE a document. Raises RowError when another table knows one of its files."""
        document = self._store.document_at(rowid)
        if document is None:
            raise self._not_a_document("DELETE")
        files = self._store.files_of(rowid)
        self._shared_files.refuse(files, document.key)
        for file in files:
            self._release(file)
        self._store.remove_document(rowid)
        if any(file.file_id is not None for file in files):
            self._store.deleted.add(rowid)

    # decisions

    def _add(self, key: str, wanted: Wanted, content: Content) -> int:
        store = self._store
        store.contents.keep(content)  # it may fail, so that it comes before the first change
        new = store.add_document(
            key=key,
            attributes=wanted.attributes,
            chunking=wanted.chunking,
            sha256=content.sha256,
            bytes=content.bytes,
            filename=content.filename,
            stamp=content.stamp,
        )
        try:
            self._want(new, content)
        except BaseException:
            store.remove_document(new)
            raise
        return new

    def _change(self, document: Document, file: StoredFile | None, wanted: Wanted, key: str) -> int:
        """Make a document what is wanted, and return its rowid. `file` is its newest."""
        content = wanted.content
        columns = {"key": key, "attributes": wanted.attributes, "chunking": wanted.chunking}
        if content is not None:
            columns |= {"sha256": content.sha256, "filename": content.filename, "stamp": content.stamp}
            file = self._bring(document, file, content, wanted.chunking)
        if file is not None and file.state in _AGAIN:
            self._store.move(file, _AGAIN[file.state])
        new: dict[str, SQLiteValue] = {
            name: value for name, value in columns.items() if value != getattr(document, name)
        }
        if content is not None and content.bytes != document.bytes:
            new["bytes"] = content.bytes
        if new:
            self._store.change_document(document.id, **new)
        return document.id

    def _bring(
        self, document: Document, file: StoredFile | None, content: Content, chunking: str | None
    ) -> StoredFile | None:
        """Have the newest file of a document be one with the content. Returns a file that has it already.

        The transaction may change the document again, or a failed one may have left an upload with an unknown outcome:
        the content is perhaps what the API has.
        """
        kept, newer = None, list[StoredFile]()
        if file is not None and file.state in _NOT_THERE:
            kept, newer = self._known(document, content, chunking)
        elif file is not None and _has(file, content, document.chunking, chunking):
            kept = file
        if kept is None or kept.state in _MAY_BE_GONE:
            self._store.contents.keep(content)  # it may fail, so that it comes before the first change
        for each in newer:
            if each.state is State.WANTED:
                self._store.remove_file(each.id)
            elif kept is not None:
                self._store.change_file(each.id, document=None)
        if kept is None:
            self._want(document.id, content)
        return kept

    def _known(
        self, document: Document, content: Content, chunking: str | None
    ) -> tuple[StoredFile | None, list[StoredFile]]:
        """Return the newest file with the content, a wanted one only if there is no other, and the files newer than it.

        Files older than one that certainly is, or was, at the API are another content's.
        """
        files = self._store.files_of(document.id)
        first = next((place for place in reversed(range(len(files))) if files[place].state not in _NOT_THERE), 0)
        recent = [*reversed(files[first:])]
        found = [each for each in recent if _has(each, content, _chunking(each, document, recent[0]), chunking)]
        kept = next((each for each in found if each.state is not State.WANTED), next(iter(found), None))
        return kept, [each for each in recent if kept is None or each.id > kept.id]

    def _want(self, document: int, content: Content) -> None:
        self._store.add_file(
            document=document,
            sha256=content.sha256,
            bytes=content.bytes,
            filename=content.filename,
            owned=1,
            state=State.WANTED,
        )

    def _release(self, file: StoredFile) -> None:
        """A document does not need the file any more."""
        if file.state is State.WANTED or is_adopted_now(file):
            self._store.remove_file(file.id)
        else:
            self._store.move(file, State.LEAVING, document=None)

    def _is_unchanged(self, document: Document, file: StoredFile | None, row: Row, chunking: str | None) -> bool:
        """Whether a document needs no content, because its file is at the API, and the local file is as it was."""
        return (
            file is not None
            and file.state not in _MAY_BE_GONE
            and (file.sha256, file.filename) == (document.sha256, document.filename)
            and (chunking == document.chunking or file.state in _ATTACHABLE)
            and self._values.is_unchanged(row, document)
        )

    # refusals

    def _refuse_impossible(self, document: Document, file: StoredFile | None, wanted: Wanted, key: str) -> None:
        """Raise RowError when the document cannot become what is wanted."""
        if wanted.content is None:
            if wanted.chunking != document.chunking and (file is None or file.state not in _ATTACHABLE):
                raise RowError(
                    f"{self._store.name}.chunking_strategy of the key {sql_literal(key)}: a file that is attached "
                    "keeps its chunks, so that it must be uploaded again; SET content or path as well"
                )
        elif (
            file is not None
            and file.state is not State.WANTED
            and not _has(file, wanted.content, document.chunking, wanted.chunking)
        ):
            self._shared_files.refuse([file], document.key)

    def _key_is_taken(self, key: str) -> apsw.ConstraintError:
        return apsw.ConstraintError(
            f"{self._store.name}.key: {sql_literal(key)} is there already; write OR REPLACE to replace the document, "
            "or OR IGNORE to leave it as it is"
        )

    def _not_a_document(self, verb: str) -> UnsupportedWriteError:
        return UnsupportedWriteError(
            f"{self._store.name}: {verb} is for documents, and a row without a key is a file that this table does not "
            "know; add AND key IS NOT NULL"
        )


def _has(file: StoredFile, content: Content, current: str | None, chunking: str | None) -> bool:
    """Whether a file has the content, and has the chunking (`current` is the file's) or can be attached with it."""
    return (file.sha256, file.filename) == (content.sha256, content.filename) and (
        current == chunking or file.state in _ATTACHABLE or file.state is State.UNKNOWN
    )


def _chunking(file: StoredFile, document: Document, newest: StoredFile) -> str | None:
    """The chunking of a file: that of its document if it is the newest."""
    return document.chunking if file.id == newest.id else file.chunking


def _is_left_over(document: Document, file: StoredFile | None) -> bool:
    """Whether a transaction that failed has left the document to show that its upload is unknown: it is new."""
    return is_provisional(document) and file is not None and file.state is State.UNKNOWN
