"""vector_store_file_content: the text of a file, part by part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.sandbox import Answer

from ..support.meeting import meeting
from ..support.recording import FILES, STORE, Place

Requests = Callable[[], list[str]]
Sent = Callable[[Any], list[tuple[str, Any]]]
T = "vector_store_file_content"
PATH = "/vector_stores/vs_demo/files/file-demo-01/content"
FILE_1 = next(iter(FILES))


@pytest.mark.vcr
@pytest.mark.capability("files of a vector store: their parsed text")
def test_select_returns_the_text_of_a_file(
    replayed: apsw.Connection, place: Place, cassette: Any, sent: Sent, pause: Callable[[], None]
) -> None:
    """Attach, wait, read: one GET."""
    store, file = place.real(STORE), place.real(FILE_1)
    replayed.execute("INSERT INTO vector_store_files (vector_store_id, file_id) VALUES (?, ?)", (store, file))
    while (
        replayed.execute("SELECT status FROM vector_store_files WHERE rowid = last_insert_rowid()").get == "in_progress"
    ):
        pause()
    rows = replayed.execute(
        f"SELECT part, type, text, vector_store_id, file_id FROM {T}(?, ?)", (store, file)
    ).fetchall()
    assert [(row[0], row[1], *row[3:]) for row in rows] == [(n, "text", store, file) for n in range(len(rows))]
    assert any("text" in row[2] or "words" in row[2] for row in rows)
    assert sent(cassette)[-1] == (f"GET /vector_stores/{STORE}/files/{FILE_1}/content", None)


@pytest.mark.parametrize(
    "source", [f"{T}('vs_demo', 'file-long')", f"{T} WHERE file_id = 'file-long' AND vector_store_id = 'vs_demo'"]
)
def test_pagination_of_a_long_text_is_complete(
    db: apsw.Connection, sandbox: Any, requests: Requests, source: str
) -> None:
    """As a table and as a function; the parts are numbered, and nothing is lost between them."""
    text = " ".join(f"wörd{n}" for n in range(2000)) + "\n\n" + "x" * 5000
    sandbox.add_file("long.md", text.encode(), "file-long")
    sandbox.add_batch("vs_demo", ["file-long"], processing_seconds=0)
    rows = db.execute(f"SELECT part, type, text FROM {source}").fetchall()
    assert len(rows) > 5
    assert [part for part, _, _ in rows] == list(range(len(rows)))
    assert {kind for _, kind, _ in rows} == {"text"}
    assert "".join(text for _, _, text in rows) == text
    assert db.execute(f"SELECT group_concat(text, '' ORDER BY part) FROM {source}").get == text
    assert requests() == ["GET /vector_stores/vs_demo/files/file-long/content"] * 2


@pytest.mark.parametrize(
    "answer",
    [
        {"object": "vector_store.file_content.page", "data": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "has_more": False, "next_page": None},
        {"file_id": "file-demo-01", "filename": "x", "attributes": {}, "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
    ],
    ids=["as described", "as in the description's example"],
)  # fmt: skip
def test_response_in_both_shapes(db: apsw.Connection, sandbox: Any, answer: Any) -> None:
    """The API's own description shows two."""
    sandbox.inject(Answer(answer))
    assert db.execute(f"SELECT part, type, text FROM {T}('vs_demo', 'file-demo-01')").fetchall() == [
        (0, "text", "a"),
        (1, "text", "b"),
    ]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ({"data": [{"text": "a"}], "has_more": True, "next_page": "x"}, "the response is not complete, and the API has no way to ask for the rest"),
        ({"data": None}, "no list of objects"),
        ({"data": ["a"]}, "no list of objects"),
        ({"object": "vector_store.file_content.page"}, "no list of objects"),
        ({"content": "text"}, "no list of objects"),
    ],
)  # fmt: skip
def test_pagination_is_complete_or_raises(db: apsw.Connection, sandbox: Any, answer: Any, problem: str) -> None:
    """A second page cannot be asked for."""
    sandbox.inject(Answer(answer))
    with pytest.raises(openai_vtab.APIError, match=problem):
        db.execute(f"SELECT * FROM {T}('vs_demo', 'file-demo-01')").fetchall()


def test_parts_of_another_kind(db: apsw.Connection, sandbox: Any) -> None:
    """They are rows, with all of it in raw."""
    sandbox.inject(
        Answer({"data": [{"type": "image", "url": "u"}, {"type": "text", "text": None}, {}], "has_more": False})
    )
    sql = f"SELECT part, type, text, raw ->> 'url' FROM {T}('vs_demo', 'file-demo-01')"
    assert db.execute(sql).fetchall() == [(0, "image", None, "u"), (1, "text", None, None), (2, None, None, None)]


def test_absent_file_raises(db: apsw.Connection) -> None:
    """A text that was not found is not an empty text."""
    with pytest.raises(openai_vtab.APIError, match="answered 404"):
        db.execute(f"SELECT * FROM {T}('vs_demo', 'file-none')").fetchall()


def test_prefetch_reads_the_texts_of_a_store_concurrently(connect: Any, sandbox: Any, requests: Requests) -> None:
    """Joined with its list, and by IN; each text once."""
    db = connect(max_concurrency=8)
    ids = [sandbox.add_file(f"{n}.md", f"text {n}".encode(), f"file-t{n:02}") for n in range(24)]
    sandbox.add_store("vs_t")
    sandbox.add_batch("vs_t", ids, processing_seconds=0)
    sandbox.reset_counters()
    sql = (
        f"SELECT f.id, c.text FROM vector_store_files AS f JOIN {T} AS c ON c.vector_store_id = f.vector_store_id "
        "AND c.file_id = f.id WHERE f.vector_store_id = 'vs_t' ORDER BY f.id"
    )
    with meeting(sandbox, 6, path="file-t1./content"):
        assert db.execute(sql).fetchall() == [(id, f"text {n}") for n, id in enumerate(ids)]
    assert len(requests()) == 25
    sandbox.reset_counters()
    marks = ", ".join("?" * 24)
    sql = f"SELECT text FROM {T} WHERE vector_store_id = 'vs_t' AND file_id IN ({marks})"
    with meeting(sandbox, 8, path="file-t[12]"):  # if SQLite gives the values one by one, after ten of them
        assert len(db.execute(sql, ids).fetchall()) == 24
    assert sandbox.max_in_flight == 8


def test_rowids_differ(db: apsw.Connection, sandbox: Any) -> None:
    """In an OR, too: a part of a file is one row."""
    sandbox.add_file("long.md", b"word " * 2400, "file-long")
    sandbox.add_batch("vs_demo", ["file-long"], processing_seconds=0)
    where = (
        "vector_store_id = 'vs_demo' AND (file_id = 'file-long' OR file_id = 'file-demo-01' OR file_id = 'file-long')"
    )
    rows = db.execute(f"SELECT rowid, file_id, part FROM {T} WHERE {where}").fetchall()
    assert len({row[0] for row in rows}) == len({row[1:] for row in rows}) == len(rows) == 5


@pytest.mark.parametrize(
    "sql",
    [
        f"INSERT INTO {T} (text) VALUES ('x')",
        f"DELETE FROM {T} WHERE vector_store_id = 'vs_demo' AND file_id = 'file-demo-01'",
        f"UPDATE {T} SET text = 'x' WHERE vector_store_id = 'vs_demo' AND file_id = 'file-demo-01'",
    ],
)
def test_writes_are_refused(db: apsw.Connection, sql: str) -> None:
    """And says so."""
    with pytest.raises(openai_vtab.UnsupportedWriteError, match=f"{T}: the API has no way to {sql[:6]}"):
        db.execute(sql)


def test_missing_keys_are_named(db: apsw.Connection, requests: Requests) -> None:
    """Both are needed."""
    with pytest.raises(openai_vtab.MissingColumnsError, match=f"{T} needs vector_store_id = … AND file_id = …"):
        db.execute(f"SELECT * FROM {T} WHERE vector_store_id = 'vs_demo'").fetchall()
    assert requests() == []
