"""The rows that the steps of a COMMIT are about.

>>> newest_in(store, State.UPLOADED)
[(Document(key='docs/a.md', …), StoredFile(file_id='file-1', state='uploaded', …))]
"""

from __future__ import annotations

from collections.abc import Iterable

from .rows import Pair, StoredFile
from .states import State
from .store import DocumentStore

SPARE = "f.document IS NULL AND f.state <> 'leaving' AND f.owned"


_OVER = (State.FAILED, State.CANCELLED, State.MISSING)
# an older file in these states is not in the vector store, or can never be found there
_USELESS = (State.UPLOADED, *_OVER)


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
    """Return the files of the same content and name that no document needs, the unknown of its own document too."""
    own = "f.document = ? AND f.state = 'unknown' AND f.id <> ?"
    where = f"(({SPARE}) OR ({own})) AND f.sha256 = ? AND f.filename = ?"
    return store.files(where, [file.document, file.id, file.sha256, file.filename])


def all_spares(store: DocumentStore) -> list[StoredFile]:
    """Return the files that no document needs, and those with unknown uploads."""
    return store.files(f"({SPARE}) OR f.state = 'unknown'")


def superseded(store: DocumentStore) -> list[StoredFile]:
    """Return the files that are older than a completed one of their document, and older ones that no search finds.

    Among these are uploads that the user has given up.
    """
    newer = f"SELECT 1 FROM {store.shadow.path('files')} AS n WHERE n.document = f.document AND n.id > f.id"
    is_useless = f"(f.state IN ({_names(_USELESS)}) OR (f.state = 'unknown' AND f.sha256 IS NULL))"
    return store.files(f"f.document IS NOT NULL AND EXISTS ({newer} AND (n.state = 'completed' OR {is_useless}))")


def to_look_at(store: DocumentStore) -> list[StoredFile]:
    """Return the files of which the API must be asked before anything is sent.

    Unsure ones that a document needs, or that a wanted file may take up; and the newest file of each document that
    still has an older one. If the newest has failed, its document needs to know whether the older one is completed.
    """
    path = store.shadow.path("files")
    unsure = (
        "f.state = 'unsure' AND (f.document IS NOT NULL OR EXISTS (SELECT 1 FROM "
        f"{path} AS w WHERE w.state = 'wanted' AND w.sha256 = f.sha256 AND w.filename = f.filename))"
    )
    others = f"EXISTS (SELECT 1 FROM {path} AS o WHERE o.document = f.document AND o.id"
    several = f"f.state = 'in_progress' AND ({others} < f.id) OR {others} > f.id AND o.state IN ({_names(_OVER)})))"
    return store.files(f"({unsure}) OR ({several})")


def unknown(store: DocumentStore) -> list[StoredFile]:
    """Return the files whose uploads have an unknown outcome."""
    # without a sha256, the user has given it up ('retry-unknown')
    where = "(f.state = 'unknown' AND f.sha256 IS NOT NULL) OR (f.state = 'leaving' AND f.file_id IS NULL)"
    return store.files(where)


def retried(store: DocumentStore) -> list[StoredFile]:
    """Return the files that are to be attached again, because they had failed."""
    return store.files("f.state = 'uploaded' AND f.attached_at IS NOT NULL AND f.document IS NOT NULL")


def adopted(store: DocumentStore) -> list[Pair]:
    """Return the documents that have just adopted a file: nothing else is known of it yet."""
    found = store.listed("d.filename IS NULL AND f.owned = 0 AND f.file_id IS NOT NULL")
    return [(document, file) for document, file in found if file is not None]
