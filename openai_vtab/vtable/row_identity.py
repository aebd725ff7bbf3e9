"""Which object a row of a table stands for: rowids, the ledger's entries, and the objects that look-ups name.

>>> rows = RowIdentities(vector_store_files, Rowids(), created={})
>>> rows.rowid(rows.reference(ObjectRef({"vector_store_id": "vs_1", "id": "file-1"})))
1
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import RowError
from ..ledger.row import LedgerRow, ShadowRow
from ..ledger.store import Ledger
from ..schema.decode import APIObject
from ..schema.table import Table
from ..sqlite.rowids import Key, Rowids

# What identifies a row: its rowid, or the key or the row of the ledger's shadow table that has one. Few statements read
# rowids, and a million of them and their keys are 300 MB, so that a key gets its rowid only when SQLite asks for it.
Reference = int | Key | ShadowRow
Row = tuple[Reference, APIObject]

# added to the rowids of objects that are not in a ledger, which puts them above those that are
NOT_IN_LEDGER = 1 << 60


@dataclass(slots=True)
class ObjectRef:
    """An object that a scan names: its keys by their sources, its entry in the ledger, the rowid that it was found by.

    Keys of an entry are None where a ledger that was edited by hand has no text.
    """

    keys: Mapping[str, Any]
    entry: LedgerRow | None = None
    rowid: int | None = None


class RowIdentities:
    """The rows of one table as one schema sees it. `created` maps objects that this connection created to the time."""

    def __init__(self, table: Table, rowids: Rowids, created: dict[Key, float], ledger: Ledger | None = None) -> None:
        self.table = table
        self.rowids = ledger.rowids if ledger else rowids
        self.created = created
        self.ledger = ledger

    def item(self, keys: Mapping[str, Any]) -> ObjectRef:
        """The object with these keys."""
        return ObjectRef(keys, self.ledger.find(keys) if self.ledger is not None else None)

    def at(self, rowids: Iterable[int]) -> Iterator[ObjectRef]:
        """The objects with these rowids, as far as they are known."""
        for rowid in rowids:
            if self.ledger is not None and rowid < NOT_IN_LEDGER:
                entry = self.ledger.at(rowid)
                if entry is not None:
                    yield ObjectRef(entry.keys, entry, rowid)
                continue
            key = self.rowids.key(rowid - NOT_IN_LEDGER if self.ledger is not None else rowid)
            if key is not None:
                keys = dict(zip(self.table.key, key, strict=True))
                yield ObjectRef(keys, self.ledger.find(keys) if self.ledger is not None else None, rowid)

    def at_current(self, rowids: Iterable[int]) -> Iterator[ObjectRef]:
        """The same without objects that were inserted again since, and have another rowid now."""
        if self.ledger is None:
            rowids = (rowid for rowid in rowids if not self.rowids.is_replaced(rowid))
        return self.at(rowids)

    def reference(self, item: ObjectRef) -> Reference:
        """What identifies an object's row."""
        if item.rowid is not None:
            return item.rowid
        if item.entry is not None:
            return self.rowid_of_entry(item.entry)
        return tuple(map(item.keys.__getitem__, self.table.key))

    def rowid(self, reference: Reference) -> int:
        """The rowid of a row."""
        if isinstance(reference, int):
            return reference
        if not isinstance(reference[0], str):  # the place in the ledger, which is no key
            return self._rowid_of_row(reference)
        rowid = self.rowids.of(reference)
        return rowid if self.ledger is None else NOT_IN_LEDGER + rowid

    def _rowid_of_row(self, row: ShadowRow) -> int:
        seq: int | None = row[0]
        if not self.rowids.by_key and seq is not None and seq < NOT_IN_LEDGER:
            return seq
        assert self.ledger is not None  # noqa: S101 - it has the row
        return self.rowid_of_entry(self.ledger.entry(row))

    def rowid_of_entry(self, entry: LedgerRow) -> int:
        """The rowid of an object in the ledger: its place there, unless it had another rowid before it was there."""
        seq = entry.seq
        if seq is not None and seq >= NOT_IN_LEDGER:  # a ledger may be edited by hand
            seq = None
        if seq is not None and not self.rowids.by_key:
            return seq
        keys: Mapping[str, Any] = entry.keys
        key = tuple(map(keys.__getitem__, self.table.key))
        # an object that was looked up before it was in the ledger keeps its rowid while the statement may run
        if seq is not None and self.rowids.known(key) is None:
            return seq
        return NOT_IN_LEDGER + self.rowids.of(key)

    def ledger_only(self, wanted: Mapping[str, Sequence[str]], *, responses: bool = False) -> Iterator[Row]:
        """The objects in the ledger as it has them; `wanted` maps sources of keys to the values that are read."""
        assert self.ledger is not None  # noqa: S101 - the planner lists only ledgers
        entries = self.ledger.entries(wanted, responses=responses)
        return ((self.rowid_of_entry(entry), entry) for entry in entries)

    def keys_of(self, rowid: int) -> dict[str, str]:
        """The keys of a row that SQLite has just read. Raises RowError if they are not known."""
        for item in self.at([rowid]):
            if item.entry is None or item.entry.askable:
                return dict(item.keys)
        raise RowError(
            f"{self.table.name}: the {self.table.key[-1]} of the row is not known, so that nothing can be done to it; "
            "look whether it was created, INSERT it then by its keys, and DELETE this row"
        )

    def forget(self, rowid: int) -> None:
        """Take a row out of the ledger."""
        assert self.ledger is not None  # noqa: S101 - only tables with a ledger forget rows
        for item in self.at([rowid]):
            self.ledger.forget(item.entry.seq if item.entry else None, item.keys)
