"""Rowids for objects of an API that has none.

It must not know where the objects come from.

>>> rowids.key(rowids.of(("vs_1", "vsfb_1")))
('vs_1', 'vsfb_1')
"""

from __future__ import annotations

Key = tuple[str, ...]

KEPT = 10_000  # rowids that still stand for their objects in later statements, some 3 MB


class Rowids:
    """One rowid for each object, stable within a statement: SQLite de-duplicates the branches of an OR by it.

    The latest ones stay for later statements, for last_insert_rowid().
    """

    def __init__(self) -> None:
        self._keys: dict[int, Key | None] = {}
        self._rowids: dict[Key, int] = {}
        self._last = 0  # nobody's

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
        self._last += 1
        self._keys[self._last] = None
        return self._last

    def assign(self, rowid: int, key: Key) -> None:
        """The object of a reserved rowid is known now."""
        self._keys[rowid] = key
        self._rowids.setdefault(key, rowid)

    def renumber(self) -> None:
        """Give other rowids from now on; those given still stand for their objects."""
        self._rowids.clear()

    def forget_old(self) -> None:
        """Between two statements: only the latest are kept, or a connection that lives long would grow for ever."""
        while len(self._keys) > KEPT:
            rowid = next(iter(self._keys))
            key = self._keys.pop(rowid)
            if key is not None and self._rowids.get(key) == rowid:
                del self._rowids[key]

    def key(self, rowid: int) -> Key | None:
        """The object of a rowid, None when there is none."""
        return self._keys.get(rowid)
