"""The parameters of the API's bodies and queries: what each may be, as OpenAI describes and documents them.

>>> SEARCH.read({"query": "refund", "max_num_results": 5.0})
{'query': 'refund', 'max_num_results': 5}

https://platform.openai.com/docs/api-reference/vector-stores
"""

from __future__ import annotations

from collections.abc import Mapping

from .errors import ErrorResponse, choices, invalid, missing, wrong_type
from .objects import JSON, STATUSES
from .schema import Array, Boolean, ByType, Decimal, Integer, Kind, Nullable, Object, OneOf, Pairs, Text

FILE_ID = Text(prefix="file")
ATTRIBUTES = Pairs(OneOf((Text(max_length=512), Decimal(), Boolean())))
METADATA = Pairs(Text(max_length=512))
STORE_EXPIRY = Object(
    {"anchor": Text(("last_active_at",)), "days": Integer(1, 365)}, required=("anchor", "days"), open=True
)
FILE_EXPIRY = Object(
    {"anchor": Text(("created_at",)), "seconds": Integer(3600, 2592000)}, required=("anchor", "seconds"), open=True
)
UPLOAD = Object({"purpose": Text(), "expires_after": FILE_EXPIRY}, required=("purpose",))


# Chunks


def _overlap_is_half(found: JSON, param: str) -> None:
    size, overlap = found["max_chunk_size_tokens"], found["chunk_overlap_tokens"]
    if overlap > size // 2:
        problem = f"Expected at most half of max_chunk_size_tokens, {size // 2}, but got {overlap} instead."
        raise invalid(f"{param}.chunk_overlap_tokens", problem)


STATIC = Object(
    {"max_chunk_size_tokens": Integer(100, 4096), "chunk_overlap_tokens": Integer(0)},
    required=("max_chunk_size_tokens", "chunk_overlap_tokens"),
    check=_overlap_is_half,
)
CHUNKING: dict[str, Kind] = {
    "auto": Object({"type": Text()}, required=("type",)),
    "static": Object({"type": Text(), "static": STATIC}, required=("type", "static")),
}
CHUNKING_STRATEGY = ByType(lambda: CHUNKING)


# Files in vector stores

ATTACHMENT = Object(
    {"file_id": FILE_ID, "attributes": ATTRIBUTES, "chunking_strategy": CHUNKING_STRATEGY}, required=("file_id",)
)
ATTRIBUTES_UPDATE = Object({"attributes": Nullable(ATTRIBUTES)}, required=("attributes",))


def _one_list_of_files(found: JSON, param: str) -> None:
    given = [name for name in ("file_ids", "files") if found.get(name) is not None]
    if not given:
        raise missing("file_ids")
    if len(given) == 2:
        names = choices([f"'{name}'" for name in given], "and")
        message = f"Mutually exclusive parameters: {names}. Ensure you are only providing one of them."
        raise ErrorResponse(400, message, param="file_ids", code="mutually_exclusive_parameters")


FILE_BATCH = Object(
    {
        "file_ids": Array(FILE_ID, 1, 2000, "an array of strings"),
        "files": Array(ATTACHMENT, 1, 2000, "an array of objects"),
        "attributes": ATTRIBUTES,
        "chunking_strategy": CHUNKING_STRATEGY,
    },
    check=_one_list_of_files,
)


# Vector stores


def _chunks_of_files(found: JSON, param: str) -> None:
    if found.get("chunking_strategy") is not None and not found.get("file_ids"):
        raise invalid("chunking_strategy", "It is only applicable if 'file_ids' is not empty.")


NEW_STORE = Object(
    {
        "name": Text(),
        "description": Text(),
        "file_ids": Array(FILE_ID, 0, 500, "an array of strings"),
        "chunking_strategy": CHUNKING_STRATEGY,
        "expires_after": STORE_EXPIRY,
        "metadata": METADATA,
    },
    check=_chunks_of_files,
)
STORE_UPDATE = Object({"name": Text(), "expires_after": STORE_EXPIRY, "metadata": METADATA})


# Search


def _in_has_a_list(found: JSON, param: str) -> None:
    if found["type"] in ("in", "nin") and not isinstance(found["value"], list):
        raise wrong_type(f"{param}.value", "an array", found["value"])


COMPARISON = Object(
    {
        "type": Text(),
        "key": Text(),
        "value": OneOf((Text(), Decimal(), Boolean(), Array(OneOf((Text(), Decimal()))))),
    },
    required=("type", "key", "value"),
    check=_in_has_a_list,
)


def _filters() -> Mapping[str, Kind]:
    return FILTERS


FILTER = ByType(_filters)
COMPOUND = Object({"type": Text(), "filters": Array(FILTER)}, required=("type", "filters"))
FILTERS: dict[str, Kind] = {
    **dict.fromkeys(("eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"), COMPARISON),
    **dict.fromkeys(("and", "or"), COMPOUND),
}
RANKING_OPTIONS = Object(
    {"ranker": Text(("none", "auto", "default-2024-11-15")), "score_threshold": Decimal(0, 1)},
)
SEARCH = Object(
    {
        "query": OneOf((Text(), Array(Text(), 1, name="an array of strings"))),
        "rewrite_query": Boolean(),
        "max_num_results": Integer(1, 50),
        "filters": FILTER,
        "ranking_options": RANKING_OPTIONS,
    },
    required=("query",),
)


# Queries of lists

CURSORS = {"after": Text(), "order": Text(("asc", "desc"))}
FILES_QUERY = Object({"purpose": Text(), "limit": Integer(1, 10000), **CURSORS})
STORES_QUERY = Object({"limit": Integer(1, 100), "before": Text(), **CURSORS})
STORE_FILES_QUERY = Object({"limit": Integer(1, 100), "before": Text(), "filter": Text(STATUSES), **CURSORS})
