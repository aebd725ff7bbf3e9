"""The shell's line about the objects that a statement has deleted, detached, updated or cancelled at the API.

>>> changed = ChangedObjects()
>>> changed.add(Request("DELETE", "/files/file-1", route="/files/{file_id}"))
>>> changed.take()
['deleted: 1 file']
"""

from __future__ import annotations

from collections import Counter

from ..protocol import Request
from ..schema.table import Method, Table
from ..tables import TABLES


def _effect(table: Table, method: Method) -> tuple[str, str]:
    """What a request of the method does, in the past tense, and to which objects: ("deleted", "files")."""
    if method.verb == "DELETE":
        done = "detached" if len(method.variables) > 1 else "deleted"
    else:
        done = "cancelled" if method.only_when_set_to else "updated"
    return done, table.name.removeprefix("vector_store_").replace("_", " ")


EFFECTS = {
    (method.http, method.path): _effect(table, method)
    for table in TABLES
    for method in (*table.of("UPDATE"), *table.of("DELETE"))
}


class ChangedObjects:
    """The number of objects that were changed since the last take()."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, request: Request) -> None:
        """Count a request that the API has carried out. Requests that create objects do not count."""
        if effect := EFFECTS.get((request.method, request.route)):
            self._counts[effect] += 1

    def take(self) -> list[str]:
        """Return one line with the numbers, or no line if nothing was changed. Forgets the numbers."""
        parts = [f"{done}: {_counted(count, nouns)}" for (done, nouns), count in self._counts.items()]
        self._counts.clear()
        return [", ".join(parts)] if parts else []


def _counted(count: int, nouns: str) -> str:
    if count > 1:
        return f"{count:,} {nouns}"
    return f"{count} {nouns.removesuffix('es') if nouns.endswith('ches') else nouns.removesuffix('s')}"
