"""Times of creation that a test gives to objects of the sandbox, which are listed in the order of those times.

>>> set_created_at(state.stores["vs_1"], 1_700_000_000, state.stores)
"""

from __future__ import annotations

from typing import Any


def set_created_at(item: Any, created_at: float, *collections: Any) -> None:
    """Change the time in all collections that have the object."""
    for collection in collections:
        collection.remove(item.id)
    item.created_at = created_at
    for collection in collections:
        collection.add(item)
