"""The vector store of a documents table that was created with a name: found or created with the first documents.

Names of vector stores are not unique, so that a second store of one name would be easy to create, and hard to notice.
Before a store is created, all stores are listed: one of that name stops the COMMIT.

>>> take_or_refuse(store, "Handbook", stores(session), begun_at=None)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..errors import ProgrammingError
from ..ledger.shadow_table import written
from ..protocol import Object
from ..schema.values import sql_literal
from .store import DocumentStore
from .unknown import CLOCK_DIFFERENCE

MAX_LISTED = 10


def take_or_refuse(store: DocumentStore, name: str, listed: Iterable[Object], begun_at: int | None) -> bool:
    """Take the vector store that an earlier COMMIT has created, and return True. Return False when there is none.

    begun_at: when that COMMIT began to create it, with an unknown outcome; None when none has.
    Raises ProgrammingError for stores of that name that are not certainly the table's own.
    """
    found = [item for item in listed if item.get("name") == name]
    if begun_at is not None:
        own = [item for item in found if _created_since(item, begun_at - CLOCK_DIFFERENCE)]
        if len(own) == len(found) == 1:
            store.set("vector_store_id", own[0]["id"])
            store.set("store_unknown", None)
            return True
    if found:
        raise ProgrammingError(_refusal(store.name, name, [item["id"] for item in found]))
    return False


def _created_since(item: Object, since: float) -> bool:
    created_at = item.get("created_at")
    return isinstance(created_at, int | float) and created_at >= since


def _refusal(table: str, name: str, ids: Sequence[str]) -> str:
    if len(ids) == 1:
        there = f"a vector store named {sql_literal(name)} is there already"
        which, one = "to use it", sql_literal(ids[0])
    else:
        more = f" and {len(ids) - MAX_LISTED} more" if len(ids) > MAX_LISTED else ""
        there = f"{len(ids)} vector stores named {sql_literal(name)} are there already: {', '.join(ids[:MAX_LISTED])}"
        there, which, one = there + more, "to use one of them", "'vs_…'"
    in_sql = written(table)
    return (
        f"{table}: {there}; {which}, DROP TABLE {in_sql}, and CREATE VIRTUAL TABLE {in_sql} USING "
        f"vector_store_documents(vector_store_id = {one}); or choose another name"
    )
