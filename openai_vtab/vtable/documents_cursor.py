"""The cursor of a documents table: one scan of its documents.

>>> cursor = DocumentsCursor(store, ["key", "status", …])
>>> cursor.Filter(0, "", ())

https://rogerbinns.github.io/apsw/vtable.html#vtcursor-class
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import apsw

from ..documents.rows import Document, StoredFile
from ..documents.states import State
from ..documents.store import DocumentStore
from ..schema.values import SQLiteValue


class DocumentsCursor:
    """One scan of all documents, by rowid."""

    def __init__(self, store: DocumentStore, names: Sequence[str]) -> None:
        self._store = store
        self._names = names
        self._rows: list[tuple[Document, StoredFile | None]] = []
        self._at = 0

    def Filter(self, idxNum: int, idxStr: str, args: tuple[Any, ...]) -> None:  # noqa: N803 - SQLite's names
        """SQLite begins a scan."""
        self._rows, self._at = list(self._store.listed()), 0

    def Eof(self) -> bool:
        """Whether the scan is over."""
        return self._at >= len(self._rows)

    def Next(self) -> None:
        """Go to the next row."""
        self._at += 1

    def Rowid(self) -> int:
        """The row's rowid."""
        return self._rows[self._at][0].id

    def Column(self, number: int) -> SQLiteValue:
        """The row's value in a column; -1 is the rowid."""
        if number < 0:
            return self.Rowid()
        document, file = self._rows[self._at]
        name = self._names[number]
        if name in ("key", "attributes", "filename", "bytes", "sha256"):
            return cast(SQLiteValue, getattr(document, name))
        if name == "status":
            pending = file is None or file.state in (State.WANTED, State.UPLOADED)
            return "pending" if pending else str(file.state if file else "")
        if name in ("created_at", "file_id", "batch_id"):
            return cast(SQLiteValue, getattr(file, name, None))
        return self._store.setting("vector_store_id") if name == "vector_store_id" else None

    def ColumnNoChange(self, number: int) -> Any:
        """A column that an UPDATE does not SET, so that UpdateChangeRow knows which columns are SET."""
        return apsw.no_change

    def Close(self) -> None:
        """End the scan, perhaps before its last row."""
        self._rows = []
