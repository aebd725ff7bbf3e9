"""The search index: what is found, when, in which passages, and by which filters."""

from __future__ import annotations

import pytest

from .conftest import Timed

SMALL = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 50}}


def test_search_finds_a_file_once_it_is_completed(timed: Timed) -> None:
    """Not before, and no longer after it was detached."""
    id = timed.attach("a.md", "The refund policy covers postage.")
    assert timed.found("refund") == []
    timed.process()
    assert timed.found("refund") == [("a.md", "The refund policy covers postage.")]
    timed.call(f"DELETE /vector_stores/vs_1/files/{id}")
    assert timed.found("refund") == []


def test_search_finds_what_is_attached_after_a_search(timed: Timed) -> None:
    """The index follows the store."""
    timed.attach("a.md", "a refund")
    timed.process()
    assert len(timed.found("refund")) == 1
    timed.attach("b.md", "another refund")
    assert len(timed.found("refund")) == 1
    timed.process()
    assert {name for name, _ in timed.found("refund")} == {"a.md", "b.md"}


def test_search_finds_nothing_in_failed_and_deleted_files(timed: Timed) -> None:
    """A file that was deleted stays in the store's list, but has no text."""
    timed.attach("a.xyz", "a refund")
    id = timed.attach("b.md", "a refund")
    timed.process()
    assert [name for name, _ in timed.found("refund")] == ["b.md"]
    timed.call(f"DELETE /files/{id}")
    assert timed.found("refund") == []


def test_search_passages_have_the_size_of_the_chunking_strategy(timed: Timed) -> None:
    """A token is about four characters. Several passages of one file are several hits, and overlap."""
    words = " ".join(f"refund{n}" for n in range(150))
    timed.attach("small.md", f"refund {words}", chunking_strategy=SMALL)
    timed.attach("auto.md", f"refund {words}")
    timed.process()
    page = timed.found("refund refund1 refund50 refund100 refund140", max_num_results=50)
    small = [text for name, text in page if name == "small.md"]
    assert len(small) > 2
    assert all(100 < len(text) <= 400 for text in small)
    first, second = (text for text in small if "refund50 " in text)
    assert first[-180:] in second or second[-180:] in first
    assert [len(text) for name, text in page if name == "auto.md"] == [len(words) + 7]


def test_search_of_a_file_attached_again_uses_its_new_chunks(timed: Timed) -> None:
    """It is processed again, and its passages of before are gone."""
    id = timed.attach("a.md", "refund " * 100)
    timed.process()
    assert len(timed.found("refund")) == 1
    timed.call("POST /vector_stores/vs_1/files", {"file_id": id, "chunking_strategy": SMALL})
    assert timed.found("refund") == []
    timed.process()
    assert len(timed.found("refund")) == 3


def test_search_limits_the_results_after_filters_and_threshold(timed: Timed) -> None:
    """max_num_results counts what is left; has_more tells that there is more."""
    for number in range(6):
        timed.attach(f"{number}.md", "refund " * (number + 1) + "word " * 20, attributes={"n": number})
    timed.process()
    even = {"type": "in", "key": "n", "value": [0, 2, 4]}
    assert {name for name, _ in timed.found("refund", filters=even)} == {"0.md", "2.md", "4.md"}
    body = {"query": "refund", "filters": even, "max_num_results": 2}
    page = timed.call("POST /vector_stores/vs_1/search", body)
    assert [hit["filename"] for hit in page["data"]] == ["4.md", "2.md"]
    assert page["has_more"]
    scores = [hit["score"] for hit in timed.call("POST /vector_stores/vs_1/search", {"query": "refund"})["data"]]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == 1
    best = timed.found("refund", ranking_options={"score_threshold": scores[2]})
    assert [name for name, _ in best] == ["5.md", "4.md", "3.md"]


def test_search_uses_the_attributes_as_they_are_now(timed: Timed) -> None:
    """An update of the attributes needs no new processing."""
    id = timed.attach("a.md", "refund", attributes={"lang": "en"})
    timed.process()
    german = {"type": "eq", "key": "lang", "value": "de"}
    assert timed.found("refund", filters=german) == []
    timed.call(f"POST /vector_stores/vs_1/files/{id}", {"attributes": {"lang": "de"}})
    assert len(timed.found("refund", filters=german)) == 1


def test_search_rejects_invalid_filters_in_an_empty_store(timed: Timed) -> None:
    """They are checked before anything is searched."""
    body = {"query": "refund", "filters": {"type": "like", "key": "a", "value": "b"}}
    assert timed.status_of("POST /vector_stores/vs_1/search", body) == 400


def test_search_of_stores_is_separate(timed: Timed) -> None:
    """A store that was deleted and made again with its id is empty."""
    timed.attach("a.md", "refund")
    timed.process()
    timed.sandbox.add_store("vs_2")
    assert timed.call("POST /vector_stores/vs_2/search", {"query": "refund"})["data"] == []
    assert len(timed.found("refund")) == 1
    timed.call("DELETE /vector_stores/vs_1")
    timed.sandbox.add_store("vs_1")
    assert timed.found("refund") == []


@pytest.mark.parametrize(
    "text", ["", "one", "word " * 1000, "x" * 5000], ids=["empty", "one word", "words", "no blank"]
)
def test_content_is_the_whole_text(timed: Timed, text: str) -> None:
    """In parts of the passages' size that do not overlap."""
    id = timed.attach("a.md", f"{text}.", chunking_strategy=SMALL)
    page = timed.call(f"GET /vector_stores/vs_1/files/{id}/content")
    parts = [item["text"] for item in page["data"]]
    assert "".join(parts) == f"{text}."
    assert all(len(part) <= 400 for part in parts)
