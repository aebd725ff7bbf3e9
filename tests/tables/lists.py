"""The lists: how each table is listed, and the objects in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import apsw
import pytest

COUNT = 250


@dataclass(frozen=True)
class List:
    """A list as a table and its condition, and as the API has it."""

    table: str
    where: str
    path: str
    most: int = 100

    def sql(self, columns: str = "id", more: str = "") -> str:
        # SQLite tells a table of no LIMIT beside a term that is not the table's, such as WHERE true
        where = self.where if self.where != "true" else more.removeprefix("AND ") if more.startswith("AND ") else ""
        rest = "" if self.where == "true" and where else more
        return f"SELECT {columns} FROM {self.table}{' WHERE ' if where else ''}{where} {rest}"

    def get(self, query: str = "", *, limit: int | None = None, order: str = "desc", after: str = "") -> str:
        """The request for a page."""
        cursor = f"&after={after}" if after else ""
        return f"GET {self.path}?{query}limit={limit or self.most}&order={order}{cursor}"


LISTS = [
    List("vector_stores", "true", "/vector_stores"),
    List("vector_store_files", "vector_store_id = 'vs_many'", "/vector_stores/vs_many/files"),
    List(
        "vector_store_file_batch_files",
        "vector_store_id = 'vs_many' AND batch_id = 'vsfb_many'",
        "/vector_stores/vs_many/file_batches/vsfb_many/files",
    ),
    List("files", "true", "/files", 10_000),
]
PAGED = LISTS[:3]  # those whose pages are small enough to have several
STATUSED = LISTS[1:3]


def ids(lists: list[List]) -> Any:
    return pytest.mark.parametrize("it", lists, ids=[it.table for it in lists])


every, paged, statused = ids(LISTS), ids(PAGED), ids(STATUSED)


def plan(db: apsw.Connection, sql: str) -> str:
    return "; ".join(row[3] for row in db.execute("EXPLAIN QUERY PLAN " + sql))


def page(items: list[Any], **more: Any) -> Any:
    """A page as a server may answer it; None leaves a member out."""
    last = items[-1]["id"] if items and isinstance(items[-1], dict) else None
    first = items[0]["id"] if items and isinstance(items[0], dict) else None
    whole = {"object": "list", "data": items, "first_id": first, "last_id": last, "has_more": False, **more}
    return {name: value for name, value in whole.items() if value is not ...}
