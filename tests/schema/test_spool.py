"""The spool: what stays in memory, what goes to the file, and that many threads read it at once."""

from __future__ import annotations

import tempfile
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest

import openai_vtab
from openai_vtab.schema.spool import MEMORY, Spool, Spooled


def whole(kept: bytes | Spooled, size: int = 7) -> bytes:
    return kept if isinstance(kept, bytes) else b"".join(kept.chunks(size))


def test_spool_keeps_contents_in_memory_up_to_a_bound() -> None:
    """In all, not each: 64 MB unless given."""
    assert MEMORY == 64 * 1024 * 1024
    spool = Spool(memory=10)
    contents = [b"12345", b"", b"123456", b"12345", b"x", b"\0\xff" * 500]
    kept = [spool.keep(content) for content in contents]
    assert [isinstance(each, bytes) for each in kept] == [True, True, False, True, False, False]
    assert [whole(each) for each in kept] == contents
    assert [len(each) for each in kept] == [len(content) for content in contents]
    assert repr(kept[2]) == "<6 bytes in a temporary file>"
    spool.close()


def test_spool_makes_no_file_before_it_needs_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """And says which folder cannot be written to."""
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    spool = Spool(memory=3)
    assert spool.keep(b"abc") == b"abc"
    with pytest.raises(openai_vtab.OperationalError) as caught:
        spool.keep(b"abcd")
    assert str(caught.value) == (
        "4 bytes of content cannot be written to a temporary file in /nowhere: No such file or directory; set TMPDIR to a "
        "folder with more space, or commit more often"
    )
    spool.close()


def test_spool_is_read_by_many_threads_while_it_grows() -> None:
    """Each its own content, from the beginning."""
    spool = Spool(memory=0)
    contents = [bytes([number]) * (10_000 + number) for number in range(40)]
    with ThreadPoolExecutor(8) as threads:
        read = [threads.submit(whole, spool.keep(content), 333) for content in contents for _ in range(2)]
        assert [each.result() for each in read] == [content for content in contents for _ in range(2)]
    spool.close()


def test_spool_does_not_hold_the_file_in_memory() -> None:
    """Neither when it is written nor when it is read."""
    spool, content = Spool(memory=0), b"x" * 8_000_000
    tracemalloc.start()
    try:
        kept = spool.keep(content)
        assert isinstance(kept, Spooled)
        assert sum(map(len, kept.chunks(100_000))) == 8_000_000
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    spool.close()


def test_spool_that_is_closed_raises() -> None:
    """Its contents are gone; closing it again does nothing."""
    spool = Spool(memory=0)
    kept = spool.keep(b"abc")
    spool.close()
    spool.close()
    with pytest.raises(OSError, match="the spool is closed"):
        whole(kept)
