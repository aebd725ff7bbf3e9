"""The lines in which the shell names the objects that a statement has created.

>>> created = CreatedObjects()
>>> created.add(("vs_demo", "vsfb_1"))
>>> created.take()
['created: vsfb_1 in vs_demo']
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

MAX_LINES = 5


class CreatedObjects:
    """The objects that were created since the last take(). Worker threads add them."""

    def __init__(self) -> None:
        self._objects: deque[str] = deque()

    def add(self, key: Sequence[str]) -> None:
        """Note an object by its key, whose last member is the object's own id."""
        *outer, own = key
        self._objects.append(" in ".join([own, *reversed(outer)]))

    def take(self) -> list[str]:
        """A line for each object, and a count in place of those after the first few. Forgets the objects."""
        objects = [self._objects.popleft() for _ in range(len(self._objects))]
        shown = objects if len(objects) <= MAX_LINES else objects[: MAX_LINES - 1]
        more = [f"created: {len(objects) - len(shown)} more"] if len(objects) > len(shown) else []
        return [*(f"created: {text}" for text in shown), *more]
