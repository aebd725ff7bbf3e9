"""Spare files: what a transaction that failed has uploaded, or may have, and a later one uses instead of uploading it.

    the spare file                                      the wanted file is then
    --------------------------------------------------  -----------------------------------------------------
    is attached with the chunking of the document       what the spare one is
    is not attached, or the API could not use it        uploaded: it is attached
    may be at the API: the outcome of its upload is     unknown, although COMMIT has just looked for it: a second
    unknown                                             upload might leave a file that no row knows

The first of the table that there is counts.

>>> take_up(store, document, file)
True
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

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
    spare = best(document, spares(store, file))
    if spare is None:
        return False
    store.remove_file(spare.id)
    state = State.UPLOADED if spare.state in TO_ATTACH else spare.state
    store.move(file, state, **{name: getattr(spare, name) for name in KEPT})
    return True


def best(document: Document, found: Sequence[StoredFile]) -> StoredFile | None:
    """Return the spare file that a document uses, None if there is none."""
    attached = (spare for spare in found if spare.state in ATTACHED and spare.chunking == document.chunking)
    others = (spare for spare in found if spare.state in TO_ATTACH)
    perhaps = (spare for spare in found if spare.state is State.UNKNOWN)
    return next(chain(attached, others, perhaps), None)
