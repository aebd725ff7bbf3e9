"""A documents table over the sandbox: its SQL, and what its tests read of the vector store.

>>> assert_holds(sandbox, {"a.md": "hello"})
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import apsw

STORE = "vs_docs"
CREATE = f"CREATE VIRTUAL TABLE handbook USING vector_store_documents(vector_store_id = '{STORE}')"
BY_NAME = "CREATE VIRTUAL TABLE handbook USING vector_store_documents(name = 'Handbook')"
SYNC = "INSERT INTO handbook (handbook) VALUES ('sync')"
# the requests of a COMMIT that change something: method and path
STEPS = {
    "store": ("POST", "/vector_stores$"),
    "upload": ("POST", "/files$"),
    "attach": ("POST", "/file_batches$"),
    "attributes": ("POST", "/vector_stores/[^/]*/files/"),
    "detach": ("DELETE", "/vector_stores/[^/]*/files/"),
    "delete": ("DELETE", "^/files/"),
}

Requests = Callable[[], list[str]]


def write(db: apsw.Connection, documents: Mapping[str, str], verb: str = "INSERT OR REPLACE") -> None:
    """Write documents in one statement."""
    rows = ", ".join("(?, ?)" for _ in documents)
    db.execute(f"{verb} INTO handbook (key, content) VALUES {rows}", [v for pair in documents.items() for v in pair])


def rows(db: apsw.Connection, columns: str = "key, status") -> list[Any]:
    """The rows by key."""
    return db.execute(f"SELECT {columns} FROM handbook ORDER BY key").fetchall()


def held(sandbox: Any, store: str | None = STORE) -> Counter[tuple[str, str]]:
    """What the vector store has: (filename, content) of each file that is attached."""
    state = sandbox._state
    stores = [state.stores[store]] if store else [each for each in state.stores.values() if each.name == "Handbook"]
    files = [state.files[id] for each in stores for id in each.files]
    return Counter((file.filename, file.content.decode()) for file in files)


def uploaded(sandbox: Any) -> Counter[tuple[str, str]]:
    """What is uploaded: (filename, content) of each file that is not the demo's."""
    files = [file for id, file in sandbox._state.files.items() if re.fullmatch("file-[0-9a-f]{32}", id)]
    return Counter((file.filename, file.content.decode()) for file in files)


def assert_holds(sandbox: Any, documents: Mapping[str, str], store: str | None = STORE) -> None:
    """The vector store has exactly these documents, none twice, and no file is left anywhere else."""
    expected = Counter((key.rpartition("/")[2], content) for key, content in documents.items())
    assert held(sandbox, store) == expected
    assert uploaded(sandbox) == expected


def short(taken: list[str]) -> Counter[str]:
    """Requests without their ids: "POST files"."""
    return Counter(_short(request) for request in taken)


def _short(request: str) -> str:
    method, _, path = request.partition(" ")
    parts = path.partition("?")[0].removeprefix("/v1").strip("/").split("/")
    return f"{method} {'/'.join(part for part in parts if not part.startswith(('vs_', 'file-', 'vsfb_')))}"
