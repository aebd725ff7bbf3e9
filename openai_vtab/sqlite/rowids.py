"""Rowids for the objects of an API that has none.

>>> rowids.key(rowids.of(("vs_1", "vsfb_1")))
('vs_1', 'vsfb_1')
"""

from __future__ import annotations

from itertools import islice

Key = tuple[str, ...]

KEPT = 10_000  # rowids of objects that were read, kept for later statements: about 3 MB
BELOW_INSERTED = -(10**12)  # added to the rowids of objects that were read, which puts them below those inserted


class Rowids:
    """One rowid for each object, stable within a statement: SQLite de-duplicates the branches of an OR by rowid.

    An inserted object keeps its rowid for the life of the connection, because of last_insert_rowid(). Of the objects
    that were read, the latest KEPT keep theirs for later statements.

    `read_offset` is added to the rowids of objects that are read. Where INSERT gives rowids, it is BELOW_INSERTED: a
    DELETE of the rows above last_insert_rowid() - changes() must not reach objects that the INSERT has not created.
    """

    def __init__(self, read_offset: int = 0) -> None:
        self._read_offset = read_offset
        self.read: dict[int, Key] = {}  # the objects that were read, the oldest first
        self._inserted: dict[int, Key] = {}
        self.by_key: dict[Key, int] = {}
        self._next = 1

    def of(self, key: Key) -> int:
        """Return the rowid of an object, a new one if it has none."""
        rowid = self.by_key.get(key)
        if rowid is None:
            rowid = self._read_offset + self._next
            self._next += 1
            self.read[rowid] = key
            self.by_key[key] = rowid
        return rowid

    def known(self, key: Key) -> int | None:
        """Return the rowid that an object has already; None if it has none."""
        return self.by_key.get(key)

    def is_replaced(self, rowid: int) -> bool:
        """Return whether the rowid's object was inserted again afterwards, and has that row's rowid now."""
        key = self.key(rowid)
        newest = None if key is None else self.by_key.get(key)
        return newest is not None and newest != rowid and newest in self._inserted

    def reserve(self) -> int:
        """Return a rowid for an object that has no key yet."""
        rowid = self._next
        self._next += 1
        return rowid

    def assign(self, rowid: int, key: Key) -> None:
        """Give a reserved rowid to its object. A worker thread may do so after its statement was interrupted."""
        self._inserted[rowid] = key
        # an object that was read, and deleted, had another rowid; last_insert_rowid() returns this one
        self.by_key[key] = rowid

    def renumber(self) -> None:
        """Give new rowids from now on. Those given before still stand for their objects."""
        self.by_key.clear()

    def forget_old(self) -> None:
        """Keep the latest KEPT objects that were read. Call it between two statements only."""
        for rowid in list(islice(self.read, max(0, len(self.read) - KEPT))):
            key = self.read.pop(rowid)
            if self.by_key.get(key) == rowid:
                del self.by_key[key]

    def key(self, rowid: int) -> Key | None:
        """Return the object of a rowid; None if there is none."""
        return self.read.get(rowid) or self._inserted.get(rowid)
