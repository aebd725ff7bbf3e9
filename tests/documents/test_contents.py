"""The content of documents: SHA-256, the file's name, and when a file is read again."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path

import pytest

from openai_vtab.documents import contents
from openai_vtab.documents.contents import Content, Contents
from openai_vtab.documents.rows import Document, StoredFile
from openai_vtab.documents.states import State
from openai_vtab.schema.values import InvalidValue, Limits, SQLiteValue

LONG_AGO = 10**18  # nanoseconds: 2001


def file_of(content: Content, id: int = 1) -> StoredFile:
    no = dict.fromkeys(
        ("file_id", "attributes", "chunking", "batch_id", "created_at", "attached_at", "answer", "intent")
    )
    of_content = {"sha256": content.sha256, "bytes": content.bytes, "filename": content.filename}
    return StoredFile(id=id, document=1, owned=1, state=State.WANTED, version=0, **of_content, **no)  # type: ignore[arg-type]


def document_of(content: Content) -> Document:
    return Document(1, "a", "{}", None, content.sha256, content.bytes, content.filename, content.stamp)


@pytest.mark.parametrize(
    ("value", "data"), [("text", b"text"), ("größer", "größer".encode()), (b"\x00\xff", b"\x00\xff")]
)
def test_content_given_as_a_value(value: SQLiteValue, data: bytes) -> None:
    """Text is UTF-8."""
    content = contents.of_value(value, "a.md", Limits())
    assert (content.sha256, content.bytes, content.stamp) == (hashlib.sha256(data).hexdigest(), len(data), None)
    assert (content.upload.filename, content.upload.content) == ("a.md", data)


@pytest.mark.parametrize(
    ("key", "filename"),
    [
        ("a.md", "a.md"),
        ("docs/a.md", "a.md"),
        ("docs\\a.md", "a.md"),
        ("https://example.com/terms/refunds.html", "refunds.html"),
        ("docs/", "docs"),
        ("a\tb\n.md", "a_b_.md"),
        ('a%22"b.md', 'a_"b.md'),
        ("/", "document"),
        (" ", "document"),
    ],
)
def test_filename_of_a_key(key: str, filename: str) -> None:
    """The last part, without characters that the API's form cannot carry."""
    assert contents.filename_of(key) == filename
    assert contents.of_value(b"x", key, Limits()).filename == filename


@pytest.mark.parametrize(
    ("key", "filename"), [("17", "17.txt"), ("a/b", "b.txt"), ("/", "document.txt"), ("b.md", "b.md")]
)
def test_filename_of_text_has_a_type(key: str, filename: str) -> None:
    """The API refuses a file whose name has no extension."""
    assert contents.of_value("text", key, Limits()).filename == filename


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "the content is empty; write at least one byte"),
        (b"", "the content is empty; write at least one byte"),
        (1, "1 is not content; write a BLOB or text, for instance readfile('returns.md')"),
        (None, "NULL is not content; write a BLOB or text, for instance readfile('returns.md')"),
    ],
)
def test_content_that_cannot_be_sent(value: SQLiteValue, message: str) -> None:
    """Found before anything is sent."""
    with pytest.raises(InvalidValue) as refused:
        contents.of_value(value, "a.md", Limits())
    assert str(refused.value) == message


def test_path_has_the_files_name_and_a_stamp(tmp_path: Path) -> None:
    """The stamp has size, mtime, inode and the time of the look."""
    (tmp_path / "docs").mkdir()
    path = tmp_path / "docs" / "a.md"
    path.write_bytes(b"some text")
    before = time.time_ns()
    content = contents.of_path("docs/a.md", Limits(upload_root=tmp_path))
    assert (content.sha256, content.bytes) == (hashlib.sha256(b"some text").hexdigest(), 9)
    assert content.filename == content.upload.filename == "a.md"
    *identity, looked_at = json.loads(content.stamp or "")
    status = path.stat()
    assert identity == [9, status.st_mtime_ns, status.st_ino]
    assert before <= looked_at <= time.time_ns()


def test_path_that_has_not_changed_is_not_read_again(tmp_path: Path) -> None:
    """Size, mtime and inode are the same, and the mtime was more than 2 s old when it was read."""
    path, limits = tmp_path / "a.md", Limits(upload_root=tmp_path)
    path.write_text("some text")
    os.utime(path, ns=(LONG_AGO, LONG_AGO))
    known = document_of(contents.of_path("a.md", limits))
    assert contents.is_unchanged("a.md", limits, known)
    path.write_text("SOME TEXT")
    assert not contents.is_unchanged("a.md", limits, known)
    os.utime(path, ns=(LONG_AGO, LONG_AGO))
    assert contents.is_unchanged("a.md", limits, known)  # nothing tells it
    os.utime(path, ns=(LONG_AGO, LONG_AGO + 1))
    assert not contents.is_unchanged("a.md", limits, known)
    path.write_text("longer than it was")
    os.utime(path, ns=(LONG_AGO, LONG_AGO))
    assert not contents.is_unchanged("a.md", limits, known)
    path.unlink()
    assert not contents.is_unchanged("a.md", limits, known)


def test_path_of_another_inode_is_read_again(tmp_path: Path) -> None:
    """An editor that writes a new file and renames it keeps size and mtime perhaps, but not the inode."""
    limits = Limits(upload_root=tmp_path)
    for name in ("a.md", "b.md"):
        (tmp_path / name).write_text(name)
        os.utime(tmp_path / name, ns=(LONG_AGO, LONG_AGO))
    known = document_of(contents.of_path("a.md", limits))
    (tmp_path / "b.md").replace(tmp_path / "a.md")
    assert not contents.is_unchanged("a.md", limits, known)


@pytest.mark.parametrize(("age", "unchanged"), [(10**9, False), (2 * 10**9, False), (2 * 10**9 + 1, True)])
def test_path_that_changed_shortly_before_the_look_is_read_again(tmp_path: Path, age: int, unchanged: bool) -> None:
    """Two changes within the resolution of the file system's clock have one mtime."""
    (tmp_path / "a.md").write_text("some text")
    limits = Limits(upload_root=tmp_path)
    known = document_of(contents.of_path("a.md", limits))
    *identity, _ = json.loads(known.stamp or "")
    known = known._replace(stamp=json.dumps([*identity, identity[1] + age]))
    assert contents.is_unchanged("a.md", limits, known) is unchanged


def test_path_without_a_stamp_is_read(tmp_path: Path) -> None:
    """A document that was written as content, another name, no upload_root, or what is no path."""
    (tmp_path / "a.md").write_text("some text")
    (tmp_path / "b.md").symlink_to(tmp_path / "a.md")
    limits = Limits(upload_root=tmp_path)
    os.utime(tmp_path / "a.md", ns=(LONG_AGO, LONG_AGO))
    known = document_of(contents.of_path("a.md", limits))
    assert contents.is_unchanged("a.md", limits, known)
    assert not contents.is_unchanged("a.md", limits, known._replace(stamp=None))
    assert not contents.is_unchanged("b.md", limits, known)
    assert not contents.is_unchanged("a.md", Limits(), known)
    assert not contents.is_unchanged(1, limits, known)
    assert not contents.is_unchanged("\0/a.md", limits, known)


def test_path_of_an_empty_file(tmp_path: Path) -> None:
    """Found before anything is sent."""
    (tmp_path / "a.md").touch()
    with pytest.raises(InvalidValue, match=r"^'a.md' has 0 bytes; write the path of a file of 1 to 536870912 bytes "):
        contents.of_path("a.md", Limits(upload_root=tmp_path))


def test_contents_are_found_by_what_they_are() -> None:
    """Not by the row, whose id may be that of another file after ROLLBACK TO."""
    kept = Contents()
    first, second = (contents.of_value(text, "a.md", Limits()) for text in ("first", "second"))
    kept.keep(first)
    kept.keep(first)
    kept.keep(second)
    for content, data in ((first, b"first"), (second, b"second")):
        upload = kept.of(file_of(content))
        assert upload is not None
        assert (upload.filename, upload.content) == ("a.md", data)
    kept.clear()
    assert kept.of(file_of(first)) is None
