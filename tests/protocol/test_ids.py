"""Ids from SQL: each is one percent-encoded segment of the path on the wire, whatever it contains, or reaches nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import quote, unquote

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import openai_vtab

from ..support.server import Wire, answer, wire
from ..support.slow import few_and_many

B = "vector_store_file_batches"

IDS = {
    "a plain one": "vs_abc-123",
    "up": "../files",
    "up and up": "../../../v1/files",
    "up at the end": "x/..",
    "up, encoded": "%2e%2e",
    "up, encoded with its slash": "%2e%2e%2ffiles",
    "up, encoded twice": "%252e%252e%252f",
    "up with a backslash": "..\\files",
    "three dots": "...",
    "dots and a space": ".. ",
    "a dot and a semicolon": "..;",
    "a slash": "/",
    "slashes before": "//evil.com/v1",
    "an address": "https://evil.com/",
    "a login": "@evil.com",
    "a colon": ":80",
    "a query": "?x=1",
    "a query in it": "vs_1?limit=1&after=2",
    "a fragment": "#",
    "a fragment in it": "vs_1#x",
    "a parameter": "vs_1;x=1",
    "a percent sign": "%",
    "a percent sign and too little": "%2",
    "NUL": "\0",
    "NUL in it": "vs_1\0.pdf",
    "a line break": "x\r\nHost: evil.com\r\n\r\nDELETE /v1/files/x HTTP/1.1",
    "a line feed": "\n",
    "a space": " ",
    "a new version": "x HTTP/1.1",
    "a tab": "\t",
    "quotes": "'\"`",
    "SQL": "'; DROP TABLE x; --",
    "unicode": "日本語/é\u00a0\u202e\ufeff",
    "full-width dots and slash": "．．／files",
    "an emoji": "😀",
    "the last character": "\U0010ffff",
    "a plus": "a+b c",
    "braces": "{batch_id}",
    "the other's variable": "{vector_store_id}",
    "an asterisk": "*",
    "a tilde": "~root",
    "10,000 characters": "x" * 10_000,
    "10,000 slashes": "/" * 10_000,
}
NO_IDS = {"a dot": ".", "two dots": "..", "nothing": "", "NULL": None, "a BLOB": b"vs_1", "an empty BLOB": b""}

# a statement with one id as ?, and the requests that it sends; {} is the id's segment
READS = {
    "batch by its store": (f"SELECT * FROM {B} WHERE vector_store_id = ? AND batch_id = 'b'", ["GET /vector_stores/{}/file_batches/b"]),
    "batch": (f"SELECT * FROM {B} WHERE vector_store_id = 'vs' AND batch_id = ?", ["GET /vector_stores/vs/file_batches/{}"]),
    "batch, as id": (f"SELECT * FROM {B} WHERE vector_store_id = 'vs' AND id = ?", ["GET /vector_stores/vs/file_batches/{}"]),
    "batch, IN": (
        f"SELECT * FROM {B} WHERE vector_store_id = 'vs' AND batch_id IN (?, 'b')",
        ["GET /vector_stores/vs/file_batches/{}", "GET /vector_stores/vs/file_batches/b"],
    ),
    "batch, in a join": (f"SELECT * FROM (SELECT ? AS k) JOIN {B} ON batch_id = k WHERE vector_store_id = 'vs'", ["GET /vector_stores/vs/file_batches/{}"]),
    "batch, waited for": (
        f"SELECT * FROM {B} WHERE vector_store_id = 'vs' AND batch_id = ? AND wait_seconds = 0",
        ["GET /vector_stores/vs/file_batches/{}"],
    ),
    "batch in a ledger": ("SELECT * FROM mine WHERE vector_store_id = 'vs' AND batch_id = ?", ["GET /vector_stores/vs/file_batches/{}"]),
    "files of a batch": (
        "SELECT * FROM vector_store_file_batch_files WHERE vector_store_id = 'vs' AND batch_id = ?",
        ["GET /vector_stores/vs/file_batches/{}/files?limit=100&order=desc"],
    ),
    "files of a batch by its store": (
        "SELECT * FROM vector_store_file_batch_files WHERE vector_store_id = ? AND batch_id = 'b'",
        ["GET /vector_stores/{}/file_batches/b/files?limit=100&order=desc"],
    ),
    "store": ("SELECT * FROM vector_stores WHERE vector_store_id = ?", ["GET /vector_stores/{}"]),
    "file in a store": ("SELECT * FROM vector_store_files WHERE vector_store_id = 'vs' AND file_id = ?", ["GET /vector_stores/vs/files/{}"]),
    "files of a store": ("SELECT * FROM vector_store_files WHERE vector_store_id = ?", ["GET /vector_stores/{}/files?limit=100&order=desc"]),
    "file": ("SELECT * FROM files WHERE file_id = ?", ["GET /files/{}"]),
    "content": ("SELECT * FROM vector_store_file_content('vs', ?)", ["GET /vector_stores/vs/files/{}/content"]),
    "content by its store": ("SELECT * FROM vector_store_file_content(?, 'f')", ["GET /vector_stores/{}/files/f/content"]),
    "search": ("SELECT * FROM vector_store_search(?, 'q')", ["POST /vector_stores/{}/search"]),
    "cancel": (
        f"UPDATE {B} SET status = 'cancelled' WHERE vector_store_id = 'vs' AND batch_id = ?",
        ["GET /vector_stores/vs/file_batches/{}", "POST /vector_stores/vs/file_batches/{}/cancel"],
    ),
    "cancel by its store": (
        f"UPDATE {B} SET status = 'cancelled' WHERE vector_store_id = ? AND batch_id = 'b'",
        ["GET /vector_stores/{}/file_batches/b", "POST /vector_stores/{}/file_batches/b/cancel"],
    ),
    "rename a store": ("UPDATE vector_stores SET name = 'x' WHERE id = ?", ["GET /vector_stores/{}", "POST /vector_stores/{}"]),
    "delete a store": ("DELETE FROM vector_stores WHERE id = ?", ["GET /vector_stores/{}", "DELETE /vector_stores/{}"]),
    "delete a file": ("DELETE FROM files WHERE id = ?", ["GET /files/{}", "DELETE /files/{}"]),
    "detach": (
        "DELETE FROM vector_store_files WHERE vector_store_id = 'vs' AND file_id = ?",
        ["GET /vector_stores/vs/files/{}", "DELETE /vector_stores/vs/files/{}"],
    ),
    "detach by its store": (
        "DELETE FROM vector_store_files WHERE vector_store_id = ? AND file_id = 'f'",
        ["GET /vector_stores/{}/files/f", "DELETE /vector_stores/{}/files/f"],
    ),
    "attributes": (
        "UPDATE vector_store_files SET attributes = '{{}}' WHERE vector_store_id = 'vs' AND file_id = ?".replace("{{}}", "{}"),
        ["GET /vector_stores/vs/files/{}", "POST /vector_stores/vs/files/{}"],
    ),
}  # fmt: skip
# these refuse what no id of an API looks like, before anything is sent
WRITES = {
    "create a batch": (f"INSERT INTO {B} (vector_store_id, file_ids) VALUES (?, '[\"f\"]')", "POST /vector_stores/{}/file_batches"),
    "create one in a ledger": ("INSERT INTO mine (vector_store_id, file_ids) VALUES (?, '[\"f\"]')", "POST /vector_stores/{}/file_batches"),
    "attach": ("INSERT INTO vector_store_files (vector_store_id, file_id) VALUES (?, 'f')", "POST /vector_stores/{}/files"),
    "adopt": ("INSERT INTO mine (vector_store_id, id) VALUES ('vs', ?)", "GET /vector_stores/vs/file_batches/{}"),
    "adopt by its store": ("INSERT INTO mine (vector_store_id, id) VALUES (?, 'b')", "GET /vector_stores/{}/file_batches/b"),
    "cancel": ("SELECT cancel_vector_store_file_batch('vs', ?)", "POST /vector_stores/vs/file_batches/{}/cancel"),
    "cancel by its store": ("SELECT cancel_vector_store_file_batch(?, 'b')", "POST /vector_stores/{}/file_batches/b/cancel"),
}  # fmt: skip

Lines = Callable[[], list[str]]


def respond(head: bytes) -> bytes:
    """Whatever is asked for is there; lists are empty."""
    method, path = head.split(b"\r\n")[0].decode("latin-1").split(" ")[:2]
    segments = path.removesuffix("/cancel").split("/")
    id = {"file_batches": "vsfb_new", "files": "f"}.get(segments[-1], unquote(segments[-1]))
    return answer({"id": id, "status": "in_progress", "data": [], "has_more": False, "deleted": method == "DELETE"})


@pytest.fixture(scope="module")
def server() -> Iterator[Wire]:
    """That keeps what came."""
    with wire(respond) as running:
        yield running


@pytest.fixture
def db(server: Wire) -> Iterator[apsw.Connection]:
    """A connection to it, with a ledger."""
    connection = openai_vtab.connect(base_url=server.url(), api_key="k", max_retries=0)
    connection.execute(f"CREATE VIRTUAL TABLE mine USING {B}")
    server.heads.clear()
    yield connection
    connection.close(True)


@pytest.fixture
def lines(server: Wire) -> Lines:
    """The requests' first lines since the last call, in order."""

    def take() -> list[str]:
        taken = server.lines
        server.heads.clear()
        return sorted(taken)

    return take


def on_the_wire(id: str, *requests: str) -> list[str]:
    """The first lines of these requests, with the id as one segment."""
    found = [request.split(" ", 1) for request in requests]
    return sorted(f"{method} /v1{path.replace('{}', quote(id, safe=''))} HTTP/1.1" for method, path in found)


@pytest.mark.sample(8)
@pytest.mark.parametrize("name", READS)
def test_path_has_the_id_as_one_segment(db: apsw.Connection, lines: Lines, name: str) -> None:
    """For every verb that reads its rows first, and every id."""
    sql, requests = READS[name]
    for id in IDS.values():
        if "in a ledger" in name or "mine" in sql:
            db.execute("DELETE FROM mine")
        db.execute(sql, (id,)).fetchall()
        assert lines() == on_the_wire(id, *requests)


@pytest.mark.parametrize("name", READS)
def test_path_for_what_cannot_be_an_id_is_never_requested(db: apsw.Connection, lines: Lines, name: str) -> None:
    """ "." and ".." would be gone from the path before it arrives, an empty one is no segment; no request is sent for it."""
    sql, requests = READS[name]
    for id in NO_IDS.values():
        rows = db.execute(sql, (id,)).fetchall()
        assert lines() == (on_the_wire("", requests[1]) if "IN (" in sql else [])
        assert len(rows) == ("IN (" in sql)


@pytest.mark.parametrize("name", WRITES)
def test_path_of_a_write_has_the_id_or_is_refused(db: apsw.Connection, lines: Lines, name: str) -> None:
    """White space, control characters and what is no id are refused by name; the rest is one segment."""
    sql, request = WRITES[name]
    for id in [*IDS.values(), *NO_IDS.values()]:
        db.execute("DELETE FROM mine")
        odd = not isinstance(id, str) or id in NO_IDS.values() or not id.isprintable() or re.search(r"\s", id)
        if id is None:  # a function of NULL is NULL; a row without it lacks it
            if "INSERT" in sql:
                with pytest.raises(openai_vtab.RowError, match=r"is missing|comes from the API and cannot be inserted"):
                    db.execute(sql, (id,))
            else:
                assert db.execute(sql, (id,)).get is None
            assert lines() == []
        elif odd:
            with pytest.raises(
                openai_vtab.RowError, match=r"is not an id; write|white space or control characters; write"
            ):
                db.execute(sql, (id,)).fetchall()
            assert lines() == []
        else:
            db.execute(sql, (id,)).fetchall()
            assert lines() == on_the_wire(id, request)


@pytest.mark.parametrize("examples", few_and_many(5, 150))
def test_path_of_any_text(db: apsw.Connection, lines: Lines, examples: int) -> None:
    """Read, cancelled, and given to the function."""

    @settings(max_examples=examples, deadline=None)
    @given(
        id=st.text(st.characters(codec="utf-8"), min_size=1, max_size=30) | st.text("./\\%2efF?#;&= \r\n", min_size=1)
    )
    def run(id: str) -> None:
        read, cancel = READS["batch"], READS["cancel"]
        for sql, requests in (read, cancel):
            db.execute(sql, (id,)).fetchall()
            assert lines() == ([] if id in (".", "..") else on_the_wire(id, *requests))
        sql, request = WRITES["cancel"]
        try:
            db.execute(sql, (id,)).fetchall()
            assert lines() == on_the_wire(id, request)
        except openai_vtab.RowError:
            assert lines() == []

    run()


@pytest.mark.sample(24)
@pytest.mark.parametrize(
    "text", ["x'eda080'", "x'ff'", "x'c0ae'", "x'2e2e2fc0af'"], ids=["surrogate", "byte", "long dot", "long slash"]
)
@pytest.mark.parametrize("name", [*READS, *WRITES])
def test_path_of_text_that_is_not_utf_8(db: apsw.Connection, lines: Lines, name: str, text: str) -> None:
    """A lone surrogate, an overlong dot: an error, and no request."""
    sql = READS[name][0] if name in READS else WRITES[name][0]
    with pytest.raises((UnicodeDecodeError, openai_vtab.Error)):
        db.execute(sql.replace("?", f"CAST({text} AS TEXT)")).fetchall()
    assert not any(quote(bytes.fromhex(text[2:-1]), safe="") in line or ".." in line for line in lines())


@pytest.mark.parametrize("id", ["..", ".", "", "../files", "x?y", "a\r\nb", "\ud800"])
@pytest.mark.parametrize(
    ("sql", "request_"),
    [
        ("DELETE FROM vector_stores WHERE true", "DELETE /vector_stores/{}"),
        ("DELETE FROM vector_store_files WHERE vector_store_id = 'vs'", "DELETE /vector_stores/vs/files/{}"),
        ("UPDATE vector_stores SET name = 'x' WHERE true", "POST /vector_stores/{}"),
        ("SELECT * FROM vector_store_files WHERE vector_store_id = 'vs' AND wait_seconds = 0", "GET /vector_stores/vs/files/{}"),
        ("SELECT * FROM files AS f JOIN vector_store_files USING (file_id) WHERE vector_store_id = 'vs'", "GET /vector_stores/vs/files/{}"),
    ],
)  # fmt: skip
def test_path_of_an_id_that_a_server_gives(id: str, sql: str, request_: str) -> None:
    """In a list: as strange as it may be, what is done to the row reaches it and nothing else."""

    def give(head: bytes) -> bytes:
        listed = {"data": [{"id": id, "status": "in_progress"}], "has_more": False}
        return answer(listed if head.startswith(b"GET") and b"?" in head.split(b" HTTP")[0] else {"id": id})

    with wire(give) as server:
        db = openai_vtab.connect(base_url=server.url(), api_key="k", max_retries=0)
        if not id:  # then the list itself makes no sense
            with pytest.raises(openai_vtab.APIError, match="an object of the list has no id"):
                db.execute(sql).fetchall()
        elif id in (".", "..") and "JOIN" in sql:  # SQL's own key by then, which matches nothing
            assert db.execute(sql).fetchall() == []
        elif id in (".", ".."):
            with pytest.raises(openai_vtab.DataError, match="is not an id: it cannot be a segment of an address"):
                db.execute(sql).fetchall()
        else:
            with suppress(openai_vtab.APIError):  # SQL has a lone surrogate as "?", which is not what was listed
                db.execute(sql).fetchall()
        sent = [line for line in server.lines if "?limit=" not in line]
        method, path = request_.split(" ")
        names = {id, id.encode("utf-8", "replace").decode()}
        texts = {quote(name.encode("utf-8", "surrogatepass"), safe="") for name in names}
        assert set(sent) <= {f"{method} /v1{path.replace('{}', text)} HTTP/1.1" for text in texts}
        assert bool(sent) is (id not in ("", ".", ".."))
        db.close()


def test_path_is_the_same_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the whole address is sent, and others would put the path in order."""
    with wire(respond) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url(path=""))
        db = openai_vtab.connect(base_url="http://api.example.invalid/v1", api_key="k", allow_http=True, max_retries=0)
        sql, requests = READS["delete a file"]
        for id in IDS.values():
            proxy.heads.clear()
            db.execute(sql, (id,)).fetchall()
            wanted = [line.replace(" /v1", " http://api.example.invalid/v1") for line in on_the_wire(id, *requests)]
            assert sorted(proxy.lines) == wanted
        db.close()


def test_path_of_a_bad_id_leaves_nothing_behind(db: apsw.Connection, server: Wire, tmp_path: Any) -> None:
    """A million characters arrive, too; they are not kept for ever by what remembers how ids are written."""
    from openai_vtab.protocol.requests import MAX_CACHED, _quoted_once

    before = _quoted_once.cache_info().currsize
    for length in (MAX_CACHED + 1, 1_000_000):
        server.heads.clear()
        db.execute(READS["batch"][0], ("y" * length,)).fetchall()
        assert server.lines == on_the_wire("y" * length, *READS["batch"][1])
    assert _quoted_once.cache_info().currsize <= before + 1  # the store's
