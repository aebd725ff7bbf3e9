"""Search in a vector store: the request's checks, its attribute filters, and the page of results.

>>> search(state, "vs_demo", {"query": "refund policy"})["data"][0]["filename"]
'returns.md'
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from itertools import islice, takewhile
from typing import Any

from .containers import VectorStore
from .index import Hit
from .objects import JSON
from .parameters import SEARCH
from .state import State

DEFAULT_RESULTS = 10
ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


def search(state: State, store_id: str, body: JSON) -> JSON:
    """POST /vector_stores/{vector_store_id}/search. This is a use of the store."""
    given = SEARCH.read(body)
    store = state.store(store_id)
    queries = [given["query"]] if isinstance(given["query"], str) else given["query"]
    count = given.get("max_num_results") or DEFAULT_RESULTS
    threshold = (given.get("ranking_options") or {}).get("score_threshold") or 0.0
    store.use(state.clock())
    hits = takewhile(lambda hit: hit.score >= threshold, state.search(store, queries))
    wanted = list(islice(_filtered(state, store, hits, given.get("filters")), count + 1))
    return {
        "object": "vector_store.search_results.page",
        "search_query": queries,
        "data": [
            {
                "file_id": hit.file_id,
                "filename": state.files[hit.file_id].filename,
                "score": hit.score,
                "attributes": store.files[hit.file_id].attributes or {},
                "content": [{"type": "text", "text": hit.text}],
            }
            for hit in wanted[:count]
        ],
        "has_more": len(wanted) > count,
        "next_page": None,
    }


def _filtered(state: State, store: VectorStore, hits: Iterator[Hit], filters: JSON | None) -> Iterator[Hit]:
    """The hits on files that were not deleted, and whose attributes pass the filters."""
    for hit in hits:
        if hit.file_id in state.files and (
            filters is None or matches(filters, store.files[hit.file_id].attributes or {})
        ):
            yield hit


def matches(filters: JSON, attributes: JSON) -> bool:
    """Whether the attributes satisfy a comparison or a compound filter, which must be valid."""
    kind = filters["type"]
    if kind in ("and", "or"):
        results = [matches(inner, attributes) for inner in filters["filters"]]
        return all(results) if kind == "and" else any(results)
    value, wanted = attributes.get(filters["key"]), filters["value"]
    if kind in ("in", "nin"):
        return bool((value in wanted) == (kind == "in"))
    if kind in ("eq", "ne"):
        return bool((value == wanted) == (kind == "eq"))
    comparable = (isinstance(value, str) and isinstance(wanted, str)) or (_is_number(value) and _is_number(wanted))
    return comparable and ORDER[kind](value, wanted)


def _is_number(value: object) -> bool:
    """Whether it is a number. A boolean is one, as it is for ORDER."""
    return isinstance(value, (int, float))
