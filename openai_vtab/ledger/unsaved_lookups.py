"""Objects that were looked up, kept until they can be written into the shadow table.

A statement that only reads must not write, so the rows wait for its end. They also wait while another connection
writes. Nothing is lost with them but a later look-up.

>>> pending.remember({"vector_store_id": "vs_1", "id": "vsfb_1"}, {"status": "completed"})
>>> connection.execute(pending.statement('"main"."my_batches_ledger"'), (pending.values(),))
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..schema.table import Table
from ..schema.values import SQLiteValue
from .row import dumped, status_of


class UnsavedLookups:
    """The latest response for each object, by its keys."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._rows: dict[tuple[str, ...], list[SQLiteValue]] = {}

    def __bool__(self) -> bool:
        """Whether a row is kept."""
        return bool(self._rows)

    def remember(self, keys: Mapping[str, str], answer: dict[str, Any]) -> None:
        """Keep an object."""
        known = tuple(keys[source] for source in self._table.key)
        self._rows[known] = [*known, status_of(answer), dumped(answer)]

    def forget(self, key: tuple[str, ...]) -> None:
        """Drop an object."""
        self._rows.pop(key, None)

    def clear(self) -> None:
        """Drop all."""
        self._rows.clear()

    def values(self) -> str:
        """Return the rows as a JSON array of arrays."""
        return json.dumps(list(self._rows.values()))

    def statement(self, shadow: str) -> str:
        """Return the statement that writes the rows; its parameter is `values`.

        An older response never replaces a finished one that another connection has written.
        """
        keys = ", ".join(self._table.key)
        places = ", ".join(f"value ->> {n}" for n in range(len(self._table.key) + 2))
        finished = ", ".join(f"'{status}'" for status in sorted(self._table.finished))
        return (
            f"INSERT INTO {shadow} AS old ({keys}, status, answer) SELECT {places} FROM openai.json_each(?) WHERE true "
            f"ON CONFLICT ({keys}) DO UPDATE SET status = excluded.status, answer = excluded.answer "
            f"WHERE excluded.status IN ({finished}) OR old.status NOT IN ({finished})"
        )
