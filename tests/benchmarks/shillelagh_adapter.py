"""A Shillelagh adapter for file batches, such as one writes from its documentation. Shillelagh asks one by one.

It must not know what is measured. The table has the same name and columns as ours, so the same SQL runs on both.
`supports_requested_columns` stays off: with it, Shillelagh (1.4) counts only the usable constraints but marks them by
their place among all, so that an unusable one before them shifts the marks.

>>> connect("my.db", base_url).cursor().execute("SELECT status FROM vector_store_file_batches WHERE …")

https://shillelagh.readthedocs.io/en/latest/development.html
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import requests
from shillelagh.adapters.base import Adapter
from shillelagh.adapters.registry import registry
from shillelagh.backends.apsw.db import APSWConnection
from shillelagh.backends.apsw.db import connect as shillelagh_connect
from shillelagh.exceptions import ProgrammingError
from shillelagh.fields import Integer, String
from shillelagh.filters import Equal, Filter, Operator

from .opponents import HEADERS, TIMEOUT, url

NAME = "vector_store_file_batches"
KEYS = {"vector_store_id", "batch_id"}
CHEAP, PROHIBITIVE = 1.0, 1e12


class FileBatches(Adapter):
    """The table of file batches."""

    safe = True

    vector_store_id = String(filters=[Equal])
    batch_id = String(filters=[Equal])
    id = String()
    created_at = Integer()
    status = String()
    file_ids = String()

    def __init__(self, base_url: str) -> None:
        super().__init__()
        self.base_url = base_url
        self.session = requests.Session()
        self.session.headers.update(HEADERS)
        self.rowids = itertools.count(1)

    @staticmethod
    def supports(uri: str, fast: bool = True, **kwargs: Any) -> bool | None:
        """Whether this adapter is meant."""
        return uri == NAME

    @staticmethod
    def parse_uri(uri: str) -> tuple[()]:
        """The name says nothing more."""
        return ()

    def get_cost(self, filtered_columns: list[tuple[str, Operator]], order: list[Any]) -> float:
        """Only with both keys."""
        return CHEAP if {name for name, _ in filtered_columns} >= KEYS else PROHIBITIVE

    def get_data(self, bounds: dict[str, Filter], order: list[Any], **kwargs: Any) -> Iterator[dict[str, Any]]:
        """The batch with these keys."""
        keys = {name: bound.value for name, bound in bounds.items() if isinstance(bound, Equal)}
        if keys.keys() < KEYS:
            raise ProgrammingError(f"{NAME} needs {' and '.join(sorted(KEYS))}")
        answer = self.session.get(url(self.base_url, keys["vector_store_id"], keys["batch_id"]), timeout=TIMEOUT)
        answer.raise_for_status()
        found = answer.json()
        named = {name: found[name] for name in ("id", "created_at", "status")}
        yield {**keys, **named, "rowid": next(self.rowids)}

    def insert_data(self, row: dict[str, Any]) -> int:
        """Create a batch."""
        body = {"file_ids": json.loads(row["file_ids"])}
        answer = self.session.post(url(self.base_url, row["vector_store_id"]), json=body, timeout=TIMEOUT)
        answer.raise_for_status()
        return next(self.rowids)

    def close(self) -> None:
        """Close the connections."""
        self.session.close()


registry.add("file_batches", FileBatches)


def connect(database: str, base_url: str) -> APSWConnection:
    """Open a database with the table."""
    return shillelagh_connect(database, ["file_batches"], {"file_batches": {"base_url": base_url}})


def rows(connection: APSWConnection, sql: str) -> list[tuple[Any, ...]]:
    """Run a statement; what it returns, which is nothing when it writes."""
    cursor = connection.cursor().execute(sql)
    return cursor.fetchall() if cursor.description else []
