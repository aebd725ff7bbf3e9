"""Pages of a list, as the API cuts them: limit, order, after and before.

>>> page(stores, {"limit": 2, "after": "vs_1"}, lambda store: store.json(now))["has_more"]
True
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice, takewhile
from typing import Any

from .collection import Collection, T
from .errors import invalid
from .objects import JSON


def page(
    items: Collection[T],
    query: Mapping[str, Any],
    to_json: Callable[[T], JSON],
    is_wanted: Callable[[T], bool] = lambda _: True,
    *,
    default_limit: int,
    unknown_cursor_is_first_page: bool = False,
) -> JSON:
    """The page of the wanted items that the query, which must be valid, asks for.

    A cursor that is not among the items raises an ErrorResponse unless allowed.
    """
    limit = query.get("limit", default_limit)
    is_descending = query.get("order", "desc") == "desc"
    cursors: dict[str, T] = {}
    for name in ("after", "before"):
        if name in query and query[name] in items:
            cursors[name] = items[query[name]]
        elif name in query and not unknown_cursor_is_first_page:
            raise invalid(name, f"'{query[name]}' is not in the list.")
    after, before = cursors.get("after"), cursors.get("before")
    if before is not None and after is None:  # the page that ends before an object is read backwards
        found = list(islice(filter(is_wanted, items.walk(before, descending=not is_descending)), limit + 1))
        chosen = found[:limit][::-1]
    else:
        between = takewhile(lambda item: item is not before, items.walk(after, descending=is_descending))
        found = list(islice(filter(is_wanted, between), limit + 1))
        chosen = found[:limit]
    return {
        "object": "list",
        "data": [to_json(item) for item in chosen],
        "first_id": chosen[0].id if chosen else None,
        "last_id": chosen[-1].id if chosen else None,
        "has_more": len(found) > limit,
    }
