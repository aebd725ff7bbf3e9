"""Searches: filters, ranking options, the rewriting of a query, and the form of results. Each search is charged."""

from __future__ import annotations

import json
from typing import Any

from ..prices import Cost
from ..question import Questions
from ..world import World, refusal

SEARCH = Questions()

ONE, TWO = Cost(searches=1), Cost(searches=2)
RESULTS = "sandbox/search.py: search"
FILTERS = "sandbox/search.py: matches"
DESCRIPTION = "OpenAI's description"
PAUSES = (0, 5, 20)  # seconds before each look
NOT_DOCUMENTED = "the sandbox; not documented"
QUERY = "what is the refund policy"


def names_of_files(world: World) -> dict[str, str]:
    """The roles of the files in the vector store, by their ids."""
    return {world[name]: name for name in ("returns", "shipping", "prices", "warranty")}


def found(world: World, **options: Any) -> list[str]:
    """The roles of the files that a search finds, sorted."""
    page = world.get(
        "POST /vector_stores/{store}/search", {"query": "refund lamps parcels", "max_num_results": 50, **options}
    )
    names = names_of_files(world)
    return sorted({names[hit["file_id"]] for hit in page["data"]})


@SEARCH.ask(
    "Which file does a search by SQL find first?", "returns", source="its text", fix_in="sandbox/index.py", cost=ONE
)
def first_hit(world: World) -> str:
    """SELECT file_id FROM vector_store_search(store, query)"""
    rows = world.sql("SELECT file_id FROM vector_store_search(?, ?) ORDER BY score DESC", world["store"], QUERY)
    names = names_of_files(world)
    return names[rows[0][0]] if rows else "none"


@SEARCH.ask(
    "What is search_query, for a string and for a list?",
    [[QUERY], [QUERY, "lamps"]],
    source="OpenAI's schema; its example shows a string",
    fix_in=RESULTS,
    cost=TWO,
)
def search_query(world: World) -> Any:
    """POST …/search with a string, then with a list"""
    queries: tuple[Any, ...] = (QUERY, [QUERY, "lamps"])
    return [world.get("POST /vector_stores/{store}/search", {"query": query})["search_query"] for query in queries]


@SEARCH.ask(
    "Does rewrite_query change search_query?",
    "no",
    source="the sandbox, which does not rewrite",
    fix_in=RESULTS,
    cost=ONE,
)
def rewritten(world: World) -> str:
    """POST …/search {"rewrite_query": true}"""
    page = world.get("POST /vector_stores/{store}/search", {"query": QUERY, "rewrite_query": True})
    return "no" if page["search_query"] in (QUERY, [QUERY]) else f"yes: {page['search_query']}"


@SEARCH.ask(
    "What do has_more and next_page say if there are more results than asked for?",
    [True, None],
    source="the sandbox; no parameter takes next_page",
    fix_in=RESULTS,
    cost=ONE,
)
def more_results(world: World) -> Any:
    """POST …/search {"max_num_results": 1}"""
    page = world.get("POST /vector_stores/{store}/search", {"query": "refund lamps parcels", "max_num_results": 1})
    return [page["has_more"], page["next_page"]]


@SEARCH.ask(
    "Are all scores between 0 and 1, the best first, and none below score_threshold?",
    "yes",
    source=DESCRIPTION,
    fix_in="sandbox/index.py: Hit",
    cost=ONE,
)
def scores(world: World) -> str:
    """SELECT score FROM vector_store_search with ranking_options"""
    rows = world.sql(
        "SELECT score FROM vector_store_search WHERE vector_store_id = ? AND query = ? AND ranking_options = ?",
        world["store"],
        QUERY,
        json.dumps({"ranker": "default-2024-11-15", "score_threshold": 0.1}),
    )
    values = [score for (score,) in rows]
    is_ordered = values == sorted(values, reverse=True)
    return "yes" if is_ordered and all(0.1 <= score <= 1 for score in values) else f"no: {values}"


@SEARCH.ask(
    "Is the ranker none accepted?", "200 accepted", source=DESCRIPTION, fix_in="sandbox/parameters.py", cost=ONE
)
def no_ranker(world: World) -> str:
    """POST …/search {"ranking_options": {"ranker": "none"}}"""
    return refusal(
        world.call("POST /vector_stores/{store}/search", {"query": QUERY, "ranking_options": {"ranker": "none"}})
    )


@SEARCH.ask(
    "When does a new attribute filter searches?",
    "at once",
    source=NOT_DOCUMENTED,
    fix_in="docs/reliability.md",
    cost=Cost(searches=len(PAUSES)),
)
def filter_after_update(world: World) -> str:
    """UPDATE vector_store_files SET attributes, and POST …/search with a filter"""
    attributes = json.dumps({"lang": "de", "number": 2, "ready": True})
    rows = "WHERE vector_store_id = ? AND file_id = ?"
    world.sql(f"UPDATE vector_store_files SET attributes = ? {rows}", attributes, world["store"], world["returns"])
    for seconds in PAUSES:
        world.pause(seconds)
        if found(world, filters={"type": "eq", "key": "lang", "value": "de"}) == ["returns"]:
            return f"within {seconds} s" if seconds else "at once"
    return f"not within {sum(PAUSES)} s"


def filters(text: str, expected: list[str], filters: dict[str, Any], source: str = DESCRIPTION) -> None:
    """Add a question about a filter. After the update, returns has lang, number and ready, the others only file."""

    def asking(world: World) -> Any:
        return found(world, filters=filters)

    asking.__doc__ = f"POST …/search {json.dumps({'filters': filters})}"
    SEARCH.ask(text, expected, source=source, fix_in=FILTERS, cost=ONE)(asking)


OTHERS = ["shipping", "warranty"]
filters("Does `eq` compare booleans?", ["returns"], {"type": "eq", "key": "ready", "value": True})
filters("Does `gt` compare numbers?", ["returns"], {"type": "gt", "key": "number", "value": 1.5})
filters(
    "Does `ne` match a file without the attribute?",
    OTHERS,
    {"type": "ne", "key": "lang", "value": "de"},
    NOT_DOCUMENTED,
)
filters(
    "Does `nin` match a file without the attribute?",
    OTHERS,
    {"type": "nin", "key": "lang", "value": ["de"]},
    NOT_DOCUMENTED,
)
filters(
    "Do `in`, `and` and `or` go together?",
    ["returns", "warranty"],
    {
        "type": "or",
        "filters": [
            {
                "type": "and",
                "filters": [{"type": "eq", "key": "number", "value": 2}, {"type": "eq", "key": "lang", "value": "de"}],
            },
            {"type": "in", "key": "file", "value": ["warranty", "other"]},
        ],
    },
)
