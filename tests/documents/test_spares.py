"""Which spare file a document uses instead of an upload: a table."""

from __future__ import annotations

import pytest

from openai_vtab.documents.rows import NO_ATTRIBUTES, Document, StoredFile
from openai_vtab.documents.spares import best
from openai_vtab.documents.states import State

CHUNKING = '{"type":"static"}'
DOCUMENT = Document(1, "a.md", NO_ATTRIBUTES, CHUNKING, "9f86", 4, "a.md", None)


def spare(id: int, state: str, chunking: str | None) -> StoredFile:
    """A file that no document needs."""
    file_id = None if state == "unknown" else f"file-{id}"
    sizes = ("9f86", 4, "a.md", 1)
    return StoredFile(id, None, file_id, *sizes, State(state), NO_ATTRIBUTES, chunking, None, 1, 1, None, None, 0)


@pytest.mark.parametrize(
    ("states", "used"),
    [
        ("", None),
        ("completed", None),
        ("completed same", 0),
        ("in_progress", None),
        ("in_progress same", 0),
        ("uploaded", 0),
        ("failed", 0),
        ("cancelled", 0),
        ("unknown", 0),
        ("unsure", None),
        ("missing", None),
        ("uploaded, completed same", 1),
        ("unknown, completed", 0),
        ("unknown, uploaded", 1),
        ("unknown, failed, in_progress same", 2),
        ("unknown, unknown", 0),
    ],
)
def test_spare_that_is_used(states: str, used: int | None) -> None:
    """An attached one with the chunking, else one that is to be attached, else one that may be at the API."""
    files = []
    for id, words in enumerate(filter(None, states.split(", "))):
        state, _, same = words.partition(" ")
        files.append(spare(id, state, CHUNKING if same else None))
    assert best(DOCUMENT, files) == (None if used is None else files[used])
