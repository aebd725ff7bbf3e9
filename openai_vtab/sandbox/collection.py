"""Objects by id, which are also in the order of their lists: by created_at, then by id.

A page costs what it shows, however many objects there are.

>>> files = Collection([file])
>>> files["file-1"], next(files.walk(None, descending=True))
(File(id='file-1', …), File(id='file-1', …))
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping, ValuesView
from typing import Protocol, TypeVar


class Listed(Protocol):
    """What a list of the API contains."""

    @property
    def id(self) -> str:
        """The API's id."""

    @property
    def created_at(self) -> float:
        """Unix seconds. It must not change while the object is in a collection."""


T = TypeVar("T", bound=Listed)


class Collection(Mapping[str, T]):
    """A mapping of ids to objects, in the order in which they were added. walk() has the order of the API's lists."""

    def __init__(self, items: Iterable[T] = ()) -> None:
        self._by_id: dict[str, T] = {}
        self._keys: list[tuple[float, str]] = []
        for item in items:
            self.add(item)

    def __getitem__(self, id: str) -> T:
        return self._by_id[id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_id)

    def __len__(self) -> int:
        return len(self._by_id)

    def values(self) -> ValuesView[T]:
        """The objects, the first that was added first."""
        return self._by_id.values()

    def add(self, item: T) -> None:
        """Add the object, in place of an earlier one with its id."""
        if item.id in self._by_id:
            self.remove(item.id)
        self._by_id[item.id] = item
        insort(self._keys, _key(item))

    def remove(self, id: str) -> T:
        """Remove the object, and return it. Raises KeyError if there is none."""
        item = self._by_id.pop(id)
        del self._keys[bisect_left(self._keys, _key(item))]
        return item

    def walk(self, start: T | None, *, descending: bool) -> Iterator[T]:
        """The objects after `start` in this order, or all of them if it is None."""
        step = -1 if descending else 1
        if start is None:
            place = len(self._keys) - 1 if descending else 0
        else:
            place = bisect_left(self._keys, _key(start)) + step
        while 0 <= place < len(self._keys):
            yield self._by_id[self._keys[place][1]]
            place += step


def _key(item: Listed) -> tuple[float, str]:
    return item.created_at, item.id
