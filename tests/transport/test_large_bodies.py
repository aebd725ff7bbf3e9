"""Large bodies: they wait on the disk, and come back as they were."""

from __future__ import annotations

import gc
import io
import tempfile
import tracemalloc
from typing import Any

import pytest

from openai_vtab.protocol import Response
from openai_vtab.sandbox import Cut
from openai_vtab.transport.large_bodies import LARGE, LargeBody, ReceivedBody
from openai_vtab.transport.redaction import KnownKey, redact_response

from ..support.waiting import until

CONTENT = b"0123456789" * (LARGE // 10 + 1)
COUNT = 6
KEY = "sk-proj-0123456789"


def in_pieces(body: ReceivedBody, content: bytes) -> None:
    for begin in range(0, len(content), 300_000):
        body.add(content[begin : begin + 300_000])


def stored() -> list[LargeBody]:
    return [each for each in gc.get_objects() if type(each) is LargeBody]


@pytest.fixture
def many(sandbox: Any) -> list[bytes]:
    """Contents above LARGE, each of a file that has its number."""
    contents = [CONTENT + b"%d" % number for number in range(COUNT)]
    for number, content in enumerate(contents):
        sandbox.add_file(f"{number}.jsonl", id=f"file-{number}", content=content, purpose="batch")
    return contents


@pytest.mark.parametrize(("size", "is_stored"), [(0, False), (LARGE, False), (LARGE + 1, True)])
def test_memory_bodies_above_the_bound_are_stored(size: int, is_stored: bool) -> None:
    with ReceivedBody(stores=True) as body:
        in_pieces(body, CONTENT[:size])
        kept = body.keep()
    assert len(kept) == size
    assert isinstance(kept, LargeBody) == is_stored
    if isinstance(kept, LargeBody):
        assert kept.read() == kept.read() == CONTENT[:size]
        kept.close()
    else:
        assert kept == CONTENT[:size]


def test_memory_bodies_that_must_not_be_stored() -> None:
    with ReceivedBody(stores=False) as body:
        in_pieces(body, CONTENT)
        assert body.keep() == CONTENT


@pytest.mark.parametrize(("expected", "most"), [(LARGE + 1, 20_000), (LARGE, LARGE + 20_000)])
def test_memory_of_a_body_that_is_announced(expected: int, most: int) -> None:
    """One that will be large is written from its first byte on."""
    piece = b"x" * 10_000
    tracemalloc.start()
    try:
        with ReceivedBody(stores=True, expected=expected) as body:
            for _ in range(LARGE // len(piece)):
                body.add(bytes(bytearray(piece)))
            held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert most - LARGE < held < most


class FullDisk(io.FileIO):
    """A file on a disk that has room for some bytes."""

    def __init__(self, room: int) -> None:
        with tempfile.NamedTemporaryFile(delete=False) as named:
            super().__init__(named.name, "r+b")
        self.room = room

    def write(self, data: Any) -> int:
        """Write a part of what is given, then nothing."""
        if not self.room:
            raise OSError(28, "No space left on device")
        written = super().write(data[: self.room])
        self.room -= written
        return written


@pytest.mark.parametrize("expected", [0, 2 * len(CONTENT)])
@pytest.mark.parametrize("room", [0, 100, LARGE + 100])
def test_memory_of_a_full_disk(monkeypatch: pytest.MonkeyPatch, room: int, expected: int) -> None:
    """The body is in memory then."""
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda buffering: FullDisk(room))
    with ReceivedBody(stores=True, expected=expected) as body:
        in_pieces(body, CONTENT * 2)
        assert body.keep() == CONTENT * 2


def test_memory_without_a_folder_for_temporary_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    with ReceivedBody(stores=True) as body:
        in_pieces(body, CONTENT)
        assert body.keep() == CONTENT


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT content FROM files WHERE purpose = 'batch'",
        "SELECT content FROM files WHERE file_id IN (SELECT 'file-' || value FROM json_each('[0,1,2,3,4,5]'))",
        "SELECT content FROM json_each('[0,1,2,3,4,5]') AS n CROSS JOIN files AS f ON f.file_id = 'file-' || n.value",
    ],
    ids=["list", "IN", "join"],
)
def test_memory_of_large_contents(connect: Any, many: list[bytes], sql: str) -> None:
    """Those that wait are in files. Nothing is left of them after the statement."""
    found = []
    for (content,) in connect().execute(sql):
        found.append(content)
        if len(found) == 3:
            until(stored)
    assert sorted(found) == many
    assert not stored()


def test_memory_of_a_statement_that_ends_early(connect: Any, sandbox: Any, many: list[bytes]) -> None:
    """The files of responses that come after its end are closed. An open one would raise ResourceWarning."""
    db = connect()
    rows = db.execute("SELECT content FROM files WHERE purpose = 'batch'")
    assert [next(rows)[0] for _ in range(3)] == many[:-4:-1]
    sandbox.latency = 0.2
    rows.close()
    db.close()
    gc.collect()


def test_truncated_large_body_is_requested_again(connect: Any, sandbox: Any, many: list[bytes]) -> None:
    sandbox.inject(Cut("body"), path="/files/file-1/content")
    rows = connect().execute("SELECT content FROM files WHERE file_id = 'file-1'").fetchall()
    assert rows == [(many[1],)]


@pytest.mark.parametrize("keys", [(KnownKey(KEY),), (KnownKey("another-key-0123"), KnownKey(KEY))])
def test_redaction_of_a_large_body(keys: tuple[KnownKey, ...]) -> None:
    with ReceivedBody(stores=True) as body:
        in_pieces(body, CONTENT + KEY.encode())
        received = body.keep()
    redacted = redact_response(Response(200, {}, received, ""), keys)
    assert isinstance(received, LargeBody)
    assert redacted.body == CONTENT + b"[key]"
    assert KEY not in repr(redacted)
    redacted.content.close()  # type: ignore[union-attr]
