"""Row: a row whose values have names, as sqlite3.Row.

>>> connection.row_factory = Row
>>> connection.execute("SELECT 1 AS one").fetchone()["ONE"]
1

https://docs.python.org/3/library/sqlite3.html#row-objects
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .cursor import Cursor


class Row:
    """A row of a cursor, by index or by name; the case of ASCII letters in names is ignored.

    As in sqlite3, it is a Sequence without its mixin methods: pandas treats an object with keys() and __contains__ as a
    dict.
    """

    __slots__ = ("_names", "_values")

    def __init__(self, cursor: Cursor, values: tuple[Any, ...], /) -> None:
        if not issubclass(type(cursor), Cursor):
            raise TypeError(f"Row() argument 1 must be Cursor, not {type(cursor).__name__}")
        if not isinstance(values, tuple):
            raise TypeError(f"Row() argument 2 must be tuple, not {type(values).__name__}")
        self._names = [column[0] for column in cursor.description or ()]
        self._values = values

    def keys(self) -> list[str]:
        """Return the names of the columns."""
        return list(self._names)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            wanted = _folded(key)
            for index, name in enumerate(self._names):
                if _folded(name) == wanted:
                    return self._values[index]
            raise IndexError("No item with that key")
        if not isinstance(key, int | slice):
            raise IndexError("Index must be int or string")
        return self._values[key]

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)

    def __hash__(self) -> int:
        return hash((tuple(self._names), self._values))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Row):
            return NotImplemented
        return self._names == other._names and self._values == other._values

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.{type(self).__qualname__} object at {id(self):#x}>"


Sequence.register(Row)


def _folded(name: str) -> str:
    return name.lower() if name.isascii() else "".join(c.lower() if c.isascii() else c for c in name)
