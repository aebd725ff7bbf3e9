"""Rowids for objects of an API that has none.

It must not know where the objects come from.

>>> rowids.key(rowids.of(("vs_1", "vsfb_1")))
('vs_1', 'vsfb_1')
"""

from __future__ import annotations

import threading

Key = tuple[str, ...]

KEPT = 10_000  # rowids that still stand for their objects in later statements, some 3 MB


class Rowids:
    """One rowid for each object, stable within a statement: SQLite de-duplicates the branches of an OR by it.

    The latest ones stay for later statements, for last_insert_rowid().
    """

    def __init__(self) -> None:
        self._keys: list[Key | None] = []
        self._first = 1  # the rowid of the first of them; 0 is nobody's
        self._rowids: dict[Key, int] = {}
        self._forgetting = threading.Lock()  # what was given up may be answered, and assigned, at any time

    def __bool__(self) -> bool:
        """Whether an object has been given one."""
        return bool(self._rowids)

    def of(self, key: Key) -> int:
        """The rowid of an object."""
        rowid = self._rowids.get(key)
        if rowid is None:
            rowid = self.reserve()
            self.assign(rowid, key)
        return rowid

    def known(self, key: Key) -> int | None:
        """The rowid that an object has been given already."""
        return self._rowids.get(key)

    def reserve(self) -> int:
        """A rowid for an object that has no key yet."""
        self._keys.append(None)
        return self._first + len(self._keys) - 1

    def assign(self, rowid: int, key: Key) -> None:
        """The object of a reserved rowid is known now."""
        with self._forgetting:
            if rowid >= self._first:
                self._keys[rowid - self._first] = key
                self._rowids.setdefault(key, rowid)

    def renumber(self) -> None:
        """Give other rowids from now on; those given still stand for their objects."""
        self._rowids.clear()

    def forget_old(self) -> None:
        """Between two statements: only the latest are kept, or a connection that lives long would grow for ever."""
        if len(self._keys) <= KEPT:  # after nearly every statement
            return
        with self._forgetting:
            old = self._keys[: len(self._keys) - KEPT]
            for rowid, key in enumerate(old, self._first):
                if key is not None and self._rowids.get(key) == rowid:
                    del self._rowids[key]
            del self._keys[: len(old)]
            self._first += len(old)

    def key(self, rowid: int) -> Key | None:
        """The object of a rowid, None when there is none."""
        return self._keys[rowid - self._first] if self._first <= rowid < self._first + len(self._keys) else None
