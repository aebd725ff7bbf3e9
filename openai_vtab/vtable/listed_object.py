"""An object that a page of a list had, in place of the response to its look-up.

>>> ListedObject({"id": "file-1"}, look_up).get("id")
'file-1'
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..schema.table import SpecialSource


class ListedObject:
    """An object of a list. `look_up` is called once if the statement reads a member that the object lacks.

    Some servers leave members out of the objects of a list. The column `raw` has all members of a look-up's response.
    """

    __slots__ = ("_complete", "_fields", "_look_up")

    def __init__(self, fields: Mapping[str, Any], look_up: Callable[[], Mapping[str, Any] | None]) -> None:
        self._fields = fields
        self._look_up = look_up
        self._complete = False

    def get(self, name: str, /) -> Any:
        """The member, None when the object has none of this name."""
        if name not in self._fields and name != SpecialSource.ERROR and not self._complete:
            # the object may have been deleted since it was listed
            self._fields = self._look_up() or self._fields
            self._complete = True
        if name == SpecialSource.OBJECT and self._complete:
            return self._fields
        return self._fields.get(name)
