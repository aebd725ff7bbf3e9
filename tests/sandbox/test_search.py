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
    ("more", "param", "code"),
    [
        ({"filters": {"type": "like", "key": "a", "value": "b"}}, "filters.type", "invalid_value"),
        ({"filters": {"type": "eq", "value": "b"}}, "filters.key", "missing_required_parameter"),
        ({"filters": {"type": "in", "key": "a", "value": 5}}, "filters.value", "invalid_type"),
        ({"filters": {"type": "eq", "key": "a", "value": {}}}, "filters.value", "invalid_type"),
        ({"filters": {"type": "and", "filters": 5}}, "filters.filters", "invalid_type"),
        ({"filters": {"type": "and", "filters": [{}]}}, "filters.filters[0].type", "missing_required_parameter"),
        ({"filters": "lang"}, "filters", "invalid_type"),
        ({"filters": []}, "filters", "invalid_type"),
        ({"ranking_options": "auto"}, "ranking_options", "invalid_type"),
        ({"ranking_options": {"best": 1}}, "ranking_options.best", "unknown_parameter"),
        ({"ranking_options": {"ranker": "best"}}, "ranking_options.ranker", "invalid_value"),
        ({"ranking_options": {"score_threshold": 2}}, "ranking_options.score_threshold", "decimal_above_max_value"),
        ({"ranking_options": {"score_threshold": False}}, "ranking_options.score_threshold", "invalid_type"),
        ({"max_num_results": 51}, "max_num_results", "integer_above_max_value"),
        ({"max_num_results": 0}, "max_num_results", "integer_below_min_value"),
        ({"max_num_results": 1.5}, "max_num_results", "invalid_type"),
        ({"max_num_results": True}, "max_num_results", "invalid_type"),
        ({"rewrite_query": "yes"}, "rewrite_query", "invalid_type"),
        ({"query": 5}, "query", "invalid_type"),
        ({"query": []}, "query", "empty_array"),
        ({"query": None}, "query", "invalid_type"),
        ({"page": 2}, "page", "unknown_parameter"),
    ],
    ids=str,
)
def test_search_rejects_invalid_parameters(call: Call, more: Any, param: str, code: str) -> None:
    """With 400, the path of the parameter and the API's code."""
    response = call("POST /vector_stores/vs_demo/search", json={"query": "refund", **more})
    error = response.json()["error"]
    assert (response.status_code, error["param"], error["code"]) == (400, param, code)


@pytest.mark.parametrize("name", ["max_num_results", "filters", "ranking_options", "rewrite_query"])
def test_search_takes_null_for_absence(call: Call, name: str) -> None:
    """Some clients send null for whatever was not given."""
    body = {"query": "refund policy"}
    pages = [call("POST /vector_stores/vs_demo/search", json={**body, **more}).json() for more in ({}, {name: None})]
    assert pages[0] == pages[1]
    assert pages[0]["data"]


def test_search_takes_a_whole_number_with_a_fraction(call: Call) -> None:
    """5.0 is an integer of JSON Schema."""
    body = {"query": "refund warranty", "max_num_results": 1.0}
    assert len(call("POST /vector_stores/vs_demo/search", json=body).json()["data"]) == 1


@pytest.mark.parametrize("value", [["en"], "en", True])
def test_search_compares_only_values_that_have_an_order(call: Call, value: Any) -> None:
    """A number is neither less nor more than a text or an array: no hit, whatever the store contains."""
    call("POST /vector_stores/vs_demo/files/file-demo-01", json={"attributes": {"n": "5" if value is True else 5}})
    body = {"query": "refund", "filters": {"type": "gt", "key": "n", "value": value}}
    assert call("POST /vector_stores/vs_demo/search", json=body).json()["data"] == []


def test_search_is_a_use_of_the_store(call: Call) -> None:
    """It sets last_active_at."""
    before = call("GET /vector_stores/vs_archive").json()["last_active_at"]
    call("POST /vector_stores/vs_archive/search", json={"query": "handbook"})
    assert call("GET /vector_stores/vs_archive").json()["last_active_at"] > before


def test_search_without_words_finds_nothing(call: Call) -> None:
    """A query of punctuation alone is no error."""
    assert call("POST /vector_stores/vs_demo/search", json={"query": "?!"}).json()["data"] == []
