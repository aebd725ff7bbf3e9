"""Rowids for objects of an API that has none.

It must not know where the objects come from.

>>> rowids.key(rowids.of(("vs_1", "vsfb_1")))
('vs_1', 'vsfb_1')
"""

from __future__ import annotations

Key = tuple[str, ...]

KEPT = 10_000  # rowids of objects that were read and still stand for them in later statements, some 3 MB


class Rowids:
    """One rowid for each object, stable within a statement: SQLite de-duplicates the branches of an OR by it.

    Those of inserted objects stay as long as the connection, for last_insert_rowid(). Of those that were read, the
    latest stay for later statements.
    """

    def __init__(self) -> None:
        self._read: list[Key | None] = []  # None where the rowid was reserved
        self._first = 1  # the rowid of the first of them; 0 is nobody's
        self._inserted: dict[int, Key] = {}
        self._rowids: dict[Key, int] = {}

    def __bool__(self) -> bool:
        """Whether an object has been given one."""
        return bool(self._rowids)

    def of(self, key: Key) -> int:
        """The rowid of an object."""
        rowid = self._rowids.get(key)
        if rowid is None:
            self._read.append(key)
            rowid = self._rowids[key] = self._first + len(self._read) - 1
        return rowid

    def known(self, key: Key) -> int | None:
        """The rowid that an object has been given already."""
        return self._rowids.get(key)

    def is_replaced(self, rowid: int) -> bool:
        """Whether its object has been inserted again since, and has the rowid of that row now."""
        key = self.key(rowid)
        newest = None if key is None else self._rowids.get(key)
        return newest is not None and newest != rowid and newest in self._inserted

    def reserve(self) -> int:
        """A rowid for an object that has no key yet."""
        self._read.append(None)
        return self._first + len(self._read) - 1

    def assign(self, rowid: int, key: Key) -> None:
        """The object of a reserved rowid is known now. A thread may say so, when nobody waits for it any more."""
        self._inserted[rowid] = key
        self._rowids[key] = rowid  # one that was read and deleted before had another, which last_insert_rowid() is not

    def renumber(self) -> None:
        """Give other rowids from now on; those given still stand for their objects."""
        self._rowids.clear()

    def forget_old(self) -> None:
        """Between two statements: of what was read only the latest are kept, or a connection would grow for ever."""
        old = len(self._read) - KEPT
        if old <= 0:  # after nearly every statement
            return
        for rowid, key in enumerate(self._read[:old], self._first):
            if key is not None and self._rowids.get(key) == rowid:
                del self._rowids[key]
        del self._read[:old]
        self._first += old

    def key(self, rowid: int) -> Key | None:
        """The object of a rowid, None when there is none."""
        if self._first <= rowid < self._first + len(self._read):
            return self._read[rowid - self._first] or self._inserted.get(rowid)
        return self._inserted.get(rowid)
