"""Search in a vector store: the request's checks, its attribute filters, and the page of results.

>>> search(state, "vs_demo", {"query": "refund policy"})["data"][0]["filename"]
'returns.md'
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, takewhile
from typing import Any

from .containers import VectorStore
from .errors import ErrorResponse, missing
from .index import Hit
from .objects import JSON
from .state import State

MAX_RESULTS, DEFAULT_RESULTS = 50, 10


def search(state: State, store_id: str, body: JSON) -> JSON:
    """POST /vector_stores/{vector_store_id}/search. This is a use of the store."""
    store = state.store(store_id)
    queries = _queries(body)
    count = body.get("max_num_results", DEFAULT_RESULTS)
    if not isinstance(count, int) or not 1 <= count <= MAX_RESULTS:
        message = f"Invalid 'max_num_results': Expected 1 to {MAX_RESULTS}."
        raise ErrorResponse(400, message, param="max_num_results")
    threshold = _score_threshold(body)
    filters = body.get("filters")
    if filters:  # one that is not valid is refused, whatever the store contains
        _matches(filters, {})
    store.use(state.clock())
    hits = takewhile(lambda hit: hit.score >= threshold, state.search(store, queries))
    wanted = list(islice(_filtered(state, store, hits, filters), count + 1))
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


def _queries(body: JSON) -> list[str]:
    query = body.get("query")
    queries = [query] if isinstance(query, str) else query
    if not isinstance(queries, list) or not queries or not all(isinstance(each, str) for each in queries):
        raise missing("query")
    return queries


def _score_threshold(body: JSON) -> float:
    options = body.get("ranking_options") or {}
    threshold = options.get("score_threshold", 0) if isinstance(options, dict) else None
    if not isinstance(threshold, (int, float)) or not 0 <= threshold <= 1:
        message = "Invalid 'ranking_options': Expected a score_threshold of 0 to 1."
        raise ErrorResponse(400, message, param="ranking_options")
    return threshold


def _filtered(state: State, store: VectorStore, hits: Iterator[Hit], filters: Any) -> Iterator[Hit]:
    """The hits on files that were not deleted, and whose attributes pass the filters."""
    for hit in hits:
        if hit.file_id in state.files and (not filters or _matches(filters, store.files[hit.file_id].attributes or {})):
            yield hit


def _matches(filters: Any, attributes: JSON) -> bool:
    try:
        return matches(filters, attributes)
    except (KeyError, TypeError):
        message = "Invalid 'filters': Expected a comparison or 'and', 'or'."
        raise ErrorResponse(400, message, param="filters") from None


def matches(filters: Any, attributes: JSON) -> bool:
    """Whether the attributes satisfy a comparison or a compound filter. Raises KeyError or TypeError for another."""
    kind = filters["type"]
    if kind in ("and", "or"):
        results = [matches(inner, attributes) for inner in filters["filters"]]
        return all(results) if kind == "and" else any(results)
    if kind not in ("eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"):
        raise KeyError(kind)
    value, wanted = attributes.get(filters["key"]), filters["value"]
    if kind in ("in", "nin"):
        return bool((value in wanted) == (kind == "in"))
    if kind in ("eq", "ne"):
        return bool((value == wanted) == (kind == "eq"))
    if value is None or isinstance(value, str) != isinstance(wanted, str):
        return False
    return bool({"gt": value > wanted, "gte": value >= wanted, "lt": value < wanted, "lte": value <= wanted}[kind])
