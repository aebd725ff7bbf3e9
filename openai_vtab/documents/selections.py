"""The rows that the steps of a COMMIT are about.

>>> newest_in(store, State.UPLOADED)
[(Document(key='docs/a.md', …), StoredFile(file_id='file-1', state='uploaded', …))]
"""

from __future__ import annotations

from collections.abc import Iterable

from .rows import Document, StoredFile
from .states import State
from .store import DocumentStore

Pair = tuple[Document, StoredFile]


def _names(states: Iterable[State]) -> str:
    return ", ".join(f"'{state}'" for state in states)


def newest_in(store: DocumentStore, *states: State) -> list[Pair]:
    """Return the documents whose newest files are in these states, with these files, by rowid."""
    names = _names(states)
    some = f"d.id IN (SELECT document FROM {store.shadow.path('files')} WHERE state IN ({names}))"
    found = store.listed(f"{some} AND f.state IN ({names})")
    return [(document, file) for document, file in found if file is not None]


def with_other_attributes(store: DocumentStore) -> list[Pair]:
    """Return the documents whose newest files are attached with other attributes."""
    attached = _names(state for state in State if state.is_attached)
    found = store.listed(f"d.attributes IS NOT f.attributes AND f.state IN ({attached})")
    return [(document, file) for document, file in found if file is not None]


def spares(store: DocumentStore, file: StoredFile) -> list[StoredFile]:
    """Return the files of the same content and name that no document needs."""
    where = "f.document IS NULL AND f.sha256 = ? AND f.filename = ? AND f.file_id IS NOT NULL AND f.owned"
    return store.files(where, [file.sha256, file.filename])


def superseded(store: DocumentStore) -> list[StoredFile]:
    """Return the files older than a completed one of their document, and older ones that were never attached."""
    path = store.shadow.path("files")
    newest = f"(SELECT state FROM {path} AS n WHERE n.document = f.document ORDER BY n.id DESC LIMIT 1)"
    newer = f"EXISTS (SELECT 1 FROM {path} AS n WHERE n.document = f.document AND n.id > f.id)"
    return store.files(f"f.document IS NOT NULL AND {newer} AND (f.state = 'uploaded' OR {newest} = 'completed')")


def to_look_at(store: DocumentStore) -> list[StoredFile]:
    """Return the files of which the API must be asked before anything is sent.

    Unsure ones that a document needs, or that a wanted file may take up; and the newest file of each document that
    still has an older one.
    """
    path = store.shadow.path("files")
    unsure = (
        "f.state = 'unsure' AND (f.document IS NOT NULL OR EXISTS (SELECT 1 FROM "
        f"{path} AS w WHERE w.state = 'wanted' AND w.sha256 = f.sha256 AND w.filename = f.filename))"
    )
    newer = (
        f"f.state = 'in_progress' AND EXISTS (SELECT 1 FROM {path} AS o WHERE o.document = f.document AND o.id < f.id)"
    )
    return store.files(f"({unsure}) OR ({newer})")


def unknown(store: DocumentStore) -> list[StoredFile]:
    """Return the files whose uploads have an unknown outcome."""
    return store.files("f.state = 'unknown' OR (f.state = 'leaving' AND f.file_id IS NULL)")


def adopted(store: DocumentStore) -> list[Pair]:
    """Return the documents that have just adopted a file: nothing else is known of it yet."""
    found = store.listed("d.filename IS NULL AND f.owned = 0 AND f.file_id IS NOT NULL")
    return [(document, file) for document, file in found if file is not None]
