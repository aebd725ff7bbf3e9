"""Downloads: the column `content`, which is requested only where it is read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.sandbox import Answer, Raw, Status

from ..support.meeting import meeting

Requests = Callable[[], list[str]]

Bodies = Callable[[], list[tuple[str, Any]]]


@pytest.fixture
def many(sandbox: Any) -> list[str]:
    """Twenty files of purpose batch, the newest first, each with its number as its content."""
    for number in range(20):
        sandbox.add_file(f"{number:02}.jsonl", id=f"file-{number:02}", content=b"\xff%d" % number, purpose="batch")
    return [f"file-{number:02}" for number in range(20)]


def contents(taken: list[str]) -> list[str]:
    return [request.removeprefix("GET /files/").removesuffix("/content") for request in taken if "/content" in request]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT content FROM files WHERE purpose = 'batch'",
        "SELECT content FROM files WHERE id IN (SELECT value FROM json_each(:ids))",
        "SELECT content FROM json_each(:ids) AS d JOIN files AS f ON f.id = d.value",
        "SELECT (SELECT content FROM files WHERE file_id = value) FROM json_each(:ids)",
    ],
    ids=["a list", "IN", "a join", "a subquery"],
)
def test_download_of_many_files_is_concurrent(
    connect: Any, sandbox: Any, many: list[str], requests: Requests, sql: str
) -> None:
    """As many as may be under way, each once, as BLOBs."""
    db = connect(max_concurrency=8)
    with meeting(sandbox, 4, path="file-1[0-7]/content"):
        found = {content for (content,) in db.execute(sql, {"ids": json.dumps(many)} if ":ids" in sql else None)}
    assert found == {b"\xff%d" % number for number in range(20)}
    taken = requests()
    assert sorted(contents(taken)) == many
    assert len(taken) == len(set(taken))


@pytest.mark.parametrize(
    ("sql", "needed"),
    [
        ("SELECT content FROM files WHERE purpose = 'batch' LIMIT 1", 1),
        ("SELECT content FROM files WHERE purpose = 'batch' AND filename = '07.jsonl'", 1),
        ("SELECT content FROM files WHERE purpose = 'batch' AND filename LIKE '%5.jsonl'", 2),
        ("SELECT content FROM files WHERE purpose = 'batch' LIMIT 4", 4),
        ("SELECT filename FROM files WHERE purpose = 'batch' AND (filename = '03.jsonl' OR content = x'FF3133')", 19),
        ("SELECT count(*), max(bytes), max(raw) FROM files WHERE purpose = 'batch'", 0),
        ("SELECT content IS NULL, length(content), content FROM files WHERE id = 'file-03'", 1),
        ("SELECT count(content) FROM files WHERE id = 'file-none'", 0),
        ("DELETE FROM files WHERE purpose = 'batch' AND filename = '01.jsonl' AND content = x'FF31'", 1),
        ("DELETE FROM files WHERE purpose = 'batch'", 0),
    ],
)
def test_download_happens_only_where_content_is_read(
    db: apsw.Connection, many: list[str], requests: Requests, sql: str, needed: int
) -> None:
    """Never more than twice what a statement needs."""
    db.execute(sql).fetchall()
    asked = contents(requests())
    assert len(asked) == len(set(asked))
    assert needed <= len(asked) <= 2 * needed


def test_download_is_copied_by_insert(db: apsw.Connection, sandbox: Any, many: list[str], bodies: Bodies) -> None:
    """From row to row, byte by byte."""
    db.execute(
        "INSERT INTO files (filename, content, purpose) "
        "SELECT 'copy.jsonl', content, 'user_data' FROM files WHERE id IN ('file-01', 'file-02')"
    )
    uploaded = [form["file"] for request, form in bodies() if request == "POST /files"]
    assert sorted(uploaded) == [("copy.jsonl", b"\xff1"), ("copy.jsonl", b"\xff2")]


REFUSAL = "Not allowed to download files of purpose: assistants"


@pytest.mark.parametrize("fault", [Status(400, message=REFUSAL), Status(404, message="No such File object: x")])
def test_download_that_is_refused_raises(
    db: apsw.Connection, sandbox: Any, many: list[str], requests: Requests, fault: Any
) -> None:
    """Never NULL: it names the request and has the API's words."""
    sandbox.inject(fault, path="/files/file-03/content")
    with pytest.raises(openai_vtab.APIError, match=fault.message) as caught:
        db.execute("SELECT content FROM files WHERE id = 'file-03'").fetchall()
    assert caught.value.status == fault.status
    assert "/files/file-03/content" in str(caught.value)


def test_download_that_is_refused_is_an_error_row(connect: Any, sandbox: Any, many: list[str]) -> None:
    """With errors='row', the other columns are there, and `error` says why."""
    db = connect(errors="row")
    sandbox.inject(Status(400, message=REFUSAL), path="/files/file-03/content")
    sql = "SELECT filename, content, error ->> 'message' FROM files WHERE id IN ('file-03', 'file-04') ORDER BY id"
    assert db.execute(sql).fetchall() == [("03.jsonl", None, REFUSAL), ("04.jsonl", b"\xff4", None)]
    sandbox.inject(Status(400, message=REFUSAL), path="/files/file-03/content")
    sql = "SELECT content, id FROM files WHERE id IN ('file-03', 'file-04') AND error IS NULL"
    assert db.execute(sql).fetchall() == [(b"\xff4", "file-04")]


def test_download_before_a_file_that_cannot_be_read_is_returned(
    db: apsw.Connection, sandbox: Any, many: list[str]
) -> None:
    """An error among the files that are looked at ahead is raised when it is their turn."""
    sandbox.inject(Status(400, message="No."), path=r"/files/file-03$")
    found = []
    with pytest.raises(openai_vtab.APIError, match="/files/file-03"):
        for (content,) in db.execute(
            "SELECT content FROM files WHERE id IN ('file-01', 'file-02', 'file-03', 'file-04')"
        ):
            found.append(content)
    assert found == [b"\xff1", b"\xff2"]


def test_download_has_the_limits_of_a_response(connect: Any, sandbox: Any) -> None:
    """max_answer_bytes."""
    sandbox.add_file("large.jsonl", id="file-large", content=b"x" * 5000, purpose="batch")
    db = connect(max_answer_bytes=4000)
    with pytest.raises(openai_vtab.APIError, match=r"longer than 4000 bytes \(max_answer_bytes\)"):
        db.execute("SELECT content FROM files WHERE id = 'file-large'").fetchall()
    assert db.execute("SELECT bytes FROM files WHERE id = 'file-large'").get == 5000


def test_download_is_dropped_once_used(
    db: apsw.Connection, many: list[str], requests: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement keeps the latest for the rows of a join that ask again; of the others memory is not filled."""
    sql = "SELECT count(DISTINCT content) FROM json_each('[1, 2, 3]') CROSS JOIN files WHERE file_id IN ('file-01', 'file-02')"
    assert db.execute(sql).get == 2
    assert sorted(contents(requests())) == ["file-01", "file-02"]
    monkeypatch.setattr("openai_vtab.execution.download_cache.DOWNLOAD_CACHE_BYTES", 1)
    assert db.execute(sql).get == 2
    assert len(contents(requests())) > 2


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        (
            Answer(b"partial", 206, {"content-range": "bytes 0-6/82"}),
            r"\(206\) is only a part of the content: 7 bytes of 82",
        ),
        (Answer(b"x" * 82, 206), r"\(206\) is only a part"),
        (Answer(b"", 204), r"\(204\) is only a part of the content: 0 bytes of 82"),
        (
            Raw(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\npartial"),
            r"\(200\) is only a part of the content: 7 bytes of 82",
        ),
    ],
    ids=["206", "206 of all", "204", "closed early"],
)
def test_download_is_complete_or_raises(connect: Any, sandbox: Any, fault: Any, problem: str) -> None:
    """The row says how many bytes there are; with errors='row' the row says what is wrong."""
    sandbox.inject(fault, times=None, path="/content")
    sql = "SELECT content, error ->> 'message' FROM files WHERE id = 'file-demo-01'"
    with pytest.raises(openai_vtab.APIError, match=problem):
        connect().execute(sql).fetchall()
    ((content, message),) = connect(errors="row").execute(sql).fetchall()
    assert content is None
    assert re.search(problem, message)


@pytest.mark.parametrize("size", [None, "82", True, 0, 7])
def test_download_of_a_row_without_a_size(db: apsw.Connection, sandbox: Any, size: Any) -> None:
    """Other servers may lack it."""
    sandbox.inject(Answer(b"partial"), path="/content")
    sandbox.inject(Answer({"id": "file-demo-01", "object": "file", "bytes": size}), path="file-demo-01$")
    assert db.execute("SELECT content FROM files WHERE id = 'file-demo-01'").get == b"partial"
