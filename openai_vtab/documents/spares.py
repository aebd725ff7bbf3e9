"""Spare files: what a transaction that failed has uploaded, and a later one uses instead of uploading it again.

>>> take_up(store, document, file)
True
"""

from __future__ import annotations

from .rows import Document, StoredFile
from .selections import all_spares, spares
from .states import State
from .store import DocumentStore

# the vector store does not have such a file, or could not use it: it is attached (again), with any chunking
TO_ATTACH = frozenset({State.UPLOADED, State.FAILED, State.CANCELLED})
ATTACHED = frozenset({State.COMPLETED, State.IN_PROGRESS})
KEPT = ("file_id", "attributes", "chunking", "batch_id", "created_at", "attached_at", "answer", "intent")


def contents(store: DocumentStore) -> set[tuple[str | None, str | None]]:
    """Return the SHA-256 and the names of all spare files: mostly none, and a look for each wanted file takes long."""
    return {(spare.sha256, spare.filename) for spare in all_spares(store)}


def take_up(store: DocumentStore, document: Document, file: StoredFile) -> bool:
    """Let a wanted file be a spare one of the same content and name. Returns whether there is one."""
    spare = _best(document, spares(store, file))
    if spare is None:
        return False
    store.remove_file(spare.id)
    state = State.UPLOADED if spare.state in TO_ATTACH else spare.state
    store.move(file, state, **{name: getattr(spare, name) for name in KEPT})
    return True


def _best(document: Document, found: list[StoredFile]) -> StoredFile | None:
    """Return a spare file that is attached with the document's chunking, else one that is to be attached, else None."""
    attached = (spare for spare in found if spare.state in ATTACHED and spare.chunking == document.chunking)
    others = (spare for spare in found if spare.state in TO_ATTACH)
    return next(iter((*attached, *others)), None)
