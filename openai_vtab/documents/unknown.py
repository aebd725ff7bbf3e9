"""Uploads with an unknown outcome: which of the files at the API is the one that an upload may have created.

A file is taken for an upload's only if it is the only one that can be: it has the name, the size and the purpose, it
was created since the upload began, no row knows it, and it cannot be the file of another such upload, of this table or
another one. Otherwise the upload stays unknown until the user decides: uploading again might leave a second file that
no row knows.

Whose file it is
----------------
The transaction that has begun such an upload was rolled back, so that no document has its content. Its file is spare,
as one whose upload has succeeded is: the next document that wants the content takes it, found or not. If it is not
found, the document has the status `unknown`.

It must not count as the newest file of the document with its key. That document still has another content: its own file
would count as superseded, its changes would not be sent, and its status not be shown.

A key that the table does not have is the exception. A provisional document, without a sha256, shows the upload until
its file is found, or the key is written.

>>> resolve(store, [file], uploaded_since(…), is_known=lambda file_id: False)
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import zip_longest

from ..ledger.shadow_table import written
from ..protocol import Object
from ..schema.values import SQLiteValue
from .requests import PURPOSE
from .rows import Document, StoredFile
from .states import State
from .store import DocumentStore

CLOCK_DIFFERENCE = 5  # seconds that the API's clock may be behind this machine's
MAX_LISTED = 10  # candidates in a message


def possible_since(files: Sequence[StoredFile]) -> int:
    """Return the earliest time at which the API can have created one of the files: Unix seconds of its clock."""
    return min(file.created_at or 0 for file in files) - CLOCK_DIFFERENCE


def resolve(
    store: DocumentStore,
    files: Sequence[StoredFile],
    objects: Sequence[Object],
    is_known: Callable[[str], bool],
    rivals: Sequence[StoredFile] = (),
) -> None:
    """Give each unknown file the id of the only object that it can be, or write down which ones it may be.

    objects: the files at the API, created since `possible_since`.
    is_known: whether a row of a table has a file of this id.
    rivals: the unknown files of other tables.
    """
    candidates = {file.id: [o for o in objects if _can_be(file, o)] for file in files}
    unowned = {id for found in candidates.values() for o in found if not is_known(id := o["id"])}
    for id, found in candidates.items():
        candidates[id] = [o for o in found if o["id"] in unowned]
    of_rivals = [o for file in rivals for o in objects if _can_be(file, o)]
    claims = Counter(o["id"] for found in (*candidates.values(), of_rivals) for o in found)
    alike: dict[tuple[str | None, int | None], list[StoredFile]] = {}
    for file in files:
        match candidates[file.id]:
            case [only] if claims[only["id"]] == 1:
                found_as(store, file, file_id=only["id"], created_at=only.get("created_at"))
            case _:
                alike.setdefault((file.filename, file.bytes), []).append(file)
    for group in alike.values():
        _leave_or_advise(store, group, candidates, {o["id"] for o in of_rivals})


def _leave_or_advise(
    store: DocumentStore, group: Sequence[StoredFile], candidates: dict[int, list[Object]], of_rivals: set[str]
) -> None:
    """Delete the objects that uploads of one name and size can be if no document needs any of them.

    It does not matter then which object is which upload's; there must not be more of them than uploads.
    """
    objects = {o["id"]: o for file in group for o in candidates[file.id]}
    is_needed = any(file.state is not State.LEAVING for file in group) or not of_rivals.isdisjoint(objects)
    if is_needed or len(objects) > len(group):
        for file in group:
            store.change_file(file.id, answer=advice(store.name, [o["id"] for o in candidates[file.id]]))
        return
    for file, found in zip_longest(group, objects.values()):
        if found is None:
            store.remove_file(file.id)
        else:
            found_as(store, file, file_id=found["id"], created_at=found.get("created_at"))


def _can_be(file: StoredFile, candidate: Object) -> bool:
    since = (file.created_at or 0) - CLOCK_DIFFERENCE
    return (
        candidate.get("filename") == file.filename
        and candidate.get("bytes") == file.bytes
        and candidate.get("purpose") == PURPOSE
        and isinstance(candidate.get("created_at"), int | float)
        and candidate["created_at"] >= since
    )


def advice(table: str, ids: Sequence[str] | None = None) -> str:
    """Return a vector_store.file object, JSON, whose last_error says what to do about an unknown upload.

    ids: the files at the API that it may be; None when they were not looked for yet.
    """
    if ids is None:
        seen = "write the document again, and COMMIT looks for its file first"
    elif ids:
        more = f" and {len(ids) - MAX_LISTED} more" if len(ids) > MAX_LISTED else ""
        shown = ", ".join(ids[:MAX_LISTED]) + more
        seen = f"the files of its name and size that were created since are {shown}"
    else:
        seen = "no file of its name and size was created since"
    name = written(table)
    message = (
        f"it is not known whether the API has carried out the upload; {seen}. To upload it again in any case, DELETE "
        f"the row and INSERT it, or INSERT INTO {name} ({name}) VALUES ('retry-unknown') and write it again"
    )
    return json.dumps({"last_error": {"code": "unknown_upload", "message": message}})


def found_as(store: DocumentStore, file: StoredFile, **columns: SQLiteValue) -> None:
    """Write the id of an unknown file, and what else is known of it.

    It belongs to its document only if that has this content: the transaction that wrote it was perhaps rolled back.
    """
    document = None if file.document is None else store.document_at(file.document)
    sha256 = columns.get("sha256", file.sha256)
    is_wanted = document is not None and document.sha256 is not None and document.sha256 == sha256
    state = file.state if file.state is State.LEAVING else State.UPLOADED
    owner = file.document if is_wanted else None
    store.change_file(file.id, **columns, state=state, document=owner, answer=None)
    if document is not None and not is_wanted:
        _forget_document_without_content(store, document)


def _forget_document_without_content(store: DocumentStore, document: Document) -> None:
    """Remove a document that is there only to show that its upload is unknown."""
    if is_provisional(document) and not store.files_of(document.id):
        store.remove_document(document.id)


def is_given_up(file: StoredFile) -> bool:
    """Return whether the user has said, with 'retry-unknown', that an unknown upload is not looked for any more."""
    return file.state is State.UNKNOWN and file.sha256 is None


def is_provisional(document: Document) -> bool:
    """Return whether a document was never committed: it shows an upload with an unknown outcome."""
    return document.sha256 is None and document.filename is not None
