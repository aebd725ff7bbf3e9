"""Search: ranking, filters, and the checks of its request."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Call


def test_search_ranks_and_filters(call: Call) -> None:
    """The best first, with scores between 0 and 1; filters compare attributes."""
    page = call("POST /vector_stores/vs_demo/search", json={"query": ["refund", "warranty"]}).json()
    assert page["search_query"] == ["refund", "warranty"]
    assert {item["filename"] for item in page["data"]} == {"returns.md", "warranty.txt"}
    scores = [item["score"] for item in page["data"]]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    call("POST /vector_stores/vs_demo/files/file-demo-01", json={"attributes": {"lang": "en"}})
    only = {"query": "refund warranty", "filters": {"type": "eq", "key": "lang", "value": "en"}}
    assert [item["filename"] for item in call("POST /vector_stores/vs_demo/search", json=only).json()["data"]] == [
        "returns.md"
    ]


@pytest.mark.parametrize(
    "more",
    [
        {"filters": {"type": "like", "key": "a", "value": "b"}},
        {"filters": {"type": "eq", "value": "b"}},
        {"filters": {"type": "in", "key": "a", "value": 5}},
        {"filters": {"type": "and", "filters": 5}},
        {"filters": "lang"},
        {"ranking_options": "auto"},
        {"ranking_options": {"score_threshold": 2}},
        {"max_num_results": 51},
    ],
    ids=str,
)
def test_search_rejects_invalid_parameters(call: Call, more: Any) -> None:
    """With 400 and the parameter's name, as the API does."""
    response = call("POST /vector_stores/vs_demo/search", json={"query": "refund", **more})
    assert (response.status_code, response.json()["error"]["param"]) == (400, next(iter(more)))


def test_search_is_a_use_of_the_store(call: Call) -> None:
    """It sets last_active_at."""
    before = call("GET /vector_stores/vs_archive").json()["last_active_at"]
    call("POST /vector_stores/vs_archive/search", json={"query": "handbook"})
    assert call("GET /vector_stores/vs_archive").json()["last_active_at"] > before


def test_search_without_words_finds_nothing(call: Call) -> None:
    """A query of punctuation alone is no error."""
    assert call("POST /vector_stores/vs_demo/search", json={"query": "?!"}).json()["data"] == []
