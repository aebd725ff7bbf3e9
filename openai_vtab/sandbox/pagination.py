"""Pages of a list, as the API cuts them: limit, order, after and before.

>>> page(stores, {"limit": "2", "after": "vs_1"}, lambda store: store.json(now))["has_more"]
True
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from .errors import invalid
from .objects import JSON, File, VectorStore, VectorStoreFile

T = TypeVar("T", File, VectorStore, VectorStoreFile)


def page(
    items: Sequence[T],
    query: Mapping[str, str],
    to_json: Callable[[T], JSON],
    *,
    max_limit: int,
    default_limit: int,
    unknown_cursor_is_first_page: bool = False,
) -> JSON:
    """The page that the query asks for. A cursor that is not in the list raises an ErrorResponse unless allowed."""
    limit = _limit(query, max_limit, default_limit)
    ordered = sorted(items, key=lambda item: (item.created_at, item.id), reverse=_is_descending(query))
    ids = [item.id for item in ordered]
    cursors = {name: query[name] for name in ("after", "before") if name in query}
    for name, id in list(cursors.items()):
        if id not in ids:
            if not unknown_cursor_is_first_page:
                raise invalid(name, f"'{id}' is not in the list.")
            del cursors[name]
    begin = ids.index(cursors["after"]) + 1 if "after" in cursors else 0
    end = ids.index(cursors["before"]) if "before" in cursors else len(ids)
    if "before" in cursors and "after" not in cursors:
        chosen, has_more = ordered[max(0, end - limit) : end], end > limit
    else:
        between = ordered[begin:end]
        chosen, has_more = between[:limit], len(between) > limit
    return {
        "object": "list",
        "data": [to_json(item) for item in chosen],
        "first_id": chosen[0].id if chosen else None,
        "last_id": chosen[-1].id if chosen else None,
        "has_more": has_more,
    }


def _limit(query: Mapping[str, str], max_limit: int, default_limit: int) -> int:
    try:
        limit = int(query.get("limit", default_limit))
    except ValueError:
        raise invalid("limit", "Expected an integer.") from None
    if not 1 <= limit <= max_limit:
        raise invalid("limit", f"Expected a value between 1 and {max_limit}.")
    return limit


def _is_descending(query: Mapping[str, str]) -> bool:
    order = query.get("order", "desc")
    if order not in ("asc", "desc"):
        raise invalid("order", "Expected 'asc' or 'desc'.")
    return order == "desc"
