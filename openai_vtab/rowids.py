"""Rowids for objects of an API that has none.

It must not know where the objects come from.

>>> rowids.key(rowids.of(("vs_1", "vsfb_1")))
('vs_1', 'vsfb_1')
"""

from __future__ import annotations

Key = tuple[str, ...]


class Rowids:
    """One rowid for each object, stable within a connection: SQLite de-duplicates the branches of an OR by it."""

    def __init__(self) -> None:
        self._keys: list[Key | None] = [None]  # rowid 0 is nobody's
        self._rowids: dict[Key, int] = {}

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
        return len(self._keys) - 1

    def assign(self, rowid: int, key: Key) -> None:
        """The object of a reserved rowid is known now."""
        self._keys[rowid] = key
        self._rowids.setdefault(key, rowid)

    def renumber(self) -> None:
        """Give other rowids from now on; those given still stand for their objects."""
        self._rowids.clear()

    def key(self, rowid: int) -> Key | None:
        """The object of a rowid, None when there is none."""
        return self._keys[rowid] if 0 < rowid < len(self._keys) else None
